"""Is the clock synchronised, as the kernel says; and the clock since boot."""

import ctypes
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from edgeae.runtime.system.clock import AdjustableClock, now, synced


def kernel(state: int) -> AdjustableClock:
    return cast(AdjustableClock, SimpleNamespace(adjtimex=lambda _: state))


@pytest.mark.parametrize(("state", "expected"), [(0, True), (1, True), (4, True), (5, False)])
def test_the_kernel_is_believed(state: int, expected: bool, tmp_path: Path) -> None:
    (tmp_path / "synchronized").touch()
    assert synced(kernel(state), tmp_path / "synchronized") is expected


@pytest.mark.parametrize("library", [kernel(-1), SimpleNamespace()])
def test_where_the_kernel_does_not_answer_the_file_of_timesyncd_does(
    library: AdjustableClock, tmp_path: Path
) -> None:
    assert synced(library, tmp_path / "synchronized") is None
    (tmp_path / "synchronized").touch()
    assert synced(library, tmp_path / "synchronized") is True


def test_this_kernel_answers_and_is_only_asked(tmp_path: Path) -> None:
    buffer = ctypes.create_string_buffer(512)
    state = ctypes.CDLL(None).adjtimex(buffer)
    assert buffer.raw[:4] == bytes(4)  # modes: nothing was set
    assert buffer.raw[256:] == bytes(256)  # and the kernel wrote no further than struct timex
    assert synced(flag=tmp_path / "none") is (None if state < 0 else state != 5)


def test_asking_needs_no_numpy() -> None:
    program = (
        "import sys; from edgeae.runtime.system.clock import synced; "
        "synced(); sys.exit('numpy' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_the_clock_since_boot_never_goes_back() -> None:
    first = now()
    assert 0 < first <= now()
