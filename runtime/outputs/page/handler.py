"""One request to the page."""

import json
import math
import re
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from threading import BoundedSemaphore
from typing import Any
from urllib.parse import urlsplit

from ...errors import AudioError
from ...system.identity import SourceIdentity
from ..clips.picture import before_seconds, spectrogram_png
from ..database import DatabaseError
from ..feedback import NormalMessage
from ..http_server import HttpServer, RequestHandler
from .access import Credentials, client_address
from .context import PageContext, PageLimits
from .history import Viewer
from .history_database import VERDICTS, StoredEvent, Verdict
from .history_query import Parameters, events_answer, number, parameters, scores_answer

MAX_BODY_BYTES = 1000  # of a POST, which needs none
LEARNABLE_MS = 3_600_000  # after the end of an event, its sound can still be learned

Answer = Callable[[Parameters], None]


class ContextServer(HttpServer):
    """The server of these requests."""

    context: PageContext


class PageHandler(RequestHandler):
    """Answers one request."""

    server: ContextServer

    def respond(self, path: str, query: str) -> None:
        free: dict[str, Answer] = {"/": self._send_page, "/session": self._send_session}
        answers: dict[str, Answer] = {
            "/events": self._send_events,
            "/history": self._send_history,
            "/scores": self._send_scores,
            "/clip": self._send_clip,
            "/picture": self._send_picture,
        }
        if path in free:
            free[path](parameters(query))
        elif path not in answers:
            self.send_error(404)
        elif self._may_read():
            self._answered(answers[path], parameters(query))

    def do_POST(self) -> None:  # noqa: N802, the name that http.server looks for
        path, _, query = self.path.partition("?")
        answers: dict[str, Answer] = {
            "/normal": self._accept_source,
            "/verdict": self._judge,
            "/acknowledge": self._acknowledge,
        }
        if not self.is_for_this_computer():
            return
        if not self.server.context.access.has_token:
            self.send_error(403, "without --page-token-file the page can only be read")
        elif not self._comes_from_this_page():
            self.send_error(403, "this can only be said on the page itself")
        elif path not in {"/login", "/logout", *answers}:
            self.send_error(404)
        elif self._has_read_body():
            if path == "/logout":
                self._send_empty(204, self.server.context.access.logout_cookie(self.server.port))
            elif path == "/login":
                self._log_in()
            elif self._may_write():
                self._answered(answers[path], parameters(query))

    def end_headers(self) -> None:
        self.send_header("Content-Security-Policy", self.server.context.policy)
        self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header("Cross-Origin-Resource-Policy", "same-origin")
        self.send_header("Referrer-Policy", "no-referrer")
        self.send_header("Cache-Control", "no-store")
        super().end_headers()

    def is_own_host(self, host: str) -> bool:
        """True also for the name in --page-url, such as that of a proxy."""
        url = self.server.context.page_url
        return super().is_own_host(host) or (url is not None and _host(url) == _host(f"//{host}"))

    # --- Who asks ---

    def _credentials(self) -> Credentials:
        forwarded = ",".join(self.headers.get_all("X-Forwarded-For", []))
        has_proxy = self.server.context.access.has_proxy
        return Credentials(
            client_address(str(self.client_address[0]), forwarded, has_proxy=has_proxy),
            self.headers.get("Authorization", ""),
            self.headers.get("Cookie", ""),
            self.headers.get("Origin"),
        )

    def _may_read(self) -> bool:
        """Whether the client may read; if not, it is answered here."""
        access = self.server.context.access
        credentials = self._credentials()
        if access.is_public and credentials.bearer is not None and self._must_wait(credentials):
            return False
        if access.may_read(credentials, self.server.port):
            return True
        self._send_login_needed()
        return False

    def _may_write(self) -> bool:
        """Whether the client may write; if not, it is answered here."""
        credentials = self._credentials()
        access = self.server.context.access
        # Others behind the same address may have sent wrong tokens.
        if access.may_write_by_cookie(credentials, self.server.port):
            return True
        if self._must_wait(credentials):
            return False
        if access.may_write(credentials, self.server.port):
            return True
        self.send_error(403, "wrong token")
        return False

    def _log_in(self) -> None:
        access = self.server.context.access
        credentials = self._credentials()
        if self._must_wait(credentials):
            return
        if access.knows_token(credentials):
            self._send_empty(204, access.login_cookie(self.server.port))
        else:
            self.send_error(403, "wrong token")

    def _must_wait(self, credentials: Credentials) -> bool:
        """Whether the client has sent too many wrong tokens; if so, it is answered here."""
        wait_seconds = self.server.context.access.wait_seconds(credentials)
        if wait_seconds <= 0:
            return False
        self.send_response(429)
        self.send_header("Retry-After", str(math.ceil(wait_seconds)))
        self.send_header("Content-Length", "0")
        self.end_headers()
        return True

    def _send_login_needed(self) -> None:
        self.send_response(401)
        self.send_header("WWW-Authenticate", "Bearer")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _comes_from_this_page(self) -> bool:
        """False for a request from a page of another origin; a program sends no origin."""
        origin = self.headers.get("Origin")
        host = self.headers.get("Host", "")
        own = {f"http://{host}".lower(), f"https://{host}".lower()}
        return origin is None or origin.lower() in own

    def _has_read_body(self) -> bool:
        """Read and ignore what a client sends after the headers; False if that is too much."""
        length = self.headers.get("Content-Length", "0")
        if self.headers.get("Transfer-Encoding") or not re.fullmatch(r"\d{1,9}", length):
            self.send_error(411)
            return False
        if int(length) > MAX_BODY_BYTES:
            self.send_error(413)
            return False
        self.rfile.read(int(length))
        return True

    # --- Answers ---

    def _answered(self, answer: Answer, values: Parameters) -> None:
        """Answer, also if the history cannot be read."""
        try:
            answer(values)
        except DatabaseError:
            self.send_error(503, "the history cannot be used now")

    def _send_page(self, values: Parameters) -> None:
        self.send_body("text/html; charset=utf-8", self.server.context.page)

    def _send_json(self, content: dict[str, Any]) -> None:
        body = json.dumps(content, separators=(",", ":")).encode(errors="replace")
        self.send_body("application/json", body)

    def _send_session(self, values: Parameters) -> None:
        """What this client may do, for the page."""
        context = self.server.context
        credentials = self._credentials()
        is_logged_in = context.access.is_logged_in(credentials, self.server.port)
        self._send_json(
            {
                "can_read": is_logged_in or not context.access.is_public,
                "can_write": is_logged_in,
                "has_token": context.access.has_token,
                "can_learn": context.queue is not None,
            }
        )

    def _send_events(self, values: Parameters) -> None:
        context = self.server.context
        if not context.free_viewers.acquire(blocking=False):
            self.send_error(503, f"{context.limits.max_viewers} viewers are connected already")
            return
        try:
            self._limit_unread(context.limits)
            self.send_response(200)
            self.send_header("Content-Type", "text/event-stream")
            self.end_headers()
            if self.command != "HEAD":
                source = number(values, "source") or 0
                self._stream(Viewer(context.history, source, context.store))
        finally:
            context.free_viewers.release()

    def _limit_unread(self, limits: PageLimits) -> None:
        """Limit what the kernel keeps for a viewer that reads nothing, and for how long."""
        milliseconds = round(1000 * limits.viewer_seconds)
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, limits.viewer_buffer_bytes)
        self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, milliseconds)

    def _stream(self, viewer: Viewer) -> None:
        """Send messages until the server closes; OSError if the viewer is gone or reads nothing."""
        context = self.server.context
        closing = False
        while True:
            self.server.allow(
                self.connection, context.limits.viewer_seconds + context.message_seconds
            )
            message = json.dumps(viewer.message(), separators=(",", ":"))
            self.wfile.write(f"data: {message}\n\n".encode(errors="replace"))
            # The last message is sent.
            if closing:
                return
            closing = context.closing.wait(context.message_seconds)

    def _send_history(self, values: Parameters) -> None:
        self._send_json(events_answer(self.server.context.store, values))

    def _send_scores(self, values: Parameters) -> None:
        context = self.server.context
        source = context.history.source(number(values, "source"))
        if source is None:
            self.send_error(404, "there is no such source")
            return
        self._send_json(scores_answer(context.store, source.source, source.machine, values))

    def _send_clip(self, values: Parameters) -> None:
        self._send_of_clip(values, self._send_sound)

    def _send_picture(self, values: Parameters) -> None:
        self._send_of_clip(values, self._send_spectrogram)

    def _send_of_clip(self, values: Parameters, send: Callable[[Path], None]) -> None:
        """Send something of the clip of an event, as one of the files that are sent at once."""
        path = self._clip_path(values)
        if path is None:
            return
        context = self.server.context
        with _Slot(self, context.free_files) as is_free:
            if is_free:
                self.server.allow(self.connection, context.limits.clip_seconds)
                self.connection.settimeout(context.limits.clip_seconds)
                send(path)

    def _send_sound(self, clip: Path) -> None:
        with clip.open("rb") as file:
            self.send_body("audio/flac", file)

    def _send_spectrogram(self, clip: Path) -> None:
        try:
            picture = spectrogram_png(clip, before_seconds(clip))
        except AudioError:
            self.send_error(404, "the clip cannot be read")
        else:
            self.send_body("image/png", picture)

    def _clip_path(self, values: Parameters) -> Path | None:
        """The path of the clip of an event; None, and an answer, if there is none."""
        event_id = number(values, "event")
        event = None if event_id is None else self.server.context.store.event(event_id)
        if event and event.clip and Path(event.clip).is_file():
            return Path(event.clip)
        self.send_error(404, "not kept, or not complete yet")
        return None

    # --- What people say ---

    def _accept_source(self, values: Parameters) -> None:
        context = self.server.context
        source = context.history.source(number(values, "source"))
        if context.queue is None:
            self.send_error(403, "with --no-learn nothing is learned")
        elif source is None:
            self.send_error(404, "there is no such source")
        else:
            context.queue.put(NormalMessage(source.source, "page"))
            self._mark_last_alarm(source)
            self._send_empty(202)

    def _mark_last_alarm(self, source: SourceIdentity) -> None:
        """Store the same about the alarm of the last hour, if nobody has judged it."""
        store = self.server.context.store
        with suppress(DatabaseError):  # the sound is learned nevertheless
            alarm = store.last_alarm(source.source, source.machine)
            if alarm and alarm.verdict is None and self._can_learn(alarm):
                store.judge(alarm.id, "normal")

    def _judge(self, values: Parameters) -> None:
        """Store what a person says about an event; sound that is still known is learned, too."""
        context = self.server.context
        event = self._event(values)
        if event is None:
            return
        verdict: Verdict | None = next((one for one in VERDICTS if one == values.get("say")), None)
        is_learned = verdict == "normal" and self._can_learn(event)
        if is_learned and context.queue:
            context.queue.put(NormalMessage(event.source, "page"))
        context.store.judge(event.id, verdict)
        self._send_json({"learned": is_learned})

    def _can_learn(self, event: StoredEvent) -> bool:
        """Whether the source is listened to, and its sound since the event is not forgotten."""
        context = self.server.context
        end_ms = event.updated_ms if event.end_ms is None else event.end_ms
        is_recent = time.time() * 1000 - end_ms < LEARNABLE_MS
        identity = SourceIdentity(event.source, event.machine or None)
        is_present = identity in context.history.identities()
        return context.queue is not None and is_recent and is_present

    def _acknowledge(self, values: Parameters) -> None:
        event = self._event(values)
        if event is not None:
            is_seen = values.get("say") != "no"
            self.server.context.store.acknowledge(event.id, is_seen=is_seen)
            self._send_json({})

    def _event(self, values: Parameters) -> StoredEvent | None:
        """The event of a request; None, and an answer, if there is none."""
        event_id = number(values, "event")
        event = None if event_id is None else self.server.context.store.event(event_id)
        if event is None:
            self.send_error(404, "there is no such event")
        return event

    def _send_empty(self, code: int, cookie: str | None = None) -> None:
        self.send_response(code)
        if cookie:
            self.send_header("Set-Cookie", cookie)
        self.send_header("Content-Length", "0")
        self.end_headers()


class _Slot:
    """One of the files that are sent at once; if there is none, the client is answered here."""

    def __init__(self, handler: PageHandler, free: BoundedSemaphore) -> None:
        self._handler = handler
        self._free = free
        self._is_taken = False

    def __enter__(self) -> bool:
        self._is_taken = self._free.acquire(timeout=2.0)
        if not self._is_taken:
            self._handler.send_error(503, "too many files are sent already")
        return self._is_taken

    def __exit__(self, *rest: object) -> None:
        if self._is_taken:
            self._free.release()


def _host(url: str) -> str | None:
    try:
        return urlsplit(url).hostname
    except ValueError:
        return None
