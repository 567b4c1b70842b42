"""Recordings that hold nothing above 4 kHz: bands without sound take no part in the score."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

from edgeae.quantize.export import Export, export
from edgeae.quantize.quantization_error import score_drift, window_scores
from edgeae.runtime.scoring.detector import Detector
from edgeae.train.config import load_config
from edgeae.train.synth.dataset import write_dataset
from edgeae.train.training import train

RATE = 8000

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Export:
    """Synthetic machines as a recorder of 8 kHz records them."""
    import soxr

    folder: Path = tmp_path_factory.mktemp("narrow")
    data = write_dataset(
        folder / "data",
        machines=[0, 1],
        train_clips=8,
        test_normals=0,
        test_anomalies=0,
        seconds=4.0,
        seed=5,
    )
    for path in data.rglob("*.wav"):
        samples, rate = soundfile.read(path)
        soundfile.write(path, soxr.resample(samples, rate, RATE), RATE)
    run = train(data, load_config("tiny", ["training.epochs=2"]), folder / "run")
    return export(run, int8=True, report=print)


def test_bands_without_sound_do_not_make_the_scores_drift(made: Export) -> None:
    assert made.int8 is not None
    recordings = [np.asarray(frames) for frames in made.training_set.frames]
    scores = [
        window_scores(Detector(artifact), recordings) for artifact in (made.float_, made.int8)
    ]
    # The last band holds the floor.
    assert np.ptp([frames[:, -1] for frames in recordings]) < 0.1  # dB
    assert score_drift(*scores) < 0.1
