"""Log-mel features of many recordings, computed on the device that trains and cached by content."""

import hashlib
import json
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from edgeae.runtime.audio import AUDIO_SUFFIXES, read_audio, read_each, read_log_mel
from edgeae.runtime.errors import AudioError
from edgeae.runtime.mel import Float32, MelSpec, filter_bank
from edgeae.runtime.recordings import Recording

from .config import Config

CHUNK = 2048  # frames computed at once: about a minute, 50 MB of float64 spectrum


class TorchLogMel(torch.nn.Module):
    """`edgeae.runtime.mel.log_mel` in torchaudio, within 1e-4 dB of it.

    The spectrum is float64, as on the device: bands far from a loud tone lie 100 dB below it,
    where a float32 transform has only its own rounding to show. The filter bank is the device's:
    torchaudio rounds its own in float32, which alone moves narrow bands by up to 2e-4 dB.
    """

    def __init__(self, spec: MelSpec) -> None:
        super().__init__()
        from torchaudio.transforms import MelSpectrogram

        self.spec = spec
        self.mel = MelSpectrogram(
            sample_rate=spec.sample_rate, n_fft=spec.n_fft, hop_length=spec.hop, n_mels=spec.n_mels,
            f_min=spec.f_min, f_max=spec.f_max, center=False, power=2, norm="slaney", mel_scale=spec.scale,
            wkwargs={"dtype": torch.float64},
        ).double()  # fmt: skip
        self.mel.mel_scale.fb.copy_(torch.from_numpy(filter_bank(spec).T))

    def forward(self, samples: torch.Tensor) -> torch.Tensor:
        """(n,) samples of full scale 1 -> (n_frames, n_mels), dB, float32."""
        frames = self.spec.n_frames(len(samples))
        if not frames:
            return samples.new_empty((0, self.spec.n_mels), dtype=torch.float32)
        return torch.cat([self._db(samples, k, min(k + CHUNK, frames)) for k in range(0, frames, CHUNK)])

    def _db(self, samples: torch.Tensor, first: int, last: int) -> torch.Tensor:
        hop, n_fft = self.spec.hop, self.spec.n_fft
        power = self.mel(samples[first * hop : (last - 1) * hop + n_fft].double()).T  # (frames, n_mels)
        db: torch.Tensor = 10 * power.clamp_min(10 ** (self.spec.floor_db / 10)).log10()
        return db.float()


@dataclass(frozen=True)
class Features:
    """The log-mel spectrogram of one recording."""

    recording: Recording
    frames: Float32  # (n_frames, n_mels), dB
    sha256: str  # of the file's content


def features(
    recordings: Sequence[Recording],
    config: Config,
    cache: Path,
    device: str = "cpu",
    report: Callable[[str], None] = lambda line: print(line, file=sys.stderr),
) -> list[Features]:
    """Log-mel features of every recording, in order; what was computed before comes from ``cache``.

    ``device`` is a torch device. ``report`` receives one sentence for every recording that cannot
    be read. Raises AudioError after them, unless ``config.data.skip_bad``.
    """
    import click

    cache.mkdir(parents=True, exist_ok=True)
    transform = TorchLogMel(config.mel).to(device)
    hidden = not sys.stderr.isatty()
    with click.progressbar(recordings, label="features", file=sys.stderr, hidden=hidden) as shown:
        pairs = read_each(
            shown, lambda item: _features(item, config, cache, transform), report, skip_bad=config.data.skip_bad
        )
    return [found for _, found in pairs]


def _features(recording: Recording, config: Config, cache: Path, transform: TorchLogMel) -> Features:
    sha256 = _content_hash(recording.path)
    if recording.path.suffix.lower() not in AUDIO_SUFFIXES:
        return Features(recording, read_log_mel(recording.path, config.mel), sha256)
    entry = cache / f"{_cache_key(sha256, config)}.npy"
    frames = _cached(entry, config.mel)
    if frames is None:
        frames = _compute(recording.path, config, transform)
        _store(entry, frames)
    return Features(recording, frames, sha256)


def _compute(path: Path, config: Config, transform: TorchLogMel) -> Float32:
    device = transform.mel.spectrogram.window.device
    samples = torch.from_numpy(read_audio(path, config.mel.sample_rate, config.data.channel))
    with torch.inference_mode():
        frames: Float32 = transform(samples.to(device)).cpu().numpy()
    return frames


def _content_hash(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise AudioError(f"{path}: cannot be read ({error.strerror})") from error


def _cache_key(sha256: str, config: Config) -> str:
    """Everything that decides the features of a recording; the version is that of their definition."""
    parts = {"version": 1, "content": sha256, "mel": config.mel.to_dict(), "channel": config.data.channel}
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def _cached(entry: Path, spec: MelSpec) -> Float32 | None:
    """The array in ``entry``, or None where it is missing or damaged and has to be computed."""
    try:
        frames: Float32 = np.load(entry, allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return None
    sound = frames.ndim == 2 and frames.shape[1] == spec.n_mels and frames.dtype == np.float32
    return frames if sound and np.isfinite(frames).all() else None


def _store(entry: Path, frames: Float32) -> None:
    """Write beside the entry, then rename: nobody ever reads half an array."""
    unfinished = entry.with_suffix(f".{os.getpid()}.tmp")
    with unfinished.open("wb") as file:
        np.save(file, frames)
    unfinished.replace(entry)
