"""`edgeae export`: writes the float or the int8 artifact of a trained run."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from edgeae.runtime.commands.shared_options import budget_of, budget_options
from edgeae.runtime.errors import ConfigError
from edgeae.runtime.model.find import LATEST_RUN, check_target
from edgeae.runtime.system.progress import Progress

if TYPE_CHECKING:
    from edgeae.runtime.model.artifact import Artifact

    from .export import Export

# Runs drift by .005 to .03, those on a few minutes of sound too. At 0.1, the distance of a fault
# from normal sound, in standard deviations, is half a percent smaller than in float.
DEFAULT_MAX_DRIFT = 0.2  # a fault is then 2 % less far from normal sound
DEFAULT_FALSE_ALARMS = "1/day"


@click.command()
@click.argument("run", required=False, type=click.Path(path_type=Path))
@click.option(
    "--int8",
    is_flag=True,
    help="Quantize the network: a quarter of the size, about twice the speed.",
)
@click.option(
    "--output",
    "-o",
    type=click.Path(path_type=Path),
    help="Write the artifact to this file and not into RUN.",
)
@click.option(
    "--data",
    type=click.Path(path_type=Path),
    help="Training data set.  [default: the one RUN was trained on]",
)
@click.option(
    "--window",
    type=click.FloatRange(1, 3600),
    help="Length of the sound behind one score, seconds.  [default: as configured]",
)
@budget_options(
    "Budget of false alarms: 1/hour, 1/day, 1/week, 1/month or 1%.  "
    f"[default: {DEFAULT_FALSE_ALARMS}]"
)
@click.option(
    "--data-licence",
    default="not stated",
    help="Licence of the recordings, for the artifact's provenance.",
)
@click.option(
    "--reduce-range",
    is_flag=True,
    help="Use 7-bit weights, for x86 processors with AVX2 but without VNNI.",
)
@click.option(
    "--max-drift",
    type=click.FloatRange(min=0),
    help="Refuse an int8 network that changes the scores by more than this: RMS, in standard "
    f"deviations of the scores of normal sound.  [default: {DEFAULT_MAX_DRIFT}]",
)
@click.option("--skip-bad", is_flag=True, help="Skip recordings that cannot be read.")
def export(
    run: Path | None,
    int8: bool,
    output: Path | None,
    data: Path | None,
    window: float | None,
    false_alarms: str | None,
    sensitivity: str | None,
    data_licence: str,
    reduce_range: bool,
    max_drift: float | None,
    skip_bad: bool,
) -> None:
    """Write the best network of RUN (default: runs/latest) as an artifact, one ONNX file.

    \b
    Examples:
      edgeae export --int8
      edgeae export runs/pump --int8 -o pump.int8.onnx --window 5
    """
    from .export import export as export_run

    if not int8 and (reduce_range or max_drift is not None):
        raise ConfigError("--reduce-range and --max-drift need --int8; give it as well")
    home = run or LATEST_RUN
    if output:
        check_target(output)
    with Progress() as progress:
        exported = export_run(
            home,
            int8=int8,
            data=data,
            window=window,
            false_alarms=budget_of(false_alarms, sensitivity) or DEFAULT_FALSE_ALARMS,
            licence=data_licence,
            reduce_range=reduce_range,
            skip_bad=skip_bad,
            report=lambda text: progress.message(f"edgeae: {text}"),
            step=progress.step,
        )
        if exported.int8:
            limit = DEFAULT_MAX_DRIFT if max_drift is None else max_drift
            exported = _checked(exported, exported.int8, limit, progress)
    target = exported.write(home, output)
    click.echo(
        f"next: edgeae calibrate {target} RECORDINGS, or edgeae evaluate {target} DATA", err=True
    )
    click.echo(target)


def _checked(exported: Export, int8: Artifact, max_drift: float, progress: Progress) -> Export:
    """Report what int8 costs, in all and by layers, and record the drift in the artifact.

    Raises ArtifactError if the scores drift by more than ``max_drift``, or if int8 leaves little of
    the residual.
    """
    import numpy as np
    import onnx

    from edgeae.runtime.system.spread import evenly_spread

    from .layer_error import MAX_RECORDINGS, analyse, check_drift, format_table
    from .quantization_error import check_residual, compare

    progress.step("comparing float and int8")
    comparison = compare(exported.float_, int8, exported.training_set)
    recordings = exported.test_normals
    kind = "normal test clips"
    if not recordings:
        frames = evenly_spread(exported.training_set.frames, MAX_RECORDINGS)
        recordings = [np.asarray(each) for each in frames]
        kind = "training clips, which set the ranges"
    quantized = onnx.load_from_string(int8.model)
    layers = analyse(exported.model, quantized, exported.float_, recordings, exported.identity)
    table = format_table(layers, f"{len(recordings)} {kind}")
    progress.message(f"{comparison}\n\n{table}\n")
    check_drift(comparison.drift, max_drift, layers)
    check_residual(comparison.residual_snr_db)
    progress.message(
        f"int8 moves the scores of normal sound by {comparison.drift:.3f} of their standard "
        f"deviation; allowed is {max_drift:g}"
    )
    assert int8.quantization is not None
    quantization = replace(
        int8.quantization, drift=round(comparison.drift, 6), max_drift=float(max_drift)
    )
    return replace(exported, int8=int8.with_sections(quantization=quantization))
