"""What the commands do with an artifact, in one function that reads all that the file holds."""

import contextlib
import json
from dataclasses import asdict

import numpy as np

from edgeae.runtime.errors import EdgeaeError
from edgeae.runtime.model.artifact import Artifact
from edgeae.runtime.model.sections import to_values
from edgeae.runtime.monitoring.alarm import Alarm
from edgeae.runtime.monitoring.drift import DriftTracker
from edgeae.runtime.monitoring.health import Health
from edgeae.runtime.scoring.calibration import calibrated, extended, history
from edgeae.runtime.scoring.detector import Detector
from edgeae.runtime.scoring.explain import Explainer
from edgeae.runtime.scoring.selftest import check

RATE = 4000  # Hz, of the sound
SOUND = np.random.default_rng(0).uniform(-0.1, 0.1, 8 * RATE).astype(np.float32)


def use(content: bytes) -> list[float]:
    """The scores of a fixed sound, after everything else that may refuse the artifact."""
    detector = Detector(Artifact.from_bytes(content))
    results = list(detector.stream([SOUND], RATE))
    scores = [result.score for result in results]
    for step in (_self_test, _told, _watched, _tracked, _calibrated):
        with contextlib.suppress(EdgeaeError):
            step(detector)
    return [*scores, detector.score(SOUND, RATE), detector.threshold.value]


def _self_test(detector: Detector) -> None:
    assert check(detector)


def _told(detector: Detector) -> None:
    json.dumps(
        [to_values(detector.threshold), detector.spec.to_dict(), detector.machine], allow_nan=False
    )
    assert detector.threshold.support()
    history(detector)


def _watched(detector: Detector) -> None:
    health, alarm = Health(detector), Alarm.of(detector)
    for result in detector.stream([SOUND], RATE):
        health.update(result.window)
        if event := alarm.update(result):
            json.dumps(asdict(health.with_cause(event, result.window)), allow_nan=False)
    explainer = Explainer(detector.spec, detector.head, detector.band_std)
    assert explainer.explain(result.window.features).sentence("since 1 s").isprintable()


def _tracked(detector: Detector) -> None:
    tracker = DriftTracker(detector)
    for result in detector.stream([SOUND], RATE):
        tracker.update(result.window, result, 30.0, alarm=False)
    tracker.set_drift(np.ones(len(tracker.drift)))
    assert np.isfinite(tracker.drift).all()


def _calibrated(detector: Detector) -> None:
    windows = np.array([result.window.features for result in detector.stream([SOUND], RATE)])
    assert np.isfinite(calibrated(detector, windows).threshold.value)
    assert np.isfinite(extended(detector, windows).threshold.value)
