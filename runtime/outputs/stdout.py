"""Standard output."""

import json

import click

from .lines import words
from .outbox import Line


class Screen:
    """Standard output, which may be a pipe that nobody empties."""

    name = "stdout"

    def __init__(self, *, as_json: bool) -> None:
        self._format = json.dumps if as_json else words

    def wants(self, line: Line) -> bool:
        return True

    def deliver(self, line: Line) -> None:
        """One line, at once."""
        click.echo(self._format(line))

    def close(self) -> None:
        """It stays open: it belongs to the process."""
