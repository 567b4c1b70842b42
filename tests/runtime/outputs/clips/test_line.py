"""The line that hands the sound of an alarm to the files."""

import numpy as np
from example_lines import event

from edgeae.runtime.outputs.clips.line import ClipLine


def test_its_json_is_all_but_the_samples() -> None:
    line = ClipLine(
        source="hw:1",
        machine="pump-3",
        samplerate=16000,
        path="clips/a.flac",
        before_seconds=10.0,
        after_seconds=20.0,
        ended="complete",
        event=event(),
        samples=np.zeros(480000, np.int16),
    )
    assert line.to_dict() == {
        "type": "clip",
        "source": "hw:1",
        "machine": "pump-3",
        "samplerate": 16000,
        "path": "clips/a.flac",
        "before": 10.0,
        "after": 20.0,
        "ended": "complete",
        "event": event().to_dict(),
    }
