import shlex
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import click
import pytest

from edgeae.runtime.commands import cli
from edgeae.runtime.commands.cli import COMMANDS, run_command


def test_help_lists_every_command_with_its_summary(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(["--help"]) == 0
    text = capsys.readouterr().out
    for name, (_, _, summary) in COMMANDS.items():
        assert summary.endswith(".")
        assert any(line.split(maxsplit=1) == [name, summary] for line in text.splitlines()), name


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_loads_and_its_help_has_an_example(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_command([name, "--help"]) == 0
    lines = [line.strip() for line in capsys.readouterr().out.splitlines()]
    assert lines[0].startswith(f"Usage: edgeae {name}")
    assert any(line.startswith(f"edgeae {name}") for line in lines[1:])


def test_help_imports_neither_numpy_nor_torch() -> None:
    program = (
        "import sys; from edgeae.runtime.commands.cli import run_command; "
        "code = run_command(['--help']); "
        "heavy = {'numpy', 'torch', 'onnxruntime', 'soundfile'} & set(sys.modules); "
        "sys.exit(code or ', '.join(heavy) or 0)"
    )
    process = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert (process.returncode, process.stderr) == (0, "")


def test_no_command_shows_the_help_and_fails(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command([]) == 2
    assert "calibrate" in "".join(capsys.readouterr())


def test_version_is_the_distribution_s(capsys: pytest.CaptureFixture[str]) -> None:
    from importlib.metadata import version

    assert run_command(["--version"]) == 0
    assert capsys.readouterr().out == f"edgeae {version('edgeae')}\n"


@pytest.mark.parametrize(
    "arguments", [["listen"], ["--loud"], ["info", "--loud"], ["info", "a.onnx", "b.onnx"]]
)
def test_what_is_unknown_exits_with_2_and_is_named(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_command(arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert arguments[-1] in err


@pytest.mark.parametrize(
    ("arguments", "advice"),
    [
        (["trian"], "No such command 'trian'; did you mean train?"),
        (["calib"], "did you mean calibrate?"),
        (["eval", "machine.onnx"], "did you mean evaluate?"),
        (["help", "trian"], "did you mean train?"),
        (["zzz"], "edgeae --help lists the commands"),
        (["pump.onnx", "a.wav"], "a command comes first: edgeae run pump.onnx"),
    ],
)
def test_a_mistyped_command_is_answered_with_a_similar_one(
    arguments: list[str], advice: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_command(arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert advice in err


def test_help_of_a_command_is_what_its_option_prints(capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in ([], ["calibrate"]):
        assert run_command(["help", *arguments]) == 0
        by_command = capsys.readouterr().out
        assert run_command([*arguments, "--help"]) == 0
        assert by_command == capsys.readouterr().out


def lacking(name: str) -> Any:
    def fail(*_: object) -> None:
        raise ModuleNotFoundError(f"No module named {name!r}", name=name)

    return fail


@pytest.mark.parametrize("command", ["train", "export", "evaluate", "demo", "inspect"])
def test_a_command_whose_module_needs_more_names_the_extra(
    command: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(cli, "import_module", lacking("torch"))
    assert run_command([command]) == 2
    assert capsys.readouterr().err == (
        f"edgeae: edgeae {command} needs torch, which is not installed; "
        "run: pip install 'edgeae[train]'\n"
    )


def test_a_command_that_needs_more_while_it_runs_names_the_extra(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    command = click.Command("train", callback=lacking("lightning"))
    monkeypatch.setattr(cli, "import_module", lambda _: SimpleNamespace(train=command))
    assert run_command(["train"]) == 2
    assert capsys.readouterr().err == (
        "edgeae: edgeae train needs lightning, which is not installed; "
        "run: pip install 'edgeae[train]'\n"
    )


@pytest.mark.parametrize("command", ["train", "export"])
def test_an_install_without_the_extra_says_so_in_one_sentence(command: str) -> None:
    program = (
        "import sys; sys.modules.update(dict.fromkeys(['torch', 'onnx', 'lightning', 'yaml'])); "
        "from edgeae.runtime.commands.cli import main; main()"
    )
    process = subprocess.run(
        [sys.executable, "-c", program, command, "."], capture_output=True, text=True, check=False
    )
    assert (process.returncode, process.stdout) == (2, "")
    assert len(process.stderr.splitlines()) == 1
    assert process.stderr.endswith("pip install 'edgeae[train]'\n")


@pytest.mark.parametrize("failure", [click.Abort, KeyboardInterrupt])
def test_an_interruption_exits_with_130(
    failure: type[BaseException],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def interrupt() -> None:
        raise failure

    command = click.Command("train", callback=interrupt)
    monkeypatch.setattr(cli, "import_module", lambda _: SimpleNamespace(train=command))
    assert run_command(["train"]) == 130
    assert capsys.readouterr().err.strip() == "edgeae: interrupted"


@pytest.mark.parametrize("command", ["run", "train", "inspect"])
@pytest.mark.parametrize("name", ["-6_dB_fan", "-output fan", "--recordings"])
def test_a_folder_that_looks_like_an_option_is_named(
    command: str,
    name: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / name).mkdir()
    assert run_command([command, name]) == 2
    err = capsys.readouterr().err
    assert f"{name} is also a file or folder; to name it, type {shlex.quote('./' + name)}" in err


@pytest.mark.parametrize(
    ("arguments", "advice"),
    [
        (["calibrate", "--budget", "1/day"], "--false-alarms 1/day"),
        (["run", "--treshold", "3"], "edgeae calibrate --false-alarms 1/day"),
        (["run", "--port", "80"], "run --page PORT"),
    ],
)
def test_an_unknown_option_is_answered_with_the_one_that_does_it(
    arguments: list[str], advice: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_command(arguments) == 2
    assert advice in capsys.readouterr().err.splitlines()[-1]


def test_another_unknown_option_gets_no_advice(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(["run", "--bogus"]) == 2
    assert "edgeae: " not in capsys.readouterr().err


def test_an_output_on_a_full_disk_is_one_sentence() -> None:
    program = "from edgeae.runtime.commands.cli import main; main()"
    with Path("/dev/full").open("w") as full:
        process = subprocess.run(
            [sys.executable, "-c", program, "--help"],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert process.returncode == 2
    assert process.stderr.startswith("edgeae: the output: cannot be written (No space left")
    assert len(process.stderr.splitlines()) == 1
