"""What takes more than a moment says on the terminal what it is doing, in one line that is drawn over."""

import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from types import TracebackType
from typing import Self, TextIO, TypeVar

import click

CLEAR = "\r\x1b[K"
PATIENCE = 2.0  # seconds before a bar is shown
Step = Callable[[str], None]  # takes in a few words what is done from now on
T = TypeVar("T")


def draws_over(stream: TextIO | None) -> bool:
    """A stream is a terminal on which a line can be drawn over."""
    return stream is not None and stream.isatty() and os.environ.get("TERM") != "dumb"


def columns() -> int:
    """The width of the terminal."""
    import shutil  # which brings modules that only a terminal is worth

    return shutil.get_terminal_size().columns


def unseen(text: str) -> None:
    """A step that nobody watches."""


class Progress:
    """A line on stderr while the context lasts; where that is no terminal, nothing.

    >>> with Progress() as progress:
    ...     for recording in counted(["a.wav", "b.wav"], "recording", progress.step):
    ...         pass
    """

    def __init__(self) -> None:
        self._shown = draws_over(sys.stderr)
        self._text = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.step("")

    def step(self, text: str) -> None:
        """What is done from now on."""
        self._text = text
        if self._shown:
            sys.stderr.write(CLEAR + text[: columns() - 1])
            sys.stderr.flush()

    def say(self, text: str) -> None:
        """A line that stays, on a terminal or not."""
        doing = self._text
        self.step("")
        click.echo(text, err=True)
        self.step(doing)


def counted(items: Iterable[T], text: str, step: Step) -> Iterator[T]:
    """``items``, of each of which ``step`` is told."""
    known = list(items)
    for number, item in enumerate(known, 1):
        step(f"{text}: {number} of {len(known)}")
        yield item


def bar(items: Iterable[T], length: int, label: str, *, hidden: bool = False) -> Iterator[T]:
    """``items``, with a bar on stderr if that is a terminal and they take longer than two seconds."""
    began, shown, wanted = time.time(), None, draws_over(sys.stderr) and not hidden
    with ExitStack() as stack:
        for done, item in enumerate(items, 1):
            yield item
            if shown:
                shown.update(1)
            elif wanted and time.time() - began > PATIENCE:
                shown = stack.enter_context(
                    click.progressbar(length=length, label=label, file=sys.stderr)
                )
                shown.start = began
                shown.update(done)
