"""What a shell offers after <TAB>, by click's own protocol."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from edgeae.runtime.commands.cli import COMMANDS

PROGRAM = """
import sys
from edgeae.runtime.commands.cli import main
sys.modules["yaml"] = sys.modules["torch"] = None  # as on a device
main()
"""


def offered(line: str, shell: str = "bash") -> list[str]:
    """What is offered for the last word of ``line``, as TYPE,VALUE."""
    words = line.split(" ")
    asked = {
        "_EDGEAE_COMPLETE": f"{shell}_complete",
        "COMP_WORDS": line,
        "COMP_CWORD": str(len(words) - 1),
    }
    process = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env={**os.environ, **asked},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (process.returncode, process.stderr) == (0, "")
    return process.stdout.splitlines()


def test_commands() -> None:
    assert offered("edgeae ") == [f"plain,{name}" for name in COMMANDS]
    assert offered("edgeae ca") == ["plain,calibrate"]
    assert "plain,--version" in offered("edgeae --v")


def test_zsh_shows_the_summaries() -> None:
    assert offered("edgeae doc", "zsh") == ["plain", "doctor", COMMANDS["doctor"][2]]


def test_options_and_their_values() -> None:
    assert offered("edgeae run --page-h") == [
        "plain,--page-history",
        "plain,--page-history-days",
        "plain,--page-history-megabytes",
    ]
    assert offered("edgeae run --format S1") == ["plain,S16_LE"]
    assert "plain,--mqtt-discovery" in offered("edgeae run machine.onnx --mqtt")


@pytest.mark.parametrize(
    "line", ["edgeae run ma", "edgeae calibrate ma", "edgeae info ma", "edgeae run --log ma"]
)
def test_files(line: str) -> None:
    assert offered(line) == ["file,ma"], "the shell completes the name of a file itself"


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_for_each_shell_is_given(shell: str) -> None:
    environment = {**os.environ, "_EDGEAE_COMPLETE": f"{shell}_source"}
    process = subprocess.run(
        [sys.executable, "-c", PROGRAM], env=environment, capture_output=True, text=True, check=True
    )
    assert f"_EDGEAE_COMPLETE={shell}_complete" in process.stdout


def test_bash_itself_completes(tmp_path: Path) -> None:
    """With its own function, as after ``eval "$(_EDGEAE_COMPLETE=bash_source edgeae)"``."""
    program = tmp_path / "edgeae"
    program.write_text(f"#!{sys.executable}\n{PROGRAM}")
    program.chmod(0o755)
    script = """
eval "$(_EDGEAE_COMPLETE=bash_source edgeae)"
COMP_WORDS=(edgeae run --page-t) COMP_CWORD=2
_edgeae_completion edgeae
echo "${COMPREPLY[@]}"
"""
    path = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    process = subprocess.run(
        ["bash", "-c", script], env=path, capture_output=True, text=True, check=False
    )
    assert (process.returncode, process.stdout) == (
        0,
        "--page-token-file\n",
    ), process.stderr
