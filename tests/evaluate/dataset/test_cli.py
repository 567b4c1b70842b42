"""The data report names what to fix."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import soxr

from edgeae.runtime.commands.cli import run_command
from edgeae.runtime.system.arrays import Float64

Capture = pytest.CaptureFixture[str]


def _inspect(capsys: Capture, data: Path, *options: object) -> dict[str, Any]:
    assert run_command(["inspect", str(data), "--json", *map(str, options)]) == 0
    result: dict[str, Any] = json.loads(capsys.readouterr().out)
    return result


def _files(found: dict[str, Any], kind: str) -> set[str]:
    """The names of the files that a point of this kind concerns."""
    points = [point for point in found["findings"] if point["kind"] == kind]
    return {
        file.rpartition("/")[2]
        for point in points
        for together in point["files"]
        for file in together
    }


def _sound(data: Path, name: str = "normal_id_03_00000000.wav") -> tuple[Float64, int]:
    samples, rate = soundfile.read(data / "train" / name)
    return samples, rate


def test_clean_data_has_nothing_to_fix(capsys: Capture, data: Path) -> None:
    assert run_command(["inspect", str(data)]) == 0
    out = capsys.readouterr().out
    assert "nothing that has to be fixed" in out
    assert "id_03" in out


def test_silence_clipping_leakage_rates_and_bad_files_are_named(
    capsys: Capture, data: Path
) -> None:
    soundfile.write(data / "train" / "normal_id_03_silent.wav", np.zeros(16000), 16000)
    soundfile.write(
        data / "train" / "normal_id_03_clipped.wav", np.sign(np.sin(np.arange(16000))), 16000
    )
    soundfile.write(data / "train" / "normal_id_03_rate.wav", 0.1 * np.sin(np.arange(44100)), 44100)
    shutil.copy(
        data / "train" / "normal_id_03_00000000.wav", data / "test" / "normal_id_03_leak.wav"
    )
    (data / "test" / "normal_id_03_empty.wav").touch()
    found = "\n".join(_inspect(capsys, data)["problems"])
    for word in (
        "silent",
        "are clipped",
        "must not be tested on",
        "differ in samplerate",
        "the file is empty",
    ):
        assert word in found


def test_each_fault_names_its_file_and_no_other(capsys: Capture, data: Path) -> None:
    sound, rate = _sound(data)
    other = sound[::-1].copy()  # as loud, and no copy
    half = soxr.resample(soxr.resample(other, rate, 8000), 8000, rate)
    gap = np.r_[other[:20000], np.zeros(2000), other[20000:]]
    planted = {
        "silence": ("normal_id_03_silent.wav", np.zeros(rate * 2), rate),
        "clipping": (
            "normal_id_03_clipped.wav",
            0.2 * np.clip(other / np.abs(other).max() * 2, -1, 1),
            rate,
        ),
        "sample rate": (
            "normal_id_03_rate.flac",
            soxr.resample(np.roll(other, 9000), rate, 44100),
            44100,
        ),
        "channels": ("normal_id_03_stereo.wav", np.stack([np.roll(other, 5000)] * 2, axis=1), rate),
        "bandwidth": ("normal_id_03_lowpass.wav", half, rate),
        "interruptions": ("normal_id_03_gap.wav", gap[7000:], rate),
        "duration": ("normal_id_03_short.wav", other[30000:46000], rate),
        "level": ("normal_id_03_quiet.wav", np.roll(other, 3000) * 0.05, rate),
        "stuck": (
            "normal_id_03_stuck.wav",
            np.r_[other[:30000], np.full(16000, 0.01)][5000:],
            rate,
        ),
    }
    for name, samples, samplerate in planted.values():
        soundfile.write(data / "train" / name, samples, samplerate, "PCM_24")
    found = _inspect(capsys, data)
    assert {kind: _files(found, kind) for kind in planted} == {
        kind: {name} for kind, (name, *_) in planted.items()
    }


def test_copies_are_found_by_their_sound_under_any_name_coding_gain_and_rate(
    capsys: Capture, data: Path
) -> None:
    sound, rate = _sound(data)
    soundfile.write(data / "test" / "normal_id_03_same.flac", sound, rate)
    quieter, _ = _sound(data, "normal_id_03_00000001.wav")
    soundfile.write(data / "test" / "normal_id_03_coded.ogg", 0.5 * quieter, rate)
    resampled, _ = _sound(data, "normal_id_03_00000002.wav")
    soundfile.write(
        data / "test" / "normal_id_03_rate.wav", soxr.resample(resampled, rate, 22050), 22050
    )
    found = _inspect(capsys, data)
    assert _files(found, "leakage") == {"normal_id_03_00000000.wav", "normal_id_03_same.flac"}
    assert _files(found, "near leakage") == {
        "normal_id_03_00000001.wav",
        "normal_id_03_coded.ogg",
        "normal_id_03_00000002.wav",
        "normal_id_03_rate.wav",
    }
    assert not _files(found, "copies") | _files(found, "near copies")


def test_the_same_sound_as_normal_and_as_anomaly_is_a_contradiction(
    capsys: Capture, data: Path
) -> None:
    shutil.copy(
        data / "test" / "normal_id_03_00000000.wav", data / "test" / "anomaly_id_03_copy.wav"
    )
    found = _inspect(capsys, data)
    assert _files(found, "labels") == {"normal_id_03_00000000.wav", "anomaly_id_03_copy.wav"}


def test_test_sound_unlike_the_training_is_named(capsys: Capture, data: Path) -> None:
    for path in (data / "test").glob("normal_*.wav"):
        sound, rate = soundfile.read(path)
        soundfile.write(path, np.diff(sound, prepend=0.0) * 2, rate, "PCM_24")  # 6 dB an octave
    assert len(_files(_inspect(capsys, data), "shift")) == 6


def test_what_cannot_be_used_is_listed_and_the_rest_is_named(capsys: Capture, data: Path) -> None:
    (data / "train" / "normal_id_03_broken.wav").write_bytes(b"RIFF nonsense")
    (data / "train" / "unnamed.wav").write_bytes(b"")
    shutil.copy(
        data / "test" / "anomaly_id_03_00000000.wav", data / "train" / "anomaly_id_03_astray.wav"
    )
    found = _inspect(capsys, data)
    assert len(found["refused"]) == 3
    for words in (
        "normal_id_03_broken.wav: not a readable",
        "unnamed.wav: no label",
        "anomaly_id_03_astray.wav: an",
    ):
        assert any(words in sentence for sentence in found["refused"])
    assert len(found["recordings"]) == 20


def test_training_recordings_alone_are_enough_to_train(capsys: Capture, data: Path) -> None:
    shutil.rmtree(data / "test")
    found = _inspect(capsys, data)
    assert not found["problems"]
    assert [point["hinders"] for point in found["findings"]] == [False]


def test_features_in_place_of_audio_are_compared_too(capsys: Capture, data: Path) -> None:
    frames = np.random.default_rng(0).normal(-40, 5, (60, 128)).astype(np.float32)
    np.save(data / "train" / "normal_id_03_features.npy", frames)
    np.save(data / "test" / "normal_id_03_features.npy", frames + 3)
    assert _files(_inspect(capsys, data), "near leakage") == {"normal_id_03_features.npy"}


def test_folder_without_recordings_is_refused(capsys: Capture, tmp_path: Path) -> None:
    assert run_command(["inspect", str(tmp_path)]) == 2
    assert "holds neither train/" in capsys.readouterr().err


def test_folder_of_broken_recordings_is_refused(capsys: Capture, tmp_path: Path) -> None:
    (tmp_path / "train").mkdir()
    (tmp_path / "train" / "normal_00.wav").write_bytes(b"RIFF nonsense")
    assert run_command(["inspect", str(tmp_path)]) == 2
    assert "normal_00.wav: not a readable" in capsys.readouterr().err
