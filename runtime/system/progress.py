"""Progress on the terminal: one line on stderr that is drawn over."""

import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from functools import lru_cache
from types import TracebackType
from typing import Self, TextIO, TypeVar

import click

CLEAR = "\r\x1b[K"
BAR_DELAY_SECONDS = 2.0
Step = Callable[[str], None]  # is called with a few words that say what begins now
T = TypeVar("T")


def draws_over(stream: TextIO | None) -> bool:
    """True if the stream is a terminal on which a line can be drawn over."""
    return stream is not None and stream.isatty() and os.environ.get("TERM") != "dumb"


def terminal_width() -> int:
    """The number of columns of the terminal."""
    import shutil  # it imports modules that only a terminal needs

    return shutil.get_terminal_size().columns


@lru_cache(maxsize=1000)
def report_once(message: str) -> None:
    """Write a message to stderr, if this process has not written it before."""
    click.echo(f"edgeae: {message}", err=True)


def no_step(text: str) -> None:
    """A step that is not shown."""


class Progress:
    """A line on stderr while the context lasts; nothing where stderr is no terminal.

    >>> with Progress() as progress:
    ...     for recording in counted(["a.wav", "b.wav"], "recording", progress.step):
    ...         pass
    """

    def __init__(self) -> None:
        self.visible = draws_over(sys.stderr)
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
        """Show ``text`` in place of the line before, cut to the width of the terminal."""
        self._text = text
        if self.visible:
            sys.stderr.write(CLEAR + _cut(text, terminal_width() - 1))
            sys.stderr.flush()

    def message(self, text: str) -> None:
        """Write a line that stays, on a terminal or not."""
        current = self._text
        self.step("")
        click.echo(text, err=True)
        self.step(current)


def _cut(text: str, width: int) -> str:
    """``text``, of at most ``width`` characters; text that is too long loses its colours."""
    plain = click.unstyle(text)
    return text if len(plain) <= width else plain[:width]


def counted(items: Iterable[T], text: str, step: Step) -> Iterator[T]:
    """Yield the items; before each, report "TEXT: i of n" through ``step``."""
    all_items = list(items)
    for number, item in enumerate(all_items, 1):
        step(f"{text}: {number} of {len(all_items)}")
        yield item


def bar(
    items: Iterable[T],
    length: int,
    label: str,
    *,
    hidden: bool = False,
    delay_seconds: float = BAR_DELAY_SECONDS,
) -> Iterator[T]:
    """Yield the items, with a progress bar on stderr if that is a terminal.

    length: the number of items. hidden: never show the bar. delay_seconds: show it only if the
        items take longer than this.
    """
    began = time.time()
    allowed = draws_over(sys.stderr) and not hidden
    progress_bar = None
    with ExitStack() as stack:
        for n_done, item in enumerate(items, 1):
            yield item
            if progress_bar:
                progress_bar.update(1)
            elif allowed and time.time() - began > delay_seconds:
                progress_bar = stack.enter_context(
                    click.progressbar(length=length, label=label, file=sys.stderr)
                )
                progress_bar.start = began
                progress_bar.update(n_done)
