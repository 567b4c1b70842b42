"""Target: the JSON state of --track is restored, refused in one line or set aside.

It never gives a crash or an impossible drift.
"""

import contextlib
import json
import os
from pathlib import Path

import atheris
from harness import FOLDER, MACHINE, choose_from, fuzz

with atheris.instrument_imports(include=["edgeae"]):
    import hostile

    from edgeae.runtime.errors import ConfigError
    from edgeae.runtime.monitoring.drift_file import DriftFile
    from edgeae.runtime.scoring.detector import Detector

import numpy as np

DETECTOR = Detector.load(MACHINE)
PATH = FOLDER / "track.json"
PATH.unlink(missing_ok=True)
DriftFile(PATH, DETECTOR)
STATE = PATH.read_bytes()


def target(data: bytes) -> None:
    choose = choose_from(data)
    PATH.write_bytes(
        data[1:]
        if data[:1] == b"\0"
        else json.dumps(hostile.edited(json.loads(STATE), choose)).encode()
    )
    try:
        with Path(os.devnull).open("w") as quiet, contextlib.redirect_stderr(quiet):
            tracker = DriftFile(PATH, DETECTOR).tracker
    except ConfigError as error:
        assert str(error).isprintable(), error
    else:
        assert np.isfinite(tracker.drift).all()
        assert 0 <= tracker.distance < 1.001
        assert 0 <= tracker.learned_seconds < 1e12
        DriftFile(PATH, DETECTOR)  # what was saved is read


fuzz(target, {"state": b"\0" + STATE, "nested": b"\0" + b"[" * 3000})
