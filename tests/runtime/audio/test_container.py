"""Files that were cut short, or whose recorder was killed before it wrote the length."""

import io
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeae.runtime.audio.container import extent_of, mp3_frame_bytes
from edgeae.runtime.audio.sound_file import AudioFile
from edgeae.runtime.errors import AudioError

RATE = 16000
N_SAMPLES = 2 * RATE
SOUND = (0.1 * np.random.default_rng(0).standard_normal(N_SAMPLES)).astype(np.float32)
LIST = b"LIST" + (20).to_bytes(4, "little") + b"INFOISFT" + bytes(12)


def encoded(file_format: str, subtype: str = "PCM_16", endian: str | None = None) -> bytes:
    buffer = io.BytesIO()
    soundfile.write(buffer, SOUND, RATE, format=file_format, subtype=subtype, endian=endian)
    return buffer.getvalue()


def with_size(data: bytes, name: bytes, offset: int, size: bytes) -> bytes:
    """``data`` with another size of a chunk; offset: of the size, from the name of the chunk."""
    place = data.index(name) + offset
    return data[:place] + size + data[place + len(size) :]


FORMATS = {
    "wav": encoded("WAV"),
    "rifx": encoded("WAV", endian="BIG"),
    "wavex": encoded("WAVEX", "PCM_24"),
    "adpcm": encoded("WAV", "IMA_ADPCM"),
    "rf64": encoded("RF64"),
    "bw64": b"BW64" + encoded("RF64")[4:],
    "w64": encoded("W64"),
    "aiff": encoded("AIFF"),
    "au": encoded("AU"),
    "caf": encoded("CAF"),
    "alac": encoded("CAF", "ALAC_16"),
    "flac": encoded("FLAC"),
    "ogg": encoded("OGG", "VORBIS"),
    "opus": encoded("OGG", "OPUS"),
    "mp3": encoded("MP3", "MPEG_LAYER_III"),
}
FLAC_WITHOUT_LENGTH = (
    FORMATS["flac"][:21] + bytes([FORMATS["flac"][21] & 0xF0]) + bytes(4) + FORMATS["flac"][26:]
)
WITHOUT_LENGTH = {
    "wav 0": with_size(FORMATS["wav"], b"data", 4, bytes(4)),
    "wav ff": with_size(FORMATS["wav"], b"data", 4, b"\xff" * 4),
    "wav of arecord": with_size(FORMATS["wav"], b"data", 4, (1 << 31).to_bytes(4, "little")),
    "rifx 0": with_size(FORMATS["rifx"], b"data", 4, bytes(4)),
    "rf64 0": with_size(FORMATS["rf64"], b"ds64", 8, bytes(24)),
    "rf64 ff": with_size(FORMATS["rf64"], b"ds64", 8, b"\xff" * 24),
    "w64 0": with_size(FORMATS["w64"], b"data", 16, bytes(8)),
    "w64 ff": with_size(FORMATS["w64"], b"data", 16, b"\xff" * 8),
    "aiff 0": with_size(FORMATS["aiff"], b"SSND", 4, bytes(4)),
    "au 0": with_size(FORMATS["au"], b".snd", 8, bytes(4)),
    "au ff": with_size(FORMATS["au"], b".snd", 8, b"\xff" * 4),
    "caf 0": with_size(FORMATS["caf"], b"data", 4, bytes(8)),
    "caf ff": with_size(FORMATS["caf"], b"data", 4, b"\xff" * 8),
    "flac 0": FLAC_WITHOUT_LENGTH,
}


def n_read(path: Path) -> int:
    with AudioFile(path) as audio:
        return sum(map(len, audio.blocks()))


@pytest.mark.parametrize("name", FORMATS)
def test_a_whole_file_is_read(name: str, tmp_path: Path) -> None:
    path = tmp_path / "sound.wav"
    path.write_bytes(FORMATS[name])
    assert N_SAMPLES <= n_read(path) <= N_SAMPLES + 1152


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("share", [0.3, 0.5, 0.9])
def test_a_file_that_was_cut_short_is_refused(name: str, share: float, tmp_path: Path) -> None:
    path = tmp_path / "sound.wav"
    path.write_bytes(FORMATS[name][: round(share * len(FORMATS[name]))])
    with pytest.raises(AudioError, match=r"cut short, .* missing; copy or record it again"):
        AudioFile(path)


@pytest.mark.parametrize("name", sorted(set(FORMATS) - {"adpcm", "alac"}))
def test_one_byte_that_is_missing_is_noticed(name: str, tmp_path: Path) -> None:
    path = tmp_path / "sound.wav"
    path.write_bytes(FORMATS[name][:-1])
    with pytest.raises(AudioError, match="cut short"):
        AudioFile(path)


@pytest.mark.parametrize("name", ["wav", "rifx", "rf64", "aiff", "au", "caf", "flac"])
@pytest.mark.parametrize("n_bytes", [4, 8, 15, len(LIST)])
def test_what_follows_the_sound_does_not_matter(name: str, n_bytes: int, tmp_path: Path) -> None:
    path = tmp_path / "sound.wav"
    path.write_bytes(FORMATS[name] + LIST[:n_bytes])
    assert n_read(path) == N_SAMPLES


@pytest.mark.parametrize("size", [0, 8, len(FORMATS["wav"]), 1 << 30, (1 << 32) - 1])
def test_the_size_of_the_whole_file_does_not_matter(size: int, tmp_path: Path) -> None:
    """Some writers count their own 8 bytes, others write 0."""
    path = tmp_path / "sound.wav"
    wav = FORMATS["wav"][:4] + size.to_bytes(4, "little") + FORMATS["wav"][8:]
    path.write_bytes(wav)
    assert n_read(path) == N_SAMPLES
    path.write_bytes(wav[: len(wav) // 2])
    with pytest.raises(AudioError, match="cut short"):
        AudioFile(path)


@pytest.mark.parametrize("name", WITHOUT_LENGTH)
def test_a_file_without_a_length_is_read_to_its_end_and_that_is_said_in_one_line(
    name: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "sound.wav"
    path.write_bytes(WITHOUT_LENGTH[name])
    assert n_read(path) == n_read(path) == N_SAMPLES
    [line] = capfd.readouterr().err.splitlines()
    assert f"{path}: its header does not say how long it is" in line
    assert line.endswith("read to its end, 2.0 s")


@pytest.mark.parametrize("n_bytes", [20_000, 20_001, 33_333])
def test_a_flac_whose_recorder_was_killed_is_read_as_far_as_it_goes(
    n_bytes: int, tmp_path: Path
) -> None:
    path = tmp_path / "sound.flac"
    path.write_bytes(FLAC_WITHOUT_LENGTH[:n_bytes])
    with AudioFile(path) as audio:
        samples = np.concatenate(list(audio.blocks()))
    assert 4096 <= len(samples) < N_SAMPLES
    np.testing.assert_allclose(samples, SOUND[: len(samples)], atol=1 / 32768)


@pytest.mark.parametrize("trailing", [b"", LIST])
def test_a_header_without_sound_has_no_samples(trailing: bytes, tmp_path: Path) -> None:
    path = tmp_path / "sound.wav"
    path.write_bytes(FORMATS["wav"][:40] + bytes(4) + trailing)
    with pytest.raises(AudioError, match="a header but no samples"):
        AudioFile(path)


@pytest.mark.parametrize("name", ["wav", "rf64", "flac", "w64", "aiff", "au"])
def test_a_header_that_is_cut_at_any_byte_is_refused_in_one_sentence(
    name: str, tmp_path: Path
) -> None:
    path = tmp_path / "sound.wav"
    for n_bytes in range(1, 150):
        path.write_bytes(FORMATS[name][:n_bytes])
        with pytest.raises(AudioError) as caught:
            AudioFile(path)
        assert str(caught.value).startswith(f"{path}: ")
        assert "\n" not in str(caught.value)


@settings(derandomize=True, deadline=None, max_examples=300)
@given(
    name=st.sampled_from(sorted(FORMATS)),
    places=st.lists(st.tuples(st.integers(0, 160), st.integers(0, 255)), max_size=4),
    n_bytes=st.integers(0, 3000),
)
def test_no_header_raises_anything_else(
    name: str, places: list[tuple[int, int]], n_bytes: int
) -> None:
    content = bytearray(FORMATS[name][:n_bytes])
    for at, value in places:
        if at < len(content):
            content[at] = value
    extent = extent_of(io.BytesIO(bytes(content)))
    assert isinstance(extent.missing, str)


def test_the_length_of_a_frame_of_mp3_is_that_of_the_standard() -> None:
    assert mp3_frame_bytes(bytes.fromhex("fffb9064")) == 417  # 128 kbit/s at 44.1 kHz
    assert mp3_frame_bytes(bytes.fromhex("fffb9264")) == 418  # padded
    assert mp3_frame_bytes(bytes.fromhex("fff388c4")) == 288  # 64 kbit/s at 16 kHz
    assert mp3_frame_bytes(b"\xff\xff\xff\xff") == 0
    assert mp3_frame_bytes(b"\xff\xfb") == 0
