"""Declares `--page`: its options and how it opens."""

from dataclasses import dataclass
from pathlib import Path

from ...errors import ConfigError
from ...scoring.detector import Detector
from ...scoring.window_stream import Window
from ..declaration import FILE, OpenOutput, OutputContext, OutputDeclaration, run_option
from ..lines import Line
from ..outbox import Outbox
from ..sink import SourceTap

OPTIONS = (
    run_option(
        "--page",
        metavar="[HOST:]PORT",
        value_kind="address",
        help="Serve a live page for browsers at this address; a port alone is one of 127.0.0.1.",
    ),
    run_option(
        "--page-token-file",
        type=FILE,
        envvar="EDGEAE_PAGE_TOKEN_FILE",
        value_kind="secret-file",
        help="Show a button on the page to say that the last event was normal; whoever presses it "
        "must know the token in this file.  [default: $EDGEAE_PAGE_TOKEN, else none]",
    ),
)


@dataclass(frozen=True)
class PageOptions:
    """The values of the options."""

    page: str | None
    page_token_file: Path | None


class PageTap(SourceTap):
    """Sends the spectrum of each window of a source to the page."""

    def __init__(self, source: str, detector: Detector, model: Path, outbox: Outbox[Line]) -> None:
        """model: path of the artifact; outbox: the queue of the page's history."""
        from .bands import BandEncoder

        self._encoder = BandEncoder(source, detector, model.name)
        self._outbox = outbox
        outbox.put(self._encoder.about())

    def add_window(self, window: Window) -> None:
        self._outbox.put(self._encoder.encode(window))


def open_page(options: PageOptions, context: OutputContext) -> OpenOutput | None:
    """A history of the lines, and the server that shows it."""
    if options.page is None:
        if options.page_token_file:
            raise ConfigError("--page-token-file is for the page; give --page, too")
        return None
    if not context.live:
        raise ConfigError(
            "--page shows a microphone or a pipe; of recordings, `edgeae evaluate` writes a report"
        )
    from .history import History
    from .server import PageFeedback, PageServer
    from .token import TokenGuard, read_token

    history = History()
    token = read_token(options.page_token_file)
    feedback = None
    if token and context.feedback:
        feedback = PageFeedback(TokenGuard(token), context.feedback)
    server = PageServer(options.page, history, feedback=feedback)
    outbox: Outbox[Line] = context.outbox(history)

    def make_tap(source: str, detector: Detector, model: Path) -> SourceTap:
        return PageTap(source, detector, model, outbox)

    return OpenOutput([outbox], make_tap=make_tap, close=server.close)


OUTPUT = OutputDeclaration(OPTIONS, PageOptions, open_page)
