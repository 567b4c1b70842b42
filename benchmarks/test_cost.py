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


LEAST = {"edge": {1: 1.5, 6: 2.2}, "dense": {1: 1.5, 6: 2.2}, "cnn2d": {1: 1.5, 6: 2.2}}  # times as fast as float


@pytest.mark.parametrize("name", LEAST)
def test_int8_network_is_faster_than_float(record, name):
    """With the statistics in both graphs, and against a float graph that gives the residual alone.

    Weights are random: they change no time. 6 patches are 192 frames.
    """
    forms = _forms(name)
    for patches, least in LEAST[name].items():
        frames = {"log_mel": np.resize(log_mel(make_sound(1, 160000)), (patches, 32, 128))}
        works = [lambda session=session: session.run(None, frames) for session in forms]  # noqa: B023
        bare, float_, int8 = _paired(*works)
        times = f"{float_ * 1e6:.0f} / {int8 * 1e6:.0f} us: {float_ / int8:.2f}x, {bare / int8:.2f}x the bare residual"
        record(f"{name}, {patches} patches: float / int8", times)
        assert float_ > least * int8


def _forms(name):
    """Sessions of a network: float with the residual alone, float with statistics, int8 with statistics."""
    import onnxruntime

    from edgeae.quantize.export import HEADROOM, to_onnx
    from edgeae.quantize.rewrite import rewrite
    from edgeae.quantize.static import quantize
    from edgeae.quantize.statistics import with_statistics
    from edgeae.train.config import load_config
    from edgeae.train.models import build

    config = load_config(name)
    network = build(config.model, config.mel.n_mels).eval()
    model = rewrite(to_onnx(network, config))
    patches = np.random.default_rng(0).standard_normal((8, 32, 128)).astype(np.float32)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = 1, 4
    models = (model, with_statistics(model), quantize(model, [patches], headroom=HEADROOM))
    return [onnxruntime.InferenceSession(m.SerializeToString(), options, ["CPUExecutionProvider"]) for m in models]


def test_whole_path_and_process(models, record):
    found = bench.measure(Detector.load(models["int8"]), models["int8"])
    for key, value in found.items():
        record(f"bench: {key}", f"{value}")
    assert found["rtf"] < 0.005
    assert found["rss_mib"] < 80
