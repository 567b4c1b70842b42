"""`edgeae export`: a trained run -> the float artifact, or the int8 one."""

from pathlib import Path

import click

from edgeae.runtime.modelfile import NEWEST, check_target


@click.command()
@click.argument("run", required=False, type=click.Path(path_type=Path))
@click.option("--int8", is_flag=True, help="Quantize: a quarter of the size, about twice the speed.")
@click.option("--output", "-o", type=click.Path(path_type=Path), help="Write this file in place of those in RUN.")
@click.option("--data", type=click.Path(path_type=Path), help="The training data set.  [default: as RUN says]")
@click.option("--window", type=click.FloatRange(1, 3600), help="Decision window in seconds.  [default: as configured]")
@click.option("--false-alarms", default="1/day", show_default=True, help="1/hour, 1/day, 1/week, 1/month or 1%.")
@click.option("--data-licence", default="not stated", help="Licence of the recordings, for the artifact's provenance.")
@click.option("--reduce-range", is_flag=True, help="7-bit weights, for x86 processors with AVX2 but no VNNI.")
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
    skip_bad: bool,
) -> None:
    """Write the best network of RUN (default: runs/latest) as one file that carries everything.

    \b
    edgeae export --int8
    edgeae export runs/pump --int8 -o pump.int8.onnx --window 5
    """
    from .drift import compare, table
    from .export import export as make

    home = run or NEWEST
    if output:
        check_target(output)
    made = make(
        home,
        int8=int8,
        data=data,
        window=window,
        false_alarms=false_alarms,
        licence=data_licence,
        reduce_range=reduce_range,
        skip_bad=skip_bad,
        report=lambda text: click.echo(f"edgeae: {text}", err=True),
    )
    if made.int8:
        click.echo(table(compare(made.float_, made.int8, made.sound)), err=True)
    target = made.write(home, output)
    click.echo(f"next: edgeae calibrate {target} RECORDINGS, or edgeae evaluate {target} DATA", err=True)
    click.echo(target)
