"""The states of the sound from one microphone: what `health` of a line may be."""

from typing import Literal

SoundState = Literal["ok", "level", "noise", "bandwidth", "clipping", "off", "stuck", "silence"]

# The most severe is the last.
SOUND_STATES: tuple[SoundState, ...] = (
    "ok",
    "level",
    "noise",
    "bandwidth",
    "clipping",
    "off",
    "stuck",
    "silence",
)
UNJUDGED_STATES: tuple[SoundState, ...] = ("silence", "stuck", "off")
# A level that differs for a while, as that of clips and loads does, hides nothing from the charts.
LEARNABLE_STATES: tuple[SoundState, ...] = ("ok", "level")
