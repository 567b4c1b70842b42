"""Calibration of the head and the threshold for one machine.

It works on the features of windows (`edgeae.runtime.scoring.head`) that the network of the artifact
has produced.
"""

import math
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np

from ..errors import ArtifactError, ConfigError
from ..model.sections import MachineSoundSection, SessionSection
from ..system.arrays import Float64
from ..system.spread import spread_places
from .detector import Detector
from .head import Head
from .heads import Kind
from .selftest import update_selftest
from .threshold import (
    MIN_LEAVE_ONE_OUT_WINDOWS,
    Reference,
    Threshold,
    fit_threshold,
    interpolated,
    leave_one_out_scores,
    reference_for,
)

MAX_FLEET_MARKS = 4000  # in a larger fleet one of its own windows hardly changes a threshold
# The features of the same sound differ by less than this, on whichever computer they are computed.
MAX_SAME_DIFFERENCE = 2e-3
MAX_SOUND_WINDOWS = 60  # of the calibration, that an artifact keeps for its charts


def calibrated(
    detector: Detector,
    windows: Float64,
    *,
    false_alarms: str | None = None,
    machine: str = "default",
    kind: Kind | None = None,
    seconds: float | None = None,
) -> Detector:
    """The detector of one machine.

    windows: features (n, n_features) of its normal sound.
    false_alarms, kind: default to those of the artifact.
    seconds: of sound, for the history of calibrations.

    Raises ConfigError without windows.
    """
    _check_not_empty(windows)
    head = Head.calibrated(detector.head.fleet, windows, kind or detector.head.kind)
    threshold = detector.threshold
    excess: Float64 | None = None
    if head.method.is_calibratable:
        references = detector.references(head.kind)
        leave_one_out = _mean_leave_one_out(detector, head, windows)
        threshold = fit_threshold(
            references,
            head,
            false_alarms or threshold.false_alarms,
            detector.window,
            windows=len(windows),
            leave_one_out=leave_one_out,
        )
        reference = reference_for(references, len(windows))
        if leave_one_out is not None and reference.windows >= MIN_LEAVE_ONE_OUT_WINDOWS:
            excess = leave_one_out - _expected_leave_one_out(references, len(windows))
    session = _new_session(detector, len(windows), seconds, excess)
    sound = MachineSoundSection(
        _thinned(windows), len(windows), is_of_fleet=_is_of_fleet(detector, windows)
    )
    return _with_head(detector, head, threshold, machine, [session], _signatures(windows), sound)


def extended(
    detector: Detector,
    windows: Float64,
    *,
    false_alarms: str | None = None,
    seconds: float | None = None,
) -> Detector:
    """The detector of the same machine, calibrated on more windows (n, n_features).

    Their excess over the fleet is measured by the head before it is fitted to them, so it includes
    the difference between the sessions, which may be of different days.

    Raises ConfigError without windows, and unless ``detector`` is calibrated.
    """
    if detector.machine is None:
        raise ConfigError(
            "the artifact is not calibrated yet: there is nothing to add to; "
            "calibrate without --add"
        )
    _check_not_empty(windows)
    old = detector.head
    head = old.extended(windows)
    excess: Float64 | None = None
    references = detector.references(head.kind)
    if reference_for(references, old.windows).windows and not _is_of_fleet(detector, windows):
        expected = interpolated(references, old.windows, _mean_parts)
        excess = old.parts(windows).mean(axis=0) - expected
    session = _new_session(detector, len(windows), seconds, excess)
    sessions = [*history(detector), session]
    marks = np.concatenate([_machine_marks(detector), _signatures(windows)])
    sound = _extended_sound(detector.artifact.head.machine_sound, windows)
    result = _with_head(
        detector, head, detector.threshold, detector.machine, sessions, marks, sound
    )
    threshold = threshold_for(result, false_alarms or detector.threshold.false_alarms)
    return result.with_sections(threshold=threshold)


def _thinned(windows: Float64) -> Float64:
    """At most MAX_SOUND_WINDOWS of these windows (n, n_features), evenly spread."""
    return windows[spread_places(len(windows), MAX_SOUND_WINDOWS)]


def _extended_sound(
    before: MachineSoundSection | None, windows: Float64
) -> MachineSoundSection | None:
    """The sound of a calibration with more windows (n, n_features); None if it kept none."""
    if before is None:
        return None
    kept = _thinned(np.concatenate([before.windows, windows]))
    return replace(before, windows=kept, n_windows=before.n_windows + len(windows))


def _check_not_empty(windows: Float64) -> None:
    if not len(windows):
        raise ConfigError("calibration needs at least one window of normal sound")


def _mean_leave_one_out(detector: Detector, head: Head, windows: Float64) -> Float64 | None:
    """(n_parts,) of the calibration windows; None for too few, or for windows of the fleet."""
    if len(windows) < MIN_LEAVE_ONE_OUT_WINDOWS or _is_of_fleet(detector, windows):
        return None
    return np.asarray(leave_one_out_scores(head.fleet, windows, head.kind).mean(axis=0))


def _expected_leave_one_out(references: Sequence[Reference], windows: int) -> Float64:
    """(n_parts,) mean leave-one-out score of a machine of the fleet with so many windows."""
    return interpolated(references, windows, lambda reference: reference.left_out)


def _mean_parts(reference: Reference) -> Float64:
    """(n_parts,) of the scores of a reference."""
    return np.asarray(reference.parts.mean(axis=0))


def _is_of_fleet(detector: Detector, windows: Float64) -> bool:
    return was_used_for_fitting(windows, detector.artifact.head.fleet_marks)


def _machine_marks(detector: Detector) -> Float64:
    """(n, n_marks) of the windows that the machine was calibrated on."""
    none = _signatures(detector.head.mean[None])[:0]
    marks = detector.artifact.head.machine_marks
    if marks is None:
        return none
    if marks.shape[1:] != none.shape[1:]:
        raise ArtifactError(
            "the marks of the calibration are damaged; calibrate the machine anew without --add"
        )
    return marks


def threshold_for(detector: Detector, false_alarms: str, windows: int | None = None) -> Threshold:
    """The threshold for another budget, or with another number of windows of the same kind.

    It follows from the sessions of the calibration; no sound is needed.
    """
    head = detector.head
    references = detector.references(head.kind)
    n = windows or (head.windows if detector.machine is not None else 0)
    excess = _mean_excess(history(detector), len(head.weights))
    leave_one_out = None
    if excess is not None:
        leave_one_out = _expected_leave_one_out(references, n) + excess
    return fit_threshold(
        references, head, false_alarms, detector.window, windows=n, leave_one_out=leave_one_out
    )


def marks_of(machines: Sequence[Float64]) -> Float64:
    """(n, n_marks) of the windows of all machines, evenly thinned to at most MAX_FLEET_MARKS.

    machines: features (n_windows, n_features) of each.
    """
    windows = np.concatenate(machines)
    step = math.ceil(len(windows) / MAX_FLEET_MARKS)
    return _signatures(windows[::step])


def _signatures(windows: Float64) -> Float64:
    """(n, n_features) -> (n, n_marks) the few features by which a window is recognised."""
    return windows[:, :: max(1, windows.shape[1] // 4)]


def was_used_for_fitting(windows: Float64, marks: Float64 | None) -> bool:
    """True if any of these windows is among those that ``marks`` were made of.

    Such windows score too low, so they must not set the threshold.

    windows: (n, n_features).
    marks: (n, n_marks) of `marks_of`; None where an artifact has none.
    """
    signatures = _signatures(windows)
    if marks is None or marks.shape[1:] != signatures.shape[1:]:
        return False
    for signature in signatures:
        differences = np.abs(marks - signature).max(axis=1)
        if (differences < MAX_SAME_DIFFERENCE).any():
            return True
    return False


def history(detector: Detector) -> list[SessionSection]:
    """The calibration sessions of the machine, the oldest first."""
    section = detector.artifact.head
    if detector.machine is None:
        return []
    if section.history:
        return list(section.history)
    return [SessionSection(section.calibrated, detector.head.windows, None, None)]


def _new_session(
    detector: Detector, windows: int, seconds: float | None, excess_over_fleet: Float64 | None
) -> SessionSection:
    return SessionSection(
        date=datetime.now(UTC).isoformat(timespec="seconds"),
        windows=windows,
        seconds=seconds or windows * detector.window,
        excess_over_fleet=excess_over_fleet,
    )


def _mean_excess(sessions: Sequence[SessionSection], n_parts: int) -> Float64 | None:
    """(n_parts,) mean excess over the fleet, weighted by windows; None if no session has one."""
    excesses: list[Float64] = []
    weights: list[int] = []
    for session in sessions:
        excess = session.excess_over_fleet
        if excess is not None and excess.shape == (n_parts,) and session.windows:
            excesses.append(excess)
            weights.append(session.windows)
    if not excesses:
        return None
    return np.asarray(np.average(np.array(excesses), axis=0, weights=weights))


def _with_head(
    detector: Detector,
    head: Head,
    threshold: Threshold,
    machine: str,
    sessions: list[SessionSection],
    marks: Float64,
    sound: MachineSoundSection | None,
) -> Detector:
    """The detector with another head, whose self-test expects the score of that head."""
    before = detector.artifact.head
    section = replace(
        head.to_section(detector.window),
        references=before.references,
        fleet_marks=before.fleet_marks,
        machine_marks=marks,
        machine=machine,
        calibrated=sessions[-1].date,
        history=tuple(sessions),
        machine_sound=sound,
        chart_priors=before.chart_priors,
    )
    return update_selftest(detector.with_sections(head=section, threshold=threshold))
