"""Lines on standard output, as JSON and in words."""

import json

import pytest
from example_lines import event, score

from edgeae.runtime.outputs.stdout import StandardOutput


def test_json_is_one_object_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    stdout = StandardOutput(as_json=True)
    stdout.deliver(score(1.5))
    stdout.deliver(event("start"))
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["type"] for line in lines] == ["score", "event"]
    assert lines[0]["score"] == 1.5


def test_words_are_one_line_each(capsys: pytest.CaptureFixture[str]) -> None:
    stdout = StandardOutput(as_json=False)
    stdout.deliver(score(1.5))
    stdout.deliver(event("start"))
    first, second = capsys.readouterr().out.splitlines()
    assert first.startswith("hw:1       1.0 s  score   1.50 / 0.80  ANOMALY")
    assert second == "hw:1       1.0 s  ALARM start: 2 to 3 kHz: 6.0 dB louder"


def test_every_line_is_written_at_once(capsys: pytest.CaptureFixture[str]) -> None:
    stdout = StandardOutput(as_json=True)
    assert stdout.wants(score(0.0))
    stdout.deliver(score(0.0))
    assert capsys.readouterr().out.endswith("\n")
    stdout.close()
    print("still open")
    assert capsys.readouterr().out == "still open\n"
