"""How much sound a file holds, by what its own data chunk says, whatever stands beside it.

    RIFF size WAVE | fmt  size .. | data size ................ | LIST size .. |
                                         ^ start   promised     not looked at

`libsndfile` reads what is there of a file that was cut short, and nothing of one whose recorder was
killed before it wrote the length. So before a file is opened its container is read here: WAV (RIFF,
RIFX, RF64, BW64), W64, AIFF, AU, CAF, OGG and MP3. What only a decoder knows, as of FLAC, is left
to `edgeae.runtime.audio.sound_file`.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from io import SEEK_END, SEEK_SET
from typing import BinaryIO, Literal

ByteOrder = Literal["little", "big"]

# A data size of 32 bits from here on means that the writer did not know the length: ffmpeg, sox and
# arecord write different ones of them into a pipe.
MIN_UNKNOWN_BYTES = 0x7FFF0000
UNKNOWN_64_BITS = 0xFFFFFFFFFFFFFFFF
MAX_CHUNKS = 10_000  # of a file; more are damage
# Chunks that may follow the data; other bytes behind a data chunk of size 0 are its sound.
TRAILING_CHUNKS = {
    *(b"LIST", b"list", b"id3 ", b"ID3 ", b"bext", b"fact", b"cue ", b"smpl", b"iXML", b"JUNK"),
    *(b"junk", b"PAD ", b"inst", b"plst", b"acid", b"_PMX", b"PEAK", b"afsp", b"DISP", b"axml"),
}
W64_RIFF = bytes.fromhex("726966662e91cf11a5d628db04c10000")
W64_DATA = bytes.fromhex("64617461f3acd3118cd100c04f8edb8a")

MAX_OGG_PAGE_BYTES = 65_307
OGG_LAST_PAGE = 4  # flag
MP3_TAIL_BYTES = 1 << 14  # at the end of a file, in which its last frames are looked for
MIN_MP3_FRAMES = 3  # in a row, to be sure that they are frames
MP3_KBITS = {  # by MPEG version 1 or not, of layer III
    True: (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    False: (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
MP3_RATES = {3: (44100, 48000, 32000), 2: (22050, 24000, 16000), 0: (11025, 12000, 8000)}


@dataclass(frozen=True)
class Patch:
    """Bytes of a header that are read in place of those of the file."""

    at: int
    content: bytes


@dataclass(frozen=True)
class Extent:
    """How much sound a file holds."""

    missing: str = ""  # what was cut off, such as ``12 bytes are missing``
    is_open_ended: bool = False  # the header does not say how long the sound is
    patches: tuple[Patch, ...] = ()  # with which a reader finds all of it


@dataclass(frozen=True)
class _DataChunk:
    """The sound in a container of chunks."""

    start: int  # first byte of the sound
    promised: int | None  # bytes of it; None: not known
    size_patch: Callable[[int], tuple[Patch, ...]]  # bytes of sound -> a header that knows them


def extent_of(file: BinaryIO) -> Extent:
    """How much sound a file holds that is opened for reading; it is left at its start."""
    n_bytes = file.seek(0, SEEK_END)
    file.seek(0)
    signature = file.read(16)
    try:
        if signature[:4] == b"OggS":
            return _ogg_extent(file, n_bytes)
        if signature[:3] == b"ID3" or is_mp3(signature[:4]):
            return _mp3_extent(file, n_bytes)
        chunk = _data_chunk(file, n_bytes, signature)
    finally:
        file.seek(0)
    if chunk is None:
        return Extent()
    return _chunk_extent(file, chunk, n_bytes, signature)


def _chunk_extent(file: BinaryIO, chunk: _DataChunk, n_bytes: int, signature: bytes) -> Extent:
    available = n_bytes - chunk.start
    if available <= 0:
        return Extent()
    if chunk.promised is None:
        return Extent(is_open_ended=True, patches=chunk.size_patch(available))
    if chunk.promised == 0 and not _are_chunks(file, chunk.start, signature):
        return Extent(is_open_ended=True, patches=chunk.size_patch(available))
    patches = () if signature[:4] != b"BW64" else (Patch(0, b"RF64"),)
    return Extent(_missing(chunk.promised - available), patches=patches)


def _missing(n_bytes: int) -> str:
    if n_bytes <= 0:
        return ""
    return "1 byte is missing" if n_bytes == 1 else f"{n_bytes} bytes are missing"


def _data_chunk(file: BinaryIO, n_bytes: int, signature: bytes) -> _DataChunk | None:
    """Where the sound is; None for another format, or a file without a chunk of sound."""
    four = signature[:4]
    if four in (b"RIFF", b"RIFX", b"RF64", b"BW64"):
        return _wav_data(file, n_bytes, four)
    if signature == W64_RIFF:
        return _w64_data(file, n_bytes)
    if four == b"FORM":
        return _aiff_data(file, n_bytes)
    if four in (b".snd", b"dns."):
        return _au_data(file, "big" if four == b".snd" else "little")
    if four == b"caff":
        return _caf_data(file, n_bytes)
    return None


@dataclass(frozen=True)
class _Chunk:
    name: bytes
    at: int  # of its header
    body: int  # first byte of its content
    size: int  # bytes of its content


def _chunks(file: BinaryIO, first: int, n_bytes: int, order: ByteOrder) -> Iterator[_Chunk]:
    """Yield the chunks of 4 bytes of name and 4 of size, padded to even sizes."""
    at = first
    for _ in range(MAX_CHUNKS):
        header = _read(file, at, 8)
        if len(header) < 8:
            return
        size = int.from_bytes(header[4:], order)
        yield _Chunk(header[:4], at, at + 8, size)
        at += 8 + size + size % 2
        if at >= n_bytes:
            return


def _wav_data(file: BinaryIO, n_bytes: int, signature: bytes) -> _DataChunk | None:
    order: ByteOrder = "big" if signature == b"RIFX" else "little"
    is_64 = signature in (b"RF64", b"BW64")
    sizes_64: _Chunk | None = None
    for chunk in _chunks(file, 12, n_bytes, order):
        if chunk.name == b"ds64":
            sizes_64 = chunk
        if chunk.name != b"data":
            continue
        promised: int | None = chunk.size
        patch_64 = sizes_64 if is_64 else None
        if patch_64 and chunk.size == 0xFFFFFFFF:
            size = int.from_bytes(_read(file, patch_64.body + 8, 8), "little")
            promised = None if size in (0, UNKNOWN_64_BITS) else size
        elif chunk.size >= MIN_UNKNOWN_BYTES:
            promised = None

        def with_size(
            size: int, data: _Chunk = chunk, sizes: _Chunk | None = patch_64
        ) -> tuple[Patch, ...]:
            if sizes is None:
                limited = min(size, 0xFFFFFFFE)
                return (Patch(data.at + 4, limited.to_bytes(4, order)),)
            whole = (data.body + size - 8).to_bytes(8, "little")
            content = whole + size.to_bytes(8, "little") + bytes(8)
            all_ones = Patch(data.at + 4, bytes(4 * [255]))
            return (Patch(0, b"RF64"), Patch(sizes.body, content), all_ones)

        return _DataChunk(chunk.body, promised, with_size)
    return None


def _w64_data(file: BinaryIO, n_bytes: int) -> _DataChunk | None:
    at = 40
    for _ in range(MAX_CHUNKS):
        header = _read(file, at, 24)
        if len(header) < 24:
            return None
        size = int.from_bytes(header[16:], "little")  # with its header
        if header[:16] == W64_DATA:
            is_known = 24 <= size < UNKNOWN_64_BITS // 2
            place = at + 16

            def with_size(n: int, place: int = place) -> tuple[Patch, ...]:
                return (Patch(place, (n + 24).to_bytes(8, "little")),)

            return _DataChunk(at + 24, size - 24 if is_known else None, with_size)
        at += max(24, (size + 7) // 8 * 8)
        if at >= n_bytes:
            return None
    return None


def _aiff_data(file: BinaryIO, n_bytes: int) -> _DataChunk | None:
    for chunk in _chunks(file, 12, n_bytes, "big"):
        if chunk.name == b"SSND":
            is_known = 8 <= chunk.size < MIN_UNKNOWN_BYTES
            place = chunk.at + 4

            def with_size(n: int, place: int = place) -> tuple[Patch, ...]:
                return (Patch(place, min(n + 8, 0xFFFFFFFF).to_bytes(4, "big")),)

            return _DataChunk(chunk.body + 8, chunk.size - 8 if is_known else None, with_size)
    return None


def _au_data(file: BinaryIO, order: ByteOrder) -> _DataChunk:
    header = _read(file, 4, 8)
    start = int.from_bytes(header[:4], order)
    size = int.from_bytes(header[4:], order)

    def with_size(n: int) -> tuple[Patch, ...]:
        return (Patch(8, min(n, 0xFFFFFFFE).to_bytes(4, order)),)

    return _DataChunk(start, None if size >= MIN_UNKNOWN_BYTES else size, with_size)


def _caf_data(file: BinaryIO, n_bytes: int) -> _DataChunk | None:
    at = 8
    for _ in range(MAX_CHUNKS):
        header = _read(file, at, 12)
        if len(header) < 12:
            return None
        size = int.from_bytes(header[4:], "big")
        if header[:4] == b"data":
            is_known = 4 <= size < UNKNOWN_64_BITS // 2
            place = at + 4

            def with_size(n: int, place: int = place) -> tuple[Patch, ...]:
                return (Patch(place, (n + 4).to_bytes(8, "big")),)

            return _DataChunk(at + 16, size - 4 if is_known else None, with_size)
        at += 12 + size
        if at >= n_bytes:
            return None
    return None


def _are_chunks(file: BinaryIO, at: int, signature: bytes) -> bool:
    """True if what follows a data chunk of size 0 is another chunk, and no sound."""
    if signature[:4] not in (b"RIFF", b"RIFX", b"RF64", b"BW64"):
        return False
    return _read(file, at, 4) in TRAILING_CHUNKS


def _ogg_extent(file: BinaryIO, n_bytes: int) -> Extent:
    """Its last page has to be whole and to say that it is the last."""
    first = max(0, n_bytes - 2 * MAX_OGG_PAGE_BYTES)
    tail = _read(file, first, n_bytes - first)
    at = tail.rfind(b"OggS\0")
    page = tail[at:] if at >= 0 else b""
    if len(page) < 27:
        return Extent("its last page is missing")
    n_segments = page[26]
    segments = page[27 : 27 + n_segments]
    n_page_bytes = 27 + n_segments + sum(segments)
    if len(segments) < n_segments or len(page) < n_page_bytes:
        return Extent(_missing(n_page_bytes - len(page)))
    return Extent("" if page[5] & OGG_LAST_PAGE else "its last page is missing")


def is_mp3(header: bytes) -> bool:
    """Whether 4 bytes are the header of a frame of MPEG layer III."""
    return mp3_frame_bytes(header) > 0


def mp3_frame_bytes(header: bytes) -> int:
    """Bytes of the frame of MPEG layer III with a header of 4 bytes; 0 if it is none."""
    if len(header) < 4 or header[0] != 0xFF or header[1] & 0xE6 != 0xE2:
        return 0
    version = header[1] >> 3 & 3  # 3: MPEG 1, 2: MPEG 2, 0: MPEG 2.5
    number = header[2] >> 4
    rate_number = header[2] >> 2 & 3
    if version == 1 or number in (0, 15) or rate_number == 3:
        return 0
    is_first = version == 3
    bits = MP3_KBITS[is_first][number] * 1000
    padding = header[2] >> 1 & 1
    return (144 if is_first else 72) * bits // MP3_RATES[version][rate_number] + padding


def _mp3_extent(file: BinaryIO, n_bytes: int) -> Extent:
    """The header of LAME counts the bytes; without it the last frame has to be whole."""
    first = _mp3_start(file)
    if _read(file, n_bytes - 128, 3) == b"TAG":
        n_bytes -= 128
    promised = _mp3_promised_bytes(_read(file, first, 256))
    if promised is not None and promised > n_bytes - first:
        return Extent(_missing(promised - (n_bytes - first)))
    tail_start = max(first, n_bytes - MP3_TAIL_BYTES)
    tail = _read(file, tail_start, n_bytes - tail_start)
    return Extent(_missing(_missing_of_last_frame(tail)))


def _mp3_start(file: BinaryIO) -> int:
    """The first byte behind the tag (ID3v2, with 7 bits of its size in each byte)."""
    tag = _read(file, 0, 10)
    if tag[:3] != b"ID3" or len(tag) < 10:
        return 0
    size = 0
    for byte in tag[6:]:
        size = size << 7 | byte & 127
    return 10 + size


def _mp3_promised_bytes(frame: bytes) -> int | None:
    """Bytes of all frames by the header of LAME in the first one; None without one."""
    at = max(frame.find(b"Xing"), frame.find(b"Info"))
    if at < 0 or len(frame) < at + 16:
        return None
    flags = int.from_bytes(frame[at + 4 : at + 8], "big")
    place = at + 8 + 4 * (flags & 1)
    return int.from_bytes(frame[place : place + 4], "big") if flags & 2 else None


def _missing_of_last_frame(tail: bytes) -> int:
    """How many bytes the last frame lacks; 0 if no frames are found."""
    for start in range(max(0, len(tail) - 4)):
        at = start
        n_frames = 0
        while at + 4 <= len(tail) and (size := mp3_frame_bytes(tail[at : at + 4])):
            at += size
            n_frames += 1
        if n_frames >= MIN_MP3_FRAMES and at >= len(tail) - 4:
            return max(0, at - len(tail))
        if n_frames >= MIN_MP3_FRAMES:
            return 0  # followed by a tag
    return 0


def _read(file: BinaryIO, at: int, n_bytes: int) -> bytes:
    """Bytes at a place of the file; fewer at its end."""
    if at < 0 or at > 1 << 62:
        return b""
    file.seek(at)
    return file.read(max(0, n_bytes))


class PatchedFile:
    """A file that is read with other bytes at some places of its header."""

    def __init__(self, file: BinaryIO, patches: tuple[Patch, ...]) -> None:
        self._file = file
        self._patches = patches

    def read(self, size: int = -1, /) -> bytes:
        """Bytes from the present place."""
        at = self._file.tell()
        content = bytearray(self._file.read(size))
        for patch in self._patches:
            for number, byte in enumerate(patch.content):
                place = patch.at + number - at
                if 0 <= place < len(content):
                    content[place] = byte
        return bytes(content)

    def seek(self, offset: int, whence: int = SEEK_SET, /) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()
