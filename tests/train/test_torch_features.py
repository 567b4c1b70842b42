from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import soundfile
import torch

from edgeae.runtime.audio.recordings import scan
from edgeae.runtime.errors import AudioError, ConfigError
from edgeae.runtime.features.log_mel_file import read_log_mel
from edgeae.runtime.features.mel import MelSpec, log_mel
from edgeae.runtime.system.arrays import Float32
from edgeae.train import torch_features as module
from edgeae.train.config import Config, DataConfig, load_config
from edgeae.train.torch_features import FeatureLimits, TorchLogMel, features
from tests.conftest import Maker

SECOND = np.arange(16000) / 16000
NOISE = np.random.default_rng(0).standard_normal(16000)
SOUNDS = {
    "noise": 0.1 * NOISE,
    "faint": 1e-6 * NOISE,
    "tone": np.sin(2 * np.pi * 1000 * SECOND),
    "tone between bins": 0.5 * np.sin(2 * np.pi * 3333.3 * SECOND),
    "low tone": np.sin(2 * np.pi * 31.25 * SECOND),
    "silence": np.zeros(16000),
    "full scale": np.sign(NOISE),
}
SPECS = [
    MelSpec(),
    MelSpec(scale="htk", n_mels=64),
    MelSpec(f_min=50, f_max=7000, n_mels=96, hop=400),
    MelSpec(power=1),
]


@pytest.mark.parametrize("spec", SPECS, ids=["default", "htk", "band", "amplitudes"])
@pytest.mark.parametrize("sound", SOUNDS)
def test_training_hears_what_the_device_hears(sound: str, spec: MelSpec) -> None:
    samples = SOUNDS[sound].astype(np.float32)
    ours = TorchLogMel(spec)(torch.from_numpy(samples)).numpy()
    assert ours.dtype == np.float32
    np.testing.assert_allclose(ours, log_mel(samples, spec), rtol=0, atol=1e-4)  # dB


def test_a_long_recording_in_chunks_is_the_same() -> None:
    samples = torch.from_numpy(NOISE.astype(np.float32))
    whole = TorchLogMel(MelSpec())(samples)
    chunks = TorchLogMel(MelSpec(), chunk_frames=7)(samples)
    torch.testing.assert_close(chunks, whole, rtol=0, atol=1e-5)


def test_less_than_a_frame_has_no_frames() -> None:
    assert TorchLogMel(MelSpec())(torch.zeros(1023)).shape == (0, 128)


def test_features_come_in_order_with_their_content(make_data: Maker, tmp_path: Path) -> None:
    recordings = scan(make_data(3), "train")
    found = features(recordings, Config(), tmp_path / "cache")
    assert [item.recording for item in found] == recordings
    assert len({item.sha256 for item in found}) == 3
    expected = read_log_mel(recordings[1].path, MelSpec())
    np.testing.assert_allclose(found[1].frames, expected, rtol=0, atol=1e-4)


def _forbidden(*arguments: object) -> Float32:
    raise AssertionError("computed again")


def test_what_is_cached_is_not_computed_again(
    make_data: Maker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recordings = scan(make_data(2), "train")
    first = features(recordings, Config(), tmp_path / "cache")
    monkeypatch.setattr(module, "_compute", _forbidden)
    second = features(recordings, Config(), tmp_path / "cache")
    assert all(np.array_equal(a.frames, b.frames) for a, b in zip(first, second, strict=True))


@pytest.mark.parametrize("change", ["mel.n_mels=64", "data.channel=mix"])
def test_other_parameters_have_other_cache_entries(
    make_data: Maker, tmp_path: Path, change: str
) -> None:
    recordings = scan(make_data(1), "train")
    for config in (Config(), load_config("edge", [change])):
        features(recordings, config, tmp_path / "cache")
    assert len(list((tmp_path / "cache").iterdir())) == 2


@pytest.mark.parametrize("damage", [b"", b"\x93NUMPY\x01", b"no array at all"])
def test_a_damaged_cache_entry_is_computed_again(
    make_data: Maker, tmp_path: Path, damage: bytes
) -> None:
    recordings = scan(make_data(1), "train")
    (first,) = features(recordings, Config(), tmp_path / "cache")
    (entry,) = (tmp_path / "cache").iterdir()
    entry.write_bytes(damage)
    (second,) = features(recordings, Config(), tmp_path / "cache")
    assert np.array_equal(first.frames, second.frames)
    assert np.array_equal(np.load(entry), first.frames)


def test_a_truncated_cache_entry_is_computed_again(make_data: Maker, tmp_path: Path) -> None:
    recordings = scan(make_data(1), "train")
    (first,) = features(recordings, Config(), tmp_path / "cache")
    (entry,) = (tmp_path / "cache").iterdir()
    entry.write_bytes(entry.read_bytes()[:-100])
    (second,) = features(recordings, Config(), tmp_path / "cache")
    assert np.array_equal(first.frames, second.frames)


def test_a_precomputed_array_is_used_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "train").mkdir()
    array = np.random.default_rng(0).normal(-40, 5, (50, 128)).astype(np.float16)
    np.save(tmp_path / "train" / "normal_00.npy", array)
    (found,) = features(scan(tmp_path, "train"), Config(), tmp_path / "cache")
    assert np.array_equal(found.frames, array.astype(np.float32))


def test_a_bad_recording_is_named_and_fails_the_whole(make_data: Maker, tmp_path: Path) -> None:
    data = make_data(2)
    (data / "train" / "normal_id_01_9999.wav").write_bytes(b"RIFF")
    said: list[str] = []
    with pytest.raises(AudioError, match="1 of 3"):
        features(scan(data, "train"), Config(), tmp_path / "cache", report=said.append)
    assert len(said) == 1
    assert "normal_id_01_9999.wav" in said[0]


def test_a_bad_recording_is_left_out_when_asked(make_data: Maker, tmp_path: Path) -> None:
    data = make_data(2)
    (data / "train" / "normal_id_01_9999.wav").write_bytes(b"")
    config = Config(data=DataConfig(skip_bad=True))
    found = features(scan(data, "train"), config, tmp_path / "cache", report=lambda line: None)
    assert len(found) == 2


def test_the_channel_is_the_one_asked_for(tmp_path: Path) -> None:
    (tmp_path / "train").mkdir()
    stereo = np.stack([0.1 * NOISE, np.zeros(16000)], axis=1)
    soundfile.write(tmp_path / "train" / "normal_00.wav", stereo, 16000, "FLOAT")
    config = Config(data=DataConfig(channel=1))
    (found,) = features(scan(tmp_path, "train"), config, tmp_path / "cache")
    assert (np.asarray(found.frames) == -100).all()


def test_several_threads_compute_what_one_does(
    make_data: Maker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recordings = scan(make_data(4), "train")
    one = features(recordings, Config(), tmp_path / "one")
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {0, 1})
    limits = FeatureLimits(min_parallel_bytes=0)
    two = features(recordings, Config(), tmp_path / "two", limits=limits)
    assert [item.sha256 for item in one] == [item.sha256 for item in two]
    assert all(np.array_equal(a.frames, b.frames) for a, b in zip(one, two, strict=True))


def test_a_disk_without_room_is_said_before_anything_is_computed(
    make_data: Maker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recordings = scan(make_data(3, seconds=10.0), "train")
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=4e5))
    with pytest.raises(ConfigError, match=r"take 0.00048 GB, 0.0004 GB are free; .*data.cache"):
        features(recordings, Config(), tmp_path / "cache")
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=6e5))
    limits = FeatureLimits(min_reported_bytes=3e5)
    messages: list[str] = []
    features(recordings, Config(), tmp_path / "cache", report=messages.append, limits=limits)
    # The second time needs no more room.
    features(recordings, Config(), tmp_path / "cache", report=messages.append, limits=limits)
    assert len(messages) == 1
    assert "take 0.00048 GB in" in messages[0]


def test_what_was_computed_before_an_interruption_stays(
    make_data: Maker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recordings, compute, done = scan(make_data(3), "train"), module._compute, list[Path]()

    def interrupted(path: Path, *arguments: Any) -> Any:
        if len(done) == 2:
            raise KeyboardInterrupt
        done.append(path)
        return compute(path, *arguments)

    monkeypatch.setattr(module, "_compute", interrupted)
    with pytest.raises(KeyboardInterrupt):
        features(recordings, Config(), tmp_path / "cache")
    done.clear()
    features(recordings, Config(), tmp_path / "cache")
    assert done == [recordings[2].path]
