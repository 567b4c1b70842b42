"""Fitting the head and threshold: once for the fleet of training machines, then for each machine.

Both work on the features of windows (`edgeae.runtime.scoring.head`) that the very network which ships
has produced.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np

from ..errors import ArtifactError, ConfigError
from ..system.arrays import Float64
from .detector import Detector
from .head import Head, Kind
from .selftest import renewed
from .threshold import Threshold, fit_threshold, leave_one_out_scores, reference_for

CALIBRATABLE: tuple[Kind, ...] = ("gaussian", "mse")
REMEMBERED = (
    4000  # windows of the training, at most; in a larger fleet one of its own hardly counts
)
SAME = 2e-3  # by which the features of the same sound differ at most, whichever computer was_used_for_fitting it


def calibrated(
    detector: Detector,
    windows: Float64,
    *,
    false_alarms: str | None = None,
    machine: str = "default",
    kind: Kind | None = None,
    seconds: float | None = None,
) -> Detector:
    """The detector of one machine from the features (n, size) of windows of its normal sound.

    false_alarms and kind default to what the artifact says; seconds: of sound, for the record.
    """
    if not len(windows):
        raise ConfigError("calibration needs at least one window of normal sound")
    head = Head.calibrated(detector.head.fleet, windows, kind or detector.head.kind)
    threshold, beyond = detector.threshold, None
    if head.kind in CALIBRATABLE:  # the no-network baseline is compared by AUC alone
        references, budget = detector.references(head.kind), false_alarms or threshold.false_alarms
        tells = len(windows) > 2 and not was_used_for_fitting(detector, windows)
        leave_one_out = (
            leave_one_out_scores(head.fleet, windows, head.kind).mean(axis=0) if tells else None
        )
        threshold = fit_threshold(
            references,
            head,
            budget,
            detector.window,
            windows=len(windows),
            leave_one_out=leave_one_out,
        )
        expected = reference_for(references, len(windows))
        if leave_one_out is not None and expected.windows > 2:
            beyond = leave_one_out - expected.left_out
    session = _session(detector, len(windows), seconds, beyond)
    return _fitted(detector, head, threshold, machine, [session], _signatures(windows))


def extended(
    detector: Detector,
    windows: Float64,
    *,
    false_alarms: str | None = None,
    seconds: float | None = None,
) -> Detector:
    """The detector of the same machine that has learned from these windows (n, size), too.

    How far they stray is told by the calibration that has not was_used_for_fitting them: that they are of another
    session, perhaps of another day, is in it. ConfigError unless ``detector`` is calibrated.
    """
    if detector.machine is None:
        raise ConfigError(
            "the artifact is not calibrated yet: there is nothing to add to; calibrate without --add"
        )
    if not len(windows):
        raise ConfigError("calibration needs at least one window of normal sound")
    old, head = detector.head, detector.head.extended(windows)
    expected = reference_for(detector.references(head.kind), old.windows)
    tells = expected.windows and not was_used_for_fitting(detector, windows)
    beyond = old.parts(windows).mean(axis=0) - expected.parts.mean(axis=0) if tells else None
    sessions = [*history(detector), _session(detector, len(windows), seconds, beyond)]
    learned = np.concatenate([_learned(detector, head.mean[None]), _signatures(windows)])
    result = _fitted(detector, head, detector.threshold, detector.machine, sessions, learned)
    threshold = threshold_for(result, false_alarms or detector.threshold.false_alarms)
    return result.with_sections(threshold=threshold.to_dict())


def _learned(detector: Detector, window: Float64) -> Float64:
    """(n, 5) marks of the windows it was calibrated on; ``window`` (1, size) tells how many numbers a mark has."""
    none = _signatures(window)[:0]
    known = detector.artifact.sections["head"].get("learned", none)
    if not isinstance(known, np.ndarray) or known.shape[1:] != none.shape[1:]:
        raise ArtifactError(
            "the marks of the calibration are damaged; calibrate the machine anew without --add"
        )
    return known


def threshold_for(detector: Detector, false_alarms: str, windows: int | None = None) -> Threshold:
    """The threshold for another budget, or with more windows of the same kind.

    From what the sessions of the calibration have told; no sound is needed.
    """
    head, references = detector.head, detector.references(detector.head.kind)
    n = windows or (head.windows if detector.machine is not None else 0)
    beyond = _beyond(history(detector), len(head.weights))
    leave_one_out = None if beyond is None else reference_for(references, n).left_out + beyond
    return fit_threshold(
        references, head, false_alarms, detector.window, windows=n, leave_one_out=leave_one_out
    )


def _remembered(machines: Sequence[Float64]) -> Float64:
    """(n, 5) marks of the windows of all machines, or of as many of each as there is room for."""
    windows = np.concatenate(machines)
    return _signatures(windows[:: -(-len(windows) // REMEMBERED)])


def _signatures(windows: Float64) -> Float64:
    """(n, size) -> (n, 5) features by which a window is known again."""
    return windows[:, :: max(1, windows.shape[1] // 4)]


def was_used_for_fitting(detector: Detector, windows: Float64, where: str = "heard") -> bool:
    """Whether one of these windows (n, size) is known: the fleet was fitted on it, or (``learned``) the machine.

    It then seems calmer than it is.
    """
    known, found = detector.artifact.sections["head"].get(where), _signatures(windows)
    if not isinstance(known, np.ndarray) or known.shape[1:] != found.shape[1:]:
        return False
    return any(bool((np.abs(known - window).max(axis=1) < SAME).any()) for window in found)


def history(detector: Detector) -> list[dict[str, Any]]:
    """The sessions that a machine was calibrated in: ``date``, ``windows``, ``seconds`` and ``beyond``.

    beyond: (n_parts,) by how much its windows stray more than those of the fleet, or None.
    """
    section = detector.artifact.sections["head"]
    if detector.machine is None:
        return []
    first = {
        "date": section.get("calibrated"),
        "windows": detector.head.windows,
        "seconds": None,
        "beyond": None,
    }
    sessions = section.get("history") or [first]
    if not isinstance(sessions, list) or not all(
        isinstance(s, dict) and s.keys() == first.keys() for s in sessions
    ):
        raise ArtifactError(
            "the sessions of the calibration are damaged; calibrate the machine anew without --add"
        )
    return list(sessions)


def _session(
    detector: Detector, windows: int, seconds: float | None, beyond: Float64 | None
) -> dict[str, Any]:
    date = datetime.now(UTC).isoformat(timespec="seconds")
    return {
        "date": date,
        "windows": windows,
        "seconds": seconds or windows * detector.window,
        "beyond": beyond,
    }


def _beyond(sessions: Sequence[dict[str, Any]], n_parts: int) -> Float64 | None:
    """(n_parts,) by how much a machine strays more than the fleet, the mean of the sessions that tell; None if none."""
    told = [(s["beyond"], s["windows"]) for s in sessions if np.shape(s["beyond"]) == (n_parts,)]
    if not told:
        return None
    beyond, weights = zip(*told, strict=True)
    return np.asarray(np.average(np.array(beyond), axis=0, weights=weights))


def _fitted(
    detector: Detector,
    head: Head,
    threshold: Threshold,
    machine: str,
    sessions: list[dict[str, Any]],
    learned: Float64,
) -> Detector:
    section = {**detector.artifact.sections["head"], **head.to_dict(), "machine": machine}
    section |= {"calibrated": sessions[-1]["date"], "history": sessions, "stability": None}
    section["learned"] = learned
    return renewed(detector.with_sections(head=section, threshold=threshold.to_dict()))
