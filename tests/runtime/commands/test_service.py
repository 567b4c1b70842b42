"""`edgeae service`: what it asks of a command line before it lets systemd run it for months."""

import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
import pytest

from edgeae.calibrate.calibrate import calibrate_files
from edgeae.runtime.audio.recordings import audio_files
from edgeae.runtime.commands import service as module
from edgeae.runtime.commands.cli import run_command
from edgeae.runtime.commands.run import run
from edgeae.runtime.commands.service import ServiceFolders, plan
from edgeae.runtime.errors import ConfigError
from edgeae.runtime.model.artifact import Artifact
from edgeae.runtime.outputs.declaration import RunOption, run_option
from edgeae.runtime.scoring.detector import Detector
from edgeae.runtime.service.request import Request
from edgeae.runtime.service.unit import ANYBODY, HIDDEN_FOLDERS, LOCALHOST, Credential, Unit, quoted

# Everything that a test makes lies in a place that is hidden from services.
FOLDERS = ServiceFolders(hidden=(*HIDDEN_FOLDERS, Path(tempfile.gettempdir())))
PLAN: dict[str, Any] = {
    "name": None,
    "user": None,
    "network": False,
    "watchdog": 120,
    "memory": "200M",
    "folders": FOLDERS,
}


@click.command("run")
@click.argument("arguments", nargs=-1)
@click.option("--device", "-D", multiple=True)
@click.option("--channels")
@click.option("--json", is_flag=True)
@run_option("--log", value_kind="output-file", keeps_lines=True)
@run_option("--clips", value_kind="output-folder")
@run_option("--track", value_kind="output-file")
@run_option("--mqtt", value_kind="url", keeps_lines=True)
@run_option("--webhook", value_kind="url", keeps_lines=True)
@run_option("--metrics", value_kind="address")
@run_option("--page", value_kind="address")
@run_option("--on-event", value_kind="program", multiple=True)
def everything(**_: Any) -> None:
    """A `run` with options of every kind."""


@pytest.fixture(scope="module")
def artifact(trained: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path: Path = tmp_path_factory.mktemp("service") / "pump 3.onnx"
    found = calibrate_files(
        Detector.load(trained.int8),
        audio_files(trained.new / "train"),
        machine="Pump 3 (east)",
        report=print,
    )
    found.artifact.write(path)
    return path


@pytest.fixture(autouse=True)
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The command in a virtual environment, in a place that is hidden from services."""
    program = tmp_path / ".venv" / "bin" / "edgeae"
    program.parent.mkdir(parents=True)
    program.write_text("#!/bin/true\n")
    program.chmod(0o755)
    monkeypatch.setattr(sys, "argv", [str(program)])
    return program


def planned(artifact: Path, *arguments: str, **options: Any) -> Unit:
    request = Request.parse([str(artifact), "--device", "hw:1", *arguments], everything)
    return plan(request, **{**PLAN, **options})


def refusal(artifact: Path, *arguments: str, **options: Any) -> str:
    with pytest.raises(ConfigError) as caught:
        planned(artifact, *arguments, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_it_prints_a_unit_that_runs_exactly_these_arguments(
    artifact: Path,
    installed: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(artifact.parent)
    arguments = [
        "pump 3.onnx",
        "-D",
        "hw:CARD=Device,DEV=0",
        "--json",
        "--track",
        "track.json",
        "--track-days=2",
    ]
    assert (
        run_command(["service", *arguments, "--watchdog", "60", "--memory", "150M"], FOLDERS) == 0
    )
    text = capsys.readouterr().out
    expected = (
        f'{installed} run "{artifact}" -D hw:CARD=Device,DEV=0 --json '
        "--track track.json --track-days=2"
    )
    assert f"\nExecStart=:{expected} --wait-device 60 --state state.json\n" in text
    assert "\nStateDirectory=edgeae-pump-3-east\n" in text
    assert "\nWatchdogSec=60\n" in text
    assert "\nMemoryMax=150M\n" in text
    assert "\nPrivateNetwork=yes\n" in text


def test_the_artifact_that_run_would_take_is_named(
    artifact: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EDGEAE_MODEL", str(artifact))
    unit = plan(Request.parse(["--device", "hw:1"], run), **PLAN)
    expected = ["run", str(artifact), "--device", "hw:1", "--wait-device", "120"]
    assert unit.command[1:] == [*expected, "--state", "state.json"]


def test_an_artifact_by_a_relative_path_is_named_once(
    artifact: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(artifact.parent)
    unit = plan(
        Request.parse([f"./{artifact.name}", "--device", "hw:1", "--wait-device", "5"], run), **PLAN
    )
    expected = ["run", str(artifact), "--device", "hw:1", "--wait-device", "5"]
    assert unit.command[1:] == [*expected, "--state", "state.json"]


def test_a_watchdog_that_bites_before_the_first_score_is_refused(
    trained: Any, tmp_path: Path
) -> None:
    changed = Artifact.read(trained.int8)
    head = {**changed.sections["head"], "machine": "pump", "window": 60.0}
    changed.with_sections(head=head).write(tmp_path / "slow.onnx")
    with pytest.raises(
        ConfigError, match=r"--watchdog 120: a score needs 60 s .* give 150 or more"
    ):
        plan(Request.parse([str(tmp_path / "slow.onnx"), "--device", "hw:1"], run), **PLAN)


def test_every_option_of_the_table_is_told_apart(artifact: Path, tmp_path: Path) -> None:
    options = [parameter for parameter in run.params if isinstance(parameter, click.Option)]
    paths = [option for option in options if isinstance(option.type, click.Path)]
    assert all(isinstance(option, RunOption) and option.value_kind for option in paths)
    unit = planned(
        artifact,
        "--device",
        "hw:2",
        "--log",
        "lines.jsonl",
        "--clips",
        "clips",
        "--mqtt",
        "mqtt://10.0.0.5",
    )
    assert (unit.writable, unit.peers, unit.secrets, unit.quiet) == (
        [],
        frozenset(["10.0.0.5"]),
        True,
        True,
    )
    unit = planned(artifact, "--metrics", "127.0.0.1:9464", "--webhook", "http://localhost/hook")
    assert (unit.peers, unit.secrets) == (frozenset([LOCALHOST]), True)
    unit = planned(artifact, "--metrics", "127.0.0.1:9464")
    assert (unit.peers, unit.secrets, unit.quiet) == (frozenset([LOCALHOST]), False, False)
    assert planned(artifact, "--metrics", "192.168.1.2:9464").peers == {ANYBODY}  # whoever asks
    assert planned(artifact, "--metrics", "0.0.0.0:9464").peers == {ANYBODY}
    assert planned(artifact, "--page", "0.0.0.0:8321").peers == {ANYBODY}
    assert planned(artifact, network=True).peers == {ANYBODY}


def test_the_configuration_file_counts_as_the_arguments_do(
    artifact: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tmp_path / "pump.toml"
    config.write_text('device = ["hw:1"]\nlog = "lines.jsonl"\nmqtt = "mqtt://10.0.0.5"\n')
    monkeypatch.chdir(tmp_path)
    request = Request.parse([str(artifact), "--config", "pump.toml"], run)
    unit = plan(request, **PLAN | {"user": "root"})
    assert config in unit.readable
    assert list(unit.command[-6:-4]) == ["--config", str(config)]
    assert (unit.peers, unit.secrets, unit.quiet) == (frozenset(["10.0.0.5"]), True, True)
    equals = Request.parse([str(artifact), "--config=pump.toml"], run)
    assert f"--config={config}" in plan(equals, **PLAN | {"user": "root"}).command


def test_an_input_file_of_the_configuration_needs_an_absolute_path(
    artifact: Path, tmp_path: Path
) -> None:
    config = tmp_path / "pump.toml"
    config.write_text('device = ["hw:1"]\nmqtt = "mqtts://broker"\nmqtt-ca = "ca.pem"\n')
    with pytest.raises(ConfigError, match="give the absolute path"):
        plan(Request.parse([str(artifact), "--config", str(config)], run), **PLAN)


@pytest.mark.parametrize("form", ["two words", "one word", "configuration"])
def test_a_token_is_given_to_the_service_as_a_credential(
    artifact: Path, tmp_path: Path, form: str
) -> None:
    token = tmp_path / "token"
    token.touch(mode=0o600)
    arguments = {
        "two words": ["--page-token-file", str(token)],
        "one word": [f"--page-token-file={token}"],
        "configuration": ["--config", str(tmp_path / "pump.toml")],
    }
    (tmp_path / "pump.toml").write_text(f'page-token-file = "{token}"\n')
    request = Request.parse(
        [str(artifact), "-D", "hw:1", "--page", "8321", *arguments[form], "--json"], run
    )
    unit = plan(request, **{**PLAN, "user": "root"})
    secret = Credential("page-token-file", "EDGEAE_PAGE_TOKEN_FILE", token)
    assert unit.credentials == [secret]
    assert not any(argument.startswith("--page-token") for argument in unit.command)
    assert "--json" in unit.command and "8321" in unit.command
    assert token not in unit.readable


def test_certificates_and_passwords_are_given_to_the_service_as_credentials(
    artifact: Path, tmp_path: Path
) -> None:
    files = {name: tmp_path / name for name in ("cert", "key", "password-file")}
    arguments = [str(artifact), "-D", "hw:1", "--mqtt", "mqtts://pi@broker"]
    for name, file in files.items():
        file.touch(mode=0o600)
        arguments += [f"--mqtt-{name}", str(file)]
    unit = plan(Request.parse(arguments, run), **PLAN)
    assert list(unit.credentials) == [
        Credential("mqtt-cert", "EDGEAE_MQTT_CERT", files["cert"]),
        Credential("mqtt-key", "EDGEAE_MQTT_KEY", files["key"]),
        Credential("mqtt-password-file", "EDGEAE_MQTT_PASSWORD_FILE", files["password-file"]),
    ]
    assert not any(str(tmp_path / name) in unit.command for name in files)
    assert f"LoadCredential=mqtt-key:{files['key']}" in unit.text()
    assert "Environment=EDGEAE_MQTT_KEY=%d/mqtt-key" in unit.text()


def test_a_service_reaches_the_sender_of_a_stream_and_hides_its_password(artifact: Path) -> None:
    def planned(address: str) -> Unit:
        return plan(Request.parse([str(artifact), "--device", address, "--json"], run), **PLAN)

    unit = planned("rtsp://viewer:$CAMERA_PASSWORD@192.0.2.7/1")
    assert unit.peers == {"192.0.2.7"}
    assert unit.secrets
    with pytest.raises(ConfigError, match=r"rtsp://192\.0\.2\.7/1: .*\$CAMERA_PASSWORD") as refusal:
        planned("rtsp://viewer:s3cr3t@192.0.2.7/1")
    assert "s3cr3t" not in str(refusal.value)


@pytest.mark.parametrize(
    "address",
    [
        "rtsp://s3cr3t@192.0.2.7/1",
        "rtsp://viewer:pa/s3cr3t@192.0.2.7/1",
        "rtsp://viewer:${P}s3cr3t@192.0.2.7/1",
        "http://192.0.2.7/a?token=s3cr3t",
        "http://192.0.2.7?token=abc/s3cr3t",
        "http://192.0.2.7/a?s3cr3t=",
        "http://192.0.2.7/a#s3cr3t",
        "rtsp://192.0.2.7/user=admin&password=s3cr3t&channel=1",
        "rtmp://viewer:s3cr3t@192.0.2.7/1",
    ],
)
def test_a_secret_in_the_address_of_a_stream_is_not_in_the_unit(
    artifact: Path, address: str
) -> None:
    with pytest.raises(ConfigError) as refusal:
        plan(Request.parse([str(artifact), "--device", address], run), **PLAN)
    assert "s3cr3t" not in str(refusal.value)
    assert "write" in str(refusal.value)


@pytest.mark.parametrize(
    "address",
    [
        "rtsp://$CAMERA_TOKEN@192.0.2.7/1",
        "rtsp://viewer:${CAMERA_PASSWORD}@192.0.2.7/1?channel=1",
        "http://192.0.2.7/a?token=$CAMERA_TOKEN",
        "rtsps://192.0.2.7:7441/$CAMERA_TOKEN",
    ],
)
def test_variables_are_in_the_unit_and_read_from_the_file_that_it_names(
    artifact: Path, address: str
) -> None:
    unit = plan(Request.parse([str(artifact), "--device", address], run), **PLAN)
    assert unit.secrets
    assert quoted(address) in unit.text()


def test_a_token_that_is_not_there_is_refused(artifact: Path, tmp_path: Path) -> None:
    arguments = ["--page", "8321", "--page-token-file", str(tmp_path / "token")]
    with pytest.raises(ConfigError, match="there is no such file; create it first"):
        plan(Request.parse([str(artifact), "-D", "hw:1", *arguments], run), **PLAN)


def test_files_with_a_folder_are_written_where_the_user_may(artifact: Path, tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    shared.mkdir()
    arguments = ["--log", str(shared / "lines.jsonl"), "--clips", str(shared)]
    assert set(planned(artifact, *arguments, user="root").writable) == {shared}
    assert refusal(artifact, *arguments).startswith(
        f"--log {shared}/lines.jsonl: a service of its own user may not"
    )
    shared.chmod(0o777)
    assert set(planned(artifact, *arguments).writable) == {shared}
    assert "create it first" in refusal(artifact, "--clips", str(tmp_path / "missing"))
    assert "create it first" in refusal(artifact, "--track", "../elsewhere/track.json")
    assert planned(artifact, "--log", "/var/lib/edgeae-pump-3-east/lines.jsonl").writable == []


def test_what_the_program_is_made_of_can_be_read(artifact: Path, installed: Path) -> None:
    readable = planned(artifact).readable
    assert {artifact, installed, Path(sys.prefix), Path(sys.base_prefix)} <= set(readable)
    assert any(Path(module.__file__).resolve().is_relative_to(folder) for folder in readable)


def test_the_program_of_a_hook_can_be_read(artifact: Path, tmp_path: Path) -> None:
    hook = tmp_path / "ring bell.py"
    hook.write_text("")
    unit = planned(artifact, "--on-event", f"python3 '{hook}' --loud", "--on-event", "true")
    assert hook in unit.readable
    assert unit.peers == frozenset()
    for command in ("./ring", str(tmp_path / "missing"), "no-such-program --x", "", "ring 'it"):
        assert "is no program; give its absolute path" in refusal(artifact, "--on-event", command)


def test_an_artifact_that_only_its_owner_may_read_is_refused(
    artifact: Path, tmp_path: Path
) -> None:
    closed = Path(shutil.copy(artifact, tmp_path / "closed.onnx"))
    closed.chmod(0o600)
    assert refusal(closed).startswith(
        f"{closed}: a service of its own user may not read it; run chmod o+r"
    )
    assert planned(closed, user="root").user == "root"


def test_a_folder_that_only_its_owner_may_enter_is_refused(artifact: Path, tmp_path: Path) -> None:
    folder = tmp_path / "closed"
    folder.mkdir(mode=0o700)
    inside = Path(shutil.copy(artifact, folder / "machine.onnx"))
    assert planned(inside).readable  # hidden: only the file itself is shown
    shown = replace(FOLDERS, hidden=(tmp_path / ".venv",))
    assert refusal(inside, folders=shown).startswith(
        f"{folder}: a service of its own user may not read it; run chmod o+x"
    )


@pytest.mark.parametrize(
    ("arguments", "options", "said"),
    [
        (["recordings"], {}, "neither files nor -"),
        (["-"], {}, "neither files nor -"),
        (["--mqtt", "mqtt://me:secret@broker"], {}, "everybody can read a password"),
        (["--mqtt", "mqtt://me:se/cret@broker"], {}, "everybody can read a password"),
        (["--webhook", "https://x.lan/a?token=secret"], {}, "everybody can read a password"),
        ([], {"name": "Pump 3"}, "--name Pump 3: lower case letters"),
        ([], {"name": "../x"}, "lower case letters"),
        ([], {"user": "nobody-of-this-name"}, "there is no such user"),
        ([], {"memory": "80M"}, "give 100M or more"),
        ([], {"memory": "much"}, "give 100M or more"),
    ],
)
def test_what_cannot_work_is_refused(
    artifact: Path, arguments: list[str], options: dict[str, Any], said: str
) -> None:
    told = refusal(artifact, *arguments, **options)
    assert said in told
    assert "secret" not in told


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["--json"], 2, "give --device"),
        (["--device", "hw:1", "--duration", "60"], 2, "leave --duration out"),
        (["--device", "hw:1", "--loud"], 2, "No such option"),
        (["--device", "hw:1", "--track-days", "x"], 2, "is not a valid float"),
        (["--device", "hw:1", "--watchdog", "5"], 2, "30<=x<=3600"),
    ],
)
def test_arguments_that_run_would_refuse_are_refused(
    artifact: Path, arguments: list[str], code: int, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_command(["service", str(artifact), *arguments], FOLDERS) == code
    out, err = capsys.readouterr()
    assert out == ""
    assert said in err


def test_an_artifact_that_is_none_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert (
        run_command(["service", str(tmp_path / "missing.onnx"), "--device", "hw:1"], FOLDERS) == 3
    )
    assert "cannot be read" in capsys.readouterr().err


def test_an_artifact_of_no_machine_needs_a_name(trained: Any) -> None:
    assert "calibrate it, or give --name" in refusal(trained.int8)
    assert planned(trained.int8, name="east").name == "edgeae-east"


def test_without_the_command_there_is_no_service(
    artifact: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["pytest"])
    monkeypatch.setattr(sys, "executable", "/nowhere/bin/python")
    assert "needs edgeae in a virtual environment" in refusal(artifact)


@pytest.fixture
def units(tmp_path: Path) -> ServiceFolders:
    """The folders, with one for units that may be written to."""
    (tmp_path / "units").mkdir()
    return replace(FOLDERS, units=tmp_path / "units")


@pytest.fixture
def systemctl(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A systemctl that notes what it was told, and fails at what the file ``fails`` names."""
    folder = tmp_path / "bin"
    folder.mkdir()
    program = folder / "systemctl"
    program.write_text(
        f'#!/bin/sh\necho "$*" >> {tmp_path}/told\n'
        f'[ "$1" != "$(cat {tmp_path}/fails 2>/dev/null)" ] || '
        '{ echo "Unit is masked." >&2; exit 1; }\n'
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(folder), prepend=os.pathsep)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    return tmp_path


def test_install_writes_the_unit_and_starts_it(
    artifact: Path,
    systemctl: Path,
    units: ServiceFolders,
    capsys: pytest.CaptureFixture[str],
) -> None:
    arguments = ["service", str(artifact), "--device", "hw:1"]
    assert run_command(arguments, units) == 0
    text = capsys.readouterr().out
    assert not (systemctl / "told").exists()
    assert run_command([*arguments, "--install"], units) == 0
    assert (units.units / "edgeae-pump-3-east.service").read_text() == text
    unit = "edgeae-pump-3-east.service"
    assert (systemctl / "told").read_text().splitlines() == [
        "daemon-reload",
        f"enable {unit}",
        f"restart {unit}",
    ]
    out, err = capsys.readouterr()
    assert (out, "systemctl status edgeae-pump-3-east" in err) == ("", True)


def test_what_systemctl_refuses_is_told(
    artifact: Path,
    systemctl: Path,
    units: ServiceFolders,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (systemctl / "fails").write_text("enable")
    assert run_command(["service", str(artifact), "--device", "hw:1", "--install"], units) == 2
    assert (
        "systemctl enable edgeae-pump-3-east.service failed (Unit is masked);"
        in capsys.readouterr().err
    )
    assert list(units.units.iterdir()) == []


def test_paths_with_parent_folders_are_written_out(
    artifact: Path, installed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "inside").mkdir()
    shutil.copy(artifact, tmp_path / "pump.onnx")
    (tmp_path / "pump.toml").touch()
    (tmp_path / "ring.py").touch()
    monkeypatch.chdir(tmp_path / "inside")
    monkeypatch.setattr(sys, "argv", ["../.venv/bin/edgeae"])
    hook = f"python3 {tmp_path}/inside/../ring.py"
    arguments = ["../pump.onnx", "-D", "hw:1", "--config", "../pump.toml", "--on-event", hook]
    unit = plan(Request.parse(arguments, run), **PLAN | {"user": "root"})
    assert unit.command[0] == str(installed)
    assert str(tmp_path / "pump.onnx") in unit.command
    assert {tmp_path / "pump.onnx", tmp_path / "pump.toml", tmp_path / "ring.py"} <= set(
        unit.readable
    )
    assert not any(".." in path.parts for path in [*unit.readable, *unit.writable])
    [line] = [line for line in unit.text().splitlines() if line.startswith("ExecStart=")]
    assert ".." not in line.replace("/inside/../ring.py", "")


def test_a_file_that_node_exporter_reads_is_readable_for_it(artifact: Path) -> None:
    assert "\nUMask=0077\n" in planned(artifact).text()
    arguments = [str(artifact), "-D", "hw:1", "--metrics-file", "pump.prom"]
    unit = plan(Request.parse(arguments, run), **PLAN)
    assert "\nUMask=0022\n" in unit.text()
    assert "\nStateDirectoryMode=0700\n" in unit.text()


def test_only_root_installs(
    artifact: Path,
    systemctl: Path,
    units: ServiceFolders,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert run_command(["service", str(artifact), "--device", "hw:1", "--install"], units) == 2
    assert "is written by root alone; run sudo" in capsys.readouterr().err
    assert not (systemctl / "told").exists()
    assert list(units.units.iterdir()) == []


LISTENER = """
import ctypes, sys
denied = ctypes.CDLL(None).prctl(65, 1, 0, 0, 0) == 0  # PR_SET_MDWE, PR_MDWE_REFUSE_EXEC_GAIN
import datetime, numpy as np
from pathlib import Path
from edgeae.runtime.capture.alsa import _DISCARD_MESSAGE  # a callback of ctypes
from edgeae.runtime.outputs.clips.files import ClipFiles
from edgeae.runtime.outputs.clips.recorder import ClipRecorder
from edgeae.runtime.outputs.lines import EventLine
from edgeae.runtime.scoring.selftest import load_checked
load_checked(Path(sys.argv[1]))
_DISCARD_MESSAGE(b"", 0, b"", 0, b"")
folder = Path(sys.argv[2])
recorder = ClipRecorder(folder, "hw:1", None, before=0.1)
recorder.push(np.zeros(8000, np.float32), 48000)
time = datetime.datetime.now(datetime.UTC).isoformat()
recorder.clip_path(
    EventLine(
        source="hw:1", t=0.0, time=time, phase="start", duration=0.0, peak=0.0, bands=[],
        sentence="", cause="machine",
    )
)
for line in recorder.close():
    ClipFiles(folder, free_megabytes=0).deliver(line)
print(denied, len(list(folder.glob("*.flac"))))
"""


def test_nothing_that_listens_needs_memory_that_is_writable_and_executable(
    artifact: Path, tmp_path: Path
) -> None:
    command = [sys.executable, "-c", LISTENER, str(artifact), str(tmp_path / "clips")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    denied, clips = done.stdout.split()
    if denied == "False":
        pytest.skip("this kernel cannot deny it")
    assert clips == "1"


@pytest.mark.parametrize(("device", "warned"), [("hw:77", True), ("usb:0d8c:013c", False)])
def test_a_name_that_a_reboot_may_change_is_reported(
    artifact: Path, device: str, warned: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_command(["service", str(artifact), "--device", device, "--json"], FOLDERS) == 0
    out, err = capsys.readouterr()
    assert f"--device {device}" in out
    message = (
        f"edgeae: --device {device}: may be another microphone after a reboot; "
        "`edgeae devices` prints names that last\n"
    )
    assert err == (message if warned else "")


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ([], ["--state", "state.json"]),
        (["--channels", "0,1"], ["--state", "."]),
        (["--no-learn"], []),
        (["--state", "pump.json"], []),
    ],
)
def test_the_learned_sound_is_kept_in_the_folder_of_the_service(
    artifact: Path, arguments: list[str], expected: list[str]
) -> None:
    request = Request.parse([str(artifact), "--device", "hw:1", *arguments], run)
    assert list(plan(request, **PLAN).command[-2:]) == (expected or ["--wait-device", "120"])
