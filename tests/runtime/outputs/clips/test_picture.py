"""The spectrogram of a clip as a PNG file."""

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from edgeae.runtime.errors import AudioError
from edgeae.runtime.outputs.clips.picture import (
    BAND_PIXELS,
    LEFT,
    MARK,
    TOP,
    WIDTH,
    before_seconds,
    spectrogram_png,
)


def pixels(png: bytes) -> NDArray[np.uint8]:
    """The numbers of the colours (height, width), read as PNG's specification says."""
    assert png.startswith(b"\x89PNG\r\n\x1a\n")
    at = 8
    chunks = {}
    while at < len(png):
        (size,) = struct.unpack(">I", png[at : at + 4])
        kind = png[at + 4 : at + 8]
        chunks[kind] = png[at + 8 : at + 8 + size]
        (checksum,) = struct.unpack(">I", png[at + 8 + size : at + 12 + size])
        assert checksum == zlib.crc32(kind + chunks[kind])
        at += 12 + size
    width, height = struct.unpack(">II", chunks[b"IHDR"][:8])
    rows = np.frombuffer(zlib.decompress(chunks[b"IDAT"]), np.uint8).reshape(height, width + 1)
    assert not rows[:, 0].any()
    return rows[:, 1:]


@pytest.mark.parametrize("samplerate", [16000, 48000])
def test_a_tone_is_a_bright_line_at_its_frequency(tmp_path: Path, samplerate: int) -> None:
    clip = tmp_path / "clip.flac"
    time = np.arange(4 * samplerate) / samplerate
    soundfile.write(clip, 0.3 * np.sin(2 * np.pi * 1000 * time), samplerate)
    picture = pixels(spectrogram_png(clip))
    spectrum = picture[TOP : TOP + 128 * BAND_PIXELS, LEFT : LEFT + WIDTH].mean(1)
    band = 127 - int(np.argmax(spectrum)) // BAND_PIXELS
    from edgeae.runtime.features.mel import MelSpec, band_edges

    edges = band_edges(MelSpec())
    assert edges[band] < 1000 < edges[band + 2]


def test_the_start_of_the_alarm_is_marked(tmp_path: Path) -> None:
    clip = tmp_path / "clip.flac"
    soundfile.write(clip, np.random.default_rng(1).normal(0, 0.1, 64000), 16000)
    picture = pixels(spectrogram_png(clip, mark_seconds=1.0))
    columns = np.flatnonzero((picture == MARK).any(0))
    assert abs(columns[0] - (LEFT + WIDTH / 4)) <= 1
    assert not (pixels(spectrogram_png(clip)) == MARK).any()


def test_what_is_no_sound_is_refused(tmp_path: Path) -> None:
    clip = tmp_path / "clip.flac"
    with pytest.raises(AudioError, match="cannot be read"):
        spectrogram_png(clip)
    soundfile.write(clip, np.zeros(10), 16000)
    with pytest.raises(AudioError, match="too short"):
        spectrogram_png(clip)


def test_the_alarm_of_a_clip_starts_where_its_file_says(tmp_path: Path) -> None:
    clip = tmp_path / "clip.flac"
    assert before_seconds(clip) == 10.0
    clip.with_suffix(".json").write_text('{"before": 4.5}')
    assert before_seconds(clip) == 4.5
