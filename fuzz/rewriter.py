"""Target: metadata written into any file is read again, and every other field keeps its bytes.

ValueError or IndexError refuses what is no ONNX file; `Artifact.from_bytes` makes it a message.
"""

import atheris
from harness import MACHINE, choose_from, fuzz

with atheris.instrument_imports(include=["edgeae"]):
    import hostile

    from edgeae.runtime.model.protobuf import read_metadata, with_metadata

CONTENT = MACHINE.read_bytes()
ENTRIES = {"edgeae.format": "3", "edgeae.empty": "", "edgeae.text": 'é "\\ \n 漢'}


def target(data: bytes) -> None:
    content = data[1:] if data[:1] == b"\0" else hostile.message(CONTENT, choose_from(data))
    try:
        network = with_metadata(content, "edgeae.", {})
        written = with_metadata(content, "edgeae.", ENTRIES)
    except (ValueError, IndexError):
        return
    assert with_metadata(written, "edgeae.", {}) == network
    assert read_metadata(written, "edgeae.") == ENTRIES


fuzz(target, {"raw": b"\0" + CONTENT[:32], "entry": b"\0\x72\x0d\x0a\x09edgeae.ab\x12\x00"})
