"""What a source publishes, kept in memory."""

from edgeae.runtime.outputs.lifecycle import Outputs
from edgeae.runtime.outputs.lines import EventLine, GapLine, RunLine, ScoreLine, StatusLine
from edgeae.runtime.outputs.publisher import LinePublisher
from edgeae.runtime.system.watchdog import ServiceManager


class CountedServiceManager(ServiceManager):
    """A service manager that nobody runs; counts what it is told."""

    def __init__(self) -> None:
        self.n_scored = 0
        self.statuses: list[str] = []

    def scored(self) -> None:
        self.n_scored += 1

    def status(self, text: str) -> None:
        self.statuses.append(text)


class KeptOutputs(Outputs):
    """No output is opened; published lines are in `lines`."""

    def __init__(self) -> None:
        self.lines: list[RunLine] = []
        self.publisher = LinePublisher(self.lines.append, [])
        self.counted = CountedServiceManager()
        self.notify = self.counted
        self._opened = []

    def scores(self) -> list[ScoreLine]:
        return [line for line in self.lines if isinstance(line, ScoreLine)]

    def events(self) -> list[EventLine]:
        return [line for line in self.lines if isinstance(line, EventLine)]

    def gaps(self) -> list[GapLine]:
        return [line for line in self.lines if isinstance(line, GapLine)]

    def states(self) -> list[str]:
        return [line.state for line in self.lines if isinstance(line, StatusLine)]
