"""The script that installs edgeae on a device, offline: a small wheel stands for edgeae's."""

import os
import shutil
import subprocess
import zipfile
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[1] / "scripts" / "install-on-device"
PROGRAM = "import sys\ndef main():\n    print('edgeae', *sys.argv[1:])\n"


@pytest.fixture
def wheel(tmp_path: Path) -> Path:
    """A wheel whose program `edgeae` prints its arguments."""
    path = tmp_path / "edgeae-9.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("edgeae_stub.py", PROGRAM)
        info = "edgeae-9.0.dist-info"
        file.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: edgeae\nVersion: 9.0\n")
        file.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        entry = "[console_scripts]\nedgeae = edgeae_stub:main\n"
        file.writestr(f"{info}/entry_points.txt", entry)
        file.writestr(f"{info}/RECORD", "")
    return path


def install(
    *arguments: object, script: Path = SCRIPT, **variables: str
) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if name != "SUDO_USER"}
    return subprocess.run(
        ["bash", str(script), *map(str, arguments)],
        env={**environment, "PIP_NO_INDEX": "1", **variables},
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_dry_run_prints_the_commands_and_changes_nothing(wheel: Path, tmp_path: Path) -> None:
    prefix = tmp_path / "edgeae"
    service = ["pump.onnx", "--device", "hw:1", "--mqtt", "mqtt://broker"]
    done = install("--dry-run", "--prefix", prefix, wheel, *service, SUDO_USER="nobody")
    assert (done.returncode, done.stderr) == (0, "")
    commands = done.stdout.splitlines()
    assert commands[0] == f"+ python3 -m venv {prefix}"
    assert "--require-hashes" in commands[1]
    assert "device.txt" in commands[1] and "mqtt.txt" in commands[1]
    assert commands[2].endswith(f"--no-deps --force-reinstall {wheel}")
    assert commands[3] == "+ usermod --append --groups audio nobody"
    assert commands[4] == f"+ {prefix}/bin/edgeae service {' '.join(service)} --install"
    assert commands[5] == "nothing was changed"
    assert not prefix.exists()


@pytest.mark.parametrize(
    ("text", "has_mqtt"),
    [('mqtt = "mqtt://broker"\n', True), ("[mqtt]\n", True), ('log = "mqtt.jsonl"\n', False)],
)
@pytest.mark.parametrize("joined", [False, True])
def test_a_configuration_that_asks_for_mqtt_gets_its_packages(
    wheel: Path, tmp_path: Path, text: str, has_mqtt: bool, joined: bool
) -> None:
    config = tmp_path / "pump 1.toml"
    config.write_text(text)
    option = [f"--config={config}"] if joined else ["--config", config]
    done = install("--dry-run", "--prefix", tmp_path / "edgeae", wheel, "pump.onnx", *option)
    assert (done.returncode, done.stderr) == (0, "")
    assert ("mqtt.txt" in done.stdout.splitlines()[1]) is has_mqtt


@pytest.mark.parametrize(("text", "reason"), [(None, "No such file"), ("mqtt = \n", "line 1")])
def test_a_configuration_that_cannot_be_read_is_refused_before_anything_changes(
    wheel: Path, tmp_path: Path, text: str | None, reason: str
) -> None:
    config = tmp_path / "pump.toml"
    if text is not None:
        config.write_text(text)
    done = install("--dry-run", wheel, "pump.onnx", "--config", config)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"install-on-device: --config {config}: cannot be read as TOML (")
    assert reason in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.slow
def test_it_installs_into_a_folder_and_again(wheel: Path, tmp_path: Path) -> None:
    copy = tmp_path / "clone" / "scripts" / "install-on-device"
    copy.parent.mkdir(parents=True)
    shutil.copy(SCRIPT, copy)
    requirements = tmp_path / "clone" / "requirements"
    requirements.mkdir()
    (requirements / "device.txt").write_text("# nothing can be downloaded in a test\n")
    prefix = tmp_path / "edgeae"
    service = ["pump.onnx", "--device", "hw:1"] if os.geteuid() == 0 else []
    for _ in range(2):
        done = install("--prefix", prefix, wheel, *service, script=copy)
        assert done.returncode == 0, done.stderr
        assert done.stdout.splitlines()[-1].startswith(f"installed in {prefix}")
        if service:
            assert "edgeae service pump.onnx --device hw:1 --install" in done.stdout.splitlines()
    shown = subprocess.run([prefix / "bin/edgeae", "x"], capture_output=True, text=True, check=True)
    assert shown.stdout == "edgeae x\n"
    assert (prefix / "bin").stat().st_mode & 0o055 == 0o055


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "no wheel is given"),
        (["--what"], "unknown option --what"),
        (["model.onnx"], "is no edgeae-*.whl"),
        (["edgeae-1.0-py3-none-any.whl"], "there is no such file"),
        (["--prefix", "relative", "WHEEL"], "give a path that begins with /"),
        (["--prefix", "FOLDER", "WHEEL"], "is no virtual environment"),
    ],
)
def test_what_cannot_work_is_refused(
    arguments: list[str], message: str, wheel: Path, tmp_path: Path
) -> None:
    places = {"WHEEL": str(wheel), "FOLDER": str(tmp_path)}
    done = install(*(places.get(word, word) for word in arguments))
    assert (done.returncode, done.stdout) == (2, "")
    assert message in done.stderr
    assert done.stderr.startswith("install-on-device: ")


def install_with_python(folder: Path, script: str, wheel: Path) -> subprocess.CompletedProcess[str]:
    """A dry run where python3 is a shell script, which is written into ``folder``."""
    programs = folder / "bin"
    programs.mkdir()
    other = programs / "python3"
    other.write_text(f"#!/bin/sh\n{script}\n")
    other.chmod(0o755)
    return install("--dry-run", wheel, PATH=f"{programs}:{os.environ['PATH']}")


def test_another_python_is_refused(wheel: Path, tmp_path: Path) -> None:
    script = '[ "$1" = --version ] && echo Python 3.9.2\nexit 1'
    done = install_with_python(tmp_path, script, wheel)
    assert done.returncode == 2
    assert "Python 3.9.2: needed is Python 3.11, 3.12 or 3.13" in done.stderr


def test_python_of_32_bits_on_a_kernel_of_64_bits_is_refused(wheel: Path, tmp_path: Path) -> None:
    done = install_with_python(tmp_path, 'case "$2" in *maxsize*) exit 1 ;; esac', wheel)
    assert done.returncode == 2
    assert "python3 is a program of 32 bits" in done.stderr
