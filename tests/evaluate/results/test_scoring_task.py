"""Scores and streams of recordings, from a cache of results and from several processes."""

from pathlib import Path

import pytest

from edgeae.evaluate.results.result_cache import ResultCache
from edgeae.evaluate.results.scoring_task import ScoringTask
from edgeae.evaluate.streams.conditions import conditions
from edgeae.evaluate.streams.simulation import StreamPlan, StreamRecordings
from edgeae.runtime.audio.recordings import Recording, scan
from edgeae.runtime.errors import AudioError
from edgeae.runtime.scoring.detector import Detector
from tests.conftest import Trained

PLAN = StreamPlan(n_orders=1, normal_seconds=10.0, fault_seconds=20.0)


def _task(trained: Trained, recordings: list[Recording], jobs: int = 1) -> ScoringTask:
    detector = Detector.load(trained.int8)
    return ScoringTask(detector, {"id_03": detector}, recordings, 0, "key", jobs)


def _streams_of(recordings: list[Recording]) -> StreamRecordings:
    normals = [item.path for item in recordings if item.label == "normal"]
    anomalies = [item for item in recordings if item.label == "anomaly"]
    return StreamRecordings("id_03", normals, conditions(anomalies))


@pytest.fixture(scope="module")
def recordings(trained: Trained) -> list[Recording]:
    return scan(trained.new, "test")


def test_known_scores_are_not_computed_again(trained: Trained, recordings: list[Recording]) -> None:
    cache = ResultCache(None)
    first = _task(trained, recordings[:2]).scores(cache, print, skip_bad=False)
    all_ = _task(trained, recordings[:4]).scores(cache, print, skip_bad=False)
    assert all_[:2] == first
    assert [recording for recording, _ in all_] == recordings[:4]
    assert len(cache) == 4


def test_a_recording_that_cannot_be_read_is_reported_and_left_out(
    trained: Trained, recordings: list[Recording], tmp_path: Path
) -> None:
    bad = Recording(tmp_path / "bad.wav", "normal", "id_03")
    bad.path.write_bytes(b"no sound")
    task = _task(trained, [recordings[0], bad, recordings[1]])
    reports: list[str] = []
    found = task.scores(ResultCache(None), reports.append, skip_bad=True)
    assert [recording for recording, _ in found] == recordings[:2]
    assert len(reports) == 1 and "bad.wav" in reports[0]
    with pytest.raises(AudioError, match="1 of 3 recordings cannot be used"):
        task.scores(ResultCache(None), print, skip_bad=False)


def test_two_processes_give_the_same_scores_and_streams(
    trained: Trained, recordings: list[Recording]
) -> None:
    one, two = (_task(trained, recordings[::4], jobs) for jobs in (1, 2))
    assert two.scores(ResultCache(None), print, skip_bad=False) == one.scores(
        ResultCache(None), print, skip_bad=False
    )
    machine = _streams_of(recordings[::4])
    assert two.streams([machine], PLAN, ResultCache(None)) == one.streams(
        [machine], PLAN, ResultCache(None)
    )


def test_a_stream_from_the_file_is_the_one_that_was_computed(
    trained: Trained, recordings: list[Recording], tmp_path: Path
) -> None:
    task = _task(trained, recordings)
    machine = _streams_of([recordings[0], recordings[-1]])
    path = tmp_path / "cache.jsonl"
    with pytest.raises(KeyboardInterrupt), ResultCache(path) as cache:
        (computed,) = task.streams([machine], PLAN, cache)
        raise KeyboardInterrupt
    with ResultCache(path) as cache:
        assert len(cache) == 1
        assert task.streams([machine], PLAN, cache) == [computed]
    assert computed is not None and len(computed.faults) == 1


def test_a_machine_without_normal_recordings_has_no_stream(
    trained: Trained, recordings: list[Recording]
) -> None:
    anomalies = [recording for recording in recordings if recording.label == "anomaly"]
    machine = _streams_of(anomalies)
    assert _task(trained, recordings).streams([machine], PLAN, ResultCache(None)) == [None]
