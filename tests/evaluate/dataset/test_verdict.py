"""The data set in one sentence."""

from pathlib import Path

from edgeae.evaluate.dataset.findings import Finding
from edgeae.evaluate.dataset.survey import Survey
from edgeae.evaluate.dataset.verdict import verdict
from tests.evaluate.dataset.conftest import MakeStats

NOTE = Finding("absence", "no test", "add one", hinders=False)


def _survey(make_stats: MakeStats, *refused: str) -> Survey:
    recordings = [make_stats("a"), make_stats("b", split="test", seconds=20.0)]
    return Survey(Path("data"), recordings, list(refused))


def test_a_data_set_with_notes_alone_is_ready(make_stats: MakeStats) -> None:
    assert verdict(_survey(make_stats), [NOTE]) == (
        "Ready to train: 2 recordings of 1 machine, 0.5 minutes, 1 recording (0.2 minutes) of them "
        "to train on, and nothing that has to be fixed was found."
    )


def test_findings_and_refused_files_are_counted(make_stats: MakeStats) -> None:
    copies = Finding("copies", "twice", "keep one", (("a", "b"), ("c", "d")))
    loud = Finding("level", "loud", "turn it down", (("a",),))
    assert verdict(_survey(make_stats, "x: empty"), [copies, NOTE, loud]) == (
        "Not ready to train: fix 1 file that cannot be used and 2 points in 4 files; "
        "2 recordings of 1 machine, 0.5 minutes, could be read."
    )
    assert "fix 1 file that cannot be used;" in verdict(_survey(make_stats, "x: empty"), [])
