"""The command `devices`, with probes that a test gives it."""

import json
from dataclasses import asdict

import pytest
from click.testing import CliRunner, Result

from edgeae.runtime.capture.listing import Device
from edgeae.runtime.capture.names import Name
from edgeae.runtime.capture.probe import Probe
from edgeae.runtime.capture.trial import DeviceTrial, Level, Offer
from edgeae.runtime.commands import devices as commands
from edgeae.runtime.commands.cli import run_command


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(commands.devices, list(arguments))


SERIAL = Name("usb:0d8c:013c:AB12", True, True, "stays after a reboot and in any port")
NUMBER = Name("hw:1,0", False, False, "changes: the number is the order of plugging in")
MICROPHONE = Probe(
    Device("hw:CARD=Device,DEV=0", "hw:1,0", "USB PnP Sound Device, USB Audio"),
    (SERIAL, NUMBER),
    DeviceTrial("ok", None, Offer((44100, 48000), ("S16_LE", "S24_LE"), 1, 2), Level(-20.5, -34.0)),
)


def test_devices_are_listed_for_people(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commands, "probe_all", lambda **_: [MICROPHONE])
    assert (
        invoke().stdout
        == """\
USB PnP Sound Device, USB Audio
  names     usb:0d8c:013c:AB12
              stays after a reboot and in any port
            hw:1,0
              changes: the number is the order of plugging in
  rates     44100 48000 Hz
  formats   S16_LE, S24_LE (through plughw)
  channels  1 to 2
  level     peak -20.5 dBFS, RMS -34.0 dBFS (channel 0, half a second)
"""
    )


def test_devices_are_listed_for_programs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commands, "probe_all", lambda **_: [MICROPHONE])
    [line] = invoke("--json").stdout.splitlines()
    assert json.loads(line) == {
        "name": "hw:CARD=Device,DEV=0",
        "index": "hw:1,0",
        "description": "USB PnP Sound Device, USB Audio",
        "names": [asdict(SERIAL), asdict(NUMBER)],
        "state": "ok",
        "reason": None,
        "rates": [44100, 48000],
        "formats": ["S16_LE", "S24_LE"],
        "channels_min": 1,
        "channels_max": 2,
        "peak_dbfs": -20.5,
        "rms_dbfs": -34.0,
    }


def test_this_computer_has_a_list(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(["devices", "--json", "--no-level"]) == 0
    assert all(json.loads(line)["names"] for line in capsys.readouterr().out.splitlines())


def test_the_level_can_be_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[bool] = []

    def probe_all(level: bool) -> list[object]:
        asked.append(level)
        return []

    monkeypatch.setattr(commands, "probe_all", probe_all)
    invoke("--no-level")
    invoke()
    assert asked == [False, True]


def test_no_device_is_said_and_is_no_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commands, "probe_all", lambda **_: [])
    result = invoke()
    assert (result.exit_code, result.stdout) == (0, "")
    assert "no capture device" in result.stderr


def test_help_ends_with_an_example() -> None:
    assert "Example:\n    edgeae devices" in invoke("--help").stdout
