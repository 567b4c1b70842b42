"""The level meter on stderr."""

import io
import sys

import numpy as np
import pytest

from edgeae.runtime.audio.level_meter import LevelMeter
from edgeae.runtime.system.arrays import Float32


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def shown(
    monkeypatch: pytest.MonkeyPatch,
    stream: io.StringIO,
    amplitude: float,
    seconds: int = 30,
    *,
    log: bool = True,
) -> str:
    """What a tone of so many seconds draws, block by block of a tenth of a second."""
    monkeypatch.setattr(sys, "stderr", stream)
    tone = (amplitude * np.sin(np.arange(1600) * 2 * np.pi / 16)).astype(np.float32)
    with LevelMeter(60.0, log=log) as meter:
        for k in range(10 * seconds):
            meter.push(tone, (k + 1) / 10)
    return stream.getvalue()


def test_a_terminal_sees_one_line_that_is_drawn_over(monkeypatch: pytest.MonkeyPatch) -> None:
    text = shown(monkeypatch, Terminal(), 0.1)
    lines = text.split("\r\x1b[K")[1:-1]
    assert "\n" not in text
    assert text.endswith("\r\x1b[K")
    assert len(lines) == 30 * 4
    assert lines[-1].startswith("30 of 60 s  [####")
    assert lines[-1].endswith("-23.0 dBFS, peak -20.0")
    assert "|" in lines[-1]
    assert max(map(len, lines)) < 80


def test_elsewhere_there_is_a_line_every_ten_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = shown(monkeypatch, io.StringIO(), 0.1).splitlines()
    assert lines == [f"listening: {s} of 60 s  -23.0 dBFS, peak -20.0" for s in (10, 20, 30)]


def square_wave(amplitude: float, n_samples: int) -> Float32:
    """A wave whose peak and RMS are ``amplitude``, without an offset."""
    return np.resize(np.array([amplitude, -amplitude], np.float32), n_samples)


def test_without_a_log_only_a_terminal_sees_the_level(monkeypatch: pytest.MonkeyPatch) -> None:
    assert shown(monkeypatch, io.StringIO(), 1.0, log=False) == ""
    text = shown(monkeypatch, Terminal(), 1.0, log=False)
    assert "-3.0 dBFS, peak 0.0" in text


@pytest.mark.parametrize(("amplitude", "bar"), [(1.0, "#" * 29 + "|"), (0.0, " " * 30)])
def test_the_bar_reaches_from_60_db_below_full_scale_to_full_scale(
    monkeypatch: pytest.MonkeyPatch, amplitude: float, bar: str
) -> None:
    monkeypatch.setattr(sys, "stderr", stream := Terminal())
    LevelMeter(60.0).push(square_wave(amplitude, 512), 1.0)
    assert f"[{bar}]" in stream.getvalue()


def test_digital_silence_is_120_db_below_full_scale(monkeypatch: pytest.MonkeyPatch) -> None:
    [line] = shown(monkeypatch, io.StringIO(), 0.0, seconds=10).splitlines()
    assert line == "listening: 10 of 60 s  -120.0 dBFS, peak -120.0  silent"


@pytest.mark.parametrize(
    ("amplitude", "word"), [(1.2, "clips"), (1e-6, "silent"), (0.0, "silent"), (0.5, "")]
)
def test_words_say_what_is_wrong(
    monkeypatch: pytest.MonkeyPatch, amplitude: float, word: str
) -> None:
    line = shown(monkeypatch, io.StringIO(), amplitude, seconds=10).strip()
    assert ("clips" in line, "silent" in line) == (word == "clips", word == "silent")


@pytest.mark.parametrize("no_colour", ["", "1"])
def test_colour_is_left_out_where_it_is_not_wanted(
    monkeypatch: pytest.MonkeyPatch, no_colour: str
) -> None:
    monkeypatch.setenv("NO_COLOR", no_colour)
    text = shown(monkeypatch, Terminal(), 1.2)
    assert ("\x1b[31mclips" in text) == (not no_colour)


def test_the_peak_mark_falls_slowly(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    meter = LevelMeter(60.0)
    meter.push(square_wave(0.5, 16000), 10.0)
    meter.push(square_wave(0.05, 16000), 20.0)
    assert [line.split("peak ")[1] for line in stream.getvalue().splitlines()] == ["-6.0", "-7.5"]


def test_a_message_stays_above_the_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", stream := Terminal())
    with LevelMeter(60.0) as meter:
        meter.push(np.ones(512, np.float32), 1.0)
        before = stream.getvalue().rpartition("\r\x1b[K")[2]
        meter.message("a gap")
        assert stream.getvalue().endswith(f"\r\x1b[Ka gap\n\r\x1b[K{before}")
