"""What there is to calibrate, and on what."""

import pytest
import soundfile

from edgeae.runtime.audio.recordings import audio_files
from edgeae.runtime.scoring.detector import Detector
from edgeae.runtime.system.arrays import Float32
from tests.conftest import Trained


@pytest.fixture(scope="module")
def fresh(trained: Trained) -> Detector:
    """An artifact that knows no machine yet."""
    return Detector.load(trained.int8)


@pytest.fixture(scope="module")
def clips(trained: Trained) -> list[Float32]:
    """The normal recordings of the new machine, (n,) each."""
    return [soundfile.read(path, dtype="float32")[0] for path in audio_files(trained.new / "train")]
