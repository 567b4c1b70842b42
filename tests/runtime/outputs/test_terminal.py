"""The line that is drawn over, on a real pseudo-terminal of a known width."""

import contextlib
import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import pytest
from example_lines import event, gap, score, status
from numpy.typing import NDArray

from edgeae.runtime.outputs.terminal import Terminal

CLEAR = "\r\x1b[K"
EVENT: dict[str, Any] = {"t": 52.2, "sentence": "2 to 3 kHz: 6.0 dB louder"}


@pytest.fixture
def narrow(monkeypatch: pytest.MonkeyPatch) -> Any:
    """``narrow(columns)``: the width of the terminal."""
    monkeypatch.delenv("NO_COLOR", raising=False)
    return lambda columns: monkeypatch.setenv("COLUMNS", str(columns))


def drawn(capsys: pytest.CaptureFixture[str], *lines: Any) -> list[str]:
    """What was written after each clearing of the line, without the times."""
    terminal = Terminal()
    for line in lines:
        terminal.deliver(line)
    return [
        re.sub(r"\b\d\d:\d\d:\d\d  ", "", part) for part in capsys.readouterr().out.split(CLEAR)[1:]
    ]


def test_the_bar_reaches_the_mark_at_the_threshold(
    narrow: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    narrow(200)
    below, at, above = drawn(capsys, status("listening"), score(-1.3), score(0.8), score(9.0))[1:]
    assert (
        below
        == f"pump-3  [{' ' * 27}|{' ' * 12}]  normal  score -1.30, alarm from 0.80, -31.2 dBFS"
    )
    assert at.startswith(f"pump-3  [{'#' * 27}|{' ' * 12}]  normal")
    assert above.startswith(
        f"pump-3  [{'#' * 27}|{'#' * 12}]  \x1b[33m\x1b[1mabove\x1b[0m  score 9.00"
    )


def test_events_are_printed_above_the_redrawn_line(
    narrow: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    narrow(80)
    _, before, alarm, lost = drawn(
        capsys, status("listening"), score(1.0), event("start", **EVENT), gap(1.5, "stall")
    )
    assert "\n" not in before
    told, line = alarm.split("\n")
    assert told == "\x1b[31m\x1b[1mhw:1      52.2 s  ALARM start: 2 to 3 kHz: 6.0 dB louder\x1b[0m"
    assert "\x1b[31m\x1b[1mALARM\x1b[0m" in line
    assert lost.startswith("hw:1       1.0 s  GAP 1.5 s lost (stall)\n")


@pytest.mark.parametrize("columns", [20, 40, 60, 80, 120, 300])
def test_the_line_is_never_wider_than_the_terminal(
    narrow: Any, capsys: pytest.CaptureFixture[str], columns: int
) -> None:
    narrow(columns)
    lines = drawn(
        capsys,
        status("listening"),
        score(2.0),
        score(-1.0, health="silence"),
        score(0.0, level_dbfs=None),
    )
    seen = [re.sub(r"\x1b\[\d+m", "", line) for line in lines[1:]]
    assert all(len(line) + len("12:00:00  ") < columns for line in seen)
    assert ("[" in seen[0]) is (columns >= 80)


def test_the_source_nearest_to_an_alarm_is_shown(
    narrow: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    narrow(100)
    fan: dict[str, Any] = {"source": "hw:2", "machine": "fan-2"}
    lines = drawn(
        capsys,
        status("listening"),
        status("listening", **fan),
        score(0.1),
        score(-1.0, **fan),
        score(0.5, **fan),
    )
    assert [line.split("  ")[0] for line in lines[2:]] == [
        f"highest of 2: {name}" for name in ("pump-3", "pump-3", "fan-2")
    ]


@pytest.mark.parametrize(
    ("line", "verdict"),
    [
        (status("lost"), "lost"),
        (score(-9.0, health="silence"), "not judged: silence"),
        (score(-9.0, health="clipping"), "clipping"),
    ],
)
def test_a_problem_of_the_sound_is_the_verdict(
    narrow: Any, capsys: pytest.CaptureFixture[str], line: Any, verdict: str
) -> None:
    narrow(80)
    assert f"  {verdict}  score" in drawn(capsys, status("listening"), score(0.0), line)[-1]


def test_no_color_in_the_environment_disables_colours(
    narrow: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    narrow(80)
    lines = drawn(capsys, status("listening"), score(2.0), event("start", **EVENT), score(2.0))
    assert not any("\x1b" in line for line in lines)


def run_on_a_terminal(
    arguments: list[str],
    sound: bytes,
    columns: int = 100,
    environment: Mapping[str, str] = MappingProxyType({}),
) -> str:
    """What `edgeae run` writes to a pseudo-terminal while it hears ``sound`` through a pipe."""
    mine, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    own = {key: value for key, value in os.environ.items() if key not in ("COLUMNS", "NO_COLOR")}
    command = [
        sys.executable,
        "-c",
        "from edgeae.runtime.commands.cli import main; main()",
        "run",
        *arguments,
    ]
    with subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=theirs,
        stderr=theirs,
        env={**own, "TERM": "xterm", **environment},
    ) as process:
        os.close(theirs)
        assert process.stdin
        process.stdin.write(sound)
        process.stdin.close()
        seen = b""
        with contextlib.suppress(OSError):  # the terminal's other end is closed
            while part := os.read(mine, 4096):
                seen += part
    os.close(mine)
    assert process.returncode == 0
    return seen.decode()


def test_a_terminal_shows_one_line_that_is_cleared_at_the_end(
    machine: Path, sound: NDArray[np.int16]
) -> None:
    seen = run_on_a_terminal([str(machine), "-"], sound.tobytes())
    assert seen.count(" score ") == 13 + seen.count("\n") - 1, (
        "one a window, and one beside words but the first"
    )
    assert re.search(
        r"\r\x1b\[K\d\d:\d\d:\d\d  id_03  \[#*[ |#]*\]  [a-z ]+  score ",
        re.sub(r"\x1b\[\d+m", "", seen),
    )
    assert seen.count("\n") < 6, "listening, stopped, an alarm at most"
    assert seen.endswith(CLEAR)


@pytest.mark.parametrize(("arguments", "environment"), [(["--json"], {}), ([], {"TERM": "dumb"})])
def test_programs_and_dumb_terminals_receive_one_line_for_each_score(
    machine: Path, sound: NDArray[np.int16], arguments: list[str], environment: dict[str, str]
) -> None:
    seen = run_on_a_terminal(
        [str(machine), "-", *arguments], sound.tobytes(), environment=environment
    )
    assert "\x1b" not in seen
    assert seen.count("\n") >= 15, "listening, 13 scores, stopped"
