"""Whether the detector is usable, in one sentence."""

from dataclasses import replace

import pytest

from edgeae.evaluate.report.usability import budget_per_day, sensitivity_sentence, usability
from edgeae.evaluate.streams.simulation import FaultDelay, StreamCounts
from edgeae.runtime.model.sections import SensitivitySection
from edgeae.runtime.scoring.detector import Detector
from tests.conftest import Trained

HOUR = 3600.0


def stream(
    *delays: float | None, n_alarms: int = 0, hours: float = 1.0, kind: str = "fault"
) -> StreamCounts:
    faults = tuple(FaultDelay(kind, delay) for delay in delays)
    return StreamCounts(hours * HOUR, hours * HOUR, n_alarms, 3600, 0, 0, faults)


@pytest.fixture(scope="module")
def detector(trained: Trained) -> Detector:
    return Detector.load(trained.int8)


@pytest.mark.parametrize(
    ("delays", "level"),
    [
        ((50.0, 60.0, 70.0), "usable"),
        ((50.0, 60.0, None), "partly usable"),
        ((50.0, None, None), "not usable"),
        ((50.0, 1000.0, 1000.0), "not usable"),
    ],
)
def test_the_level_follows_from_the_faults_that_raise_an_alarm(
    detector: Detector, delays: tuple[float | None, ...], level: str
) -> None:
    result = usability([stream(*delays)], detector, "1/day", is_calibrated=True)
    assert result.level == level


def test_the_sentence_says_how_many_how_soon_and_at_what_rate(detector: Detector) -> None:
    streams = [stream(50.0, 60.0), stream(70.0, kind="other", hours=0.5)]
    sentence = usability(streams, detector, "1/day", is_calibrated=True).sentence
    assert sentence == (
        "Usable for faults like those of this test: 3 of 3 trials with a fault (2 machines, "
        "recordings in several orders) raised an alarm within 15 minutes, half of all within 60 "
        "seconds, and 1.5 hours of normal sound raised no false alarm (too few hours to "
        "prove the budget of 1/day)."
    )


def test_the_sentence_says_how_much_sound_was_played_repeatedly(detector: Detector) -> None:
    counts = replace(stream(50.0), distinct_seconds=90.0)
    sentence = usability([counts], detector, "1/day", is_calibrated=True).sentence
    assert (
        "1.0 hours of normal sound, 1.5 minutes of recordings played repeatedly, raised no false"
    ) in sentence


@pytest.mark.parametrize(
    ("n_alarms", "hours", "level", "words"),
    [
        (20, 10.0, "not usable", "20 false alarms, more than the budget of 1/day allows"),
        (0, 24.0 * 30, "usable", "no false alarm, within the budget of 1/day"),
        (1, 10.0, "usable", "1 false alarm (too few hours to prove the budget of 1/day)"),
    ],
)
def test_the_false_alarms_are_compared_with_the_budget(
    detector: Detector, n_alarms: int, hours: float, level: str, words: str
) -> None:
    counts = stream(50.0, n_alarms=n_alarms, hours=hours)
    result = usability([counts], detector, "1/day", is_calibrated=True)
    assert (result.level, words in result.sentence) == (level, True)


def test_an_artifact_of_no_machine_is_not_usable(detector: Detector) -> None:
    result = usability([stream(50.0)], detector, "1/day", is_calibrated=False)
    assert result.level == "not usable" and "calibrated to no machine" in result.sentence


@pytest.mark.parametrize(
    ("streams", "budget", "words"),
    [
        ([], "1/day", "no alarm could be measured"),
        ([stream()], "1/day", "no recording of a fault"),
        ([stream(50.0)], None, "add `--false-alarms 1/day`"),
    ],
)
def test_what_was_not_measured_is_unknown(
    detector: Detector, streams: list[StreamCounts], budget: str | None, words: str
) -> None:
    result = usability(streams, detector, budget, is_calibrated=True)
    assert result.level == "unknown" and words in result.sentence


def test_a_budget_of_an_hour_is_24_a_day(detector: Detector) -> None:
    assert budget_per_day("1/hour", detector) == pytest.approx(24)


def test_the_sensitivity_is_a_range_over_the_bands() -> None:
    sections = [
        SensitivitySection(f"louder at {band}", "", strength / minutes, "dB", 60.0 * minutes, True)
        for band, strength in (("1 to 2 kHz", 4.0), ("2 to 4 kHz", 6.0))
        for minutes in (1, 2)
    ]
    assert sensitivity_sentence([]) is None
    assert "by 4 to 6 dB within 1 minute and by 2 to 3 dB within 2 minutes" in str(
        sensitivity_sentence(sections)
    )


def test_the_same_change_of_all_bands_is_no_range() -> None:
    sections = [SensitivitySection("louder at 1 to 2 kHz", "", 4.0, "dB", 60.0, True)]
    assert "quieter by 4 dB within 1 minute, depending" in str(sensitivity_sentence(sections))


@pytest.mark.parametrize(
    ("is_detected", "words"),
    [
        ((True, False), "by 4 to more than 12 dB within"),
        ((False, False), "by more than 12 dB with"),
    ],
)
def test_a_change_that_is_not_detected_is_more_than_the_largest_one(
    is_detected: tuple[bool, bool], words: str
) -> None:
    bands = zip(("1 to 2 kHz", "2 to 4 kHz"), is_detected, strict=True)
    sections = [
        SensitivitySection(f"louder at {band}", "", 4.0 if detected else 12.0, "dB", 60.0, detected)
        for band, detected in bands
    ]
    assert words in str(sensitivity_sentence(sections))


def test_kinds_of_fault_are_counted_where_names_state_them(detector: Detector) -> None:
    faults = (FaultDelay("bearing", 50.0), FaultDelay("belt", 60.0))
    counts = StreamCounts(HOUR, HOUR, 0, 3600, 0, 0, faults)
    sentence = usability([counts], detector, "1/day", is_calibrated=True).sentence
    assert "(1 machine, 2 kinds of fault, recordings in several orders)" in sentence
