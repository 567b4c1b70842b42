"""Target: any path gives a label, a question or a refusal, and any folder of names is scanned.

The bytes are the names of files below a data set, one a line.
"""

import os
import shutil
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["edgeae"]):
    from edgeae.runtime.audio.recording_name import read_name
    from edgeae.runtime.audio.recordings import scan
    from edgeae.runtime.errors import ConfigError
    from edgeae.runtime.system.path_text import path_of, path_text

from harness import FOLDER, fuzz

DATA = FOLDER / "names"
MAX_NAMES = 8


def target(data: bytes) -> None:
    shutil.rmtree(DATA, ignore_errors=True)
    DATA.mkdir(parents=True)
    for line in data.split(b"\n")[:MAX_NAMES]:
        parts = [part for part in os.fsdecode(line.replace(b"\0", b"")).split("/") if part]
        path = DATA.joinpath(*parts)
        _read(path)
        if ".." not in parts:
            _create(path)
    for split in ("train", "test"):
        try:
            recordings = scan(DATA, split)
        except ConfigError as error:
            assert str(error).isprintable(), error
        else:
            assert all(item.label in ("normal", "anomaly") for item in recordings)
            assert split == "test" or all(item.label == "normal" for item in recordings)


def _read(path: Path) -> None:
    for reading in (read_name(path, DATA), read_name(path)):
        assert reading.label in ("normal", "anomaly", None)
        assert reading.conflict is None or " says " in reading.conflict
        assert reading.machine and reading.explain()
    text = path_text(path)
    text.encode("utf-8")
    assert path_of(text) == path


def _create(path: Path) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    except OSError:  # a name too long, or a file where a folder should be
        return


SEEDS = {
    "plain": b"train/normal_00.wav\ntest/anomaly_00.wav",
    "dcase": b"source_test/section_00_source_test_anomaly_0001_vel_6V.wav",
    "mimii": b"id_00/normal/0.wav\nid_00/abnormal/speed_normal_0.wav",
    "bytes": b"train/d\xe9faut (1).WAV\n-6_dB/._a.wav",
}
fuzz(target, SEEDS)
