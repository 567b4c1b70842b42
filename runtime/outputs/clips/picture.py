"""The spectrogram of a clip as a PNG file: log-mel levels over time, with axes.

The file is written here, with zlib, and not by an imaging library: a device needs none for one kind
of picture. Its few letters are drawn from the dots below.
"""

import json
import struct
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...audio.resample import Resampler
from ...errors import AudioError
from ...features.mel import MelSpec, band_edges, log_mel

MAX_SECONDS = 120.0
CLIP_BEFORE_SECONDS = 10.0  # of a clip whose JSON file says nothing about it
WIDTH = 900  # of the spectrogram, pixels
BAND_PIXELS = 3  # the height of a band
LEFT = 52  # margins, pixels
BOTTOM = 26
TOP = 8
RIGHT = 10
LETTER_SCALE = 2  # pixels a dot
RANGE_DB = 60.0  # from black to white
TICKS_HZ = (125, 250, 500, 1000, 2000, 4000, 8000)
PALETTE = (
    (13, 8, 60),
    (90, 15, 110),
    (165, 45, 95),
    (225, 95, 50),
    (250, 175, 50),
    (252, 250, 190),
)
N_COLOURS = 250
INK = 250  # numbers of the further colours
PAPER = 251  # transparent, so that the picture fits a light page and a dark one
MARK = 252

# Rows of three dots, as bits.
_LETTERS = {
    "0": (7, 5, 5, 5, 7),
    "1": (2, 6, 2, 2, 7),
    "2": (7, 1, 7, 4, 7),
    "3": (7, 1, 7, 1, 7),
    "4": (5, 5, 7, 1, 1),
    "5": (7, 4, 7, 1, 7),
    "6": (7, 4, 7, 5, 7),
    "7": (7, 1, 2, 2, 2),
    "8": (7, 5, 7, 5, 7),
    "9": (7, 5, 7, 1, 7),
    "k": (4, 5, 6, 6, 5),
    "H": (5, 5, 7, 5, 5),
    "z": (0, 7, 1, 4, 7),
    "s": (0, 7, 6, 3, 7),
    " ": (0, 0, 0, 0, 0),
}

Pixels = NDArray[np.uint8]


def spectrogram_png(path: Path, mark_seconds: float | None = None) -> bytes:
    """The PNG file of a clip's spectrogram; AudioError if the clip cannot be read.

    mark_seconds: where a line is drawn, such as the start of the alarm; None: nowhere.
    """
    levels, seconds = _levels(path)
    return _png(_drawn(levels, seconds, mark_seconds))


def before_seconds(clip: Path) -> float:
    """Seconds of a clip before its alarm starts, as its JSON file says."""
    try:
        return float(json.loads(clip.with_suffix(".json").read_bytes())["before"])
    except (OSError, ValueError, KeyError, TypeError):
        return CLIP_BEFORE_SECONDS


def _levels(path: Path) -> tuple[NDArray[np.float32], float]:
    """((n_frames, n_mels) dB, seconds) of a clip."""
    import soundfile

    spec = MelSpec()
    try:
        with soundfile.SoundFile(str(path)) as file:
            samplerate = file.samplerate
            samples = file.read(round(MAX_SECONDS * samplerate), dtype="float32", always_2d=True)
    except (soundfile.SoundFileError, OSError) as error:
        raise AudioError(f"{path}: this clip cannot be read ({error})") from error
    mono = np.ascontiguousarray(samples[:, 0])
    sound = Resampler(samplerate, spec.sample_rate).push(mono, last=True)
    if len(sound) < spec.n_fft:
        raise AudioError(f"{path}: this clip is too short for a spectrogram")
    return log_mel(sound, spec), len(mono) / samplerate


def _drawn(levels: NDArray[np.float32], seconds: float, mark_seconds: float | None) -> Pixels:
    """The picture, as numbers of colours (height, width)."""
    n_frames, n_mels = levels.shape
    height = n_mels * BAND_PIXELS
    top_db = float(np.quantile(levels, 0.998))
    steps = (levels - (top_db - RANGE_DB)) / RANGE_DB * (N_COLOURS - 1)
    colours = np.clip(np.rint(steps), 0, N_COLOURS - 1).astype(np.uint8)
    columns = np.minimum(np.arange(WIDTH) * n_frames // WIDTH, n_frames - 1)
    image = np.repeat(colours[columns].T[::-1], BAND_PIXELS, axis=0)
    picture = np.full((TOP + height + BOTTOM, LEFT + WIDTH + RIGHT), PAPER, np.uint8)
    picture[TOP : TOP + height, LEFT : LEFT + WIDTH] = image
    _draw_hertz(picture, height)
    _draw_seconds(picture, height, seconds)
    if mark_seconds is not None and 0 < mark_seconds < seconds:
        x = LEFT + round(WIDTH * mark_seconds / seconds)
        for y in range(TOP, TOP + height, 8):
            picture[y : y + 5, x : x + 2] = MARK
    return picture


def _draw_hertz(picture: Pixels, height: int) -> None:
    centres = band_edges(MelSpec())[1:-1]
    for hertz in TICKS_HZ:
        band = int(np.argmin(np.abs(centres - hertz)))
        y = TOP + height - round((band + 0.5) * BAND_PIXELS)
        picture[y, LEFT - 5 : LEFT] = INK
        text = str(hertz) if hertz < 1000 else f"{hertz // 1000}k"
        _write(picture, text, LEFT - 8, y - 5)
    _write(picture, "Hz", LEFT - 8, TOP + 16)


def _draw_seconds(picture: Pixels, height: int, seconds: float) -> None:
    step = next(step for step in (1, 2, 5, 10, 20, 30) if seconds / step <= 10 or step == 30)
    for second in range(0, int(seconds) + 1, step):
        x = min(LEFT + round(WIDTH * second / seconds), LEFT + WIDTH - 1)
        picture[TOP + height : TOP + height + 5, x] = INK
        is_last = second + step > seconds
        text = f"{second} s" if is_last else str(second)
        right = min(x + _width(text) // 2, picture.shape[1] - 2)
        _write(picture, text, right, TOP + height + 9)


def _width(text: str) -> int:
    return len(text) * 4 * LETTER_SCALE


def _write(picture: Pixels, text: str, right: int, top: int) -> None:
    """Write a text that ends at a column; top: its first row."""
    rows = np.zeros((5, 4 * len(text)), np.uint8)
    for index, letter in enumerate(text):
        for row, bits in enumerate(_LETTERS[letter]):
            for dot in range(3):
                rows[row, 4 * index + dot] = bits >> (2 - dot) & 1
    dots = np.kron(rows, np.ones((LETTER_SCALE, LETTER_SCALE), np.uint8)).astype(bool)
    left = max(0, right - dots.shape[1])
    top = max(0, top)
    area = picture[top : top + dots.shape[0], left : left + dots.shape[1]]
    area[dots[: area.shape[0], : area.shape[1]]] = INK


def _png(picture: Pixels) -> bytes:
    """A PNG file with a palette."""
    height, width = picture.shape
    rows = np.zeros((height, width + 1), np.uint8)  # each row begins with its filter, 0: none
    rows[:, 1:] = picture
    header = struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + _chunk(b"IHDR", header)
        + _chunk(b"PLTE", _palette())
        + _chunk(b"tRNS", bytes([255] * PAPER + [0]))
        + _chunk(b"IDAT", zlib.compress(rows.tobytes(), 6))
        + _chunk(b"IEND", b"")
    )


def _chunk(kind: bytes, content: bytes) -> bytes:
    checksum = zlib.crc32(kind + content)
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", checksum)


def _palette() -> bytes:
    places = np.linspace(0, len(PALETTE) - 1, N_COLOURS)
    stops = np.array(PALETTE, float)
    channels = [np.interp(places, range(len(PALETTE)), stops[:, k]) for k in range(3)]
    further = np.array([(128, 134, 142), (255, 255, 255), (255, 255, 255)])
    return np.concatenate([np.stack(channels, 1), further]).astype(np.uint8).tobytes()
