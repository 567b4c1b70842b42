"""The smallest change that is detected, and the warning where ordinary changes are missed."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from edgeae.calibrate.calibrate import calibrate, calibrate_files
from edgeae.calibrate.excerpt import Excerpt, ExcerptBudget, FrequencyRange
from edgeae.calibrate.planted_changes import BandGain, Modulation, PlantedChange, Tone
from edgeae.calibrate.recording import CalibrationRecording
from edgeae.calibrate.sensitivity import (
    TRAINED_ON_ADVICE,
    Detects,
    MeasuredChange,
    find_missed_changes,
    find_sensitivity,
    measure_changes,
    missed_warning,
    with_sensitivity,
)
from edgeae.runtime.audio.recordings import audio_files
from edgeae.runtime.features.mel import log_mel
from edgeae.runtime.scoring.detector import Detector
from edgeae.runtime.system.arrays import Float32, Float64
from tests.conftest import Trained

RATE = 16000
LOUDER = BandGain(FrequencyRange(2000.0, 4000.0), louder=True)
WINDOW_SECONDS = 10.0


def proportional(change: PlantedChange = LOUDER) -> MeasuredChange:
    """A change whose shift is its strength."""
    return MeasuredChange(change, np.array(change.strengths)[:, None])


def detects_from(limit_in_a_minute: float, limit_in_ten: float) -> Detects:
    def detects(shift: Float64, seconds: float) -> bool:
        return float(shift[0]) >= (limit_in_ten if seconds >= 600 else limit_in_a_minute)

    return detects


def test_the_smallest_strength_is_found_for_each_time() -> None:
    first, second = find_sensitivity([proportional()], detects_from(4.8, 1.7))
    assert (first.change, first.strength, first.unit) == ("+5 dB at 2 to 4 kHz", 5.0, "dB")
    assert (first.within_seconds, first.is_detected) == (60.0, True)
    assert (second.change, second.within_seconds) == ("+2 dB at 2 to 4 kHz", 600.0)


def test_a_change_that_is_not_detected_has_the_largest_strength_that_was_tried() -> None:
    first, second = find_sensitivity([proportional()], detects_from(13.0, 12.0))
    assert (first.strength, first.is_detected) == (12.0, False)
    assert (second.strength, second.is_detected) == (12.0, True)


def test_the_search_asks_few_times() -> None:
    asked: list[float] = []

    def detects(shift: Float64, seconds: float) -> bool:
        asked.append(seconds)
        return bool(shift[0] > 3.0)

    find_sensitivity([proportional()], detects)
    assert len(asked) <= 12


@pytest.mark.parametrize("strength", [0.5, 1.75, 3.0, 7.5, 12.0])
def test_between_the_planted_strengths_the_shift_is_interpolated(strength: float) -> None:
    assert proportional().shift(strength) == pytest.approx([strength])


def test_only_ordinary_changes_are_missed() -> None:
    measured = [proportional(), proportional(Tone(1000.0)), proportional(Modulation())]
    assert find_missed_changes(measured, detects_from(100.0, 100.0)) == [
        "+6 dB at 2 to 4 kHz",
        "a tone at 1000 Hz, 10 dB above the machine's level",
    ]
    assert find_missed_changes(measured, detects_from(100.0, 5.9)) == []


@pytest.mark.parametrize(
    ("limits", "advice"),
    [
        ({"1/week": 6.5, "1/day": 6.5, "1/hour": 5.0}, "; with --false-alarms 1/hour it would"),
        ({"1/week": 6.5, "1/day": 5.0, "1/hour": 4.0}, "; with --false-alarms 1/day it would"),
        (
            {"1/week": 9.0, "1/day": 8.0, "1/hour": 7.0},
            "; more normal sound (--add) makes the detector more sensitive",
        ),
    ],
)
def test_the_warning_names_the_budget_at_which_it_would_be_detected(
    limits: dict[str, float], advice: str
) -> None:
    warning = missed_warning(
        [proportional()],
        "1/week",
        WINDOW_SECONDS,
        lambda budget: detects_from(100.0, limits[budget]),
    )
    assert warning == (
        "with 1/week false alarms, none of these changes would raise an alarm within ten minutes: "
        f"+6 dB at 2 to 4 kHz{advice}"
    )


def test_no_warning_where_ordinary_changes_are_detected() -> None:
    detects = detects_from(9.0, 5.9)
    assert missed_warning([proportional()], "1/day", WINDOW_SECONDS, lambda _: detects) is None


def samples_excerpt(budget: ExcerptBudget, sound: Float32) -> Excerpt | None:
    return budget.of_samples(sound, RATE)


def log_mel_excerpt(budget: ExcerptBudget, sound: Float32) -> Excerpt | None:
    return budget.of_frames(log_mel(sound))


@pytest.mark.parametrize("excerpt_of", [samples_excerpt, log_mel_excerpt])
def test_a_planted_change_moves_the_features_of_its_bands(
    fresh: Detector,
    clips: list[Float32],
    excerpt_of: Callable[[ExcerptBudget, Float32], Excerpt | None],
) -> None:
    excerpt = excerpt_of(ExcerptBudget(fresh), clips[0])
    assert excerpt is not None
    steps: list[str] = []
    [measured] = measure_changes(fresh, [excerpt], [LOUDER], steps.append)
    n_mels = fresh.spec.n_mels
    change_db = measured.shift(3.0)[1 : 1 + n_mels] * fresh.band_std
    assert change_db.max() == pytest.approx(3.0, abs=0.3)
    assert np.median(np.abs(change_db)) < 0.3
    assert steps == ["sensitivity: change: 1 of 1"]


def test_a_calibration_stores_its_sensitivity(
    fresh: Detector, trained: Trained, tmp_path: Path
) -> None:
    paths = audio_files(trained.new / "train")[:2]
    machine = calibrate_files(fresh, paths, sensitivity=True, force=True, report=print)
    machine.artifact.write(tmp_path / "machine.onnx")
    sections = Detector.load(tmp_path / "machine.onnx").artifact.head.sensitivity
    assert sections == machine.artifact.head.sensitivity
    assert len(sections) == 36
    in_a_minute, in_ten = (
        [section.strength for section in sections if section.within_seconds == seconds]
        for seconds in (60.0, 600.0)
    )
    assert all(ten <= one for one, ten in zip(in_a_minute, in_ten, strict=True))


def test_another_calibration_forgets_the_sensitivity(fresh: Detector, clips: list[Float32]) -> None:
    machine = calibrate(fresh, clips[:1], sensitivity=True, force=True, report=print)
    assert machine.artifact.head.sensitivity
    more = calibrate(machine, clips[1:3], add=True, force=True, report=print)
    assert more.artifact.head.sensitivity == ()


def test_a_calibration_on_training_recordings_says_why_it_is_not_sensitive(
    fresh: Detector, trained: Trained
) -> None:
    [path] = [path for path in audio_files(trained.data / "train") if "id_01" in path.name][:1]
    messages: list[str] = []
    calibrate_files(fresh, [path], sensitivity=True, force=True, report=messages.append)
    [warning] = [message for message in messages if "would raise an alarm within ten" in message]
    assert warning.endswith(TRAINED_ON_ADVICE)


def test_a_head_that_has_no_references_has_a_sensitivity(
    fresh: Detector, clips: list[Float32]
) -> None:
    detector = fresh.with_kind("no_network")
    machine = calibrate(detector, clips[:1], sensitivity=True, force=True, report=print)
    assert len(machine.artifact.head.sensitivity) == 36


def test_a_detector_without_charts_or_excerpts_is_unchanged(fresh: Detector) -> None:
    recording = CalibrationRecording("a.wav", excerpt=None)
    assert with_sensitivity(fresh, [recording], print) is fresh
