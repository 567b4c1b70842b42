"""A machine that is off, and a microphone that is dead."""

from dataclasses import replace

import numpy as np
import pytest

from edgeae.calibrate.calibrate import calibrate
from edgeae.runtime.errors import ArtifactError, AudioError
from edgeae.runtime.features.mel import MelSpec, log_mel
from edgeae.runtime.monitoring.health import Health, normal_level_of
from edgeae.runtime.monitoring.normal_level import MIN_LOSS_DB, LevelRuler, noise_shape
from edgeae.runtime.scoring.detector import Detector
from edgeae.runtime.system.arrays import Float32
from tests.conftest import Trained

RATE = 16000
RNG = np.random.default_rng(0)


@pytest.fixture(scope="module")
def fleet(trained: Trained) -> Detector:
    return Detector.load(trained.int8)


def machine_sound(seconds: float, level_db: float = -40.0) -> Float32:
    """Coloured noise with two lines, as of a motor."""
    n = round(seconds * RATE)
    spectrum = np.fft.rfft(RNG.standard_normal(n))
    hertz = np.fft.rfftfreq(n, 1 / RATE)
    coloured = np.fft.irfft(spectrum / (1 + hertz / 400), n)
    t = np.arange(n) / RATE
    sound = coloured / coloured.std() + np.sin(2 * np.pi * 300 * t) + np.sin(2 * np.pi * 2500 * t)
    return np.asarray(sound / sound.std() * 10 ** (level_db / 20), np.float32)


def converter_noise(seconds: float, level_db: float, offset_bits: int = 0) -> Float32:
    """What the converter of a microphone of 16 bits gives without its capsule."""
    noise = RNG.standard_normal(round(seconds * RATE)) * 10 ** (level_db / 20)
    return np.asarray((np.rint(noise * 2**15) + offset_bits) / 2**15, np.float32)


def pink_noise(seconds: float, level_db: float) -> Float32:
    """1/f noise, as of the transistors of an amplifier without a capsule."""
    n = round(seconds * RATE)
    spectrum = np.fft.rfft(RNG.standard_normal(n))
    hertz = np.maximum(np.fft.rfftfreq(n, 1 / RATE), 20)
    noise = np.fft.irfft(spectrum / np.sqrt(hertz), n)
    return np.asarray(noise / noise.std() * 10 ** (level_db / 20), np.float32)


def hum(seconds: float, level_db: float) -> Float32:
    t = np.arange(round(seconds * RATE)) / RATE
    waves = sum(np.sin(2 * np.pi * 50 * k * t) / k for k in range(1, 12))
    return np.asarray(waves / np.std(waves) * 10 ** (level_db / 20), np.float32)


@pytest.fixture(scope="module")
def machine(fleet: Detector) -> Detector:
    return calibrate(fleet, [machine_sound(40)], machine="motor", force=True, report=print)


def states(detector: Detector, sound: Float32) -> list[str]:
    health = Health(detector)
    return [health.update(window).state for window in detector.windows([sound], RATE)]


@pytest.mark.parametrize("level_db", [-65.0, -75.0, -85.0])
@pytest.mark.parametrize("hum_db", [None, -60.0])
def test_a_dead_microphone_is_off_with_the_true_number_of_db(
    machine: Detector, level_db: float, hum_db: float | None
) -> None:
    dead = converter_noise(30, level_db)
    if hum_db is not None:
        dead = dead + hum(30, hum_db)
    health = Health(machine)
    sound = np.concatenate([machine_sound(20), dead])
    conditions = [(window.end, health.update(window)) for window in machine.windows([sound], RATE)]
    assert {condition.state for end, condition in conditions if end <= 20} == {"ok"}
    assert {condition.state for end, condition in conditions if end > 32} == {"off"}
    last = conditions[-1][1]
    if hum_db is None:
        assert last.numbers["below_db"] == pytest.approx(-40 - level_db, abs=1.5)
    assert last.sentence.startswith(
        f"the machine is off or the microphone is dead: {last.numbers['below_db']:.0f} dB below "
        "its calibration"
    )


def test_from_the_first_report_on_the_number_is_that_of_the_dead_microphone(
    machine: Detector,
) -> None:
    sound = np.concatenate([machine_sound(20), converter_noise(15, -75)])
    health = Health(machine)
    conditions = [health.update(window) for window in machine.windows([sound], RATE)]
    assert {condition.state for condition in conditions} == {"ok", "off"}
    numbers = [c.numbers["below_db"] for c in conditions if c.state == "off"]
    assert numbers == pytest.approx([35.0] * len(numbers), abs=1.5)


@pytest.mark.parametrize("offset_bits", [0, 1, 2, -300])
@pytest.mark.parametrize("level_db", [-100.0, -96.0, -90.0])
def test_a_bit_of_noise_is_not_ok_whatever_its_offset(
    machine: Detector, level_db: float, offset_bits: int
) -> None:
    sound = converter_noise(14, level_db, offset_bits)
    assert set(states(machine, sound)) <= {"off", "silence", "stuck"}


@pytest.mark.parametrize("level_db", [-55.0, -65.0, -75.0, -85.0])
def test_pink_noise_of_a_dead_microphone_is_off(machine: Detector, level_db: float) -> None:
    assert set(states(machine, pink_noise(14, level_db))) == {"off"}


@pytest.mark.parametrize("slope_db", [0.0, -3.0, -6.0])
def test_noise_that_falls_with_the_frequency_has_no_ripple_up_to_pink_noise(
    slope_db: float,
) -> None:
    ruler = LevelRuler.of(MelSpec())
    bands = ruler.noise_shape + slope_db * ruler.octaves
    assert ruler.ripple_db(bands) == pytest.approx(0.0, abs=1e-6) or slope_db < 0
    assert (ruler.ripple_db(bands, 3.5) < 0.01) == (slope_db >= -3.5)


def test_no_window_with_sound_from_before_is_judged_when_the_machine_is_on_again(
    machine: Detector,
) -> None:
    sound = np.concatenate([converter_noise(20, -75), machine_sound(30)])
    window_seconds = machine.window_frames / machine.spec.frames_per_second
    health = Health(machine)
    ok = [w.end for w in machine.windows([sound], RATE) if health.update(w).state == "ok"]
    assert ok[0] >= 20 + window_seconds
    assert ok[-1] > 49


@pytest.mark.parametrize("gain_db", [-6, -12, -18, 6, 18])
def test_another_gain_is_not_off(machine: Detector, gain_db: float) -> None:
    sound = machine_sound(14) * np.float32(10 ** (gain_db / 20))
    assert set(states(machine, sound)) <= {"level", "ok"}


def test_a_gain_that_nobody_sets_is_off(machine: Detector) -> None:
    assert set(states(machine, machine_sound(14, -70))) == {"off"}


@pytest.mark.parametrize("period_seconds", [4, 15, 45])
def test_a_machine_is_not_off_in_its_own_quiet_parts(
    fleet: Detector, period_seconds: float
) -> None:
    calm = converter_noise(period_seconds, -70)
    cycle = np.concatenate([machine_sound(period_seconds), calm])
    sound = np.tile(cycle, round(180 / (2 * period_seconds)))
    machine = calibrate(fleet, [sound[: 120 * RATE]], machine="press", force=True, report=print)
    assert "off" not in states(machine, sound[: 90 * RATE])


def test_a_later_calibration_adds_its_quiet_parts(machine: Detector) -> None:
    quiet = machine_sound(20, -62) + converter_noise(20, -80)
    assert "off" in states(machine, quiet)
    added = calibrate(machine, [quiet], add=True, force=True, report=print)
    assert "off" not in states(added, quiet)
    before = normal_level_of(machine)
    again = calibrate(added, [machine_sound(20)], add=True, force=True, report=print)
    after = normal_level_of(again)
    assert before is not None and after is not None
    assert after.ruler.level_db(after.quietest) < after.ruler.level_db(before.quietest) - 15


def test_a_dead_microphone_is_not_added_to_a_calibration(machine: Detector) -> None:
    sound = np.concatenate([machine_sound(20), converter_noise(20, -75)])
    with pytest.raises(AudioError, match="the machine is off or the microphone is dead: 35 dB"):
        calibrate(machine, [sound], add=True, report=print)


def test_without_a_calibration_no_level_is_known(fleet: Detector) -> None:
    assert normal_level_of(fleet) is None
    assert "off" not in states(fleet, converter_noise(14, -75))


def test_an_artifact_of_before_compares_with_the_windows_that_it_kept(machine: Detector) -> None:
    head = replace(machine.artifact.head, quietest_db=None)
    before = machine.with_sections(head=head)
    level = normal_level_of(before)
    assert level is not None
    assert level.ruler.level_db(level.quietest) <= level.ruler.level_db(level.mean)
    assert set(states(before, converter_noise(14, -75))) == {"off"}
    assert set(states(before, machine_sound(14))) == {"ok"}


@pytest.mark.parametrize("quietest", [np.zeros(5), np.full(128, np.nan)])
def test_a_damaged_quietest_window_is_refused(machine: Detector, quietest: Float32) -> None:
    machine = machine.with_sections(head=replace(machine.artifact.head))
    machine.artifact.head.__dict__["quietest_db"] = quietest
    with pytest.raises(ArtifactError, match="quietest window"):
        normal_level_of(machine)


@pytest.mark.parametrize(
    "spec", [MelSpec(), MelSpec(n_fft=2048), MelSpec(n_mels=64), MelSpec(scale="htk", n_mels=80)]
)
def test_the_shape_of_white_noise_is_known(spec: MelSpec) -> None:
    measured = log_mel(RNG.standard_normal(RATE * 120).astype(np.float32), spec).mean(axis=0)
    difference = (measured - noise_shape(spec))[1:-1]
    assert difference.std() < 0.15


def test_an_offset_of_the_samples_has_no_level() -> None:
    ruler = LevelRuler.of(MelSpec())
    sound = machine_sound(5, -70)
    with_offset = log_mel(sound + np.float32(0.3)).mean(axis=0).astype(np.float64)
    without = log_mel(sound).mean(axis=0).astype(np.float64)
    assert ruler.level_db(with_offset) == pytest.approx(ruler.level_db(without), abs=0.1)


def test_the_limit_is_wider_where_normal_sound_varies_in_level(machine: Detector) -> None:
    level = normal_level_of(machine)
    assert level is not None and level.min_loss_db >= MIN_LOSS_DB
