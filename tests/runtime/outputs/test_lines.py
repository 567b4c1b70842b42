"""The keys of the lines, which are a contract, and their words."""

import json

import pytest
from example_lines import ONE_OF_EACH, TIME, event, gap, score, status

from edgeae.runtime.monitoring.alarm import ChartName
from edgeae.runtime.monitoring.health import SoundCondition
from edgeae.runtime.outputs.lines import RunLine, StatusLine
from edgeae.runtime.scoring.explain import Moved

HEAD = ["type", "t", "time", "source"]
TAIL = ["machine", "seq", "synced"]
SCORE = ["score", "threshold", "anomaly", "level_dbfs", "out_of_range", "health"]
EVENT = ["event", "duration", "peak", "bands", "sentence", "cause", "kind", "since", "chart"]


@pytest.mark.parametrize(
    ("line", "keys"),
    [
        (score(), [*HEAD, *SCORE, *TAIL, "age"]),
        (event(), [*HEAD, *EVENT, *TAIL]),
        (event(clip="a.flac"), [*HEAD, *EVENT, *TAIL, "clip"]),
        (gap(), [*HEAD, "frames", "seconds", "reason", *TAIL]),
        (status("lost", sentence="unplugged"), [*HEAD, "state", "sentence", *TAIL]),
    ],
)
def test_the_keys_and_their_order_are_fixed(line: RunLine, keys: list[str]) -> None:
    assert list(line.to_dict()) == keys


@pytest.mark.parametrize("line", ONE_OF_EACH, ids=lambda line: line.type)
def test_a_line_is_one_line_of_json(line: RunLine) -> None:
    text = line.to_json()
    assert "\n" not in text
    assert json.loads(text) == line.to_dict()
    assert json.loads(text)["time"] == TIME


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (score(2.0), "score   2.00 / 0.80  ANOMALY   -31.2 dBFS"),
        (score(0.5, level_dbfs=None), "score   0.50 / 0.80  normal"),
        (score(2.0, health="silence"), "score   2.00 / 0.80  not judged   -31.2 dBFS"),
        (score(0.5, health="noise"), "score   0.50 / 0.80  check the sound: noise   -31.2 dBFS"),
        (score(out_of_range=0.25), "score   0.00 / 0.80  normal   -31.2 dBFS  25% beyond int8"),
        (score(out_of_range=0.001), "score   0.00 / 0.80  normal   -31.2 dBFS"),
        (event("end"), "ALARM end: 2 to 3 kHz: 6.0 dB louder"),
        (
            event("burst", kind="burst", sentence="a burst, normal again"),
            "burst, no alarm: a burst, normal again",
        ),
        (gap(1.5, "stall"), "GAP 1.5 s lost (stall)"),
        (status("stopped"), "stopped"),
        (status("lost", sentence="unplugged"), "lost: unplugged"),
    ],
)
def test_a_line_has_words_for_people(line: RunLine, words: str) -> None:
    assert line.describe() == f"hw:1       1.0 s  {words}"


def test_the_bands_of_an_event_are_objects() -> None:
    moved = Moved(2000.0, 3000.0, 6.0, "steady", 1.0, 1.5, 6.2)
    assert event(bands=[moved]).to_dict()["bands"] == [
        {
            "low_hz": 2000.0,
            "high_hz": 3000.0,
            "change_db": 6.0,
            "kind": "steady",
            "spread_ratio": 1.0,
            "jump_ratio": 1.5,
            "level_db": 6.2,
        }
    ]


def test_the_chart_that_raised_an_alarm_is_an_object() -> None:
    values = event(kind="persistent", since=12.5, chart=ChartName("residual", 240.0)).to_dict()
    assert (values["kind"], values["since"]) == ("persistent", 12.5)
    assert values["chart"] == {"view": "residual", "scale_seconds": 240.0}
    assert event().to_dict()["chart"] is None


def test_an_alarm_whose_sound_was_not_recorded_says_so() -> None:
    assert "clip" not in event().to_dict()


def test_a_condition_of_the_sound_becomes_a_status() -> None:
    condition = SoundCondition("silence", "check the microphone", {"share": 1.0})
    line = StatusLine.of_sound("hw:1", 5.0, condition)
    assert (line.state, line.sentence) == ("silence", "check the microphone")
    assert line.to_dict()["share"] == 1.0


def test_details_that_a_state_lacks_are_none() -> None:
    line = status("lost")
    assert (line.sentence, line.model, line.drift) == (None, None, None)
    line = status("tracking", drift=0.25, model="m.onnx")
    assert (line.model, line.drift) == ("m.onnx", 0.25)
