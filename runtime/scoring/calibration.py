"""Fitting the head and threshold: once for the fleet of training machines, then for each machine.

Both work on the features of windows (`edgeae.runtime.scoring.head`) that the very network which ships
has produced.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np

from ..errors import ArtifactError, ConfigError
from ..model.sections import SessionSection
from ..system.arrays import Float64
from .detector import Detector
from .head import Head
from .heads import Kind
from .selftest import renewed
from .threshold import Threshold, fit_threshold, leave_one_out_scores, reference_for

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
    if head.method.is_calibratable:  # the no-network baseline is compared by AUC alone
        references, budget = detector.references(head.kind), false_alarms or threshold.false_alarms
        tells = len(windows) > 2 and not was_used_for_fitting(
            windows, detector.artifact.head.fleet_marks
        )
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
    tells = expected.windows and not was_used_for_fitting(
        windows, detector.artifact.head.fleet_marks
    )
    beyond = old.parts(windows).mean(axis=0) - expected.parts.mean(axis=0) if tells else None
    sessions = [*history(detector), _session(detector, len(windows), seconds, beyond)]
    learned = np.concatenate([_learned(detector, head.mean[None]), _signatures(windows)])
    result = _fitted(detector, head, detector.threshold, detector.machine, sessions, learned)
    threshold = threshold_for(result, false_alarms or detector.threshold.false_alarms)
    return result.with_sections(threshold=threshold)


def _learned(detector: Detector, window: Float64) -> Float64:
    """(n, 5) marks of the windows it was calibrated on; ``window`` (1, size) tells how many numbers a mark has."""
    none = _signatures(window)[:0]
    marks = detector.artifact.head.machine_marks
    if marks is None:
        return none
    if marks.shape[1:] != none.shape[1:]:
        raise ArtifactError(
            "the marks of the calibration are damaged; calibrate the machine anew without --add"
        )
    return marks


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


def marks_of(machines: Sequence[Float64]) -> Float64:
    """(n, 5) marks of the windows of all machines, or of as many of each as there is room for."""
    windows = np.concatenate(machines)
    return _signatures(windows[:: -(-len(windows) // REMEMBERED)])


def _signatures(windows: Float64) -> Float64:
    """(n, size) -> (n, 5) features by which a window is known again."""
    return windows[:, :: max(1, windows.shape[1] // 4)]


def was_used_for_fitting(windows: Float64, marks: Float64 | None) -> bool:
    """True if any of these windows (n, size) is among those that ``marks`` (n, 5) were made of.

    Such windows score too low, so they must not set the threshold.
    """
    signatures = _signatures(windows)
    if marks is None or marks.shape[1:] != signatures.shape[1:]:
        return False
    return any(bool((np.abs(marks - one).max(axis=1) < SAME).any()) for one in signatures)


def history(detector: Detector) -> list[SessionSection]:
    """The sessions in which the machine was calibrated, the oldest first."""
    section = detector.artifact.head
    if detector.machine is None:
        return []
    return list(section.history) or [
        SessionSection(section.calibrated, detector.head.windows, None, None)
    ]


def _session(
    detector: Detector, windows: int, seconds: float | None, beyond: Float64 | None
) -> SessionSection:
    date = datetime.now(UTC).isoformat(timespec="seconds")
    return SessionSection(date, windows, seconds or windows * detector.window, beyond)


def _beyond(sessions: Sequence[SessionSection], n_parts: int) -> Float64 | None:
    """(n_parts,) by how much a machine strays more than the fleet, the mean of the sessions that tell; None if none."""
    measured = [
        (session.excess_over_fleet, session.windows)
        for session in sessions
        if session.excess_over_fleet is not None
        and session.excess_over_fleet.shape == (n_parts,)
        and session.windows
    ]
    if not measured:
        return None
    excess, weights = zip(*measured, strict=True)
    return np.asarray(np.average(np.array(excess), axis=0, weights=weights))


def _fitted(
    detector: Detector,
    head: Head,
    threshold: Threshold,
    machine: str,
    sessions: list[SessionSection],
    learned: Float64,
) -> Detector:
    before = detector.artifact.head
    section = replace(
        head.to_section(detector.window),
        references=before.references,
        fleet_marks=before.fleet_marks,
        machine_marks=learned,
        machine=machine,
        calibrated=sessions[-1].date,
        history=tuple(sessions),
    )
    return renewed(detector.with_sections(head=section, threshold=threshold))
