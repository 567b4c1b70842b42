"""Microphones that fail in front of a healthy machine: which state is reported, and how long."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import soundfile
import soxr
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from edgeae.calibrate.calibrate import calibrate_files
from edgeae.runtime.audio.recordings import audio_files
from edgeae.runtime.audio.signal_quality import SignalQuality
from edgeae.runtime.features.mel import band_edges, log_mel
from edgeae.runtime.monitoring.alarm import AlarmEvent
from edgeae.runtime.monitoring.baseline import BandBaseline
from edgeae.runtime.monitoring.health import END_WINDOWS, MIN_CLIPPED_SHARE, Health
from edgeae.runtime.scoring.detector import Detector
from edgeae.runtime.scoring.window_stream import Window
from edgeae.runtime.system.arrays import Float32
from tests.conftest import Trained

RATE = 16000


@pytest.fixture(scope="module")
def machine(trained: Trained) -> Detector:
    clips = audio_files(trained.new / "train")
    return calibrate_files(Detector.load(trained.int8), clips, machine="id_03", report=print)


@pytest.fixture(scope="module")
def sound(trained: Trained) -> Float32:
    """A normal recording that the machine was not calibrated on."""
    path = trained.new / "test" / "normal_id_03_00000000.wav"
    return np.asarray(soundfile.read(path, dtype="float32")[0])


@pytest.fixture(scope="module")
def normal(machine: Detector, sound: Float32) -> Window:
    return last(machine, sound)


def last(detector: Detector, samples: NDArray[np.floating[Any]], samplerate: int = RATE) -> Window:
    return list(detector.windows([samples.astype(np.float32)], samplerate))[-1]


def through_8_khz(sound: Float32) -> Float32:
    return np.asarray(soxr.resample(soxr.resample(sound, RATE, 8000), 8000, RATE))


def with_white_noise(sound: Float32, level_db: float) -> Float32:
    """level_db: of the noise, relative to the level of the sound."""
    noise = np.random.default_rng(0).standard_normal(len(sound))
    return np.asarray(sound + noise * sound.std() * 10 ** (level_db / 20))


def clipped(sound: Float32) -> Float32:
    return np.asarray(np.clip(sound / np.abs(sound).max() * 10 ** (10 / 20), -1, 1))


CHANGES: dict[str, Callable[[Float32], Float32]] = {
    "ok": lambda sound: sound,
    "level": lambda sound: sound * 10 ** (18 / 20),
    "noise": lambda sound: with_white_noise(sound, 25.0),
    "bandwidth": through_8_khz,
    "clipping": clipped,
    "stuck": lambda sound: np.resize(sound[:1600], len(sound)),
    "silence": np.zeros_like,
}


@pytest.mark.parametrize("state", CHANGES)
def test_what_happened_to_the_microphone_is_reported(
    machine: Detector, sound: Float32, state: str
) -> None:
    condition = Health(machine).update(last(machine, CHANGES[state](sound)))
    assert condition.state == state


def test_normal_recordings_are_ok(machine: Detector, trained: Trained) -> None:
    for path in audio_files(trained.new / "test"):
        if path.name.startswith("normal"):
            health = Health(machine)
            assert {health.update(window).state for window in machine.read(path)} == {"ok"}


def test_the_numbers_are_those_of_the_change(machine: Detector, sound: Float32) -> None:
    health = Health(machine)
    louder, quieter = (
        health.update(last(machine, sound * 10 ** (db / 20))).numbers for db in (24, 18)
    )
    assert louder["change_db"] - quieter["change_db"] == pytest.approx(6, abs=0.2)
    missing = health.update(last(machine, through_8_khz(sound))).numbers
    assert missing["above_hz"] == pytest.approx(3900, abs=300)
    assert missing["missing_db"] > 20


def test_a_microphone_of_another_rate_is_reported(machine: Detector, sound: Float32) -> None:
    condition = Health(machine).update(last(machine, soxr.resample(sound, RATE, 8000), 8000))
    assert condition.state == "bandwidth"
    assert "the microphone or its sample rate changed, not the machine" in condition.sentence


@pytest.mark.parametrize("state", ["ok", "level", "noise", "bandwidth", "silence"])
def test_precomputed_features_show_what_they_can(
    machine: Detector, sound: Float32, state: str
) -> None:
    *_, window = machine.windows_of_frames(log_mel(CHANGES[state](sound)))
    assert window.sound is None
    assert Health(machine).update(window).state == state


def test_an_artifact_without_a_machine_has_no_level(trained: Trained, sound: Float32) -> None:
    fleet = Detector.load(trained.int8)
    assert Health(fleet).update(last(fleet, CHANGES["level"](sound))).state == "ok"
    assert Health(fleet).update(last(fleet, CHANGES["noise"](sound))).state == "ok"


@pytest.mark.parametrize(
    ("level_std", "change_db", "state"),
    [(0.5, 3.9, "ok"), (0.5, 4.1, "level"), (2.0, 5.9, "ok"), (2.0, 6.1, "level")],
)
def test_a_level_has_to_change_by_three_standard_deviations(
    machine: Detector, normal: Window, level_std: float, change_db: float, state: str
) -> None:
    baseline = replace(
        BandBaseline.of(machine.spec, machine.head, machine.artifact.explain), level_std=level_std
    )
    window = replace(normal, bands=baseline.bands + change_db)
    assert Health(machine, baseline).update(window).state == state


def test_the_level_has_not_changed_while_the_loudest_bands_stay(
    machine: Detector, normal: Window
) -> None:
    baseline = replace(
        BandBaseline.of(machine.spec, machine.head, machine.artifact.explain), level_std=0.5
    )
    change = np.full(len(baseline.bands), -8.0)
    window = replace(normal, bands=baseline.bands + change)
    assert Health(machine, baseline).update(window).state == "level"
    edges = band_edges(machine.spec)
    power_db = baseline.bands + 10 * np.log10(edges[2:] - edges[:-2])
    change[np.argsort(power_db)[-len(change) // 5 :]] = 0
    window = replace(normal, bands=baseline.bands + change)
    assert Health(machine, baseline).update(window).state == "ok"


def states(health: Health, windows: list[Window]) -> list[str]:
    return [health.update(window).state for window in windows]


def test_a_condition_ends_after_three_windows_without_it(machine: Detector, normal: Window) -> None:
    bad = replace(normal, sound=SignalQuality(clipped=0.1))
    assert (
        states(Health(machine), [bad, *[normal] * (END_WINDOWS + 1)])
        == ["clipping"] * END_WINDOWS + ["ok"] * 2
    )
    assert set(states(Health(machine), [bad, normal, normal] * 5)) == {"clipping"}


def test_a_condition_stays_just_below_its_limit(machine: Detector, normal: Window) -> None:
    above, below = (
        replace(normal, sound=SignalQuality(clipped=share * MIN_CLIPPED_SHARE))
        for share in (1.1, 0.9)
    )
    assert states(Health(machine), [above] + [below] * 9) == ["clipping"] * 10
    assert states(Health(machine), [below] * 9) == ["ok"] * 9


def test_a_worse_condition_is_reported_at_once_and_a_lesser_one_later(
    machine: Detector, normal: Window
) -> None:
    clipping, silence = (
        replace(normal, sound=sound)
        for sound in (SignalQuality(clipped=0.1), SignalQuality(silent=1.0))
    )
    assert states(Health(machine), [clipping, silence] + [clipping] * END_WINDOWS) == [
        "clipping",
        *["silence"] * END_WINDOWS,
        "clipping",
    ]


EVENT = AlarmEvent(
    "start",
    10.0,
    0.0,
    3.0,
    [],
    "1 to 2 kHz: 3.0 dB louder, steady, since 2 s; the rest is as normal",
    8.0,
)


@pytest.mark.parametrize(
    ("state", "cause"),
    [
        ("ok", "machine"),
        ("noise", "machine"),
        ("bandwidth", "microphone"),
        ("clipping", "microphone"),
    ],
)
def test_an_event_has_its_cause(machine: Detector, sound: Float32, state: str, cause: str) -> None:
    health = Health(machine)
    window = last(machine, CHANGES[state](sound))
    condition = health.update(window)
    event = health.with_cause(EVENT, window)
    assert event.cause == cause
    assert event.sentence == (
        EVENT.sentence if state == "ok" else f"{condition.sentence}; {EVENT.sentence}"
    )


def test_a_machine_that_got_so_loud_that_it_clips_now_and_then_is_to_blame(
    machine: Detector, normal: Window
) -> None:
    health = Health(machine)
    window = replace(normal, sound=SignalQuality(clipped=0.002))
    assert health.update(window).state == "clipping"
    assert health.with_cause(EVENT, window).cause == "machine"


def test_another_gain_is_the_microphone_s_and_a_fault_beside_it_the_machine_s(
    machine: Detector, sound: Float32
) -> None:
    rattle = np.random.default_rng(0).standard_normal(len(sound)) * (
        np.arange(len(sound)) % 2000 < 100
    )
    for fault, cause in ((0.0, "microphone"), (0.02, "machine")):
        window = last(machine, (sound + fault * rattle) * 10 ** (18 / 20))
        health = Health(machine)
        assert health.update(window).state == "level"
        assert health.with_cause(EVENT, window).cause == cause


@pytest.mark.parametrize("rate", [16000, 44100])
@given(cuts=st.lists(st.integers(0, 4 * 44100), max_size=6).map(sorted))
@settings(derandomize=True, deadline=None, max_examples=10)
def test_blocks_do_not_matter(machine: Detector, rate: int, cuts: list[int]) -> None:
    samples = (np.random.default_rng(rate).standard_normal(6 * rate) * 0.05).astype(np.float32)
    samples[rate : 2 * rate] = 0
    whole, cut = (
        list(machine.windows(blocks, rate)) for blocks in ([samples], np.split(samples, cuts))
    )
    assert [window.sound for window in cut] == [window.sound for window in whole]
    assert states(Health(machine), cut) == states(Health(machine), whole)
    np.testing.assert_array_equal(
        [window.bands for window in cut], [window.bands for window in whole]
    )
