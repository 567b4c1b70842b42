"""`--page 127.0.0.1:8321`: a live page for any browser, on a computer or a phone.

    GET  /                                 the page, one file
    GET  /session                          what this client may do
    GET  /events?source=0                  server-sent events: the history, then what is new
    GET  /history?source=1&kind=alarm      stored events: filtered, the newest first
    GET  /scores?source=0&since=...        stored scores, for a chart of days
    GET  /clip?event=1                     the sound of an event, if --clips stores it
    GET  /picture?event=1                  its spectrogram
    POST /login, /logout                   the token becomes a cookie, or the cookie ends
    POST /normal?source=0                  "that was normal": the last hour of a source is learned
    POST /verdict?event=1&say=fault        the same about a stored event: normal, fault or nothing
    POST /acknowledge?event=1&say=yes      somebody has seen it

HEAD is answered as GET is, without a body. `edgeae.runtime.outputs.page.access` says who may read
and write. Pages of another origin cannot read it; a page whose own name points to this computer
(DNS rebinding) is refused by the name in its request.
"""

import base64
import hashlib
import re
from importlib.resources import files

import click

from ...errors import ConfigError
from ..feedback import FeedbackQueue
from ..http_server import HttpLimits
from ..page_link import is_url_of_this_computer
from ..server_tls import ServerTls
from .access import PageAccess
from .context import DEFAULT_LIMITS, PageContext, PageLimits
from .handler import ContextServer, PageHandler
from .history import History
from .history_store import HistoryStore
from .token import TokenGuard

EXAMPLE_PORT = 8321


class PageServer(ContextServer):
    """Serves the page from its construction on; ConfigError for an address that cannot be used."""

    def __init__(
        self,
        address: str,
        history: History,
        store: HistoryStore | None = None,
        *,
        message_seconds: float = 1.0,
        limits: PageLimits = DEFAULT_LIMITS,
        token: str | None = None,
        guard: TokenGuard | None = None,
        queue: FeedbackQueue | None = None,
        tls: ServerTls | None = None,
        page_url: str | None = None,
    ) -> None:
        """store: the events of days; None: those since the start, in memory.

        message_seconds: between two messages to a viewer.
        token: who knows it may write; None: nobody. An address of other computers needs one.
        guard: compares the token and counts wrong ones; None: one with the default limits.
        queue: receives what people say; None: nothing is learned.
        tls: the certificate; None: connections are not encrypted.
        page_url: the value of --page-url, such as the address of a proxy. One of another host
        needs a token; with one of https, browsers send the cookie over TLS only.
        """
        is_encrypted = tls is not None
        is_https = is_encrypted or (page_url or "").lower().startswith("https:")
        page = files(__package__).joinpath("page.html").read_bytes()
        self.context = PageContext(
            history,
            store or HistoryStore(),
            PageAccess(token, is_encrypted=is_https, guard=guard),
            page,
            security_policy(page.decode()),
            message_seconds,
            limits,
            queue,
            page_url,
        )
        n_long = limits.max_viewers + limits.max_files
        http_limits = HttpLimits(max_requests=n_long + HttpLimits.max_requests)
        super().__init__(
            "--page",
            address,
            PageHandler,
            example_port=EXAMPLE_PORT,
            limits=http_limits,
            tls=tls,
            warns_of_readers=False,
        )
        # Until here each request was taken for one of another computer.
        has_proxy = page_url is not None and not is_url_of_this_computer(page_url)
        self.context.access.is_public = self.is_public or has_proxy
        self.context.access.has_proxy = has_proxy
        if self.is_public and not token:
            self.close()
            raise ConfigError(
                f"--page {address}: other computers reach this address, so reading needs a token; "
                f"give --page-token-file FILE, or listen at 127.0.0.1:{self.port}"
            )
        if has_proxy and not token:
            self.close()
            raise ConfigError(
                f"--page-url {page_url}: other computers open the page there, so reading needs a "
                f"token; give --page-token-file FILE, or leave --page-url out"
            )
        self._report(is_encrypted=is_encrypted)

    def close(self) -> None:
        """Accept no further request, and send each viewer a last message."""
        self.context.closing.set()
        super().close()

    def _report(self, *, is_encrypted: bool) -> None:
        host = f"[{self.host}]" if ":" in self.host else self.host
        scheme = "https" if is_encrypted else "http"
        click.echo(f"edgeae: live page at {scheme}://{host}:{self.port}/", err=True)
        if self.is_public and not is_encrypted:
            click.echo(
                f"edgeae: --page {self.host}:{self.port} is not encrypted: others on the network "
                f"can read its token; give --page-cert and --page-key, or use a tunnel",
                err=True,
            )


def security_policy(page: str) -> str:
    """The Content-Security-Policy that allows the page's own script and style, and nothing else."""
    sources = {
        "default-src": "'none'",
        "connect-src": "'self'",
        "media-src": "blob:",
        "img-src": "'self' data:",
    }
    for element in ("script", "style"):
        (text,) = re.findall(rf"<{element}>(.*?)</{element}>", page, re.S)
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        sources[f"{element}-src"] = f"'sha256-{digest}'"
    sources |= dict.fromkeys(("base-uri", "form-action", "frame-ancestors"), "'none'")
    return "; ".join(f"{name} {value}" for name, value in sources.items())
