"""The page of `edgeae doctor`, on this computer and with faults."""

import json
import platform
import subprocess
import sys
from pathlib import Path

import pytest

from edgeae.runtime.commands.cli import run_command
from edgeae.runtime.doctor.check import Check
from edgeae.runtime.doctor.page import exit_code
from tests.conftest import Trained
from tests.runtime.capture.fakes import TONE, AlsaDevice

NAMES = (
    "edgeae packages optional libsndfile libasound environment computer system processor cores "
    "memory temperature power clock disk limits service user artifact"
)


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("EDGEAE_MODEL", raising=False)


def page(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str]:
    code = run_command(["doctor", *map(str, arguments)])
    return code, capsys.readouterr().out


def test_this_computer_has_a_page_of_80_columns(
    trained: Trained, capsys: pytest.CaptureFixture[str]
) -> None:
    _, text = page(capsys, trained.int8)
    lines = text.splitlines()
    assert max(map(len, lines)) <= 80
    assert len(lines) < 60
    firsts = [line[9:20].strip() for line in lines[:-1] if not line.startswith(" ")]
    assert [name for name in firsts if name not in {"device", "devices", "disk"}] == [
        name for name in NAMES.split() if name != "disk"
    ]
    assert firsts.count("disk") == 2  # of the current folder and of the artifact
    assert lines[-1].startswith("problems: ")


def test_programs_get_the_same_checks(trained: Trained, capsys: pytest.CaptureFixture[str]) -> None:
    code, text = page(capsys, trained.int8, "--json")
    checks = json.loads(text)["checks"]
    assert [set(check) for check in checks] == [{"name", "state", "sentence", "advice"}] * len(
        checks
    )
    assert {check["name"] for check in checks} >= set(NAMES.split())
    assert code == exit_code([Check(**check) for check in checks])


def test_a_device_is_listened_to(
    alsa_device: AlsaDevice, capsys: pytest.CaptureFixture[str]
) -> None:
    alsa_device(TONE)
    _, text = page(capsys, "--device", "hw:1", "--json")
    [device] = [check for check in json.loads(text)["checks"] if check["name"] == "device"]
    assert device["state"] == "ok"
    assert "peak -12.0 dBFS" in device["sentence"]


def test_a_named_device_that_is_missing_exits_with_4(capsys: pytest.CaptureFixture[str]) -> None:
    code, text = page(capsys, "--device", "usb:ffff:ffff:SECRETSERIAL")
    assert code == 4
    assert "usb:ffff:ffff:***" in text
    assert "SECRETSERIAL" not in text


def test_a_damaged_artifact_exits_with_3(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "bad.onnx").write_bytes(b"nonsense")
    code, text = page(capsys, "bad.onnx", "--device", "usb:ffff:ffff")
    assert code == 3
    assert "problem  artifact" in text


def test_the_page_names_neither_the_computer_nor_the_user(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    home = tmp_path / "home of alice"
    (home / "models").mkdir(parents=True)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setattr(platform, "node", lambda: "greenhouse-7")
    monkeypatch.setenv("EDGEAE_MODEL", str(home / "models" / "greenhouse-7.onnx"))
    monkeypatch.setenv("EDGEAE_MQTT_PASSWORD", "hunter2")
    monkeypatch.setenv("EDGEAE_BROKER", "mqtt://bob:hunter2@greenhouse-7")
    monkeypatch.chdir(home)
    code, text = page(capsys)
    assert code == 3  # there is no such artifact
    for secret in ("alice", "greenhouse", "hunter2", "bob"):
        assert secret not in text
    assert "~/models/HOST.onnx" in text


def test_a_broken_numpy_is_a_line_not_the_end() -> None:
    program = (
        "import sys; sys.modules.update(dict.fromkeys(['numpy', 'onnxruntime', 'soundfile'])); "
        "from edgeae.runtime.commands.cli import main; sys.argv[1:] = ['doctor']; main()"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert (ended.returncode, ended.stderr) == (2, "")
    assert "problem  libsndfile" in ended.stdout
    assert "could not be checked (ModuleNotFoundError" in " ".join(ended.stdout.split())


def test_help_ends_with_an_example(capsys: pytest.CaptureFixture[str]) -> None:
    assert "edgeae doctor pump-3.onnx --device usb:0d8c:013c" in page(capsys, "--help")[1]
