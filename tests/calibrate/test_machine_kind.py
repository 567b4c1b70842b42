"""Another kind of machine is told from another machine of the same kind."""

from dataclasses import replace

import numpy as np
import pytest

from edgeae.calibrate import calibrate
from edgeae.calibrate.machine_kind import (
    MAX_RESIDUAL_DEVIATIONS,
    distance_of_other_kind,
    kind_distance,
    known_machines,
)
from edgeae.runtime.errors import AudioError
from edgeae.runtime.scoring.detector import Detector
from edgeae.runtime.system.arrays import Float32, Float64

RATE = 16000


def shifted(
    detector: Detector, *, tilt_db: float = 0.0, gain_db: float = 0.0, residual: float = 0.0
) -> Float64:
    """(n_features,) the mean of the fleet after a change of its spectrum and of its residual.

    tilt_db: root mean square of a slope over the bands.
    residual: of each band, in deviations within a machine.
    """
    fleet = detector.head.fleet
    n_mels = detector.spec.n_mels
    mean = fleet.mean.copy()
    slope = np.linspace(-1, 1, n_mels)
    mean[1 : 1 + n_mels] += (gain_db + tilt_db * slope / slope.std()) / detector.band_std
    bands = fleet.residual_means
    mean[bands] += residual * fleet.within_std[bands]
    return mean


def of_one_machine(detector: Detector, fleet_windows: int | None = None) -> Detector:
    """The detector as if it had been trained on one machine alone, of so many windows."""
    section = detector.artifact.head
    no_rows = np.empty((0, len(detector.head.mean)))
    fleet = replace(section.fleet, windows=fleet_windows or section.fleet.windows)
    head = replace(
        section, mean=detector.head.fleet.mean, machine_factor=no_rows, fleet=fleet, windows=10
    )
    return detector.with_sections(head=head)


def test_another_spectrum_that_the_network_misses_is_another_kind(fresh: Detector) -> None:
    one = of_one_machine(fresh)
    distance = kind_distance(one, shifted(one, tilt_db=5, residual=3))
    assert distance.spectrum_db == pytest.approx(5, abs=0.2)
    assert distance.residual_deviations == pytest.approx(3, abs=0.1)
    assert distance.exceeds


@pytest.mark.parametrize(
    "change",
    [
        {"tilt_db": 6.0, "residual": 1.0},  # another load, which the training has, too
        {"tilt_db": 2.5, "residual": 6.0},  # another machine of the kind
        {"gain_db": 20.0, "residual": 6.0},  # another gain
    ],
)
def test_what_one_figure_alone_shows_is_the_same_kind(
    fresh: Detector, change: dict[str, float]
) -> None:
    one = of_one_machine(fresh)
    assert not kind_distance(one, shifted(one, **change)).exceeds


def test_a_fleet_of_few_windows_allows_more(fresh: Detector) -> None:
    limits = [
        kind_distance(of_one_machine(fresh, n), fresh.head.mean).spectrum_limit_db
        for n in (4, 50, 1000)
    ]
    assert limits == sorted(limits, reverse=True)
    assert limits[0] == pytest.approx(5.2, abs=0.1)
    assert limits[-1] == pytest.approx(3.4, abs=0.1)


def test_the_nearest_machine_of_the_training_counts(fresh: Detector) -> None:
    machines = known_machines(fresh)
    assert len(machines) == 4  # three, and the mean of the fleet
    for mean in machines:
        assert kind_distance(fresh, mean).excess == pytest.approx(0, abs=1e-6)


def test_the_machine_of_the_artifact_may_be_calibrated_again(
    fresh: Detector, clips: list[Float32]
) -> None:
    one = of_one_machine(calibrate(fresh, clips))
    far = one.with_sections(
        head=replace(one.artifact.head, mean=shifted(one, tilt_db=8, residual=5))
    )
    assert not kind_distance(far, far.head.mean).exceeds
    assert kind_distance(far, far.head.fleet.mean, add=True).exceeds


def test_half_a_minute_of_something_else_is_no_other_machine(fresh: Detector) -> None:
    one = of_one_machine(fresh)
    other = shifted(one, tilt_db=12, residual=3 * MAX_RESIDUAL_DEVIATIONS)
    half = np.array([other, other, one.head.fleet.mean, one.head.fleet.mean])
    assert kind_distance(one, half.mean(axis=0)).exceeds
    assert distance_of_other_kind(one, half) is None
    assert distance_of_other_kind(one, np.array([other] * 4)) is not None


def hum() -> Float32:
    """(n,) half a minute of a hum of 50 Hz and its harmonics: no machine of the training."""
    t = np.arange(30 * RATE) / RATE
    tones = sum(np.sin(2 * np.pi * 50 * k * t) / k for k in range(1, 20))
    noise = np.random.default_rng(0).standard_normal(len(t))
    return np.asarray(0.02 * (tones + 0.05 * noise), np.float32)


def amplitude(sound: Float32) -> float:
    """Root mean square above 1 kHz: plain noise that is quieter there is a machine that is off."""
    spectrum = np.fft.rfft(sound)
    spectrum[np.fft.rfftfreq(len(sound), 1 / RATE) < 1000] = 0
    return float(np.sqrt(np.mean(np.fft.irfft(spectrum, len(sound)) ** 2)))


def test_calibrate_refuses_another_kind_of_sound_in_one_sentence(fresh: Detector) -> None:
    one = of_one_machine(fresh)
    with pytest.raises(AudioError) as error:
        calibrate(one, [hum()])
    text = str(error.value)
    assert "not sound like" in text or "another kind of sound" in text
    assert text.endswith("(or --force)")


def test_force_accepts_another_kind_with_a_warning(fresh: Detector) -> None:
    one = of_one_machine(fresh)
    messages: list[str] = []
    own = calibrate(one, [hum()], force=True, report=messages.append)
    assert own.machine == "default"
    assert messages


def test_add_refuses_another_kind_of_sound(fresh: Detector, clips: list[Float32]) -> None:
    own = calibrate(of_one_machine(fresh), clips, machine="pump-3")
    gain = amplitude(np.concatenate(clips)) / amplitude(hum())
    with pytest.raises(AudioError, match="this is another kind of sound than that of pump-3"):
        calibrate(own, [np.float32(gain) * hum()], add=True)
