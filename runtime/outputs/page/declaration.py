"""Declares `--page`: its options and how it opens."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ...errors import ConfigError
from ...scoring.detector import Detector
from ...scoring.window_stream import Window
from ..declaration import (
    FILE,
    POSITIVE,
    OpenOutput,
    OutputContext,
    OutputDeclaration,
    run_option,
)
from ..lines import Line
from ..outbox import Outbox
from ..sink import SourceTap

if TYPE_CHECKING:
    from ..server_tls import ServerTls

OPTIONS = (
    run_option(
        "--page",
        metavar="[HOST:]PORT",
        value_kind="address",
        help="Serve a live page for browsers at this address; a port alone is one of 127.0.0.1. "
        "Any other address needs --page-token-file.",
    ),
    run_option(
        "--page-token-file",
        type=FILE,
        envvar="EDGEAE_PAGE_TOKEN_FILE",
        value_kind="secret-file",
        help="Let people who know the token in this file log in to the page: to read it at an "
        "address of other computers or through a proxy, and to say what an event was.  "
        "[default: $EDGEAE_PAGE_TOKEN, else none]",
    ),
    run_option(
        "--page-cert",
        type=FILE,
        envvar="EDGEAE_PAGE_CERT_FILE",
        value_kind="secret-file",
        help="PEM file with the certificate of the page, which is then served over TLS.",
    ),
    run_option(
        "--page-key",
        type=FILE,
        envvar="EDGEAE_PAGE_KEY_FILE",
        value_kind="secret-file",
        help="PEM file with the private key of --page-cert.",
    ),
    run_option(
        "--page-url",
        metavar="URL",
        help="Address at which people open the page, such as that of a proxy; for links in "
        "notifications and Home Assistant. One of another host needs --page-token-file.",
    ),
    run_option(
        "--page-history",
        type=FILE,
        value_kind="output-file",
        help="Keep the events and scores of days in this SQLite file.  "
        "[default: a file beside --state or --log, else memory]",
    ),
    run_option(
        "--page-history-days",
        default=90.0,
        show_default=True,
        type=POSITIVE,
        help="Maximum age of what the page keeps, days.",
    ),
    run_option(
        "--page-history-megabytes",
        default=50.0,
        show_default=True,
        type=POSITIVE,
        help="Maximum size of the file of --page-history, MB.",
    ),
)


@dataclass(frozen=True)
class PageOptions:
    """The values of the options."""

    page: str | None
    page_token_file: Path | None
    page_cert: Path | None
    page_key: Path | None
    page_url: str | None
    page_history: Path | None
    page_history_days: float
    page_history_megabytes: float
    state: Path | None  # of the learned sound; the history is beside it
    log: Path | None


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
        _refuse_without_page(options)
        return None
    if not context.live:
        raise ConfigError(
            "--page shows a microphone or a pipe; of recordings, `edgeae evaluate` writes a report"
        )
    from ..page_link import page_link
    from .history import History
    from .history_store import HistoryLimits, HistoryStore
    from .server import PageServer
    from .token import read_token

    token = read_token(options.page_token_file)
    tls = _tls(options)
    history = History()
    limits = HistoryLimits(options.page_history_days, options.page_history_megabytes)
    store = HistoryStore(history_path(options), limits)
    outbox: Outbox[Line] = context.outbox(history)
    store_outbox: Outbox[Line] = context.outbox(store)
    try:
        server = PageServer(
            options.page,
            history,
            store,
            token=token,
            queue=context.feedback,
            tls=tls,
            page_url=page_link(None, options.page_url, is_encrypted=tls is not None),
        )
    except BaseException:
        outbox.close()
        store_outbox.close()
        raise

    def make_tap(source: str, detector: Detector, model: Path) -> SourceTap:
        return PageTap(source, detector, model, outbox)

    return OpenOutput([outbox, store_outbox], make_tap=make_tap, close=server.close)


def history_path(options: PageOptions) -> Path | None:
    """The file of the history: the given one, or one beside --state or --log; None: memory."""
    if options.page_history:
        return options.page_history
    neighbour = options.state or options.log
    if neighbour is None or _is_special(neighbour):
        return None
    if neighbour.is_dir():
        return neighbour / "history.sqlite3"
    return neighbour.with_name(f"{neighbour.stem}-history.sqlite3")


def _is_special(path: Path) -> bool:
    """Whether a path is a terminal, a pipe or a device, beside which no file is kept.

    /dev/stdout may lead to a regular file, and still nothing can be written beside it.
    """
    is_in_system = path.is_relative_to("/dev") or path.is_relative_to("/proc")
    return is_in_system or (path.exists() and not path.is_file() and not path.is_dir())


def _refuse_without_page(options: PageOptions) -> None:
    for name in ("page_token_file", "page_cert", "page_key", "page_history"):
        if getattr(options, name):
            raise ConfigError(f"--{name.replace('_', '-')} is for the page; give --page, too")


def _tls(options: PageOptions) -> "ServerTls | None":
    if options.page_cert is None and options.page_key is None:
        return None
    if options.page_cert is None or options.page_key is None:
        raise ConfigError("--page-cert and --page-key belong together; give both")
    from ..server_tls import ServerTls

    return ServerTls(options.page_cert, options.page_key, "--page-cert")


OUTPUT = OutputDeclaration(OPTIONS, PageOptions, open_page, other_options=("state", "log"))
