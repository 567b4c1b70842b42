"""The explainer reports the ranges of simulated changes and of faults of synthetic machines."""

from collections.abc import Iterator
from itertools import pairwise, product
from typing import Any

import numpy as np
import pytest

from edgeae.calibrate.calibrate import calibrate_files
from edgeae.runtime.audio.recordings import audio_files
from edgeae.runtime.features.mel import MelSpec, band_edges
from edgeae.runtime.scoring.detector import Detector
from edgeae.runtime.scoring.explain import Explainer, Explanation, Moved
from edgeae.runtime.scoring.head import Head
from edgeae.runtime.scoring.window_features import n_features_of, smooth_basis
from edgeae.runtime.system.arrays import Float64
from edgeae.train.synth.dataset import render
from edgeae.train.synth.faults import FAULTS, Fault, fault_band
from edgeae.train.synth.machine import Machine
from edgeae.train.synth.scene import Samples
from tests.runtime.conftest import plain_fleet

SPEC = MelSpec()
N_MELS = SPEC.n_mels
N_FEATURES = n_features_of(SPEC.n_mels)
CENTRES = band_edges(SPEC)[1:-1]


@pytest.fixture(scope="module")
def explainer() -> Explainer:
    """Of a machine whose features vary independently, each by .1."""
    return Explainer(
        SPEC,
        Head(
            plain_fleet(N_FEATURES, 0.1), np.zeros(N_FEATURES), np.empty((0, N_FEATURES)), 0.0, 100
        ),
        np.full(N_MELS, 2.0),
    )


def changed(
    low: float, high: float, decibel: float = 0.0, spread: float = 0.0, jumps: float = 0.0
) -> Float64:
    """Features after a change from low to high Hz, at 2 dB a unit of the mean; spread and jumps
    in ln."""
    inside = ((low <= CENTRES) & (high >= CENTRES)).astype(float)
    smooth = inside @ smooth_basis(N_MELS)
    view = np.concatenate([inside * decibel / 2, smooth * spread, smooth * jumps])
    return np.concatenate([[0.0], view, np.zeros(len(view))])


@pytest.mark.parametrize(
    ("low", "high"), [(40, 80), (500, 700), (1000, 2000), (2000, 5600), (6400, 8000)]
)
@pytest.mark.parametrize("decibel", [6.0, -6.0])
def test_the_range_of_a_change_is_reported_with_its_decibels(
    explainer: Explainer, low: float, high: float, decibel: float
) -> None:
    moved = explainer.explain(changed(low, high, decibel)).moved[0]
    assert abs(np.log2([moved.low_hz / low, moved.high_hz / high])).max() < 0.3
    assert moved.change_db == pytest.approx(decibel, abs=1)
    assert moved.kind == "steady"


@pytest.mark.parametrize(
    ("spread", "jumps", "kind"),
    [
        (0.6, 0.6, "impulsive"),
        (0.2, 0.7, "impulsive"),
        (0.6, 0.0, "fluctuating"),
        (-0.5, -0.5, "steady"),
    ],
)
def test_a_level_that_jumps_is_impulsive_and_one_that_varies_slowly_fluctuates(
    explainer: Explainer, spread: float, jumps: float, kind: str
) -> None:
    change = changed(1000, 2000, -1.0 if spread < 0 else 0.5, spread, jumps)
    explanation = explainer.explain(change)
    [moved] = explanation.moved
    assert (moved.kind, explanation.rest_is_normal) == (kind, True)
    assert moved.spread_ratio == pytest.approx(np.exp(spread), rel=0.15)
    assert moved.jump_ratio == pytest.approx(np.exp(jumps), rel=0.15)


def test_the_larger_of_two_changes_is_reported_first(explainer: Explainer) -> None:
    explanation = explainer.explain(changed(300, 600, 4.0) + changed(3000, 4500, -6.0))
    assert [np.sign(moved.change_db) for moved in explanation.moved] == [-1, 1]


def test_at_most_three_ranges_are_reported_and_the_rest_is_not_called_normal(
    explainer: Explainer,
) -> None:
    change = sum(
        changed(low, 1.4 * low, 6.0 * (-1) ** k)
        for k, low in enumerate([200, 500, 1200, 2800, 5600])
    )
    explanation = explainer.explain(np.asarray(change))
    assert (len(explanation.moved), explanation.rest_is_normal) == (3, False)


def test_reported_ranges_do_not_overlap(explainer: Explainer) -> None:
    ranges = explainer.explain(changed(100, 7900, 6.0)).moved
    ends = sorted((moved.low_hz, moved.high_hz) for moved in ranges)
    assert len(ends) > 1
    assert all(first[1] <= second[0] for first, second in pairwise(ends))


@pytest.mark.parametrize("change", [changed(1000, 2000, 0.1), np.zeros(N_FEATURES)])
def test_a_small_change_is_not_reported(explainer: Explainer, change: Float64) -> None:
    explanation = explainer.explain(change)
    assert explanation.moved == []
    assert "no range of frequencies stands out" in explanation.sentence("since 3 s")


def test_a_change_of_the_gain_is_not_reported() -> None:
    gain = changed(0, 8000, 1.0)  # of one dB
    fleet = plain_fleet(N_FEATURES, 0.1, np.array([-10 * gain, 10 * gain]))
    explainer = Explainer(
        SPEC,
        Head(fleet, np.zeros(N_FEATURES), np.empty((0, N_FEATURES)), 0.0, 100),
        np.full(N_MELS, 2.0),
    )
    assert explainer.explain(6 * gain).moved == []
    [moved] = explainer.explain(6 * gain + changed(2000, 4000, 3.0)).moved
    assert moved.change_db == pytest.approx(3, abs=1)


def test_the_sentence_is_for_a_mechanic() -> None:
    moved = Moved(2094, 4307, 3.21, "impulsive", 1.5, 1.84)
    assert Explanation([moved], rest_is_normal=True).sentence("since 12 s") == (
        "2.1 to 4.3 kHz: 3.2 dB louder, impulsive (knocks, rubbing or a beat; "
        "jumps 1.8 times as much as normal), "
        "since 12 s; the rest is as normal"
    )
    assert Moved(251, 540, -0.2, "steady", 1.0, 1.0).sentence() == "250 to 540 Hz: as loud, steady"


@pytest.mark.parametrize(
    ("change_db", "level_db", "words"),
    [
        (0.1, 5.0, "5.0 dB louder, steady"),  # what the chart shows, not "as loud"
        (3.0, 3.4, "3.4 dB louder, steady"),
        (3.0, -2.0, "2.0 dB quieter (gain and load explain 5.0 dB quieter), steady"),
        (3.0, 0.1, "as loud (gain and load explain 2.9 dB quieter), steady"),
        (0.2, -0.3, "as loud, steady"),
    ],
)
def test_a_range_is_as_loud_as_its_bands_measure(
    change_db: float, level_db: float, words: str
) -> None:
    moved = Moved(2000, 3000, change_db, "steady", 1.0, 1.0, level_db)
    assert moved.sentence() == f"2 to 3 kHz: {words}"


def test_the_measured_level_of_a_range_is_reported(explainer: Explainer) -> None:
    [moved] = explainer.explain(changed(1000, 2000, 6.0)).moved
    assert moved.level_db == pytest.approx(6, abs=1)


@pytest.mark.parametrize(
    ("seconds", "words"), [(63.2, "63 s"), (119, "119 s"), (720, "12 min"), (18000, "5 h")]
)
def test_a_sentence_stays_true_after_its_event(seconds: float, words: str) -> None:
    explanation = Explanation([Moved(2000, 3000, 3.0, "steady", 1.0, 1.0)], rest_is_normal=True)
    assert explanation.while_it_lasts(seconds) == (
        f"2 to 3 kHz: 3.0 dB louder, steady, began {words} before this event; the rest is as normal"
    )
    assert explanation.when_over(seconds) == (
        f"normal again; it was: 2 to 3 kHz: 3.0 dB louder, steady, for {words}; "
        "the rest is as normal"
    )


def clips(machine: int) -> Iterator[tuple[str, Samples]]:
    """Four clips of every fault, fully developed."""
    for index, fault in product(range(4), FAULTS):
        rng = np.random.default_rng([machine, index])
        yield fault, render(Machine.draw(machine, 1), rng, 4.0, Fault(fault))


def test_the_band_of_a_fault_is_reported(trained: Any) -> None:
    """Half of the first range lies in the band of the fault and covers a quarter of it at least,
    in octaves."""
    fleet = Detector.load(trained.int8)
    detector = calibrate_files(
        fleet, audio_files(trained.new / "train"), machine="id_03", report=print
    )
    explainer = Explainer(detector.spec, detector.head, detector.band_std)
    correct = []
    for fault, samples in clips(3):
        *_, window = detector.windows([samples], SPEC.sample_rate)
        if detector.result(window).anomaly:
            low, high = np.log2(fault_band(Machine.draw(3, 1), fault))
            first = explainer.explain(window.features).moved[0]
            start, end = np.log2([first.low_hz, first.high_hz])
            inside = min(end, high) - max(start, low)
            correct.append(inside >= max((end - start) / 2, (high - low) / 4))
    assert len(correct) >= 8
    assert np.mean(correct) >= 0.9
