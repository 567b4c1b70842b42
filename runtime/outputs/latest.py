"""The state of each source, computed from its lines, for outputs that publish a state.

    listening, score, score, event start, score, gap, lost ... --update--> Latest: now

An alarm lasts until an event ends it. After a gap, silence or a lost device it is not known whether
the machine works normally again.
"""

from dataclasses import dataclass

from .lines import EventLine, RunLine, ScoreLine, StatusLine

CAPTURE_STATES = ("waiting", "listening", "lost", "stalled", "stopped")  # of status lines
PAUSE_STATES = ("paused", "resumed")  # of status lines: people decide whether to score
OUTPUT_STATES = ("degraded", "restored")  # of status lines about an output, and so of no source
MAX_SOURCES = 64  # whose state an output keeps


@dataclass
class Latest:
    """The last values of one source; None: not known yet."""

    source: str
    machine: str | None
    state: str | None = None  # one of CAPTURE_STATES
    paused: bool = False  # by a person: the sound is not scored
    model: str | None = None  # path of the artifact
    time: str | None = None  # of the last score, ISO UTC
    synced: bool | None = None  # whether the clock behind `time` is synchronised
    score: float | None = None
    threshold: float | None = None
    anomaly: bool | None = None
    level_dbfs: float | None = None
    health: str | None = None
    alarm: bool | None = None  # not known before the first score: it may have started earlier
    last_event: str | None = None  # its sentence
    last_event_time: str | None = None

    @property
    def is_scored(self) -> bool:
        """True while sound arrives and is scored."""
        return self.state == "listening" and not self.paused

    def update(self, line: RunLine) -> None:
        """Update the state with a line of this source."""
        self.synced = line.synced
        if isinstance(line, ScoreLine):
            self._update_score(line)
        elif isinstance(line, EventLine):
            # A burst is a sound of its own: it neither starts nor ends an alarm.
            if line.phase != "burst":
                self.alarm = line.phase != "end"
            self.last_event = line.sentence
            self.last_event_time = line.time
        elif isinstance(line, StatusLine) and line.state in CAPTURE_STATES:
            self.state = line.state
            self.model = line.model or self.model
        elif isinstance(line, StatusLine) and line.state in PAUSE_STATES:
            self.paused = line.state == "paused"

    def _update_score(self, line: ScoreLine) -> None:
        self.state = "listening"
        self.time = line.time
        self.score = line.score
        self.threshold = line.threshold
        self.anomaly = line.anomaly
        self.alarm = bool(self.alarm)
        self.level_dbfs = line.level_dbfs
        self.health = line.health


def is_about_source(line: RunLine) -> bool:
    """True for a line about a source, and not about an output."""
    return not isinstance(line, StatusLine) or line.state not in OUTPUT_STATES
