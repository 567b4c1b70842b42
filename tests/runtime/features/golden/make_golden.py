"""Golden log-mel arrays, made once by librosa 0.11.0 in double precision.

    python tests/runtime/golden/make_golden.py

librosa is no dependency of the tests: they repeat the sounds below and read ``log_mel.npz``.
"""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

FILE = Path(__file__).with_name("log_mel.npz")

# Parameters of edgeae's MelSpec, and the sounds computed with them.
ALL = ("noise", "faint noise", "tone", "quiet tone", "faint tone", "silence", "square", "chirp")
FEW = ("noise", "tone", "silence", "chirp")
SPECS: dict[str, tuple[dict[str, Any], tuple[str, ...]]] = {
    "default": ({}, ALL),
    "htk": ({"scale": "htk", "n_mels": 64}, FEW),
    "8 kHz": (
        {
            "sample_rate": 8000,
            "n_fft": 512,
            "hop": 200,
            "n_mels": 64,
            "f_min": 50.0,
            "f_max": 3800.0,
        },
        FEW,
    ),
}


def uniform(n: int) -> NDArray[np.float64]:
    """(n,) hashed integers in [-1, 1): the same on every computer and with every NumPy."""
    x = np.arange(1, n + 1, dtype=np.uint32)
    for shift, factor in ((16, 0x7FEB352D), (15, 0x846CA68B)):
        x = (x ^ (x >> np.uint32(shift))) * np.uint32(factor)
    return (x ^ (x >> np.uint32(16))) / 2.0**31 - 1


def sounds(samplerate: int) -> dict[str, NDArray[np.float32]]:
    """A second of each sound in 16 bits, so that no last digit of a sine matters; full scale 1."""
    t = np.arange(samplerate) / samplerate
    noise = uniform(samplerate)
    found = {
        "noise": 0.5 * noise,
        "faint noise": 3e-4 * noise,
        "tone": np.sin(2 * np.pi * 1000 * t),
        "quiet tone": 0.01 * np.sin(2 * np.pi * 3333.3 * t),
        "faint tone": 1e-4 * np.sin(2 * np.pi * 440 * t),
        "silence": 0 * t,
        "square": np.where(np.arange(samplerate) // 80 % 2, 1.0, -1.0),
        "chirp": 0.6 * np.sin(2 * np.pi * (50 + 0.2 * samplerate * t) * t) + 0.05 * noise,
    }
    return {
        name: (np.rint(sound * 32767) / 32768).astype(np.float32) for name, sound in found.items()
    }


def make() -> None:
    import librosa

    arrays = {}
    for spec, (changed, names) in SPECS.items():
        p = {
            "sample_rate": 16000,
            "n_fft": 1024,
            "hop": 512,
            "n_mels": 128,
            "f_min": 0.0,
            "f_max": 8000.0,
            **changed,
        }
        for name in names:
            power = librosa.feature.melspectrogram(
                y=sounds(p["sample_rate"])[name].astype(np.float64),
                sr=p["sample_rate"],
                n_fft=p["n_fft"],
                hop_length=p["hop"],
                n_mels=p["n_mels"],
                fmin=p["f_min"],
                fmax=p["f_max"],
                htk=p.get("scale") == "htk",
                center=False,
                dtype=np.float64,
            )
            arrays[f"{spec}/{name}"] = (10 * np.log10(np.maximum(power.T, 1e-10))).astype(
                np.float32
            )
    np.savez_compressed(FILE, **arrays)


if __name__ == "__main__":
    make()
