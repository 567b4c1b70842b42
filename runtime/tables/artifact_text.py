"""What an artifact holds, as tables for a person: `edgeae info`."""

from pathlib import Path

from ..scoring.calibration import history
from ..scoring.detector import Detector
from ..scoring.sensitivity_table import sensitivity_table
from ..system.path_text import path_text
from .glossary import explained, facts_text

NAME_WIDTH = 24
WORDS = ("score", "threshold", "budget", "extrapolated")
MAX_COUNT = 1e15  # a larger number is no count

Facts = list[tuple[str, object]]


def artifact_text(detector: Detector, path: Path, verdict: str) -> str:
    """Tables of the file, the machine, the threshold, the features, the network and its training.

    path: of the artifact's file
    verdict: of the self-test
    """
    tables = [
        facts_text("file", _file(detector, path, verdict), NAME_WIDTH),
        facts_text("machine", _machine(detector), NAME_WIDTH),
        facts_text("threshold", _threshold(detector), NAME_WIDTH),
        _sensitivity(detector),
        facts_text("features", _features(detector), NAME_WIDTH),
        facts_text("network", _network(detector), NAME_WIDTH),
        facts_text("training", _training(detector), NAME_WIDTH),
        ["words", *explained(*WORDS).splitlines()],
    ]
    blocks = ["\n".join(lines) for lines in tables if lines]
    return "\n\n".join([*blocks, "edgeae info --json prints every value."])


def _file(detector: Detector, path: Path, verdict: str) -> Facts:
    size = _kib(path.stat().st_size)
    network_size = _kib(len(detector.artifact.network_bytes()))
    return [
        ("name", path_text(path)),
        ("size", f"{size}, of them {network_size} for the network"),
        ("self-test", verdict),
    ]


def _machine(detector: Detector) -> Facts:
    if not detector.machine:
        return [("name", "none: calibrate the artifact before `edgeae run`")]
    n_sessions = len(history(detector))
    n_windows = detector.head.windows
    sessions = "1 session" if n_sessions == 1 else f"{n_sessions} sessions"
    facts: Facts = [
        ("name", detector.machine),
        ("calibrated", detector.artifact.head.calibrated),
        ("sound", f"{n_windows} windows of {detector.window:g} s, in {sessions}"),
    ]
    stability = detector.artifact.head.stability
    if stability:
        facts.append(
            (
                "uncertainty",
                f"of the mean sound: {stability.mean_error:.0%} of the variation between windows; "
                f"{stability.mean_error_next:.0%} with one more minute",
            )
        )
    return facts


def _threshold(detector: Detector) -> Facts:
    rule = detector.threshold
    return [
        ("threshold", f"{rule.value:.3f}"),
        ("budget", f"{rule.false_alarms} false alarms"),
        ("extrapolated", "yes" if rule.extrapolated else "no"),
        ("based on", rule.support()),
        (
            "alarm",
            f"starts when {rule.alarm_windows} of the last {rule.of_windows} windows are above "
            f"the threshold, or when a minute or more of sound is too far from normal",
        ),
    ]


def _sensitivity(detector: Detector) -> list[str]:
    return sensitivity_table(detector.artifact.head.sensitivity)


def _features(detector: Detector) -> Facts:
    spec = detector.spec
    return [
        ("sample rate", f"{spec.sample_rate} Hz; other rates are resampled"),
        ("bands", f"{spec.n_mels} mel bands from {spec.f_min:g} to {spec.f_max:g} Hz"),
        ("frames", f"of {spec.n_fft} samples, one every {spec.hop}"),
        ("window", f"{detector.window:g} s of sound have one score; one score a second"),
    ]


def _network(detector: Detector) -> Facts:
    quantization = detector.artifact.quantization
    rate = count(origin(detector, "metrics", "macs_per_second"))
    facts: Facts = [
        ("design", origin(detector, "config", "model", "name")),
        ("numbers", "float" if quantization is None else "int8"),
        ("head", f"{detector.head.kind}: {detector.head.method.description}"),
        ("parameters", count(origin(detector, "metrics", "parameters"))),
        ("multiply-adds", None if rate is None else f"{rate} per second of sound"),
    ]
    if quantization is not None and quantization.drift is not None:
        facts.append(
            ("error of int8", f"{quantization.drift:.3f} standard deviations of normal scores")
        )
    return facts


def _training(detector: Detector) -> Facts:
    names = {
        "data": ("data", "name"),
        "licence of the data": ("data", "licence"),
        "recordings": ("data", "recordings"),
        "machines": ("data", "machines"),
        "hours": ("data", "hours"),
        "exported (UTC)": ("created",),
        "edgeae": ("versions", "edgeae"),
    }
    return [(name, _joined(origin(detector, *keys))) for name, keys in names.items()]


def origin(detector: Detector, *keys: str) -> object:
    """What the provenance states under these keys; None where it states nothing."""
    value: object = detector.artifact.provenance
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value


def _joined(value: object) -> object:
    """The items of a list in one line; any other value as it is."""
    return ", ".join(map(str, value)) if isinstance(value, list) else value


def count(value: object) -> object:
    """A number with groups of three digits; any other value as it is."""
    is_count = isinstance(value, int | float) and abs(value) < MAX_COUNT
    return f"{value:,.0f}" if is_count else value


def _kib(n_bytes: int) -> str:
    return f"{n_bytes / 1024:.0f} KiB"
