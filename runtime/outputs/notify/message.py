"""What a notification says: a title, a few sentences, and the sound of an alarm."""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Literal

from ..lines import EventLine, StatusLine

Urgency = Literal["failure", "warning", "success"]


@dataclass(frozen=True)
class Message:
    """One notification."""

    title: str
    body: str
    urgency: Urgency
    clip: Path | None = None  # with the sound of the alarm; it may not be written yet


def alarm_message(line: EventLine, name: str, page_url: str | None) -> Message:
    """The start or the end of an alarm. name: of the machine, for people."""
    since = clock_text(line.time, line.duration)
    clip = Path(line.clip.path) if line.clip and line.clip.path else None
    cause = " The microphone is the likely cause." if line.cause == "microphone" else ""
    if line.phase == "start":
        body = (
            f"{_sentence(line.sentence)}{cause}\n"
            f"Since {since}. Look at the machine and listen to it; if it is damaged, stop it."
        )
        return Message(f"ALARM {name}", _with_link(body, page_url), "failure", clip)
    body = (
        f"{_sentence(line.sentence)}{cause}\nFrom {since} to {clock_text(line.time)}, "
        f"{duration_text(line.duration)}."
    )
    return Message(f"Alarm over: {name}", _with_link(body, page_url), "success")


def lost_message(line: StatusLine, name: str, page_url: str | None) -> Message:
    """A microphone delivers nothing."""
    body = (
        f"{_sentence(line.sentence or line.state)}\nSince {clock_text(line.time)} nothing is known "
        f"about the machine. Check the microphone, its cable and its power."
    )
    return Message(f"Microphone lost: {name}", _with_link(body, page_url), "warning")


def back_message(line: StatusLine, name: str, page_url: str | None) -> Message:
    """A microphone delivers again."""
    body = f"Sound arrives again since {clock_text(line.time)}."
    return Message(f"Microphone back: {name}", _with_link(body, page_url), "success")


def clock_text(time: str, seconds_ago: float = 0.0) -> str:
    """The local time of day of a line, or so many seconds before it."""
    try:
        at = datetime.fromisoformat(time).timestamp() - seconds_ago
    except ValueError:
        return "an unknown time"
    return f"{datetime.fromtimestamp(at).astimezone():%H:%M}"


def duration_text(seconds: float) -> str:
    """A duration in words."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"


def _sentence(text: str) -> str:
    """A text as a sentence of its own."""
    return text if text.endswith((".", "!", "?")) else f"{text}."


def _with_link(body: str, page_url: str | None) -> str:
    return f"{body}\n{page_url}" if page_url else body
