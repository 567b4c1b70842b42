"""What the reader must know before the numbers."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from edgeae.evaluate.report.notes import notes
from edgeae.evaluate.results.recording_scores import MachineTest
from edgeae.evaluate.streams.simulation import StreamCounts

Tests = Mapping[str, MachineTest]


def test_where_all_sound_was_judged_there_is_nothing_to_note(tested: Tests) -> None:
    assert notes(tested, 5, None) == []
    assert notes(tested, None, "id_03") == []


def test_recordings_that_were_not_judged_are_counted_and_named(tested: Tests) -> None:
    test = tested["id_03"]
    scores = [
        replace(score, windows_not_judged=1, not_judged=score.label == "anomaly")
        for score in test.scores
    ]
    unjudged, partly = notes({"id_03": replace(test, scores=scores)}, 5, None)
    assert unjudged.startswith("8 of 14 recordings of id_03 were not judged")
    assert scores[0].file in unjudged and "and 5 more" in unjudged
    assert "8 of them are faults" in unjudged
    assert partly.startswith("6 of 14 recordings of id_03 were judged in part")


def test_windows_of_a_stream_that_were_not_judged_are_counted(tested: Tests) -> None:
    counts = StreamCounts(60.0, 60.0, 0, 60, 0, n_not_judged=12)
    (note,) = notes({"id_03": replace(tested["id_03"], stream=counts)}, 5, None)
    assert "12 windows were not judged" in note


def test_machines_whose_alarms_are_calibrated_on_test_recordings_are_named(tested: Tests) -> None:
    test = replace(tested["id_03"], stream_calibration=[Path("normal_id_03_00.wav")])
    (note,) = notes({"id_03": test}, 5, None)
    assert "trained on the calibration recordings of id_03" in note


def test_an_artifact_of_one_machine_on_several_is_reported(tested: Tests) -> None:
    test = tested["id_03"]
    several = {"id_02": test, "id_03": test, "id_04": test}
    (note,) = notes(several, None, "id_03")
    assert "calibrated to id_03, but the test holds id_02, id_04, too" in note
    assert notes(several, 5, "id_03") == []
    (note,) = notes(several, None, "id_09")
    assert "calibrated to id_09, but the test holds id_02, id_03, id_04:" in note


def test_a_single_machine_may_have_no_name(tested: Tests) -> None:
    test = tested["id_03"]
    assert notes({"default": test}, None, "pump-3") == []
    assert len(notes({"id_03": test}, None, "id_02")) == 1
