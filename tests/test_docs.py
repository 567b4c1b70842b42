"""What the README says is so."""

import re
from pathlib import Path

import pytest
import soundfile

from edgeae.runtime.cli import COMMANDS, run_command
from edgeae.runtime.errors import ArtifactError, ConfigError, DeviceError
from edgeae.train.config import PRESETS, load_config

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_stands_in_the_readme(command):
    assert f"`edgeae {command}" in README


def test_every_exit_code_stands_in_the_readme():
    for code in (0, 1, ConfigError.exit_code, ArtifactError.exit_code, DeviceError.exit_code, 130):
        assert f"\n| {code} | " in README


@pytest.mark.parametrize("preset", PRESETS)
def test_every_preset_loads_and_stands_in_the_readme(preset):
    load_config(preset)
    assert f"| `{preset}` | " in README


def test_python_example_runs(capsys, monkeypatch, tmp_path, trained):
    monkeypatch.chdir(tmp_path)
    recording = trained.new / "test" / "normal_id_03_00000000.wav"
    arguments = ["calibrate", trained.int8, trained.new, "-o", "machine.onnx"]
    assert run_command(list(map(str, arguments))) == 0
    soundfile.write("recording.wav", *soundfile.read(recording))
    capsys.readouterr()
    (example,) = re.findall(r"```python\n(.*?)```", README, re.S)
    exec(example, {})
    first, *results = capsys.readouterr().out.splitlines()
    assert float(first.split()[0]) == pytest.approx(float(results[0].split()[1]), abs=1e-4)


@pytest.mark.parametrize("option", re.findall(r"`(edgeae [^`]*--[^`]*)`", README))
def test_options_in_the_readme_exist(capsys, option):
    command = option.split()[1]
    assert run_command([command, "--help"]) == 0
    shown = capsys.readouterr().out
    assert all(name in shown for name in re.findall(r"--[a-z0-9-]+", option))
