"""Facts about an artifact for the model card, as pairs of a name and a value.

A value is what the artifact holds, which may have been written by another program.
"""

import hashlib
from collections.abc import Mapping
from pathlib import Path

from edgeae.runtime.scoring.detector import Detector
from edgeae.runtime.tables.artifact_text import count, origin

Facts = list[tuple[str, object]]


def patch_seconds(detector: Detector) -> float:
    """Return the duration of a patch, s."""
    return detector.network.patch_frames / detector.spec.frames_per_second


def training_data(detector: Detector) -> Facts:
    """Return what the network was trained on."""
    return [
        ("name", origin(detector, "data", "name")),
        ("licence", origin(detector, "data", "licence")),
        ("recordings of normal sound", origin(detector, "data", "recordings")),
        ("machines", origin(detector, "data", "machines")),
        ("hours", origin(detector, "data", "hours")),
        ("recorded at, Hz", origin(detector, "data", "samplerates")),
        ("channel", origin(detector, "config", "data", "channel")),
        ("windows in the statistics of the fleet", detector.head.fleet.windows),
        (
            "fingerprint (SHA-256 of names and features)",
            origin(detector, "data", "fingerprint"),
        ),
    ]


def features(detector: Detector) -> Facts:
    """Return how the network's input is computed."""
    spec = detector.spec
    return [
        ("sample rate, Hz", f"{spec.sample_rate}; other rates are resampled"),
        ("frame, samples", f"{spec.n_fft}, one every {spec.hop}"),
        (
            "bands",
            f"{spec.n_mels} mel bands ({spec.scale}) from {spec.f_min:g} to {spec.f_max:g} Hz",
        ),
        (
            "values",
            f"log {'power' if spec.power == 2 else 'amplitude'} in dB, not below "
            f"{spec.floor_db:g} dB; no centring, no normalisation by recording",
        ),
        ("patch", f"{detector.network.patch_frames} frames, {patch_seconds(detector):.2f} s"),
    ]


def network(detector: Detector) -> Facts:
    """Return the design and the size of the network."""
    return [
        ("design", origin(detector, "config", "model", "name")),
        ("bottleneck, numbers a step", origin(detector, "config", "model", "bottleneck")),
        ("parameters", count(origin(detector, "metrics", "parameters"))),
        (
            "multiply-adds per second of audio",
            count(origin(detector, "metrics", "macs_per_second")),
        ),
        ("size, bytes", count(len(detector.artifact.network_bytes()))),
        ("epochs", origin(detector, "metrics", "epochs")),
        ("validation loss", origin(detector, "metrics", "val_loss")),
        ("score", detector.head.method.description),
    ]


def quantization(detector: Detector) -> Facts:
    """Return how the network was quantized; empty for a float network."""
    section = detector.artifact.quantization
    if section is None:
        return []
    ranges = f"{section.ranges} of {section.clips} recordings, times {section.headroom}"
    return [
        ("weights", section.weights),
        ("activations", section.activations),
        ("7-bit weights (--reduce-range)", section.reduce_range),
        ("ranges", ranges),
        (
            "error against float, rms, in standard deviations of normal scores",
            section.drift,
        ),
        ("allowed error", section.max_drift),
    ]


def stability(detector: Detector) -> Facts:
    """Return how uncertain the calibration is."""
    section = detector.artifact.head.stability
    return [
        (
            "standard error of the mean sound, in standard deviations of a window",
            section and section.mean_error,
        ),
        ("the same with one more minute", section and section.mean_error_next),
        ("change of the threshold by that minute", section and section.threshold_change),
    ]


def threshold(detector: Detector) -> Facts:
    """Return the threshold and the rules of an alarm."""
    rule = detector.threshold
    return [
        ("threshold (natural logarithm)", rule.value),
        ("budget of false alarms", rule.false_alarms),
        ("probability of a normal window above it", rule.probability),
        ("normal windows that it rests on", rule.reference_windows),
        ("extrapolated", rule.extrapolated),
        (
            "an alarm starts",
            f"when {rule.alarm_windows} of the last {rule.of_windows} windows are above it",
        ),
        (
            "an alarm ends",
            f"when {rule.of_windows} in a row are below it by {rule.hysteresis:g}",
        ),
        ("minimum time to the next alarm, s", rule.cooldown),
    ]


def versions(detector: Detector, path: Path) -> Facts:
    """Return what the file is and what made it."""
    packages = origin(detector, "versions")
    facts: Facts = [
        ("file", f"{path.name}, {path.stat().st_size:,} bytes"),
        ("SHA-256 of the file", hashlib.sha256(path.read_bytes()).hexdigest()),
        ("exported (UTC)", origin(detector, "created")),
        ("checkpoint", origin(detector, "checkpoint")),
    ]
    if isinstance(packages, Mapping):
        facts += [(f"made with {name}", number) for name, number in packages.items()]
    return facts
