"""The line of work, on a terminal and elsewhere."""

import io
import sys
from collections.abc import Callable

import click
import pytest

from edgeae.runtime.system.progress import Progress, bar, counted, draws_over


class Screen(io.StringIO):
    """A stream that says that it is a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def look(monkeypatch: pytest.MonkeyPatch) -> Callable[[], Screen]:
    """``look()``: from now on stderr is a terminal of 20 columns."""

    def start() -> Screen:
        screen = Screen()
        monkeypatch.setattr(sys, "stderr", screen)
        monkeypatch.setenv("TERM", "xterm")
        monkeypatch.setenv("COLUMNS", "20")
        return screen

    return start


def test_steps_are_drawn_over_within_the_width_and_gone_at_the_end(
    look: Callable[[], Screen],
) -> None:
    screen = look()
    with Progress() as progress:
        assert list(counted("ab", "file", progress.step)) == ["a", "b"]
        progress.step("x" * 50)
        progress.message("stays")
    shown = screen.getvalue().split("\r\x1b[K")
    assert shown == ["", "file: 1 of 2", "file: 2 of 2", "x" * 19, "stays\n", "x" * 19, ""]


def test_a_log_sees_only_what_stays(capsys: pytest.CaptureFixture[str]) -> None:
    with Progress() as progress:
        progress.step("working")
        progress.message("stays")
    assert capsys.readouterr().err == "stays\n"


def test_a_failure_leaves_the_line_empty(look: Callable[[], Screen]) -> None:
    screen = look()
    with pytest.raises(ValueError, match="no"), Progress() as progress:
        progress.step("working")
        raise ValueError("no")
    assert screen.getvalue().endswith("working\r\x1b[K")


def test_a_dumb_terminal_is_not_drawn_over(
    look: Callable[[], Screen], monkeypatch: pytest.MonkeyPatch
) -> None:
    screen = look()
    assert draws_over(screen)
    monkeypatch.setenv("TERM", "dumb")
    assert not draws_over(screen)


def test_a_bar_comes_on_a_terminal_after_a_while(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for terminal, delay in ((False, 0.0), (True, 60.0), (True, 0.0)):
        monkeypatch.setenv("TERM", "xterm")
        monkeypatch.setattr("sys.stderr.isatty", lambda terminal=terminal: terminal)
        items = bar(iter(range(5)), 5, "recordings", delay_seconds=delay)
        assert list(items) == [0, 1, 2, 3, 4]
        shown = capsys.readouterr()
        assert shown.out == ""
        assert ("recordings" in shown.err) == (terminal and not delay)


def test_text_that_is_too_long_is_cut_without_half_a_colour(look: Callable[[], Screen]) -> None:
    screen = look()
    with Progress() as progress:
        progress.step(click.style("short", fg="red"))
        progress.step(click.style("x" * 50, fg="red"))
    shown = screen.getvalue().split("\r\x1b[K")
    assert shown == ["", "\x1b[31mshort\x1b[0m", "x" * 19, ""]
