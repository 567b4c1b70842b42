"""A model card: what an artifact is, where it comes from, what it can promise and where it fails, in Markdown.

The form is that of Mitchell et al., "Model Cards for Model Reporting" (2019). Everything but the results is read
from the artifact, and the same artifact gives the same card.
"""

import hashlib
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from edgeae.runtime.scoring.calibration import history
from edgeae.runtime.scoring.detector import Detector

from .limits import KINDS, LIMITS, MEASURED, MISUSES, USES, own_limits
from .markdown import bullets, code, table, text
from .results import results


def card(detector: Detector, path: Path, evaluated: Any = None) -> str:
    """The card of the artifact in the file ``path``; evaluated: the object that `edgeae evaluate --json` prints.

    Raises ArtifactError for a calibration whose sessions are damaged, ConfigError for results that are none.
    """
    name = (
        text(detector.machine) if detector.machine else "machines of one kind, not yet calibrated"
    )
    model = text(_origin(detector, "config", "model", "name"))
    parts = [
        f"# Model card: {name}",
        f"edgeae's detector of anomalous sound for {name}: an autoencoder ({model}) that has heard nothing but healthy "
        f"machines, the statistics of normal sound, and a threshold. No recording of a fault was needed. A score comes "
        f"with every patch ({_patch_seconds(detector):.2f} s) and judges the last {detector.window:g} s.",
        f"## Intended use\n\n{bullets(USES)}\n\nNot for:\n\n{bullets(MISUSES)}",
        *(f"## {title}\n\n{body}" for title, body in _chapters(detector, path, evaluated)),
    ]
    return "\n\n".join(parts) + "\n"


def _chapters(detector: Detector, path: Path, evaluated: Any) -> Iterator[tuple[str, str]]:
    yield "Training data", _facts(_data(detector))
    yield "Features", _facts(_features(detector))
    yield "Network", _facts(_network(detector))
    yield "Quantization", _quantization(detector)
    yield "Calibration", _calibration(detector)
    yield "Threshold", _threshold(detector)
    yield "Results", results(evaluated) if evaluated is not None else _no_results(path)
    mine = own_limits(
        detector, **{key: _origin(detector, "data", key) for key in ("machines", "licence")}
    )
    yield "Limits", "\n\n".join(filter(None, [bullets(mine), MEASURED, bullets(LIMITS)]))
    yield "How to use it", f"```sh\n{_commands(detector, path)}\n```"
    yield "Versions", _facts(_versions(detector, path))


def _facts(facts: dict[str, Any]) -> str:
    """A table of names, which are ours, and values, which may be a stranger's."""
    return table(["", ""], [[name, text(value)] for name, value in facts.items()])


def _origin(detector: Detector, *keys: str) -> Any:
    """What the provenance says under these keys; None where it says nothing."""
    value: Any = detector.artifact.sections["provenance"]
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value


def _patch_seconds(detector: Detector) -> float:
    return detector.network.patch_frames / detector.spec.frames_per_second


def _data(detector: Detector) -> dict[str, Any]:
    data = _origin(detector, "data")
    said = data if isinstance(data, dict) else {}
    return {
        "name": said.get("name"),
        "licence": said.get("licence"),
        "recordings of normal sound": said.get("recordings"),
        "machines": said.get("machines"),
        "hours": said.get("hours"),
        "recorded at, Hz": said.get("samplerates"),
        "channel": _origin(detector, "config", "data", "channel"),
        "windows behind the fleet's statistics": detector.head.fleet.windows,
        "fingerprint (SHA-256 of names and features)": said.get("fingerprint"),
    }


def _features(detector: Detector) -> dict[str, Any]:
    spec = detector.spec
    return {
        "sample rate, Hz": f"{spec.sample_rate}; other rates are resampled",
        "frame, samples": f"{spec.n_fft}, one every {spec.hop}",
        "bands": f"{spec.n_mels} mel bands ({spec.scale}) from {spec.f_min:g} to {spec.f_max:g} Hz",
        "values": f"log power in dB, not below {spec.floor_db:g} dB; no centring, no normalisation by recording",
        "patch": f"{detector.network.patch_frames} frames, {_patch_seconds(detector):.2f} s",
    }


def _network(detector: Detector) -> dict[str, Any]:
    return {
        "design": _origin(detector, "config", "model", "name"),
        "bottleneck, numbers a step": _origin(detector, "config", "model", "bottleneck"),
        "parameters": _count(_origin(detector, "metrics", "parameters")),
        "multiply-adds per second of audio": _count(
            _origin(detector, "metrics", "macs_per_second")
        ),
        "size, bytes": _count(len(detector.artifact.network_bytes())),
        "epochs": _origin(detector, "metrics", "epochs"),
        "validation loss": _origin(detector, "metrics", "val_loss"),
        "score": KINDS[detector.head.kind],
    }


def _count(value: Any) -> Any:
    """With thin groups of digits, if it is a number."""
    return f"{value:,.0f}" if isinstance(value, int | float) and abs(value) < 1e15 else value


def _quantization(detector: Detector) -> str:
    how = detector.artifact.sections["quantization"]
    if not how:
        return "None: the network computes in 32-bit floating point, so its last digits differ between processors."
    facts = {
        "weights": how.get("weights"),
        "activations": how.get("activations"),
        "7-bit weights (`--reduce-range`)": how.get("reduce_range"),
        "ranges": f"{how.get('ranges')} of {how.get('clips')} recordings, times {how.get('headroom')}",
        "drift against float, rms, in standard deviations of normal scores": how.get("drift"),
        "allowed drift": how.get("max_drift"),
    }
    return f"{_facts(facts)}\n\nHead and threshold are fitted on the outputs of this very network."


def _calibration(detector: Detector) -> str:
    if detector.machine is None:
        return (
            "None yet: the head is that of the training machines, any of which counts as normal. A new machine needs "
            "a minute of its own sound first."
        )
    sessions = [
        [text(s["date"]), text(s["windows"]), text(s["seconds"])] for s in history(detector)
    ]
    rows = table(["session (UTC)", "windows", "seconds"], sessions)
    found = detector.artifact.sections["head"].get("stability")
    return f"Of the machine {text(detector.machine)}:\n\n{rows}\n\n{_stability(found if isinstance(found, dict) else {})}"


def _stability(found: dict[str, Any]) -> str:
    return _facts(
        {
            "standard error of the mean sound, in standard deviations of a window": found.get(
                "mean_error"
            ),
            "the same with one more minute": found.get("mean_error_next"),
            "what that minute would add to the threshold": found.get("threshold_change"),
        }
    )


def _threshold(detector: Detector) -> str:
    rule = detector.threshold
    facts = {
        "threshold (natural logarithm)": rule.value,
        "budget of false alarms": rule.false_alarms,
        "a normal window is above it with probability": rule.probability,
        "normal windows behind it": rule.reference_windows,
        "extrapolated": rule.extrapolated,
        "an alarm starts": f"when {rule.alarm_windows} of the last {rule.of_windows} windows are above it",
        "an alarm ends": f"when {rule.of_windows} in a row are below it by {rule.hysteresis:g}",
        "then no other starts for, s": rule.cooldown,
    }
    return f"{_facts(facts)}\n\nWhat stands behind it: {text(rule.support())}."


def _no_results(path: Path) -> str:
    return (
        "None are in the file. How well faults are found can only be measured on labelled recordings of such machines; "
        "this adds the figures with their 95 % intervals:\n\n"
        f"```sh\nedgeae evaluate {_quoted(path)} DATA --json > results.json\n"
        f"edgeae info {_quoted(path)} --card --results results.json\n```"
    )


def _commands(detector: Detector, path: Path) -> str:
    mine, learn = _quoted(path), f"edgeae calibrate {_quoted(path)} --device hw:1 --duration 60"
    if detector.machine is None:
        use = [f"{learn} --machine NAME -o NAME.onnx", "edgeae run NAME.onnx --device hw:1 --json"]
    else:
        use = [
            f"edgeae run {mine} recording.wav",
            f"edgeae run {mine} --device hw:1 --json",
            f"{learn} --add --in-place",
        ]
    return "\n".join([f"edgeae info {mine}", *use])


def _quoted(path: Path) -> str:
    return code(shlex.quote(path.name))


def _versions(detector: Detector, path: Path) -> dict[str, Any]:
    versions = _origin(detector, "versions")
    return {
        "file": f"{path.name}, {path.stat().st_size:,} bytes",
        "SHA-256 of the file": hashlib.sha256(path.read_bytes()).hexdigest(),
        "exported (UTC)": _origin(detector, "created"),
        "checkpoint": _origin(detector, "checkpoint"),
        **{
            f"made with {text(name)}": of
            for name, of in (versions if isinstance(versions, dict) else {}).items()
        },
    }
