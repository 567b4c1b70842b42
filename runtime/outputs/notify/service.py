"""One notification service, reached through Apprise.

No address of a service is ever shown: each may be a secret as a whole, as those of Telegram and
Slack are. Messages name a service by its kind and its place in the list.
"""

import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from ...errors import AudioError, ConfigError
from ..clips.picture import before_seconds, spectrogram_png
from ..sink import OutputError
from .message import Message

if TYPE_CHECKING:
    from apprise import AppriseAttachment, NotifyBase

MAX_FILE_BYTES = 1 << 16
MAX_SERVICES = 10
MAX_REASON_CHARACTERS = 120
MIN_SECRET_CHARACTERS = 4


@dataclass(frozen=True)
class Service:
    """A service that can be sent to."""

    name: str  # for people, without its address
    takes_files: bool
    _plugin: "NotifyBase"
    _secrets: Sequence[str]  # parts of the address that a reason must not show

    @classmethod
    def of(cls, url: str, number: int) -> "Service":
        """The service of an address; ConfigError for one that Apprise does not know.

        number: its place in the list, from 1.
        """
        from apprise import Apprise, AppriseAsset

        # The pictures of Apprise's own asset are links to the internet.
        asset = AppriseAsset(
            app_id="edgeae",
            app_desc="edgeae",
            app_url="",
            image_url_mask="",
            image_url_logo="",
            async_mode=False,
        )
        plugin = Apprise.instantiate(url, asset=asset, suppress_exceptions=True)
        if plugin is None:
            scheme = re.match(r"[a-z0-9]{1,20}(?=://)", url)
            kind = f"{scheme[0]}://..." if scheme else "no URL"
            raise ConfigError(
                f"notifications: address {number} ({kind}) is none that Apprise knows; write one "
                f"such as ntfys://ntfy.example.org/pump-3 on each line"
            )
        name = f"{plugin.service_name} (address {number})"
        return cls(name, bool(plugin.attachment_support), plugin, _secrets(url))

    def send(self, message: Message, *, with_files: bool) -> None:
        """Send a message; OutputError with the reason if the service does not take it.

        with_files: whether to attach the clip and its spectrogram, if the service takes files.
        """
        from apprise import NotifyType

        attachments = None
        if with_files and self.takes_files and message.clip is not None:
            attachments = _attachments(message.clip)
        with _Reasons() as reasons:
            # Not through Apprise.notify, which logs the reason in a thread of another service.
            is_sent = self._plugin.notify(
                title=message.title,
                body=message.body,
                notify_type=NotifyType(message.urgency),
                attach=attachments,
            )
        if not is_sent:
            reason = self._masked(reasons.last) or "it gives no reason"
            raise OutputError(f"{self.name}: {reason}")

    def _masked(self, text: str) -> str:
        """A reason in a few printable characters, without any part of the address."""
        for secret in self._secrets:
            text = text.replace(secret, "***")
        return "".join(filter(str.isprintable, text))[:MAX_REASON_CHARACTERS].rstrip(". ")


def read_addresses(file: Path | None, variable: str | None) -> list[str]:
    """The addresses in a file, else in the variable: one a line, # begins a comment.

    variable: the value of $EDGEAE_NOTIFY_URLS. ConfigError for a file that cannot be read.
    """
    text = variable or ""
    if file is not None:
        try:
            with file.open("rb") as opened:
                text = opened.read(MAX_FILE_BYTES).decode(errors="replace")
        except OSError as error:
            raise ConfigError(
                f"--notify-file {file}: cannot be read ({error.strerror}); name another file"
            ) from error
    separator = r"\n" if file else r"[\n\s]+"
    lines = (line.strip() for line in re.split(separator, text))
    return [line for line in lines if line and not line.startswith("#")]


def open_services(addresses: Sequence[str]) -> list[Service]:
    """The services of addresses; ConfigError if one cannot be used, or Apprise is missing."""
    if not addresses:
        raise ConfigError(
            "--notify-file holds no address; write one such as ntfys://ntfy.example.org/pump-3 "
            "on each line"
        )
    if len(addresses) > MAX_SERVICES:
        raise ConfigError(
            f"{len(addresses)} addresses for notifications; at most {MAX_SERVICES} are allowed"
        )
    if find_spec("apprise") is None:
        raise ConfigError("notifications need apprise: pip install 'edgeae[notify]'")
    # Without a handler Python prints its warnings, which name the address.
    logger = logging.getLogger("apprise")
    logger.addHandler(logging.NullHandler())
    logger.propagate = False
    return [Service.of(url, number) for number, url in enumerate(addresses, 1)]


def _attachments(clip: Path) -> "AppriseAttachment | None":
    """The clip and its spectrogram; None if the clip is not there."""
    from apprise import AppriseAttachment
    from apprise.attachment.memory import AttachMemory

    if not clip.is_file():
        return None
    attachments = AppriseAttachment()
    try:
        picture = spectrogram_png(clip, before_seconds(clip))
    except AudioError:
        return None
    # The picture first: some services show it with the text.
    name = f"{clip.stem}.png"
    for content, file_name, mime_type in (
        (picture, name, "image/png"),
        (clip.read_bytes(), clip.name, "audio/flac"),
    ):
        attachment = AttachMemory(  # type: ignore[no-untyped-call]
            content=content, name=file_name, mimetype=mime_type
        )
        attachments.add(attachment)
    return attachments


def _secrets(url: str) -> list[str]:
    """The parts of an address, the longest first; its scheme is none."""
    from urllib.parse import unquote

    rest = url.partition("://")[2]
    parts = {rest, unquote(rest), *re.split(r"[/@:?&=]", rest)}
    long = {part for part in parts | set(map(unquote, parts)) if len(part) >= MIN_SECRET_CHARACTERS}
    return sorted(long, key=len, reverse=True)


class _Reasons(logging.Handler):
    """Keeps the last warning of Apprise in this thread."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        from threading import get_ident

        self._thread = get_ident()
        self.last = ""

    def emit(self, record: logging.LogRecord) -> None:
        if record.thread == self._thread:
            self.last = record.getMessage()

    def __enter__(self) -> "_Reasons":
        logging.getLogger("apprise").addHandler(self)
        return self

    def __exit__(self, *rest: object) -> None:
        logging.getLogger("apprise").removeHandler(self)
