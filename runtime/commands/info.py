"""`edgeae info`: show what an artifact holds and run its self-test."""

import json
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import click
import numpy as np

from ..errors import ArtifactError, ConfigError
from ..model.find import named_or_default
from ..model.sections import to_values
from ..scoring.calibration import history
from ..scoring.detector import Detector
from ..scoring.selftest import check
from ..system.files import replace_file
from ..system.path_text import path_text
from ..tables.artifact_text import artifact_text

# Module and function of an upper stage, imported by name when a card is requested.
RENDER_CARD = ("edgeae.evaluate.report.model_card", "render_card")

RenderCard = Callable[[Detector, Path, Path | None], str]


def summary(detector: Detector, path: Path) -> dict[str, Any]:
    """The contents of an artifact, without the arrays of the head; path: of its file."""
    artifact = detector.artifact
    threshold = detector.threshold
    return {
        "file": path_text(path),
        "bytes": path.stat().st_size,
        "network_bytes": len(detector.artifact.network_bytes()),
        "quantization": to_values(artifact.quantization),
        "mel": detector.spec.to_dict(),
        "head": detector.head.kind,
        "window_s": detector.window,
        "machine": detector.machine,
        "calibrated": artifact.head.calibrated,
        "calibration_windows": detector.head.windows if detector.machine else 0,
        "sessions": to_values(history(detector)),
        "stability": to_values(artifact.head.stability),
        "sensitivity": to_values(artifact.head.sensitivity),
        "threshold": to_values(threshold),
        "support": threshold.support(),
        "provenance": artifact.provenance,
    }


def without_arrays(value: Any) -> Any:
    """A value of JSON types without the NumPy arrays in it, at any depth."""
    if isinstance(value, dict):
        return {
            key: without_arrays(item)
            for key, item in value.items()
            if not isinstance(item, np.ndarray)
        }
    if isinstance(value, list):
        return [without_arrays(item) for item in value if not isinstance(item, np.ndarray)]
    return value


@click.command()
@click.argument("model", required=False, type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.option(
    "--card", "as_card", is_flag=True, help="Print a model card in Markdown; needs edgeae[train]."
)
@click.option("--results", type=click.Path(path_type=Path), metavar="FILE",
              help="File with the output of `edgeae evaluate --json`, for the card.")  # fmt: skip
@click.option(
    "--output",
    "-o",
    type=click.Path(path_type=Path),
    metavar="FILE.md",
    help="Write the card to this file and not to stdout.",
)
def info(
    model: Path | None, as_json: bool, as_card: bool, results: Path | None, output: Path | None
) -> None:
    """Show an artifact and run its self-test.

    The tables show what a person needs; --json prints every value. The exit code is 3 if the
    self-test fails.

    \b
    Examples:
      edgeae info machine.onnx
      edgeae info machine.onnx --card --results results.json -o machine.md
    """
    if (results or output) and not as_card:
        raise ConfigError("--results and -o need --card; add it")
    if as_card and as_json:
        raise ConfigError(
            "--card and --json cannot be combined, because a card is Markdown; give one of them"
        )
    path = named_or_default(model)
    detector = Detector.load(path)
    failure = None
    try:
        verdict = check(detector)
    except ArtifactError as error:
        failure = ArtifactError(f"{path}: {error}")
        verdict = str(error)
    if as_card:
        _print_card(detector, path, results, output)
    elif as_json:
        values = {**summary(detector, path), "selftest": verdict}
        click.echo(json.dumps(without_arrays(values)))
    else:
        click.echo(artifact_text(detector, path, verdict))
    if failure:
        raise failure


def _print_card(detector: Detector, path: Path, results: Path | None, output: Path | None) -> None:
    if output and output.suffix != ".md":
        raise ConfigError(f"{output}: the file of a card must be named *.md")
    module, function = RENDER_CARD
    render_card: RenderCard = getattr(import_module(module), function)
    card = render_card(detector, path, results)
    if output:
        replace_file(output, card.encode())
    else:
        click.echo(card, nl=False)
