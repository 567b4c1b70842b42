"""What the first bytes of a stream say that it is, so that no file is scored as raw PCM."""

from collections.abc import Callable

from ..audio.container import mp3_frame_bytes

SIGNATURES = {
    b"RIFF": "WAV",
    b"RIFX": "RIFX",
    b"RF64": "WAV",
    b"BW64": "WAV",
    b"fLaC": "FLAC",
    b"OggS": "OGG",
    b"riff\x2e\x91\xcf\x11": "W64",
    b"FORM": "AIFF",
    b"caff": "CAF",
    b".snd": "AU",
    b"dns.": "AU",
    b"ID3\2": "MP3",
    b"ID3\3": "MP3",
    b"ID3\4": "MP3",
    b"\x1a\x45\xdf\xa3": "Matroska or WebM",
    b"\x30\x26\xb2\x75\x8e\x66\xcf\x11": "WMA",
    b"#!AMR": "AMR",
    b"wvpk": "WavPack",
    b"MAC \x96\x0f": "APE",
    b"Creative Voice File": "VOC",
    b"NIST_1A": "NIST",
    b"\x93NUMPY": "NumPy",
    b"PK\3\4": "ZIP",
    b"\x1f\x8b\x08": "gzip",
}
HEAD_BYTES = 4096  # that are enough to know the kind
# Frames in a row, to be sure that they are frames: one of raw PCM may look like a header.
MIN_FRAMES = 2
TS_PACKET_BYTES = 188
MIN_TS_PACKETS = 4

FrameBytes = Callable[[bytes], int]  # of a header; 0 if it is none


def stream_kind(head: bytes) -> str | None:
    """The kind of a file by its first HEAD_BYTES or fewer bytes; None for what may be raw PCM."""
    for signature, kind in SIGNATURES.items():
        if head.startswith(signature):
            return "AVI" if head[8:12] == b"AVI " else kind
    if head[4:8] == b"ftyp":
        return "MP4"
    if _has_frames(head, mp3_frame_bytes):
        return "MP3"
    if _has_frames(head, _adts_frame_bytes):
        return "AAC"
    packets = head[: MIN_TS_PACKETS * TS_PACKET_BYTES]
    starts = set(packets[::TS_PACKET_BYTES])
    is_whole = len(packets) == MIN_TS_PACKETS * TS_PACKET_BYTES
    if is_whole and starts == {0x47} and len(set(packets)) > 2:
        return "MPEG-TS"
    return None


def _has_frames(head: bytes, frame_bytes: FrameBytes) -> bool:
    """Whether frames follow each other from the first byte on."""
    at = 0
    for _ in range(MIN_FRAMES + 1):
        size = frame_bytes(head[at : at + 8])
        if size < 8:
            return False
        at += size
    return True


def _adts_frame_bytes(header: bytes) -> int:
    """Bytes of the frame of AAC with an ADTS header; 0 if it is none."""
    if len(header) < 7 or header[0] != 0xFF or header[1] & 0xF6 != 0xF0:
        return 0
    return (header[3] & 3) << 11 | header[4] << 3 | header[5] >> 5
