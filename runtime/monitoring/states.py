"""The states of the sound from one microphone."""

from typing import Literal

State = Literal["ok", "level", "bandwidth", "clipping", "stuck", "silence"]


WORSE: tuple[State, ...] = ("ok", "level", "bandwidth", "clipping", "stuck", "silence")


NO_SOUND = ("silence", "stuck")
