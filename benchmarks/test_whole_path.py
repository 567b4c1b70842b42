"""A WAV file of 10 s, from disk to its score."""

from pathlib import Path

import mlperf_tiny
import numpy as np
import pytest
import soundfile
from figures import Built, Models, Record
from mlperf_tiny import WINDOWS, scorer
from paired import paired

from edgeae.runtime import Detector
from edgeae.runtime.scoring.selftest import seeded_noise

PEER = "librosa + MLPerf Tiny int8 on LiteRT"
TARGET = 0.55  # of the time of the peer
PEERS = {f"{PEER}, a window at a time": 1, f"{PEER}, all at once": WINDOWS}


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("recording") / "recording.wav"
    soundfile.write(path, seeded_noise(1, 160000), 16000, subtype="PCM_16")
    return path


def _score(detector: Detector, path: Path) -> list[float]:
    return [detector.result(window).score for window in detector.read(path)]


@pytest.mark.filterwarnings(
    "ignore:'.*' is deprecated and slated for removal"
)  # what librosa reads old formats with
@pytest.mark.parametrize("name", PEERS)
def test_a_file(record: Record, built: Built, models: Models, recording: Path, name: str) -> None:
    what, detector = "file of 10 s to its score", Detector.load(models["machine"])
    peer = built(what, name, lambda: scorer(PEERS[name]), TARGET)
    ours, theirs = (
        1e3 * s for s in paired(lambda: _score(detector, recording), lambda: peer(recording))
    )
    record(what, ours, "ms", name, theirs, TARGET)


@pytest.mark.parametrize("batch", PEERS.values())
def test_the_peer_computes_its_network(batch: int) -> None:
    pytest.importorskip("ai_edge_litert", reason="the peer ai-edge-litert is not installed")
    windows = np.random.default_rng(1).uniform(-80, 0, (WINDOWS, 640)).astype(np.float32)
    *hidden, last = [
        layer * scale
        for layer, scale in zip(mlperf_tiny.layers(), mlperf_tiny.scales(), strict=True)
    ]
    expected = windows
    for layer in hidden:
        expected = np.clip(expected @ layer.T, 0, 255 * mlperf_tiny.SCALE)
    low, high = ((limit - mlperf_tiny.ZERO) * mlperf_tiny.SCALE for limit in (-128, 127))
    expected = np.clip(expected @ last.T, low, high)
    assert np.corrcoef(mlperf_tiny.Network(batch)(windows).ravel(), expected.ravel())[0, 1] > 0.99
