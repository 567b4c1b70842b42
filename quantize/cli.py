"""`edgeae export`: a trained run -> the float artifact, or the int8 one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from edgeae.runtime.errors import ConfigError
from edgeae.runtime.model.find import NEWEST, check_target
from edgeae.runtime.system.progress import Progress

if TYPE_CHECKING:
    from edgeae.runtime.model.artifact import Artifact

    from .export import Export

MAX_DRIFT = 0.1  # sound runs have .005 to .04, with 7 bits .06; far too wide ranges give .2 to .5


@click.command()
@click.argument("run", required=False, type=click.Path(path_type=Path))
@click.option(
    "--int8", is_flag=True, help="Quantize: a quarter of the size, about twice the speed."
)
@click.option(
    "--output",
    "-o",
    type=click.Path(path_type=Path),
    help="Write this file in place of those in RUN.",
)
@click.option(
    "--data", type=click.Path(path_type=Path), help="The training data set.  [default: as RUN says]"
)
@click.option(
    "--window",
    type=click.FloatRange(1, 3600),
    help="Decision window in seconds.  [default: as configured]",
)
@click.option(
    "--false-alarms",
    default="1/day",
    show_default=True,
    help="1/hour, 1/day, 1/week, 1/month or 1%.",
)
@click.option(
    "--data-licence",
    default="not stated",
    help="Licence of the recordings, for the artifact's provenance.",
)
@click.option(
    "--reduce-range", is_flag=True, help="7-bit weights, for x86 processors with AVX2 but no VNNI."
)
@click.option(
    "--max-drift",
    type=click.FloatRange(min=0),
    help="Write no int8 file that moves scores by more: rms, in standard deviations of the float scores."
    f"  [default: {MAX_DRIFT}]",
)
@click.option("--skip-bad", is_flag=True, help="Go on without recordings that cannot be read.")
def export(
    run: Path | None,
    int8: bool,
    output: Path | None,
    data: Path | None,
    window: float | None,
    false_alarms: str,
    data_licence: str,
    reduce_range: bool,
    max_drift: float | None,
    skip_bad: bool,
) -> None:
    """Write the best network of RUN (default: runs/latest) as one file that carries everything.

    \b
    edgeae export --int8
    edgeae export runs/pump --int8 -o pump.int8.onnx --window 5
    """
    from .export import export as make

    if not int8 and (reduce_range or max_drift is not None):
        raise ConfigError("--reduce-range and --max-drift are about an int8 file; give --int8, too")
    home = run or NEWEST
    if output:
        check_target(output)
    with Progress() as progress:
        made = make(
            home,
            int8=int8,
            data=data,
            window=window,
            false_alarms=false_alarms,
            licence=data_licence,
            reduce_range=reduce_range,
            skip_bad=skip_bad,
            report=lambda text: progress.message(f"edgeae: {text}"),
            step=progress.step,
        )
        if made.int8:
            made = _checked(
                made, made.int8, MAX_DRIFT if max_drift is None else max_drift, progress
            )
    target = made.write(home, output)
    click.echo(
        f"next: edgeae calibrate {target} RECORDINGS, or edgeae evaluate {target} DATA", err=True
    )
    click.echo(target)


def _checked(made: Export, int8: Artifact, max_drift: float, progress: Progress) -> Export:
    """Say what int8 costs, in all and by layers, and note it in the artifact; ArtifactError if that is too much."""
    import onnx

    from .error import compare
    from .layer_error import CLIPS, analyse, check_drift, table
    from .training_set import evenly_spread

    progress.step("comparing float and int8")
    compared = compare(made.float_, int8, made.sound)
    clips = made.held_out or evenly_spread(made.sound.frames, CLIPS)
    which = "normal test clips" if made.held_out else "training clips, which set the ranges"
    layers = analyse(made.model, onnx.load_from_string(int8.model), made.float_, clips)
    progress.message(f"{compared}\n\n{table(layers, f'{len(clips)} {which}')}\n")
    check_drift(compared.drift, max_drift, layers)
    moved = (
        f"int8 moves the scores of normal sound by {compared.drift:.3f} of their standard deviation"
    )
    progress.message(f"{moved}; allowed is {max_drift:g}")
    noted = {
        **int8.sections["quantization"],
        "drift": round(compared.drift, 6),
        "max_drift": max_drift,
    }
    return replace(made, int8=int8.with_sections(quantization=noted))
