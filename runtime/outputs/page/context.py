"""What the requests of the page share."""

from dataclasses import dataclass, field
from threading import BoundedSemaphore, Event

from ..feedback import FeedbackQueue
from .access import PageAccess
from .history import History
from .history_store import HistoryStore


@dataclass(frozen=True)
class PageLimits:
    """What the viewers together may use."""

    max_viewers: int = 8  # at once
    max_files: int = 4  # clips and pictures that are sent at once
    viewer_seconds: float = 20.0  # after which a viewer that reads nothing is disconnected
    viewer_buffer_bytes: int = 1 << 16  # that wait for a slow viewer, at most
    clip_seconds: float = 120.0  # to send one clip


DEFAULT_LIMITS = PageLimits()


@dataclass
class PageContext:
    """The page's data and rules."""

    history: History
    store: HistoryStore
    access: PageAccess
    page: bytes  # the HTML file
    policy: str  # its Content-Security-Policy
    message_seconds: float  # between two messages to a viewer
    limits: PageLimits = DEFAULT_LIMITS
    queue: FeedbackQueue | None = None  # for what people say; None: nothing is learned
    page_url: str | None = None  # at which people open the page; a proxy's, if there is one
    free_viewers: BoundedSemaphore = field(init=False)
    free_files: BoundedSemaphore = field(init=False)
    closing: Event = field(default_factory=Event)

    def __post_init__(self) -> None:
        self.free_viewers = BoundedSemaphore(self.limits.max_viewers)
        self.free_files = BoundedSemaphore(self.limits.max_files)
