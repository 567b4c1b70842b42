"""Fits the head and the references of the threshold to the fleet of training machines.

The references come from simulated calibrations (`edgeae.runtime.scoring.threshold`): each training
machine plays the new machine in turn. One block of its windows calibrates a head, a block from
another time is scored, and the fleet is fitted on everything else (leave-block-out).
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from edgeae.runtime.errors import ConfigError
from edgeae.runtime.model.sections import HeadSection, ReferenceSection
from edgeae.runtime.scoring.calibration import marks_of
from edgeae.runtime.scoring.fleet import Fleet
from edgeae.runtime.scoring.head import Head
from edgeae.runtime.scoring.heads import CALIBRATABLE_KINDS, KINDS_OF_HEAD, Kind
from edgeae.runtime.scoring.threshold import (
    LEFT_OUT_FOLDS,
    MIN_CALIBRATION_WINDOWS,
    MIN_LEAVE_ONE_OUT_WINDOWS,
    Reference,
    Threshold,
    fit_threshold,
    leave_one_out_scores,
    reference_for,
)
from edgeae.runtime.scoring.views import IDENTITY, INPUT, RESIDUAL, View
from edgeae.runtime.system.arrays import Float64

CALIBRATION_WINDOWS = (1, 2, 3, 4, 5, 10, 20, 50)  # calibration sizes that have a reference
MIN_WINDOWS = 3  # of the longest machine: the fewest that a calibration can be simulated with
MIN_BLOCK_WINDOWS = 6  # in a row, unless a machine has fewer than three blocks of them
MAX_BLOCKS = 20  # of a machine
MAX_LEAVE_ONE_OUT_BLOCKS = 8  # of a machine, whose leave-one-out score is computed
WEIGHTED_WINDOWS = 10  # of a calibration, by whose simulations the views are weighted
# Of a view in the score, by its source: the residual mostly repeats what the input shows.
SHARES = {INPUT: 1.0, RESIDUAL: 0.5, IDENTITY: 1.0}
MIN_DISTANCE_SCALE = 0.05  # ln, between median and 90th percentile of a view's distance


@dataclass(frozen=True)
class FleetFit:
    """Fits a fleet to machines; the fields are what does not depend on them, see `Fleet.fit`."""

    gain: Float64
    views: tuple[View, ...] | None = None
    noise: Float64 | None = None
    rounding: Float64 | None = None

    def __call__(self, machines: Sequence[Float64]) -> Fleet:
        """The fleet of machines with features (n_windows, n_features)."""
        return Fleet.fit(machines, self.gain, self.views, self.noise, self.rounding)


@dataclass(frozen=True)
class CalibrationTrial:
    """One simulated calibration of a training machine."""

    machine: int
    block: int  # number of the block that calibrates
    fleet: Fleet  # fitted without the two blocks
    calibration: Float64  # (n_windows, n_features)
    held_out: Float64  # (n_windows, n_features) to score, from another time of the same machine
    held_out_rows: slice  # where they are in the windows of the machine


@dataclass(frozen=True)
class FittedFleet:
    """Head and threshold of an artifact that is not calibrated yet."""

    head: HeadSection
    threshold: Threshold


def fit_fleet(
    machines: Sequence[Float64],
    gain: Float64,
    kind: Kind,
    window: float,
    false_alarms: str,
    *,
    views: tuple[View, ...] | None = None,
    noise: Float64 | None = None,
    rounding: Float64 | None = None,
    held_out: Sequence[NDArray[np.bool]] | None = None,
) -> FittedFleet:
    """The sections ``head`` and ``threshold`` of an artifact that is not calibrated yet.

    machines: features (n_windows, n_features) of each training machine.
    gain: (n, n_features) by which a gain changes the features, see `Fleet.fit`.
    window: the decision window, seconds.
    false_alarms: the budget, such as ``1/day``.
    views, noise, rounding: see `Fleet.fit`.
    held_out: (n_windows,) of each machine: windows that the network was not trained on.

    Raises ConfigError if there is too little sound to fit anything.
    """
    fleet = Fleet.fit(machines, gain, views, noise, rounding)
    fit = FleetFit(fleet.gain_directions, views, fleet.noise_directions, rounding)
    references: dict[Kind, list[Reference]] = {}
    for calibratable in CALIBRATABLE_KINDS:
        simulated = simulated_references(machines, fit, calibratable)
        gap = generalisation_gap(machines, held_out, simulated, fit, calibratable)
        references[calibratable] = raised(simulated, gap)
        if KINDS_OF_HEAD[calibratable].is_distance:
            fleet = replace(fleet, views=weighted_views(fleet.views, simulated, gap))
    head = Head.of_fleet(fleet, machines, kind)
    stored: dict[str, tuple[ReferenceSection, ...]] = {
        name: tuple(ReferenceSection(r.windows, r.parts, r.left_out) for r in group)
        for name, group in references.items()
    }
    threshold = fit_threshold(references[kind], head, false_alarms, window, windows=0)
    section = replace(head.to_section(window), references=stored, fleet_marks=marks_of(machines))
    return FittedFleet(section, threshold)


def fit_references(
    machines: Sequence[Float64],
    gain: Float64,
    kind: Kind,
    held_out: Sequence[NDArray[np.bool]] | None = None,
) -> list[Reference]:
    """The simulated references, raised by the generalisation gap of the network.

    machines: features (n_windows, n_features) of each training machine.
    gain: (n, n_features), see `Fleet.fit`.
    held_out: (n_windows,) of each machine: windows that the network was not trained on.
    """
    fit = FleetFit(gain)
    references = simulated_references(machines, fit, kind)
    return raised(references, generalisation_gap(machines, held_out, references, fit, kind))


def simulated_references(machines: Sequence[Float64], fit: FleetFit, kind: Kind) -> list[Reference]:
    """References for no calibration, and for every calibration size that the machines allow.

    Raises ConfigError if no machine has three windows, the fewest that a calibration can be
    simulated with.
    """
    longest = max(len(windows) for windows in machines)
    if longest < MIN_WINDOWS:
        raise ConfigError(
            f"the training set holds at most {longest} windows of one machine; a threshold needs "
            f"{MIN_WINDOWS}, better 100 (record longer, or choose a shorter --window)"
        )
    references = [_fleet_reference(machines, fit, kind)]
    for n in CALIBRATION_WINDOWS:
        reference = _calibrated_reference(machines, fit, n, kind)
        if reference:
            references.append(reference)
    return references


def raised(references: Sequence[Reference], gap: Float64) -> list[Reference]:
    """The references with scores that are higher by ``gap`` (n_parts,)."""
    return [replace(reference, parts=reference.parts + gap) for reference in references]


def weighted_views(
    views: Sequence[View], references: Sequence[Reference], gap: Float64
) -> tuple[View, ...]:
    """The views with the weights that standardise their distances.

    A weight is the inverse of the distance between median and 90th percentile of the view in
    simulated calibrations, times the share of its source. A generalisation gap, which views of the
    network alone have, lowers it as a domain shift does.

    references: of a kind of head whose parts are the distances of the views.
    gap: (n_views,) generalisation gap.
    """
    parts = reference_for(references, WEIGHTED_WINDOWS).parts
    medians, high = np.quantile(parts, (0.5, 0.9), axis=0)
    inverses = 1 / np.maximum(high - medians, MIN_DISTANCE_SCALE)
    is_input = np.array([view.source == INPUT for view in views])
    shares = np.array([SHARES[view.source] for view in views]) * np.exp(-gap)
    weights = shares * inverses / inverses[is_input].max()
    return tuple(
        replace(view, weight=round(float(weight), 6))
        for view, weight in zip(views, weights, strict=True)
    )


def _fleet_reference(machines: Sequence[Float64], fit: FleetFit, kind: Kind) -> Reference:
    """The scores of every machine's windows by a head that is not calibrated (cross-validation)."""
    parts = list[Float64]()
    for fold in range(LEFT_OUT_FOLDS):
        scored = [windows[fold::LEFT_OUT_FOLDS] for windows in machines]
        others = [np.delete(windows, np.s_[fold::LEFT_OUT_FOLDS], 0) for windows in machines]
        others = [windows for windows in others if len(windows)]
        if _can_be_a_fleet(others):
            head = Head.of_fleet(fit(others), others, kind)
            parts.append(head.parts(np.concatenate(scored)))
    scores = np.concatenate(parts)
    return Reference(0, scores, np.zeros(scores.shape[1]))


def _calibrated_reference(
    machines: Sequence[Float64], fit: FleetFit, n: int, kind: Kind
) -> Reference | None:
    """The scores of held-out windows after calibrations on ``n``; None without such trials."""
    parts = list[Float64]()
    left_out = list[Float64]()
    for trial in calibration_trials(machines, fit, n):
        head = Head.calibrated(trial.fleet, trial.calibration, kind)
        parts.append(head.parts(trial.held_out))
        if n >= MIN_LEAVE_ONE_OUT_WINDOWS and trial.block < MAX_LEAVE_ONE_OUT_BLOCKS:
            scores = leave_one_out_scores(trial.fleet, trial.calibration, kind)
            left_out.append(scores.mean(axis=0))
    if not parts:
        return None
    scores = np.concatenate(parts)
    mean_left_out = np.mean(left_out, axis=0) if left_out else np.zeros(scores.shape[1])
    return Reference(n, scores, mean_left_out)


def calibration_trials(
    machines: Sequence[Float64], fit: FleetFit, n: int
) -> Iterator[CalibrationTrial]:
    """Yield one simulated calibration on ``n`` windows per block of each machine.

    Half of the machine's recording lies between the block that calibrates and the held-out one, so
    that the two are not from the same minute.
    """
    for machine, windows in enumerate(machines):
        min_size = min(MIN_BLOCK_WINDOWS, len(windows) // 3)
        size = max(n, min_size, math.ceil(len(windows) / MAX_BLOCKS))
        n_blocks = len(windows) // size
        if n_blocks < 2:
            continue
        for block in range(n_blocks):
            calibration = _block(block, size)
            held_out = _block((block + n_blocks // 2) % n_blocks, size)
            remaining = np.delete(windows, np.r_[calibration, held_out], 0)
            others = _replaced(machines, machine, remaining)
            if others:
                yield CalibrationTrial(
                    machine,
                    block,
                    fit(others),
                    windows[calibration][:n],
                    windows[held_out],
                    held_out,
                )


def _block(number: int, size: int) -> slice:
    return slice(number * size, (number + 1) * size)


def _replaced(machines: Sequence[Float64], machine: int, windows: Float64) -> list[Float64]:
    """The fleet with ``windows`` (n, n_features) for one of its machines.

    Machines without windows are left out. Empty if what remains is too little to be a fleet.
    """
    fleet = [windows if i == machine else other for i, other in enumerate(machines)]
    fleet = [each for each in fleet if len(each)]
    return fleet if _can_be_a_fleet(fleet) else []


def _can_be_a_fleet(machines: Sequence[Float64]) -> bool:
    """True if a machine has two windows, the fewest that show a variation within it."""
    return any(len(windows) > 1 for windows in machines)


def generalisation_gap(
    machines: Sequence[Float64],
    held_out: Sequence[NDArray[np.bool]] | None,
    references: Sequence[Reference],
    fit: FleetFit,
    kind: Kind,
) -> Float64:
    """(n_parts,) mean score of recordings held out from network training minus that of the others.

    Never below 0: held-out recordings that happen to score low must not lower a threshold. 0 for a
    view of the input, which the network has no part in.

    held_out: (n_windows,) of each machine: windows that the network was not trained on.
    """
    reference = reference_for(references, MIN_CALIBRATION_WINDOWS)
    no_gap = np.zeros(reference.parts.shape[1])
    if not held_out:
        return no_gap
    scores = list[Float64]()
    for machine, (windows, is_held_out) in enumerate(zip(machines, held_out, strict=True)):
        trained = windows[~is_held_out]
        if not is_held_out.any() or not len(trained) > reference.windows > 0:
            continue
        chosen = np.linspace(0, len(trained) - 1, reference.windows).astype(int)
        others = _replaced(machines, machine, np.delete(trained, chosen, 0))
        if others:
            head = Head.calibrated(fit(others), trained[chosen], kind)
            scores.append(head.parts(windows[is_held_out]))
    if not scores:
        return no_gap
    gap = np.concatenate(scores).mean(axis=0) - reference.parts.mean(axis=0)
    if KINDS_OF_HEAD[kind].is_distance:
        gap[: head.n_input_views] = 0
    return np.asarray(np.maximum(gap, 0))
