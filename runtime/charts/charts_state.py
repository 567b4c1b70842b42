"""What the charts of a machine have learned and pooled, as a JSON object.

    {"minutes": learned minutes, "n_learned": 61, "monitored": 4711, "accepted": [[4700, 12]],
     "recent": {"vectors": the last minutes, "deviations": by view, "learnable": "110",
                "in_alarm": "000", "learned": "100", "counted": "100"},
     "normal_deviations": of minutes, by view,
     "long": [[distances], ...]}

Arrays are little-endian float32 in base64: 120 kB for 60 minutes of 385 features.
"""

import base64
import binascii
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..system.arrays import Float64
from ..system.schema import JsonObject

MAX_COUNT = 10**10  # minutes; twenty thousand years
MAX_DEVIATION = 1e6  # of a feature, in standard deviations; no sound reaches it
MAX_RECENT_SECONDS = 3600.0  # age of a minute that is still pooled after a restart


@dataclass(frozen=True)
class ChartsState:
    """The state of the charts of one source; vectors are in deviations of the fleet."""

    minutes: Float64  # (n, n_features) learned
    n_learned: int  # number of minutes that were ever learned
    monitored_minutes: int
    accepted: list[tuple[int, int]]  # (monitored minutes, how many were accepted then)
    recent: Float64  # (n_recent, n_features) the last minutes
    deviations: Float64  # (n_recent, n_views)
    learnable: list[bool]  # each of the last minutes
    in_alarm: list[bool]  # each of the last minutes
    learned: list[bool]  # each of the last minutes
    counted: list[bool]  # each of the last minutes, among the normal deviations
    normal_deviations: Float64  # (n_minutes, n_views)
    long_values: list[list[float]]  # distances of each long scale of each view

    def to_json(self) -> JsonObject:
        return {
            "n_learned": self.n_learned,
            "monitored": self.monitored_minutes,
            "accepted": [list(item) for item in self.accepted],
            "minutes": _encoded(self.minutes),
            "recent": {
                "vectors": _encoded(self.recent),
                "deviations": _encoded(self.deviations),
                "learnable": _bits(self.learnable),
                "in_alarm": _bits(self.in_alarm),
                "learned": _bits(self.learned),
                "counted": _bits(self.counted),
            },
            "normal_deviations": _encoded(self.normal_deviations),
            "long": [[round(value, 5) for value in values] for values in self.long_values],
        }

    @classmethod
    def from_json(cls, state: JsonObject, n_features: int, n_views: int) -> "ChartsState":
        """ValueError, KeyError or TypeError for a damaged object."""
        recent = state["recent"]
        result = cls(
            minutes=_decoded(state["minutes"], n_features),
            n_learned=count_of(state["n_learned"]),
            monitored_minutes=count_of(state["monitored"]),
            accepted=[(count_of(at), count_of(n)) for at, n in state["accepted"]],
            recent=_decoded(recent["vectors"], n_features),
            deviations=_decoded(recent["deviations"], n_views),
            learnable=_flags(recent["learnable"]),
            in_alarm=_flags(recent["in_alarm"]),
            learned=_flags(recent["learned"]),
            counted=_flags(recent["counted"]),
            normal_deviations=_decoded(state["normal_deviations"], n_views),
            long_values=[[float(value) for value in values] for values in state["long"]],
        )
        flags = (result.learnable, result.in_alarm, result.learned, result.counted)
        n_recent = {len(result.recent), len(result.deviations), *map(len, flags)}
        are_possible = all((np.abs(values) <= MAX_DEVIATION).all() for values in result.long_values)
        if len(n_recent) > 1 or not are_possible or result.n_learned < len(result.minutes):
            raise ValueError("the parts of the state do not fit together")
        return result

    def after_pause(self, seconds: float) -> "ChartsState":
        """The state without the last minutes that are too old to be pooled with new sound.

        seconds: since the state was saved; negative if the clock was set back, so all are dropped.
        """
        n_kept = 0
        if 0 <= seconds <= MAX_RECENT_SECONDS:
            n_kept = math.ceil((MAX_RECENT_SECONDS - seconds) / 60)
        first = max(0, len(self.recent) - n_kept)
        return replace(
            self,
            recent=self.recent[first:],
            deviations=self.deviations[first:],
            learnable=self.learnable[first:],
            in_alarm=self.in_alarm[first:],
            learned=self.learned[first:],
            counted=self.counted[first:],
        )


def _encoded(array: Float64) -> str:
    bounded = np.clip(array, -MAX_DEVIATION, MAX_DEVIATION)
    return base64.b64encode(np.asarray(bounded, "<f4").tobytes()).decode()


def _decoded(text: object, n_columns: int) -> Float64:
    """(n, n_columns) possible numbers, or ValueError."""
    if not isinstance(text, str):
        raise TypeError(f"{text!r} is no text")
    try:
        content = base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise ValueError("not base64") from error
    array = np.frombuffer(content, "<f4").astype(np.float64).reshape(-1, n_columns)
    if not (np.abs(array) <= MAX_DEVIATION).all():
        raise ValueError("impossible numbers")
    return array


def count_of(value: object) -> int:
    """A count in a state; ValueError for anything else."""
    if not isinstance(value, int) or not 0 <= value <= MAX_COUNT:
        raise ValueError(f"{value!r} is no count")
    return value


def _bits(flags: Sequence[bool]) -> str:
    return "".join("1" if flag else "0" for flag in flags)


def _flags(text: object) -> list[bool]:
    if not isinstance(text, str) or set(text) - {"0", "1"}:
        raise ValueError(f"{text!r} are no flags")
    return [letter == "1" for letter in text]
