"""Target: an artifact with a right checksum and hostile content is refused, or gives finite scores.

    bytes -> choices -> edits of the sections and of the network (hostile.py) -> signed
        -> read, loaded, used

The target does what commands do with an artifact: self-test, summary, scores, health, alarms and
their explanation, tracking, another calibration. Every outcome is an EdgeaeError in one line or
finite numbers.
"""

import math

import atheris
from harness import MACHINE, choose_from, fuzz

with atheris.instrument_imports(include=["edgeae"]):
    import hostile
    from judge import use

    from edgeae.runtime.errors import EdgeaeError

CONTENT = MACHINE.read_bytes()


def target(data: bytes) -> None:
    content = data[1:] if data[:1] == b"\0" else hostile.artifact(CONTENT, choose_from(data))
    try:
        scores = use(content)
    except EdgeaeError as error:
        assert str(error).isprintable(), error
    else:
        assert all(map(math.isfinite, scores)), scores


fuzz(target, {"raw": b"\0" + CONTENT[:64]})
