"""Fitting the head and the references of the threshold to the fleet of training machines."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeae.runtime.errors import ConfigError
from edgeae.runtime.scoring.calibration import CALIBRATABLE, _remembered
from edgeae.runtime.scoring.fleet import Fleet
from edgeae.runtime.scoring.head import Head, Kind
from edgeae.runtime.scoring.threshold import (
    FEWEST_CALIBRATION,
    LEFT_OUT_FOLDS,
    Reference,
    fit_threshold,
    leave_one_out_scores,
    reference_for,
)
from edgeae.runtime.system.arrays import Float64

CALIBRATION_SIZES = (1, 2, 3, 4, 5, 10, 20, 50)  # windows for which a reference is kept


BLOCK = 6  # windows in a row, at least, unless a machine has fewer than three blocks


MOST_BLOCKS = 20  # of a machine


LEFT_OUT_BLOCKS = 8  # blocks of a machine whose leave-one-out score is computed


def _acts(
    machines: Sequence[Float64], gain: Float64, n: int
) -> Iterator[tuple[int, Fleet, Float64, Float64]]:
    """Number, the fleet without two blocks of a machine, ``n`` windows of one of them, and all of the other.

    Half of the machine's sound lies between the two: what calibration hears is not of the same minute.
    """
    for m, windows in enumerate(machines):
        size = max(n, min(BLOCK, len(windows) // 3), math.ceil(len(windows) / MOST_BLOCKS))
        count = len(windows) // size
        for k in range(count if count > 1 else 0):
            near, far = (np.s_[i * size : (i + 1) * size] for i in (k, (k + count // 2) % count))
            rest = _others(machines, m, np.delete(windows, np.r_[near, far], 0))
            if rest:
                yield k, Fleet.fit(rest, gain), windows[near][:n], windows[far]


def _others(machines: Sequence[Float64], m: int, left: Float64) -> list[Float64]:
    """The fleet where only ``left`` (n, size) is left of machine ``m``; nothing if that is too little to be one."""
    rest = [windows for windows in [*machines[:m], left, *machines[m + 1 :]] if len(windows)]
    return rest if any(len(windows) > 1 for windows in rest) else []


def _calibrated_reference(
    machines: Sequence[Float64], gain: Float64, n: int, kind: Kind
) -> Reference | None:
    parts, left_out = list[Float64](), list[Float64]()
    for k, fleet, calibration, others in _acts(machines, gain, n):
        parts.append(Head.calibrated(fleet, calibration, kind).parts(others))
        if n > 2 and k < LEFT_OUT_BLOCKS:
            left_out.append(leave_one_out_scores(fleet, calibration, kind).mean(axis=0))
    if not parts:
        return None
    found = np.concatenate(parts)
    return Reference(n, found, np.mean(left_out, axis=0) if left_out else np.zeros(found.shape[1]))


def _fleet_reference(machines: Sequence[Float64], gain: Float64, kind: Kind) -> Reference:
    """The windows of every machine, scored by a head that did not hear them."""
    parts = []
    for k in range(LEFT_OUT_FOLDS):
        held = [windows[k::LEFT_OUT_FOLDS] for windows in machines]
        rest = [np.delete(windows, np.s_[k::LEFT_OUT_FOLDS], 0) for windows in machines]
        rest = [windows for windows in rest if len(windows)]
        if any(len(windows) > 1 for windows in rest):
            parts.append(
                Head.of_fleet(Fleet.fit(rest, gain), rest, kind).parts(np.concatenate(held))
            )
    found = np.concatenate(parts)
    return Reference(0, found, np.zeros(found.shape[1]))


def fit_references(
    machines: Sequence[Float64],
    gain: Float64,
    kind: Kind,
    held_out: Sequence[NDArray[np.bool]] | None = None,
) -> list[Reference]:
    """References for no calibration and for every size the training windows (n, size) of each machine allow.

    gain: (n, size), see `Fleet.fit`; held_out: (n,) of each machine, windows that the network was not
    fitted on. Raises ConfigError if no machine has three windows, the fewest that can act out anything.
    """
    longest = max(len(windows) for windows in machines)
    if longest < 3:
        raise ConfigError(
            f"the training set holds at most {longest} windows of one machine; a threshold needs 3, better 100 "
            f"(record longer, or choose a shorter --window)"
        )
    found = (_calibrated_reference(machines, gain, n, kind) for n in CALIBRATION_SIZES)
    references = [
        _fleet_reference(machines, gain, kind),
        *(reference for reference in found if reference),
    ]
    new = (
        _novelty(machines, held_out, references, gain, kind)
        if held_out
        else np.zeros(references[0].parts.shape[1])
    )
    return [replace(reference, parts=reference.parts + new) for reference in references]


def _novelty(
    machines: Sequence[Float64],
    held_out: Sequence[NDArray[np.bool]],
    references: Sequence[Reference],
    gain: Float64,
    kind: Kind,
) -> Float64:
    """(n_parts,) by how much sound is further off for being new to the network, which knows its training by heart."""
    usual, found = reference_for(references, FEWEST_CALIBRATION), list[Float64]()
    for m, (windows, new) in enumerate(zip(machines, held_out, strict=True)):
        heard = windows[~new]
        if not new.any() or not len(heard) > usual.windows > 0:
            continue
        chosen = np.linspace(0, len(heard) - 1, usual.windows).astype(int)
        if rest := _others(machines, m, np.delete(heard, chosen, 0)):
            found.append(
                Head.calibrated(Fleet.fit(rest, gain), heard[chosen], kind).parts(windows[new])
            )
    if not found:
        return np.zeros(usual.parts.shape[1])
    higher = np.concatenate(found).mean(axis=0) - usual.parts.mean(axis=0)
    return np.asarray(np.maximum(higher, 0))


def fit_fleet(
    machines: Sequence[Float64],
    gain: Float64,
    kind: Kind,
    window: float,
    false_alarms: str,
    *,
    held_out: Sequence[NDArray[np.bool]] | None = None,
) -> dict[str, Any]:
    """The sections ``head`` and ``threshold`` of an artifact that knows no machine yet.

    machines: features (n_windows, size) of each training machine; gain: (n, size), see `Fleet.fit`;
    window: seconds; held_out: (n_windows,) of each machine, windows that the network was not fitted on.
    Raises ConfigError if there is too little sound to fit anything.
    """
    fleet = Fleet.fit(machines, gain)
    references = {
        kind: fit_references(machines, fleet.gain_directions, kind, held_out)
        for kind in CALIBRATABLE
    }
    head = Head.of_fleet(fleet, machines, kind)
    stored = {
        name: [{"windows": r.windows, "left_out": r.left_out, "parts": r.parts} for r in found]
        for name, found in references.items()
    }
    threshold = fit_threshold(references[kind], head, false_alarms, window, windows=0)
    section = {
        **head.to_dict(),
        "window": window,
        "references": stored,
        "machine": None,
        "calibrated": None,
    }
    section["heard"] = _remembered(machines)
    return {"head": section, "threshold": threshold.to_dict()}
