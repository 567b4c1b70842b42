"""What the lines said last of each source: for outputs that publish a state, not lines.

    listening, score, score, event start, score, gap, lost ... --hear--> Latest: now

An alarm lasts until its end is told: a gap, silence or a lost device do not mean that the machine is well.
"""

from dataclasses import dataclass

from .lines import EventLine, RunLine, ScoreLine, StatusLine

CAPTURE = (
    "waiting",
    "listening",
    "lost",
    "stalled",
    "stopped",
)  # states of a status line that tell of capture
OUTPUTS = ("degraded", "restored")  # ... and those that tell of an output, so of no source
SOURCES = 64  # of one process; what keeps a state of each needs an end


@dataclass
class Latest:
    """The last values of one source; None is not known yet."""

    source: str
    machine: str | None
    state: str | None = None  # one of CAPTURE
    model: str | None = None  # path of the artifact
    time: str | None = None  # of the last score, ISO UTC
    synced: bool | None = None  # the clock behind `time`
    score: float | None = None
    threshold: float | None = None
    anomaly: bool | None = None
    level_dbfs: float | None = None
    health: str | None = None
    alarm: bool | None = None  # until the first score: it may be on since before a restart
    last_event: str | None = None  # its sentence
    last_event_time: str | None = None

    def hear(self, line: RunLine) -> None:
        """Take in a line of this source."""
        self.synced = line.synced
        if isinstance(line, ScoreLine):
            self._update_score(line)
        elif isinstance(line, EventLine):
            self.alarm = line.phase != "end"
            self.last_event = line.sentence
            self.last_event_time = line.time
        elif isinstance(line, StatusLine) and line.state in CAPTURE:
            self.state = line.state
            self.model = line.model or self.model

    def _update_score(self, line: ScoreLine) -> None:
        self.state = "listening"
        self.time = line.time
        self.score = line.score
        self.threshold = line.threshold
        self.anomaly = line.anomaly
        self.alarm = bool(self.alarm)
        self.level_dbfs = line.level_dbfs
        self.health = line.health


def of_a_source(line: RunLine) -> bool:
    """Whether a line tells of a source, and not of an output."""
    return not isinstance(line, StatusLine) or line.state not in OUTPUTS
