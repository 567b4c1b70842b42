"""Standard output that is a file or a pipe: one line for each line of `edgeae run`."""

import click

from .lines import RunLine
from .sink import Sink


class StandardOutput(Sink[RunLine]):
    """A sink that prints lines; a pipe whose reader is slow blocks it."""

    name = "stdout"

    def __init__(self, *, as_json: bool) -> None:
        self._as_json = as_json

    def wants(self, line: RunLine) -> bool:
        return True

    def deliver(self, line: RunLine) -> None:
        """Print one line and flush."""
        click.echo(line.to_json() if self._as_json else line.describe())

    def close(self) -> None:
        """Leave standard output open: it belongs to the process."""
