"""Standard output."""

import click

from .lines import RunLine
from .sink import Sink


class Screen(Sink[RunLine]):
    """Standard output, which may be a pipe that nobody empties."""

    name = "stdout"

    def __init__(self, *, as_json: bool) -> None:
        self._as_json = as_json

    def wants(self, line: RunLine) -> bool:
        return True

    def deliver(self, line: RunLine) -> None:
        """One line, at once."""
        click.echo(line.to_json() if self._as_json else line.describe())

    def close(self) -> None:
        """It stays open: it belongs to the process."""
