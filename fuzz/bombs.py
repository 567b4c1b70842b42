"""Small files that need much memory, time or depth: none takes a GiB or a minute, or gets a score.

``artifacts`` and ``recordings`` give a name and a function that makes the content, so that tests
try them through the command line under a limit.
"""

import base64
import io
import json
import struct
from collections.abc import Callable, Iterator
from itertools import pairwise

import numpy as np
import onnx
from hostile import signed
from onnx import TensorProto, helper, numpy_helper

from edgeae.runtime.model.protobuf import encode_field, read_metadata, with_metadata

MANY = 4 << 20


def _section(content: bytes, name: str, text: str) -> bytes:
    entries = {**read_metadata(content, "edgeae."), f"edgeae.{name}": text}
    return signed(with_metadata(content, "edgeae.", {}), entries)


def _changed(content: bytes, name: str, **values: object) -> bytes:
    old = json.loads(read_metadata(content, "edgeae.")[f"edgeae.{name}"])
    return _section(content, name, json.dumps({**old, **values}))


def _network(content: bytes, change: Callable[[onnx.GraphProto], None]) -> bytes:
    model = onnx.load_from_string(with_metadata(content, "edgeae.", {}))
    change(model.graph)
    return signed(model.SerializeToString(), read_metadata(content, "edgeae."))


def _costly(content: bytes, *nodes: onnx.NodeProto, **weights: tuple[int, ...]) -> bytes:
    """The artifact whose statistics need ``nodes``; they make ``big`` from ``weights`` (shapes)."""

    def change(graph: onnx.GraphProto) -> None:
        graph.node[-1].output[0] = "statistics.cheap"
        for name, shape in weights.items():
            graph.initializer.append(numpy_helper.from_array(np.zeros(shape, np.float32), name))
        graph.node.extend(nodes)
        graph.node.append(helper.make_node("ReduceSum", ["big"], ["sum"], keepdims=0))
        graph.node.append(helper.make_node("Add", ["statistics.cheap", "sum"], ["statistics"]))

    return _network(content, change)


def _doubled(times: int) -> list[onnx.NodeProto]:
    names = ["a", *(f"twice{k}" for k in range(times - 1)), "big"]
    return [helper.make_node("Concat", [x, x], [y], axis=0) for x, y in pairwise(names)]


def artifacts(content: bytes) -> Iterator[tuple[str, Callable[[], bytes]]]:
    """Hostile versions of the artifact ``content``."""
    node = helper.make_node
    zeros = base64.b64encode(bytes(16 << 20)).decode()
    mel = json.loads(read_metadata(content, "edgeae.")["edgeae.mel"])
    network = with_metadata(content, "edgeae.", {})
    yield "deep list", lambda: _section(content, "provenance", "[" * 100_000)
    yield "deep objects", lambda: _section(content, "provenance", '{"a":' * 900 + "1" + "}" * 900)
    yield "many lists", lambda: _section(content, "provenance", '{"a":[' + "[]," * MANY + "0]}")
    yield (
        "many keys",
        lambda: _section(
            content, "explain", "{" + ",".join(f'"{n}":0' for n in range(1 << 20)) + "}"
        ),
    )
    yield "long integer", lambda: _changed(content, "threshold", of_windows=10**4000)
    yield (
        "long base64",
        lambda: _changed(content, "head", mean={"shape": [4 << 20], "float32": zeros}),
    )
    yield "alarm of many windows", lambda: _changed(content, "threshold", of_windows=1 << 40)
    yield (
        "short hop",
        lambda: _section(content, "mel", json.dumps({**mel, "n_fft": 16384, "hop": 8})),
    )
    yield "many bands", lambda: _section(content, "mel", json.dumps({**mel, "n_mels": 1 << 40}))
    yield (
        "short patches",
        lambda: _section(content, "mel", json.dumps({**mel, "sample_rate": 384000, "f_max": 8000})),
    )
    yield "many fields", lambda: network + b"\x08\x08" * (15 << 20)
    yield (
        "many nodes",
        lambda: _network(
            content, lambda graph: graph.node.extend([node("Relu", ["a"], ["b"])] * 20000)
        ),
    )
    yield (
        "many dimensions",
        lambda: (
            network + encode_field(7, 2, encode_field(5, 2, encode_field(1, 2, b"\xff\x7f" * MANY)))
        ),
    )
    yield (
        "many axes",
        lambda: _costly(content, node("Transpose", ["a"], ["big"], perm=[0] * 100_000), a=(2, 2)),
    )
    yield (
        "outer sum",
        lambda: _costly(content, node("Add", ["a", "b"], ["big"]), a=(1 << 20, 1), b=(1, 1 << 20)),
    )
    yield (
        "outer product",
        lambda: _costly(
            content, node("MatMul", ["a", "b"], ["big"]), a=(1 << 18, 1), b=(1, 1 << 18)
        ),
    )
    yield "doubling", lambda: _costly(content, *_doubled(40), a=(1024, 1024))
    yield (
        "wide pads",
        lambda: _costly(
            content,
            node("Conv", ["a", "b"], ["big"], pads=[4096] * 4),
            a=(64, 1, 8, 8),
            b=(64, 1, 1, 1),
        ),
    )
    yield (
        "wide strides",
        lambda: _costly(
            content,
            node("ConvTranspose", ["a", "b"], ["big"], strides=[4096, 4096]),
            a=(1, 1, 256, 256),
            b=(1, 64, 1, 1),
        ),
    )
    yield (
        "hours of work",
        lambda: _costly(
            content, node("Conv", ["a", "b"], ["big"]), a=(1, 1, 4 << 20), b=(1, 1, 2 << 20)
        ),
    )
    yield "numbers that are none", lambda: _network(content, _without_numbers)


def _without_numbers(graph: onnx.GraphProto) -> None:
    for tensor in graph.initializer:
        if tensor.data_type == TensorProto.FLOAT and tensor.raw_data:
            tensor.raw_data = np.full(len(tensor.raw_data) // 4, np.nan, "<f4").tobytes()


# --- recordings -----------------------------------------------------------------------------------


def wav(
    *,
    channels: int = 1,
    rate: int = 16000,
    bits: int = 16,
    tag: int = 1,
    promised: int | None = None,
    data: bytes,
) -> bytes:
    """A WAV file that says what it is told to say."""
    size, frame = len(data) if promised is None else promised, channels * bits // 8
    form = struct.pack(
        "<HHIIHH",
        tag,
        channels & 0xFFFF,
        rate & 0xFFFFFFFF,
        rate * frame & 0xFFFFFFFF,
        frame & 0xFFFF,
        bits,
    )
    body = (
        b"WAVEfmt " + struct.pack("<I", len(form)) + form + b"data" + struct.pack("<I", size) + data
    )
    return b"RIFF" + struct.pack("<I", min(size + len(body) - len(data), 0xFFFFFFFF)) + body


def npy(header: str, data: bytes = b"", version: int = 1) -> bytes:
    """A .npy file with any header."""
    text = header.encode("latin1") + b"\n"
    return (
        b"\x93NUMPY"
        + bytes([version, 0])
        + struct.pack("<H" if version == 1 else "<I", len(text))
        + text
        + data
    )


def shaped(shape: str, kind: str = "<f4", data: bytes = b"") -> bytes:
    return npy(f"{{'descr': '{kind}', 'fortran_order': False, 'shape': {shape}, }}", data)


def encoded(
    container: str, subtype: str, channels: int = 1, rate: int = 16000, seconds: float = 1.0
) -> bytes:
    import soundfile

    sound, file = (
        np.random.default_rng(0).uniform(-0.1, 0.1, (round(seconds * rate), channels)),
        io.BytesIO(),
    )
    soundfile.write(file, sound, rate, format=container, subtype=subtype)
    return file.getvalue()


def _flac(samples: int, rate: int = 16000) -> bytes:
    """A FLAC file whose header promises so many samples."""
    content = bytearray(encoded("FLAC", "PCM_16"))
    content[18:26] = struct.pack(">Q", rate << 44 | 0 << 41 | 15 << 36 | samples)
    return bytes(content)


def recordings() -> Iterator[tuple[str, bytes]]:
    """Names with a suffix, and contents that have to be refused."""
    quiet, floats = bytes(32000), np.zeros(32000, "<f4")
    yield "promises-1-GiB.wav", wav(data=quiet, promised=1 << 30)
    yield "promises-4-GiB.wav", wav(data=quiet[:100], promised=0xFFFFFFFF)
    yield "no-channel.wav", wav(data=quiet, channels=0)
    yield "1024-channels.wav", wav(data=bytes(1 << 20), channels=1024, rate=384000)
    yield "65535-channels.wav", wav(data=bytes(1 << 20), channels=65535, rate=384000)
    for rate in (0, 1, 3999, 384001, (1 << 31) - 1, (1 << 32) - 1):
        yield f"rate-{rate}.wav", wav(data=quiet, rate=rate)
    yield "no-bits.wav", wav(data=quiet, bits=0)
    yield "many-bits.wav", wav(data=quiet, bits=65528)
    yield "unknown-coding.wav", wav(data=quiet, tag=0xBEEF)
    for name, value in {"nan": np.nan, "infinite": np.inf, "loud": 1e30}.items():
        yield (
            f"{name}.wav",
            wav(data=(floats + np.float32(value)).astype("<f4").tobytes(), tag=3, bits=32),
        )
    yield "aiff.wav", encoded("AIFF", "PCM_16")
    yield "mp3.wav", encoded("MP3", "MPEG_LAYER_III")
    flac, ogg = encoded("FLAC", "PCM_16"), encoded("OGG", "VORBIS", 2)
    yield "promises-a-year.flac", _flac((1 << 36) - 1)
    yield "fast.flac", _flac(1 << 20, rate=(1 << 20) - 1)
    yield "cut.flac", flac[: len(flac) // 2]
    yield "header.flac", flac[:42]
    yield "damaged.flac", flac[:200] + bytes(2000) + flac[2200:]
    yield "cut.ogg", ogg[:3000]
    yield "header.ogg", ogg[:58]
    yield "damaged.ogg", ogg[:4200] + bytes(range(256)) * 4
    yield "channels.ogg", ogg[:39] + b"\xff" + ogg[40:]
    for shape in (
        "(1 << 60, 128)",
        "(1152921504606846976, 128)",
        "(-1, 128)",
        "(2.5, 128)",
        "128",
        "(0, 128)",
    ):
        yield f"shape-{shape.replace(' ', '')}.npy", shaped(shape)
    yield "frames.npy", shaped("(1048576, 128)", "<f2", bytes(1 << 28))
    yield "pickled.npy", shaped("(1, 128)", "|O", b"\x80\x04cos\nsystem\n(S'true'\ntR.")
    yield (
        "structure.npy",
        npy(
            "{'descr': [('a', '<f4', (1073741824, 1024))], 'fortran_order': False, 'shape': (1,), }"
        ),
    )
    yield "deep.npy", npy("(" * 9000)
    yield "signs.npy", npy("-" * 9000 + "1")
    yield "header-of-4-GiB.npy", b"\x93NUMPY\x02\x00\xff\xff\xff\xff{"
    yield "nan.npy", shaped("(64, 128)", "<f4", np.full((64, 128), np.nan, "<f4").tobytes())
