"""Target: a recording is refused in one line, or gives finite scores.

The bytes are the file. libsndfile reads the content, not the suffix; only .npy is another case.
"""

import io
import math

import atheris

with atheris.instrument_imports(include=["edgeae", "numpy.lib"]):
    import numpy as np

    from edgeae.runtime.errors import AudioError
    from edgeae.runtime.features.log_mel_file import read_log_mel
    from edgeae.runtime.features.mel import MelSpec
    from edgeae.runtime.scoring.detector import Detector

import soundfile
from harness import FOLDER, MACHINE, fuzz

DETECTOR = Detector.load(MACHINE)
KINDS = [
    ("WAV", "PCM_16"),
    ("WAV", "PCM_24"),
    ("WAV", "FLOAT"),
    ("WAVEX", "PCM_16"),
    ("RF64", "PCM_16"),
]
KINDS += [
    ("WAV", "IMA_ADPCM"),
    ("FLAC", "PCM_16"),
    ("OGG", "VORBIS"),
    ("OGG", "OPUS"),
    ("AIFF", "PCM_16"),
    ("AU", "PCM_16"),
    ("CAF", "ALAC_16"),
    ("W64", "PCM_16"),
    ("MP3", "MPEG_LAYER_III"),
]


def target(data: bytes) -> None:
    is_array = data[:6] == b"\x93NUMPY"
    path = FOLDER / ("input.npy" if is_array else "input.wav")
    path.write_bytes(data)
    try:
        if is_array:
            assert np.isfinite(read_log_mel(path, MelSpec())).all()
        else:
            scores = [DETECTOR.result(window).score for window in DETECTOR.read(path, "mix")]
            assert scores and all(map(math.isfinite, scores)), scores
    except AudioError as error:
        assert str(error).isprintable(), error


def seeds() -> dict[str, bytes]:
    sound = np.random.default_rng(0).uniform(-0.1, 0.1, (6000, 2))
    found = {}
    for container, kind in KINDS:
        file = io.BytesIO()
        soundfile.write(file, sound, 8000, format=container, subtype=kind)
        found[f"{container}-{kind}"] = file.getvalue()
    for kind in ("<f4", "<f8", "<f2"):
        file = io.BytesIO()
        np.save(file, np.zeros((2, 128), kind))
        found[f"npy-{kind[1:]}"] = file.getvalue()
    return found


fuzz(target, seeds())
