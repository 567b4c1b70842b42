"""Copies: what they mean depends on where they are."""

import numpy as np

from edgeae.evaluate.dataset.duplicates import Duplicates
from edgeae.evaluate.dataset.recording_stats import RecordingStats
from tests.evaluate.dataset.conftest import MakeStats

PRINT = np.random.default_rng(0).bytes(64).hex()


def _kinds(duplicates: Duplicates) -> dict[str, tuple[tuple[str, ...], ...]]:
    """The files of each kind of finding."""
    findings = [
        *duplicates.conflicting_labels(),
        *duplicates.leaks(),
        *duplicates.repetitions(),
    ]
    return {finding.kind: finding.files for finding in findings}


def _among(*recordings: RecordingStats) -> Duplicates:
    return Duplicates.among(recordings)


def test_different_recordings_are_no_duplicates(make_stats: MakeStats) -> None:
    assert not _kinds(_among(make_stats("a"), make_stats("b"), make_stats("c")))


def test_the_same_samples_in_one_split_are_copies(make_stats: MakeStats) -> None:
    same = _among(make_stats("a", sha256="x"), make_stats("b", sha256="x"), make_stats("c"))
    assert _kinds(same) == {"copies": (("a", "b"),)}


def test_the_same_samples_in_both_splits_are_a_leak(make_stats: MakeStats) -> None:
    leak = _among(make_stats("a", sha256="x"), make_stats("b", sha256="x", split="test"))
    assert _kinds(leak) == {"leakage": (("a", "b"),)}


def test_the_same_samples_under_two_labels_conflict(make_stats: MakeStats) -> None:
    normal = make_stats("a", sha256="x", split="test")
    for change in ({"label": "anomaly"}, {"machine": "id_01"}):
        other = make_stats("b", sha256="x", split="test", **change)
        assert _kinds(_among(normal, other)).keys() == {"labels", "copies"}


def test_similar_fingerprints_are_near_copies_or_a_near_leak(make_stats: MakeStats) -> None:
    first = make_stats("a", fingerprint=PRINT)
    near = _among(first, make_stats("b", fingerprint=PRINT))
    assert _kinds(near) == {"near copies": (("a", "b"),)}
    leak = _among(first, make_stats("b", fingerprint=PRINT, split="test"))
    assert _kinds(leak) == {"near leakage": (("a", "b"),)}


def test_near_copies_do_not_hinder_training(make_stats: MakeStats) -> None:
    near = _among(make_stats("a", fingerprint=PRINT), make_stats("b", fingerprint=PRINT))
    assert [finding.hinders for finding in near.repetitions()] == [False]


def test_one_of_the_same_recordings_stands_for_all_among_similar_ones(
    make_stats: MakeStats,
) -> None:
    same = [make_stats(name, sha256="x", fingerprint=PRINT) for name in "ab"]
    duplicates = _among(*same, make_stats("c", fingerprint=PRINT))
    assert [[item.file for item in group] for group in duplicates.similar] == [["a", "c"]]
