"""Hours of audio a minute of the processor, on one thread."""

import time
from pathlib import Path

from figures import Models, Record
from lightning.pytorch.callbacks import Callback

from edgeae.runtime.audio.recordings import scan
from edgeae.train.config import load_config
from edgeae.train.patches import Crops
from edgeae.train.torch_features import features
from edgeae.train.training import train

EPOCHS = 2
CONFIG = load_config(
    "edge", [f"training.epochs={EPOCHS}", "training.accelerator=cpu", "training.threads=1"]
)
UNIT = "hours of audio a minute"


class Epochs(Callback):
    """Seconds of the batches of each epoch, and the frames of one."""

    def __init__(self) -> None:
        self.seconds: list[float] = []
        self.frames = 0
        self.start = 0.0
        self.batches = 0.0

    def on_train_epoch_start(self, *_: object) -> None:
        self.start = time.process_time()
        self.frames = 0

    def on_train_batch_end(
        self, trainer: object, module: object, outputs: object, batch: Crops, number: int
    ) -> None:
        self.frames += batch.frames.shape[0] * batch.frames.shape[1]
        self.batches = time.process_time() - self.start

    def on_train_epoch_end(self, *_: object) -> None:
        self.seconds.append(self.batches)


def test_features_and_epoch(record: Record, models: Models, tmp_path: Path) -> None:
    recordings = scan(models["data"], "train")
    began = time.process_time()
    found = features(recordings, CONFIG, tmp_path / "cache", report=print)
    minutes = (time.process_time() - began) / 60
    hours = sum(len(item.frames) for item in found) / CONFIG.mel.frames_per_second / 3600
    record("training, features of WAV files", hours / minutes, UNIT)

    epochs = Epochs()
    train(models["data"], CONFIG, tmp_path / "run", callbacks=[epochs])
    hours = epochs.frames / CONFIG.mel.frames_per_second / 3600
    record("training, an epoch of edge", hours / (min(epochs.seconds) / 60), UNIT)
    assert len(epochs.seconds) == EPOCHS
