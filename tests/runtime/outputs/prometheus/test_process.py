"""The resources of this process, compared with what the standard library says about it."""

import os
import resource
import time
from pathlib import Path

from edgeae.runtime.outputs.prometheus.process import PROC, process_families


def value(name: str, proc: Path = PROC) -> float:
    """The one sample of a family."""
    (family,) = [family for family in process_families(proc) if family.name == name]
    ((labels, number),) = family.samples
    assert labels == {}
    return number


def test_memory_is_that_of_this_process_in_bytes() -> None:
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    assert most / 10 < value("process_resident_memory_bytes") <= 1.1 * most


def test_cpu_time_grows_with_work() -> None:
    before = value("process_cpu_seconds_total")
    end = time.process_time() + 0.05
    while time.process_time() < end:
        pass
    assert value("process_cpu_seconds_total") >= before + 0.05


def test_an_open_file_is_counted() -> None:
    before = value("process_open_fds")
    with Path(os.devnull).open():
        assert value("process_open_fds") == before + 1


def test_the_start_is_counted_from_the_boot_whatever_the_name_of_the_process(
    tmp_path: Path,
) -> None:
    ticks = 5 * os.sysconf("SC_CLK_TCK")
    (tmp_path / "self").mkdir()
    (tmp_path / "self/fd").mkdir()
    (tmp_path / "self/statm").write_text("9 3 0 0 0 0 0")
    fields = ["S", *(["0"] * 18), str(ticks), "0"]
    (tmp_path / "self/stat").write_text(f"7 (a) b) {' '.join(fields)}")
    (tmp_path / "stat").write_text("cpu 1 2\nbtime 1700000000\n")
    assert value("process_start_time_seconds", tmp_path) == 1_700_000_005
    assert value("process_resident_memory_bytes", tmp_path) == 3 * os.sysconf("SC_PAGE_SIZE")
