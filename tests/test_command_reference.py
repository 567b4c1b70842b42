"""docs/commands.md is what its script writes from the commands."""

import runpy
from pathlib import Path

import pytest

from edgeae.runtime.commands.cli import COMMANDS

ROOT = Path(__file__).parents[1]
SCRIPT = ROOT / "scripts" / "make-command-reference"


@pytest.fixture(scope="module")
def reference() -> str:
    text = runpy.run_path(str(SCRIPT))["reference"]()
    assert isinstance(text, str)
    return text


def test_the_page_is_what_the_script_writes(reference: str) -> None:
    committed = (ROOT / "docs" / "commands.md").read_text()
    assert committed == reference, f"run {SCRIPT.relative_to(ROOT)}"


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_a_section_with_its_usage(reference: str, command: str) -> None:
    section = reference.split(f"\n## edgeae {command}\n")[1].split("\n## ", maxsplit=1)[0]
    assert f"```text\nedgeae {command} [OPTIONS]" in section
    assert "\n| option | meaning | default |\n" in section


def test_every_row_of_a_table_has_three_cells(reference: str) -> None:
    rows = [line for line in reference.splitlines() if line.startswith("| `-")]
    assert len(rows) > 100
    assert {row.replace(r"\|", "").count("|") for row in rows} == {4}


def test_defaults_and_repeatable_options_are_shown(reference: str) -> None:
    assert "| `--duration` FLOAT (2 or more) | Seconds to record from the device. | `60.0` |" in (
        reference
    )
    assert "| `--known-sensitivity`, `--no-known-sensitivity` |" in reference
    assert " Repeatable. |" in reference
