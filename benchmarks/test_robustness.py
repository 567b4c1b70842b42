"""Disturbed sound: on machines that the network never heard always, on EDGEAE_DATA where it is set.

The table is printed at the end and every machine's figures are written to build/robustness.json.
The network for a data set is EDGEAE_MODELS/<data set>/model.int8.onnx: to train three of them would
take longer than all other benchmarks.
"""

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from disturbances import SPEC, LogMel, Normal, Sound, disturbances, pink_noise
from figures import Models
from robustness import Results, Row, Rows, mean, measure, noises

from edgeae.runtime import log_mel
from edgeae.runtime.scoring.selftest import seeded_noise

DATA, MODELS = os.environ.get("EDGEAE_DATA"), os.environ.get("EDGEAE_MODELS")
CLIPS = {"toycar": 5, "drone_motor": 10, "bldc_motor": 4}  # to calibrate with
FOUND = noises(Path(DATA, "mimii_fan") if DATA else None)
GAINS = ("gain -6 dB", "gain +6 dB")
HIGH_RATES = [f"recorded at {rate} kHz" for rate in ("22.05", "44.1", "48", "96")]
HARMLESS = [*GAINS, *HIGH_RATES, "pink noise, SNR 20 dB", "hum of 50 Hz, -10 dB", "clipped by 6 dB"]


@pytest.fixture(scope="module")
def synthetic(
    models: Models, tmp_path_factory: pytest.TempPathFactory, robustness: Results
) -> dict[str, Rows]:
    """The rows of four new machines, each calibrated on a minute."""
    from edgeae.train.synth.dataset import write_dataset

    data = write_dataset(
        tmp_path_factory.mktemp("robustness") / "new",
        machines=[3, 4, 5, 6],
        train_clips=10,
        test_normals=30,
        test_anomalies=30,
        seconds=6.0,
        seed=0,
    )
    robustness["synthetic"] = measure(models["int8"], data, 10, FOUND)
    return robustness["synthetic"]


def row_of(machines: dict[str, Rows], name: str) -> Row:
    """The mean row of a disturbance that has a meaning for these recordings."""
    row = mean(machines, name)
    assert row is not None
    return row


@pytest.mark.parametrize("name", HARMLESS)
def test_calibrating_again_restores_the_auc_where_no_sound_is_missing(
    synthetic: dict[str, Rows], name: str
) -> None:
    row = row_of(synthetic, name)
    assert row.recalibrated.auc > row.before.auc - 0.03
    assert row.recalibrated.false_alarm_rate <= 0.05


def test_gain_is_no_fault_to_the_statistics_of_the_input(synthetic: dict[str, Rows]) -> None:
    for row in (row_of(synthetic, name) for name in GAINS):
        assert row.after.no_network_auc == pytest.approx(row.before.no_network_auc, abs=0.003)


@pytest.mark.parametrize("name", GAINS)
def test_gain_is_no_fault(synthetic: dict[str, Rows], name: str) -> None:
    row = row_of(synthetic, name)
    assert row.after.auc == pytest.approx(row.before.auc, abs=0.003)
    assert row.after.false_alarm_rate <= row.before.false_alarm_rate + 0.02


@pytest.mark.parametrize("name", HIGH_RATES)
def test_a_higher_sample_rate_is_no_fault(synthetic: dict[str, Rows], name: str) -> None:
    row = row_of(synthetic, name)
    assert row.after.auc == pytest.approx(row.before.auc, abs=0.005)
    assert row.after.false_alarm_rate <= row.before.false_alarm_rate + 0.02


@pytest.mark.skipif(
    not (DATA and MODELS), reason="EDGEAE_DATA and EDGEAE_MODELS name no recordings and networks"
)
@pytest.mark.parametrize("name", CLIPS)
def test_real_machines(robustness: Results, name: str) -> None:
    assert DATA
    assert MODELS
    data = Path(DATA, name)
    model = Path(MODELS, name, "model.int8.onnx")
    robustness[name] = measure(model, data, CLIPS[name], FOUND)
    for row in (row_of(robustness[name], gain) for gain in GAINS):
        assert row.after.no_network_auc == pytest.approx(row.before.no_network_auc, abs=0.003)


def _sound() -> Sound:
    return Sound(seeded_noise(1, 48000)[:, None], SPEC.sample_rate, 0)


def _disturbed(recording: Any, name: str) -> Any:
    return disturbances({})[name](recording, Normal.of([recording]), np.random.default_rng(0))


@pytest.mark.parametrize("name", ["pink noise, SNR 10 dB", "hum of 50 Hz, -10 dB"])
def test_noise_has_the_level_it_is_named_after(name: str) -> None:
    sound = _sound()
    added = _disturbed(sound, name).samples - sound.samples
    assert np.mean(added**2) / np.mean(sound.samples**2) == pytest.approx(0.1, rel=0.01)


def test_pink_noise_has_the_same_power_in_every_octave() -> None:
    power = np.abs(np.fft.rfft(pink_noise(np.random.default_rng(0), 1 << 17))) ** 2
    octaves = [power[2**k : 2 ** (k + 1)].sum() for k in range(10, 16)]
    assert octaves == pytest.approx([np.mean(octaves)] * 6, rel=0.1)


def test_log_mel_with_noise_is_that_of_the_sound_with_noise() -> None:
    sound = _sound()
    frames = _disturbed(LogMel(log_mel(sound.heard)), "pink noise, SNR 0 dB").frames
    heard = log_mel(_disturbed(sound, "pink noise, SNR 0 dB").heard)
    assert np.abs(frames.mean(axis=0) - heard.mean(axis=0)).mean() < 0.5  # dB


def test_clipped_sound_goes_to_full_scale_where_the_gain_stays() -> None:
    loud = _disturbed(_sound(), "gain up to clip by 6 dB").samples
    assert np.abs(loud).max() == 1
    assert 0.1 < np.mean(np.abs(loud) == 1) < 0.6
    assert np.abs(_disturbed(_sound(), "clipped by 6 dB").samples).max() == pytest.approx(
        _sound().peak / 2, rel=0.01
    )


def test_what_has_no_meaning_for_a_recording_is_left_out() -> None:
    assert _disturbed(_sound(), "the other channel") is None
    assert _disturbed(LogMel(log_mel(_sound().heard)), "recorded at 8 kHz") is None
