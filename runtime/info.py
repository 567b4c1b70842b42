"""`edgeae info`: what is in an artifact, and whether it computes rightly here."""

import json
from pathlib import Path
from typing import Any

import click
import numpy as np

from .detector import Detector
from .errors import ArtifactError
from .fitting import history
from .modelfile import default_model
from .selftest import check


def summary(detector: Detector, path: Path) -> dict[str, Any]:
    """The artifact in plain values, without its arrays."""
    sections, threshold = detector.artifact.sections, detector.threshold
    return {
        "file": str(path),
        "bytes": path.stat().st_size,
        "network_bytes": len(detector.artifact.network_bytes()),
        "quantization": _plain(sections["quantization"]),
        "mel": detector.spec.to_dict(),
        "head": detector.head.kind,
        "window_s": detector.window,
        "machine": detector.machine,
        "calibrated": sections["head"].get("calibrated"),
        "calibration_windows": detector.head.windows if detector.machine else 0,
        "sessions": _plain(history(detector)),
        "stability": sections["head"].get("stability"),
        "threshold": threshold.to_dict(),
        "support": threshold.support(),
        "provenance": _plain(sections["provenance"]),
    }


def _plain(value: Any) -> Any:
    """Without arrays, all the way down."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items() if not isinstance(item, np.ndarray)}
    if isinstance(value, list):
        return [_plain(item) for item in value if not isinstance(item, np.ndarray)]
    return value


@click.command()
@click.argument("model", required=False, type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
def info(model: Path | None, as_json: bool) -> None:
    """Show an artifact and run its self-test (exit 3 if it fails).

    \b
    edgeae info machine.onnx
    """
    path = model or default_model()
    detector = Detector.load(path)
    try:
        failure, verdict = None, check(detector)
    except ArtifactError as error:
        failure, verdict = ArtifactError(f"{path}: {error}"), str(error)
    values = {**summary(detector, path), "selftest": verdict}
    if as_json:
        click.echo(json.dumps(values))
    else:
        for key, value in values.items():
            click.echo(f"{key:20} {json.dumps(value) if isinstance(value, dict | list) else value}")
    if failure:
        raise failure
