"""Time and memory as ratios measured side by side, one thread each. Times are printed, ratios asserted."""

import time

import numpy as np
import pytest

from edgeae.runtime import Detector, bench, log_mel
from edgeae.runtime.mel import MelStream
from edgeae.runtime.selftest import test_sound as make_sound

REPEATS = 60


def _paired(*works):
    """Median seconds of each work, taken in turn so that a slow moment hits all of them."""
    times = [[] for _ in works]
    for _ in range(REPEATS):
        for work, found in zip(works, times, strict=True):
            began = time.perf_counter()
            work()
            found.append(time.perf_counter() - began)
    return [float(np.median(found)) for found in times]


def test_front_end_against_torchaudio(record):
    import torch

    from edgeae.runtime.mel import MelSpec
    from edgeae.train.features import TorchLogMel

    torch.set_num_threads(1)
    sound = make_sound(1, 160000)
    tensor, peer = torch.from_numpy(sound), TorchLogMel(MelSpec())
    ours, theirs = _paired(lambda: log_mel(sound), lambda: peer(tensor))
    record(
        "front end, us per second of audio", f"{ours * 1e5:.0f} (training's torchaudio in float64: {theirs * 1e5:.0f})"
    )
    assert ours < theirs


def test_front_end_against_librosa(record):
    librosa = pytest.importorskip("librosa", reason="the peer librosa is not installed")
    sound = make_sound(1, 160000)
    args = {"sr": 16000, "n_fft": 1024, "hop_length": 512, "n_mels": 128, "center": False}
    ours, theirs = _paired(
        lambda: log_mel(sound), lambda: librosa.power_to_db(librosa.feature.melspectrogram(y=sound, **args))
    )
    record("front end against librosa", f"{ours / theirs:.2f} of its time")
    assert ours < theirs


def test_streaming_frame(record):
    stream, block = MelStream(), make_sound(1, 512)
    (seconds,) = _paired(lambda: stream.push(block))
    record("front end, one streamed frame", f"{seconds * 1e6:.0f} us")


@pytest.mark.parametrize(("patches", "least"), [(1, 1.5), (10, 2.2)])
def test_int8_network_is_faster_than_float(models, record, patches, least):
    float_, int8 = Detector.load(models["float"]), Detector.load(models["int8"])
    frames = np.resize(log_mel(make_sound(1, 160000)), (patches, 32, 128))
    slow, fast = _paired(lambda: float_.network(frames), lambda: int8.network(frames))
    record(f"network, {patches} patches: float / int8", f"{slow * 1e6:.0f} / {fast * 1e6:.0f} us: {slow / fast:.2f}x")
    assert slow > least * fast


def test_whole_path_and_process(models, record):
    found = bench.measure(Detector.load(models["int8"]), models["int8"])
    for key, value in found.items():
        record(f"bench: {key}", f"{value}")
    assert found["rtf"] < 0.005
    assert found["rss_mib"] < 80
