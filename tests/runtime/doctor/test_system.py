"""What the doctor says of operating systems that are made of files."""

import os
import resource
from pathlib import Path
from types import SimpleNamespace

import pytest

from edgeae.runtime.doctor import system
from tests.runtime.capture.fakes import write

MOUNTS = """\
22 1 179:2 / / rw,noatime shared:1 - ext4 /dev/root rw
23 22 0:21 / /proc rw - proc proc rw
40 22 179:3 / {place} {options} shared:5 master:1 - vfat /dev/mmcblk0p1 {super}
"""


def mounted(root: Path, place: Path, options: str = "rw", super_options: str = "rw") -> None:
    escaped = str(place).replace(" ", r"\040")
    write(
        root / "proc/self/mountinfo",
        MOUNTS.format(place=escaped, options=options, super=super_options),
    )


def space(mib: int, files: int = 1000) -> SimpleNamespace:
    return SimpleNamespace(f_bavail=mib << 8, f_frsize=4096, f_files=5000, f_favail=files)


@pytest.mark.parametrize(
    ("free", "files", "state"),
    [(5000, 9, "ok"), (50, 9, "warning"), (5, 9, "problem"), (5000, 0, "problem")],
)
def test_a_disk_that_fills_up_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free: int, files: int, state: str
) -> None:
    place = tmp_path / "an SD card"
    place.mkdir()
    mounted(tmp_path, place)
    monkeypatch.setattr(os, "statvfs", lambda _: space(free, files))
    check = system.check_disk(place, tmp_path)
    assert check.state == state
    assert check.sentence.startswith(f"{place}: {free} MiB free, vfat")


@pytest.mark.parametrize(
    ("options", "super_options"), [("ro,noatime", "rw"), ("rw", "ro,errors=remount-ro")]
)
def test_a_disk_that_cannot_be_written_is_told(
    tmp_path: Path, options: str, super_options: str
) -> None:
    mounted(tmp_path, tmp_path, options, super_options)
    check = system.check_disk(tmp_path, tmp_path)
    assert (check.state, "vfat, read-only" in check.sentence) == ("warning", True)


def test_an_option_that_begins_like_read_only_is_another_one(tmp_path: Path) -> None:
    mounted(tmp_path, tmp_path, "rw,root_squash", "rw,errors=remount-ro")
    assert "read-only" not in system.check_disk(tmp_path, tmp_path).sentence


def test_the_mount_that_holds_the_place_counts(tmp_path: Path) -> None:
    mounted(tmp_path, tmp_path / "else", "ro")
    assert "MiB free, ext4" in system.check_disk(tmp_path, tmp_path).sentence


def test_a_system_that_tells_no_mounts(tmp_path: Path) -> None:
    assert "unknown file system" in system.check_disk(tmp_path, tmp_path).sentence


@pytest.mark.parametrize(("state", "expected"), [(True, "ok"), (False, "warning"), (None, "ok")])
def test_a_clock_that_nobody_keeps_right_is_warned_of(state: bool | None, expected: str) -> None:
    check = system.check_clock(state)
    assert check.state == expected
    assert ("set-ntp" in check.advice) == (state is False)


def test_the_system_tells_distribution_and_kernel(tmp_path: Path) -> None:
    write(
        tmp_path / "etc/os-release",
        'NAME="Debian"\nPRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nID=debian',
    )
    write(tmp_path / "proc/uptime", "7200.50 100.0")
    sentence = system.check_system(tmp_path).sentence
    assert sentence.startswith("Debian GNU/Linux 12 (bookworm), Linux ")
    assert sentence.endswith(", up 2.0 h")
    assert "unknown distribution" in system.check_system(tmp_path / "nothing").sentence


@pytest.mark.parametrize(
    ("uid", "groups", "state"),
    [(1000, {"pi", "audio"}, "ok"), (1000, {"pi"}, "warning"), (0, set(), "ok")],
)
def test_a_user_outside_of_the_group_audio_is_told_how_to_get_in(
    tmp_path: Path, uid: int, groups: set[str], state: str
) -> None:
    check = system.check_user(tmp_path, uid, groups)
    assert (check.state, "usermod -aG audio" in check.advice) == (state, state == "warning")


def test_a_device_that_the_user_may_not_open_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "dev/snd/pcmC1D0c", "")
    write(tmp_path / "dev/snd/pcmC1D0p", "")
    monkeypatch.setattr(os, "access", lambda *_: False)
    check = system.check_user(tmp_path, 1000, {"audio"})
    assert (check.state, check.sentence) == (
        "warning",
        "an ordinary user, in the group audio; may not open pcmC1D0c",
    )


@pytest.mark.parametrize(("soft", "state"), [(1024, "ok"), (64, "warning")])
def test_few_open_files_are_warned_of(
    monkeypatch: pytest.MonkeyPatch, soft: int, state: str
) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (soft, 4096))
    assert system.check_limits().state == state


def test_who_started_the_process_is_told(tmp_path: Path) -> None:
    unit = {
        "INVOCATION_ID": "0123",
        "NOTIFY_SOCKET": "/run/systemd/notify",
        "WATCHDOG_USEC": "30000000",
    }
    assert system.check_service(unit, tmp_path).sentence == (
        "started by systemd (NOTIFY_SOCKET, WATCHDOG_USEC, watchdog 30 s)"
    )
    assert system.check_service({}, tmp_path).sentence == "no systemd here"
    (tmp_path / "run/systemd/system").mkdir(parents=True)
    assert "by hand" in system.check_service({}, tmp_path).sentence
