"""What the README says is so."""

import re
from pathlib import Path

import pytest
import soundfile

from edgeae.runtime.commands.cli import COMMANDS, run_command
from edgeae.runtime.commands.run import run
from edgeae.runtime.errors import ArtifactError, ConfigError, DeviceError
from edgeae.train.config import PRESETS, load_config
from tests.conftest import Trained

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
PAGES = README + "".join(path.read_text() for path in sorted((ROOT / "docs").glob("*.md")))
SHELL = "\n".join(re.findall(r"```sh\n(.*?)```", PAGES, re.S)).replace("\\\n", " ")


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_stands_in_the_readme(command: str) -> None:
    assert f"`edgeae {command}" in README


def test_every_exit_code_stands_in_the_readme() -> None:
    for code in (0, 1, ConfigError.exit_code, ArtifactError.exit_code, DeviceError.exit_code, 130):
        assert f"\n| {code} | " in README


@pytest.mark.parametrize("preset", PRESETS)
def test_every_preset_loads_and_stands_in_the_readme(preset: str) -> None:
    load_config(preset)
    assert f"| `{preset}` | " in README


def test_python_example_runs(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    trained: Trained,
) -> None:
    monkeypatch.chdir(tmp_path)
    recording = trained.new / "test" / "normal_id_03_00000000.wav"
    arguments = ["calibrate", trained.int8, trained.new, "-o", "machine.onnx"]
    assert run_command(list(map(str, arguments))) == 0
    soundfile.write("recording.wav", *soundfile.read(recording))
    capsys.readouterr()
    (example,) = re.findall(
        r"```python\n(.*?)```", (ROOT / "docs" / "reference.md").read_text(), re.S
    )
    exec(example, {})
    first, *results = capsys.readouterr().out.splitlines()
    assert float(first.split()[0]) == pytest.approx(float(results[0].split()[1]), abs=1e-4)


COMMAND_LINES = re.findall(r"`(edgeae [^`&]*--[^`&]*)`", PAGES) + re.findall(
    r"\b(edgeae [a-z]+[^#\n|&]*--[^#\n|&]*)", SHELL
)


@pytest.mark.parametrize("line", sorted(set(COMMAND_LINES)))
def test_options_in_the_documentation_exist(capsys: pytest.CaptureFixture[str], line: str) -> None:
    command = line.split()[1]
    assert run_command([command, "--help"]) == 0
    shown = capsys.readouterr().out
    if command == "service":  # takes those of run, too
        assert run_command(["run", "--help"]) == 0
        shown += capsys.readouterr().out
    assert all(name in shown for name in re.findall(r"(?<![\w-])--[a-z0-9-]+", line))


@pytest.mark.parametrize(
    "name",
    sorted({option for parameter in run.params for option in parameter.opts if option[:2] == "--"}),
)
def test_every_option_of_run_is_explained(name: str) -> None:
    assert re.search(rf"{name}\b(?!-)", PAGES)
