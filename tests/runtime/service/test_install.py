"""A unit is installed as a whole or not at all."""

import os
from dataclasses import replace
from pathlib import Path

import pytest

from edgeae.runtime.errors import ConfigError
from edgeae.runtime.service.install import install
from edgeae.runtime.service.unit import Unit, machines_of

COMMAND = ["/usr/bin/edgeae", "run", "/opt/pump-1.onnx", "--device", "hw:1"]
UNIT = Unit("edgeae-pump-1", COMMAND, machines=["Pump 1"])


class Systemctl:
    """A program `systemctl` that writes down its arguments, and fails at the named commands."""

    def __init__(self, folder: Path) -> None:
        self._calls = folder / "calls"
        self._failing = folder / "failing"
        self._calls.touch()
        self._failing.touch()
        program = folder / "bin" / "systemctl"
        program.parent.mkdir()
        program.write_text(
            f'#!/bin/sh\necho "$*" >> {self._calls}\n'
            f'grep -qx -- "$1" {self._failing} || exit 0\n'
            'echo "Job failed." >&2; exit 1\n'
        )
        program.chmod(0o755)
        self.folder = program.parent

    def fail(self, *commands: str) -> None:
        self._failing.write_text("".join(f"{command}\n" for command in commands))

    @property
    def calls(self) -> list[str]:
        return self._calls.read_text().splitlines()


@pytest.fixture
def systemctl(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Systemctl:
    made = Systemctl(tmp_path)
    monkeypatch.setenv("PATH", str(made.folder), prepend=os.pathsep)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    return made


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """For units."""
    folder = tmp_path / "units"
    folder.mkdir()
    return folder


def test_a_unit_can_be_read_by_everybody_whatever_the_umask(
    systemctl: Systemctl, folder: Path
) -> None:
    old = os.umask(0o077)
    install(UNIT, folder)
    os.umask(old)
    file = folder / "edgeae-pump-1.service"
    assert file.stat().st_mode & 0o777 == 0o644
    assert machines_of(file.read_text()) == ["Pump 1"]


@pytest.mark.parametrize("failing", ["daemon-reload", "enable", "restart"])
def test_a_first_unit_that_cannot_start_is_removed(
    systemctl: Systemctl, folder: Path, failing: str
) -> None:
    systemctl.fail(failing)
    with pytest.raises(ConfigError, match=rf"systemctl {failing}.* failed .*nothing was installed"):
        install(UNIT, folder)
    assert list(folder.iterdir()) == []
    assert "disable edgeae-pump-1.service" in systemctl.calls
    assert "stop edgeae-pump-1.service" in systemctl.calls
    assert systemctl.calls[-2:] == ["daemon-reload", "reset-failed edgeae-pump-1.service"]


@pytest.mark.parametrize("enabled", [True, False])
def test_the_unit_before_is_put_back_and_started_if_it_was(
    systemctl: Systemctl, folder: Path, enabled: bool
) -> None:
    install(UNIT, folder)
    before = (folder / "edgeae-pump-1.service").read_text()
    n_calls = len(systemctl.calls)
    systemctl.fail("enable", *([] if enabled else ["is-enabled"]))
    with pytest.raises(ConfigError, match="nothing was installed"):
        install(replace(UNIT, memory="1G"), folder)
    assert (folder / "edgeae-pump-1.service").read_text() == before
    calls = systemctl.calls[n_calls:]
    assert ("restart edgeae-pump-1.service" in calls) is enabled
    assert ("disable edgeae-pump-1.service" in calls) is not enabled


def test_a_service_of_another_machine_is_not_replaced(systemctl: Systemctl, folder: Path) -> None:
    install(UNIT, folder)
    before = (folder / "edgeae-pump-1.service").read_text()
    other = replace(UNIT, machines=["pump-1"])
    with pytest.raises(ConfigError, match="listens to Pump 1, and not to pump-1; give another"):
        install(other, folder)
    assert (folder / "edgeae-pump-1.service").read_text() == before
    install(replace(UNIT, memory="1G"), folder)


def test_a_unit_of_somebody_else_has_no_machines() -> None:
    assert machines_of("[Unit]\nDescription=mine\n") == []
    assert machines_of("# Machines: damaged\n") == []


def test_only_root_installs(
    systemctl: Systemctl, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(ConfigError, match="is written by root alone; run sudo"):
        install(UNIT, folder)
    assert list(folder.iterdir()) == []


def test_without_systemd_nothing_stays(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    with pytest.raises(ConfigError, match="is not run by systemd"):
        install(UNIT, folder)
    assert list(folder.iterdir()) == []
