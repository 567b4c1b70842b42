"""Log-mel features of many recordings, computed on the device that trains and cached by content.

CACHE/<content, MelSpec and channel>.npy    float32: 58 MB an hour, half the size of 16-bit audio
                                            of 16 kHz

They stay on disk (`edgeae.train.frame_store`). A restarted training uses what was computed before.
"""

import hashlib
import json
import os
import shutil
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch

from edgeae.runtime.audio.batch import read_each
from edgeae.runtime.audio.file_types import AUDIO_SUFFIXES, has_suffix
from edgeae.runtime.audio.recordings import Recording
from edgeae.runtime.audio.resample import resampled
from edgeae.runtime.audio.sound_file import AudioFile
from edgeae.runtime.errors import AudioError, ConfigError
from edgeae.runtime.features.log_mel_file import read_log_mel
from edgeae.runtime.features.mel import MelSpec, filter_bank
from edgeae.runtime.system.arrays import Float32
from edgeae.runtime.system.progress import bar

from .config import Config
from .frame_store import Frames, StoredFrames, store

DEFAULT_CHUNK_FRAMES = 2048  # about a minute, 50 MB of float64 spectrum
MAX_RECORDINGS_AHEAD = 4  # for each thread, begun before their turn
MAX_HEADERS = 100  # recordings whose headers are read to estimate the length of all


@dataclass(frozen=True)
class FeatureLimits:
    """Sizes at which the computation changes; tests pass smaller ones."""

    chunk_frames: int = DEFAULT_CHUNK_FRAMES  # frames computed at once
    min_reported_bytes: float = 1e9  # features of more bytes are reported before they are computed
    min_parallel_bytes: float = 1e7  # more, ten minutes of sound, are computed on all cores


DEFAULT_LIMITS = FeatureLimits()


class TorchLogMel(torch.nn.Module):
    """`edgeae.runtime.features.mel.log_mel` in torchaudio, within 1e-4 dB of it.

    The spectrum is float64, as on the device: bands far from a loud tone lie 100 dB below it,
    where a float32 transform has only its own rounding to show. The filter bank is the device's:
    torchaudio rounds its own in float32, which alone moves narrow bands by up to 2e-4 dB.
    """

    def __init__(self, spec: MelSpec, chunk_frames: int = DEFAULT_CHUNK_FRAMES) -> None:
        super().__init__()
        from torchaudio.transforms import MelSpectrogram

        self.spec = spec
        self.chunk_frames = chunk_frames
        self.mel = MelSpectrogram(
            sample_rate=spec.sample_rate,
            n_fft=spec.n_fft,
            hop_length=spec.hop,
            n_mels=spec.n_mels,
            f_min=spec.f_min,
            f_max=spec.f_max,
            center=False,
            power=spec.power,
            norm="slaney",
            mel_scale=spec.scale,
            wkwargs={"dtype": torch.float64},
        ).double()
        self.mel.mel_scale.fb.copy_(torch.from_numpy(filter_bank(spec).T))

    def forward(self, samples: torch.Tensor) -> torch.Tensor:
        """(n,) samples of full scale 1 -> (n_frames, n_mels), dB, float32."""
        return torch.cat(list(self.chunks([samples])))

    def chunks(self, blocks: Iterable[torch.Tensor]) -> Iterator[torch.Tensor]:
        """The same of a recording that comes in blocks (n,): at most chunk_frames at once."""
        hop = self.spec.hop
        n_fft = self.spec.n_fft
        held = torch.empty(0)
        for block in blocks:
            held = torch.cat([held.to(block), block])
            while self.spec.n_frames(len(held)) > self.chunk_frames:
                yield self._db(held[: (self.chunk_frames - 1) * hop + n_fft])
                held = held[self.chunk_frames * hop :]
        if self.spec.n_frames(len(held)):
            yield self._db(held)
        else:
            yield held.new_empty((0, self.spec.n_mels), dtype=torch.float32)

    def _db(self, samples: torch.Tensor) -> torch.Tensor:
        bands = self.mel(samples.double()).T  # (frames, n_mels)
        decibels_per_log10 = 20 / self.spec.power
        lowest = 10 ** (self.spec.floor_db / decibels_per_log10)
        db: torch.Tensor = decibels_per_log10 * bands.clamp_min(lowest).log10()
        return db.float()


@dataclass(frozen=True)
class Features:
    """The log-mel spectrogram of one recording."""

    recording: Recording
    frames: Frames  # (n_frames, n_mels), dB
    sha256: str  # of the file's content


def features(
    recordings: Sequence[Recording],
    config: Config,
    cache: Path,
    device: str = "cpu",
    report: Callable[[str], None] = lambda line: print(line, file=sys.stderr),
    limits: FeatureLimits = DEFAULT_LIMITS,
) -> list[Features]:
    """Log-mel features of every recording, in order; what was computed before comes from ``cache``.

    device: a torch device; on the CPU every core computes if there is much to compute.
    report: receives one sentence for every recording that cannot be read.

    Raises AudioError after all of them, unless ``config.data.skip_bad``; ConfigError where the disk
    has no room.
    """
    cache.mkdir(parents=True, exist_ok=True)
    missing = _check_room(recordings, config, cache, report, limits.min_reported_bytes)
    jobs = 1
    if device == "cpu" and missing > limits.min_parallel_bytes:
        jobs = len(os.sched_getaffinity(0))
    compute = _computer(config, cache, device, limits.chunk_frames)
    results = _in_order(recordings, compute, jobs)
    shown = bar(results, len(recordings), "features")
    return [
        item
        for _, item in read_each(
            shown, lambda pair: pair[1](), report, skip_bad=config.data.skip_bad
        )
    ]


def _in_order(
    recordings: Iterable[Recording], compute: Callable[[Recording], Features], jobs: int
) -> Iterator[tuple[Recording, Callable[[], Features]]]:
    """Yield each recording with a function that returns its features, or raises what they raised.

    jobs: the number of threads; reading, hashing and the transform run outside of Python's lock. 1
        computes in this thread, each recording when its features are asked for.
    """
    if jobs == 1:
        for recording in recordings:
            yield recording, partial(compute, recording)
        return
    pool = ThreadPoolExecutor(jobs)
    try:
        pending: deque[tuple[Recording, Callable[[], Features]]] = deque()
        for recording in recordings:
            pending.append((recording, pool.submit(compute, recording).result))
            if len(pending) == MAX_RECORDINGS_AHEAD * jobs:
                yield pending.popleft()
        yield from pending
    finally:
        pool.shutdown(cancel_futures=True)


def _check_room(
    recordings: Sequence[Recording],
    config: Config,
    cache: Path,
    report: Callable[[str], None],
    min_reported_bytes: float,
) -> float:
    """About how many bytes are to be written; reported if many, ConfigError without room."""
    entries = {entry.name for entry in cache.iterdir()}
    missing_recordings = list(recordings)
    if entries:
        missing_recordings = [
            recording for recording in recordings if _entry(recording, config) not in entries
        ]
    missing = _bytes_of(missing_recordings, config.mel)
    free = shutil.disk_usage(cache).free
    if missing > free:
        raise ConfigError(
            f"{cache}: the features take {missing / 1e9:.3g} GB, {free / 1e9:.3g} GB are free; "
            f"name a folder with more room, --set data.cache=FOLDER"
        )
    if missing > min_reported_bytes:
        report(
            f"the features take {missing / 1e9:.3g} GB in {cache}, "
            f"where {free / 1e9:.3g} GB are free"
        )
    return missing


def _entry(recording: Recording, config: Config) -> str | None:
    """The name of its features in a cache; None for an unreadable file, which is reported later."""
    with suppress(AudioError):
        return _entry_name(_content_hash(recording.path), config)
    return None


def _bytes_of(recordings: Sequence[Recording], spec: MelSpec) -> float:
    """Bytes of the features of all recordings, from their sizes and the headers of some."""
    size = 0
    measured_size = 0
    seconds = 0.0
    step = -(-len(recordings) // MAX_HEADERS) or 1
    for i, recording in enumerate(recordings):
        with suppress(OSError, AudioError):  # reported when it is read
            length = recording.path.stat().st_size
            size += length
            if i % step == 0:
                seconds += _seconds(recording.path, spec)
                measured_size += length
    return size / max(measured_size, 1) * seconds * spec.frames_per_second * spec.n_mels * 4


def _seconds(path: Path, spec: MelSpec) -> float:
    if has_suffix(path.name, AUDIO_SUFFIXES):
        with AudioFile(path, "mix") as audio:
            return audio.frames / audio.samplerate
    return len(read_log_mel(path, spec)) / spec.frames_per_second


def _computer(
    config: Config, cache: Path, device: str, chunk_frames: int
) -> Callable[[Recording], Features]:
    if device == "cpu":
        torch.set_num_threads(config.training.threads)
    transform = TorchLogMel(config.mel, chunk_frames).to(device)
    return partial(_features, config, cache, transform)


def _features(
    config: Config, cache: Path, transform: TorchLogMel, recording: Recording
) -> Features:
    sha256 = _content_hash(recording.path)
    entry = cache / _entry_name(sha256, config)
    frames = StoredFrames.open(entry, config.mel.n_mels)
    if frames is None:
        store(entry, _compute(recording.path, config, transform), config.mel.n_mels)
        frames = StoredFrames.open(entry, config.mel.n_mels)
    if frames is None:
        raise ConfigError(
            f"{entry}: was changed while it was written; give the training its own --set data.cache"
        )
    return Features(recording, frames, sha256)


def _compute(path: Path, config: Config, transform: TorchLogMel) -> Iterator[Float32]:
    if not has_suffix(path.name, AUDIO_SUFFIXES):
        yield read_log_mel(path, config.mel)
        return
    device = transform.mel.spectrogram.window.device
    with AudioFile(path, config.data.channel) as audio, torch.inference_mode():
        blocks = resampled(audio.blocks(), audio.samplerate, config.mel.sample_rate)
        for frames in transform.chunks(torch.from_numpy(block).to(device) for block in blocks):
            yield frames.cpu().numpy()


def _content_hash(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise AudioError(f"{path}: cannot be read ({error.strerror})") from error


def _entry_name(sha256: str, config: Config) -> str:
    """The hash of all that decides the features of a recording; version: of their definition."""
    parts = {
        "version": 1,
        "content": sha256,
        "mel": config.mel.to_dict(),
        "channel": config.data.channel,
    }
    return f"{hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()}.npy"
