"""A sink that keeps its lines in memory."""

from edgeae.runtime.outputs.lines import RunLine
from edgeae.runtime.outputs.sink import Sink


class Kept(Sink[RunLine]):
    """Keeps every line."""

    name = "kept"

    def __init__(self) -> None:
        self.lines: list[RunLine] = []

    def wants(self, line: RunLine) -> bool:
        return True

    def deliver(self, line: RunLine) -> None:
        self.lines.append(line)

    def close(self) -> None:
        pass
