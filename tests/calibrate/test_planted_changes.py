"""The changes that are planted: their strengths, their words, and which are tried."""

import numpy as np
import pytest

from edgeae.calibrate.excerpt import FrequencyRange, SampleExcerpt
from edgeae.calibrate.planted_changes import (
    BandGain,
    HighLoss,
    Knocks,
    Modulation,
    PlantedChange,
    Tone,
    WhiteNoise,
    planted_changes,
)
from edgeae.runtime.features.mel import MelSpec

RATE = 16000
BAND = FrequencyRange(2000.0, 4000.0)
EXCERPT = SampleExcerpt(
    (0.05 * np.random.default_rng(1).standard_normal(4 * RATE)).astype(np.float32), RATE
)


@pytest.mark.parametrize(
    ("change", "strength", "words"),
    [
        (BandGain(BAND, louder=True), 3.0, "+3 dB at 2 to 4 kHz"),
        (BandGain(BAND, louder=False), 1.5, "-1.5 dB at 2 to 4 kHz"),
        (HighLoss(BAND, louder=False), 6.0, "-6 dB above 2000 Hz"),
        (Tone(1000.0), -20.0, "a tone at 1000 Hz, 20 dB below the machine's level"),
        (Knocks(), 6.0, "a knock twice a second, 6 dB above the machine's level"),
        (WhiteNoise(), 0.0, "white noise, as loud as the machine"),
        (Modulation(), 50.0, "a modulation 4 times a second by 50 %"),
    ],
)
def test_a_change_is_described_in_plain_words(
    change: PlantedChange, strength: float, words: str
) -> None:
    assert change.describe(strength) == words


@pytest.mark.parametrize("change", [Tone(1000.0), WhiteNoise()])
@pytest.mark.parametrize("strength", [-10.0, 10.0])
def test_an_added_sound_has_its_level_against_the_machine(
    change: PlantedChange, strength: float
) -> None:
    level = float(np.sqrt(EXCERPT.power))
    planted = change.plant(EXCERPT, strength, level)
    assert isinstance(planted, SampleExcerpt)
    added = planted.samples - EXCERPT.samples
    assert 20 * np.log10(added.std() / level) == pytest.approx(strength, abs=0.1)


def test_a_knock_comes_twice_a_second_with_its_level_at_first() -> None:
    waveform = Knocks().waveform(2 * RATE, RATE)
    starts = np.flatnonzero((waveform != 0) & (np.roll(waveform, 1) == 0))
    assert starts.tolist() == [0, 8000, 16000, 24000]
    assert np.sqrt(np.mean(waveform[:160] ** 2)) == pytest.approx(1.0)


def test_a_louder_and_a_quieter_band_are_opposites() -> None:
    louder, quieter = (
        BandGain(BAND, louder=louder).plant(EXCERPT, 12.0, 1.0) for louder in (True, False)
    )
    assert louder.power > EXCERPT.power > quieter.power


def test_the_strengths_of_each_change_ascend_and_include_the_ordinary_one() -> None:
    for change in planted_changes(MelSpec(), 8000.0):
        assert list(change.strengths) == sorted(set(change.strengths))
        if change.ordinary_strength is not None:
            assert change.strengths[0] <= change.ordinary_strength <= change.strengths[-1]


def test_all_changes_have_names_of_their_own() -> None:
    names = [change.name for change in planted_changes(MelSpec(), 8000.0)]
    assert len(set(names)) == len(names) == 18


@pytest.mark.parametrize("max_hz", [1000.0, 3760.0, 4000.0, 8000.0])
def test_the_ranges_cover_what_the_recordings_hold(max_hz: float) -> None:
    changes = planted_changes(MelSpec(), max_hz)
    ranges = [each.band for each in changes if type(each) is BandGain and each.louder]
    assert [each.low_hz for each in ranges[1:]] == [each.high_hz for each in ranges[:-1]]
    assert (ranges[0].low_hz, ranges[-1].high_hz) == (62.5, max_hz)
    assert all(each.high_hz / each.low_hz >= 2**0.5 for each in ranges)
