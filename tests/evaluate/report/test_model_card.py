import hashlib
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from edgeae.evaluate.report.model_card import render_card
from edgeae.runtime.audio.recordings import audio_files
from edgeae.runtime.commands.cli import COMMANDS, run_command
from edgeae.runtime.model.artifact import Artifact
from edgeae.runtime.scoring.detector import Detector

if TYPE_CHECKING:
    from tests.conftest import Trained

HOSTILE = "a|b\n# <img src=x onerror=alert(1)> `c` [d](javascript:e)\x1b[2J"
SHOWN = r"a&#124;b # &#60;img src=x onerror=alert(1)&#62; &#96;c&#96; \[d\](javascript:e) \[2J"


@pytest.fixture(scope="module")
def machine(trained: "Trained", tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The int8 artifact calibrated on the new machine."""
    path = tmp_path_factory.mktemp("card") / "machine.onnx"
    clips = map(str, audio_files(trained.new / "train"))
    assert (
        run_command(
            [
                "calibrate",
                "--no-known-sensitivity",
                str(trained.int8),
                *clips,
                "--machine",
                "pump_3|x",
                "-o",
                str(path),
            ]
        )
        == 0
    )
    return path


def written(path: Path) -> str:
    return render_card(Detector.load(path), path)


def rows(page: str) -> dict[str, str]:
    """First and second cell of the rows of all tables, whose rows are as long as their head."""
    first_cells: dict[str, str] = {}
    for lines in re.findall(r"(?:^\|.*\|\n)+", page, re.M):
        cells = [line[2:-2].split(" | ") for line in lines.splitlines()]
        assert {len(row) for row in cells} == {len(cells[0])}, lines
        first_cells |= {row[0]: row[1] for row in cells}
    return first_cells


def test_the_card_states_what_the_artifact_holds(machine: Path) -> None:
    page = written(machine)
    facts = rows(page)
    detector = Detector.load(machine)
    origin = detector.artifact.sections["provenance"]
    assert page.startswith("# Model card: pump\\_3&#124;x\n")
    assert facts["fingerprint (SHA-256 of names and features)"] == origin["data"]["fingerprint"]
    assert facts["machines"] == r"id\_00, id\_01, id\_02"
    assert facts["recordings of normal sound"] == "48"
    assert float(facts["hours"]) == pytest.approx(48 * 4 / 3600, rel=0.02)
    assert facts["recorded at, Hz"] == "16000"
    assert facts["parameters"] == f"{origin['metrics']['parameters']:,}"
    assert facts["weights"] == "int8 per channel"
    assert facts["threshold (natural logarithm)"] == f"{detector.threshold.value:g}"
    assert facts["budget of false alarms"] == "1/day"
    assert facts[detector.artifact.sections["head"]["calibrated"]] == str(detector.head.windows)
    assert facts["SHA-256 of the file"] == hashlib.sha256(machine.read_bytes()).hexdigest()
    assert facts["made with edgeae"] == origin["versions"]["edgeae"]
    assert "1/day false alarms are rarer than the training sound can show" in page
    assert "The licence of the training data is not stated." in page
    assert written(machine) == page


def test_the_card_of_an_artifact_that_knows_no_machine_says_so(trained: "Trained") -> None:
    page = written(trained.float_)
    assert page.startswith("# Model card: machines of one kind, not yet calibrated\n")
    assert "Not calibrated: on a machine that was not in the training" in page
    assert "None: the network computes in 32-bit floating point" in page
    assert (
        "edgeae calibrate model.onnx --device hw:1 --duration 60 --machine NAME -o NAME.onnx"
        in page
    )


@pytest.mark.parametrize("calibrated", [True, False])
def test_commands_of_the_card_exist(
    trained: "Trained", machine: Path, calibrated: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    page = written(machine if calibrated else trained.int8)
    commands = [line.split() for line in re.findall(r"^edgeae .*$", page, re.M)]
    assert len(commands) >= 5
    for _, command, *arguments in commands:
        assert command in COMMANDS
        assert run_command([command, "--help"]) == 0
        shown = capsys.readouterr().out
        assert all(word in shown for word in arguments if word.startswith("--"))


@pytest.mark.parametrize(
    "origin", [None, {}, {"data": "x", "metrics": [], "versions": 3, "config": {"model": None}}]
)
def test_what_the_provenance_does_not_say_is_not_stated(
    machine: Path, tmp_path: Path, origin: object
) -> None:
    path = tmp_path / "foreign.onnx"
    artifact = Artifact.read(machine)
    ranges = {
        key: value
        for key, value in artifact.sections["quantization"].items()
        if key.startswith("input_")
    }
    artifact.with_sections(provenance=origin, quantization=ranges).write(path)
    facts = rows(written(path))
    names = [
        "licence",
        "machines",
        "hours",
        "fingerprint (SHA-256 of names and features)",
        "parameters",
        "weights",
    ]
    assert {facts[name] for name in names} == {"not stated"}


def test_words_of_a_foreign_artifact_are_no_markup(machine: Path, tmp_path: Path) -> None:
    path = tmp_path / "foreign`\n.onnx"
    artifact = Artifact.read(machine)
    origin = {
        "data": {"licence": HOSTILE, "name": np.zeros((2, 0)), "machines": [HOSTILE]},
        "versions": {HOSTILE: HOSTILE},
        "created": HOSTILE,
    }
    head = artifact.sections["head"]
    sessions = [{**head["history"][0], "date": HOSTILE}]
    threshold = {**artifact.sections["threshold"], "false_alarms": "<b>|`1/day`"}
    changed = {"head": {**head, "history": sessions}, "threshold": threshold, "quantization": None}
    artifact.with_sections(provenance=origin, **changed).write(path)
    page = written(path)
    facts = rows(page)
    assert facts["licence"] == facts["machines"] == facts[f"made with {SHOWN}"] == SHOWN
    assert SHOWN in facts  # the date of the session
    assert not re.search(r"<\w|\x1b|(?<!\\)\]\(", page)
    assert page.count("```") == 4  # two blocks of commands


def test_info_writes_the_card_and_prints_it(
    machine: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_command(["info", str(machine), "--card"]) == 0
    page = capsys.readouterr().out
    assert page == written(machine)
    assert run_command(["info", str(machine), "--card", "-o", str(tmp_path / "machine.md")]) == 0
    assert (tmp_path / "machine.md").read_text() == page
    assert capsys.readouterr().out == ""


def test_an_install_without_the_extra_says_so_in_one_sentence(machine: Path) -> None:
    program = (
        "import sys; sys.modules.update(dict.fromkeys(['jinja2', 'markupsafe'])); "
        "from edgeae.runtime.commands.cli import main; main()"
    )
    command = [sys.executable, "-c", program, "info", str(machine), "--card"]
    process = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (process.returncode, process.stdout) == (2, "")
    assert process.stderr == (
        "edgeae: edgeae info needs jinja2, which is not installed; "
        "run: pip install 'edgeae[train]'\n"
    )


def test_a_card_of_an_artifact_that_fails_its_self_test_exits_with_3(
    machine: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    artifact = Artifact.read(machine)
    expected = artifact.sections["selftest"]
    artifact.with_sections(selftest={**expected, "score": expected["score"] + 1}).write(
        tmp_path / "bad.onnx"
    )
    assert run_command(["info", str(tmp_path / "bad.onnx"), "--card"]) == 3
    out, err = capsys.readouterr()
    assert out.startswith("# Model card")
    assert "self-test failed" in err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["-o", "x.md"], "need --card; add it"),
        (["--results", "x.json"], "need --card; add it"),
        (["--card", "--json"], "give one of them"),
        (["--card", "-o", "x.onnx"], "x.onnx: the file of a card must be named *.md"),
        (["--card", "-o", "nowhere/x.md"], "nowhere"),
    ],
)
def test_options_that_do_not_fit_are_one_sentence(
    machine: Path,
    options: list[str],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run_command(["info", str(machine), *options]) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert message in err
