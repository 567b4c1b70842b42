"""Fitting the head and threshold: once for the fleet of training machines, then for each machine.

Both work on the coordinates of windows (`edgeae.runtime.head`) that the very network which ships
has produced.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np

from .detector import Detector
from .errors import ConfigError
from .head import Fleet, Float64, Head, Kind
from .selftest import renewed
from .threshold import fit_references, fit_threshold

CALIBRATABLE: tuple[Kind, ...] = ("gaussian", "mse")


def fit_fleet(
    machines: Sequence[Float64], gain: Float64, kind: Kind, window: float, false_alarms: str
) -> dict[str, Any]:
    """The sections ``head`` and ``threshold`` of an artifact that knows no machine yet.

    machines: coordinates (n_windows, size) of each training machine; gain: (size,), see `Fleet.fit`;
    window: seconds. Raises ConfigError if there is too little sound to fit anything.
    """
    references = {kind: fit_references(machines, gain, kind) for kind in CALIBRATABLE}
    head = Head.of_fleet(Fleet.fit(machines, gain), machines, kind)
    stored = {
        name: [{"windows": r.windows, "left_out": r.left_out, "parts": r.parts} for r in found]
        for name, found in references.items()
    }
    threshold = fit_threshold(references[kind], head, np.empty((0, len(head.mean))), false_alarms, window)
    section = {**head.to_dict(), "window": window, "references": stored, "machine": None, "calibrated": None}
    return {"head": section, "threshold": threshold.to_dict()}


def calibrated(
    detector: Detector,
    windows: Float64,
    *,
    false_alarms: str | None = None,
    machine: str = "default",
    kind: Kind | None = None,
) -> Detector:
    """The detector of one machine from the coordinates (n, size) of windows of its normal sound.

    false_alarms and kind default to what the artifact says.
    """
    if not len(windows):
        raise ConfigError("calibration needs at least one window of normal sound")
    kind = kind or detector.head.kind
    head = Head.calibrated(detector.head.fleet, windows, kind)
    threshold = detector.threshold
    if kind in CALIBRATABLE:  # the no-network baseline is compared by AUC alone
        budget = false_alarms or threshold.false_alarms
        threshold = fit_threshold(detector.references(kind), head, windows, budget, detector.window)
    section = {**detector.artifact.sections["head"], **head.to_dict(), "machine": machine}
    section["calibrated"] = datetime.now(UTC).isoformat(timespec="seconds")
    return renewed(detector.with_sections(head=section, threshold=threshold.to_dict()))
