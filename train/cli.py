"""`edgeae train`. Heavy imports stand inside, so that ``--help`` is instant."""

import json
import shlex
import sys
import time
from pathlib import Path

import click

from edgeae.runtime.audio.channel import parse_channel
from edgeae.runtime.errors import ConfigError
from edgeae.runtime.system.path_text import path_text

from .processes import is_first, n_processes
from .run_folder import RUNS, data_folder_or_default, metrics_record, run_to_resume

# Options of other programs, and the one that does the same here.
SYNONYMS = {
    "--preset": "-c",
    "--architecture": "-c",
    "--model": "-c",
    "--network": "-c",
    "--out": "-o",
    "--output-dir": "-o",
    "--run": "-o",
}


class CommandWithConfig(click.Command):
    """A command that names the key of the configuration where an option for it is given."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        given = list(args)
        try:
            return super().parse_args(ctx, args)
        except click.NoSuchOption as error:
            advice = _advice_for(error.option_name, given)
            if advice is None:
                raise
            message = f"No such option {error.option_name!r}; give {advice}"
            raise click.NoSuchOption(error.option_name, message, ctx=ctx) from error


def _advice_for(option: str, arguments: list[str]) -> str | None:
    """``--set training.epochs=5`` for the option --epochs among the arguments; None for others."""
    from .config import key_named

    value = _value_of(option, arguments)
    if option in SYNONYMS:
        return f"{SYNONYMS[option]} {value}"
    key = key_named(option)
    return key and f"--set {key}={value}"


def _value_of(option: str, arguments: list[str]) -> str:
    """The value that is given to the option; VALUE without one."""
    for argument, following in zip(arguments, [*arguments[1:], ""], strict=True):
        name, equals, value = argument.partition("=")
        if name == option and equals:
            return value
        if name == option and following and not following.startswith("-"):
            return following
    return "VALUE"


@click.command(cls=CommandWithConfig)
@click.argument("data", required=False, type=click.Path(path_type=Path))
@click.option(
    "-c",
    "--config",
    "name",
    type=click.Path(),
    metavar="CONFIG",
    help="Configuration: edge (default), cnn2d, dense, origin, tiny or a YAML file.",
)
@click.option(
    "-o",
    "--output",
    "run",
    type=click.Path(path_type=Path),
    metavar="RUN",
    help="Folder of the run; default runs/CONFIG-TIME.",
)
@click.option(
    "--set",
    "overrides",
    multiple=True,
    metavar="KEY=VALUE",
    help="Change one value of the configuration; may be given several times.",
)
@click.option(
    "--resume",
    is_flag=True,
    help="Continue RUN (default runs/latest) after its last complete epoch.",
)
@click.option("--skip-bad", is_flag=True, help="Skip recordings that cannot be read.")
@click.option(
    "--channel", metavar="N|mix", help="Channel of the recordings, counted from 0, or their mean."
)
@click.option(
    "--background",
    multiple=True,
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Recording with the machine off, whose sound is no fault; may be given several times.",
)
def train(
    data: Path | None,
    name: str | None,
    run: Path | None,
    overrides: tuple[str, ...],
    resume: bool,
    skip_bad: bool,
    channel: str | None,
    background: tuple[Path, ...],
) -> None:
    """Train an autoencoder on the normal recordings in DATA/train (default: data).

    Writes checkpoints, curves and the whole configuration into RUN, and prints RUN. Ctrl-C loses
    at most the epoch it interrupts, and prints how to continue.

    \b
    Examples:
      edgeae train
      edgeae train recordings -c cnn2d --set training.epochs=20
      edgeae train --resume
    """
    if run is None and n_processes() > 1:
        raise ConfigError(
            "several processes were started for one run; give the folder that all see, -o RUN"
        )
    changes = list(overrides)
    if skip_bad:
        changes.append("data.skip_bad=true")
    if channel is not None:
        changes.append(f"data.channel={parse_channel(channel)}")
    if background:
        names = [path_text(str(path.resolve())) for path in background]
        changes.append(f"data.background={json.dumps(names)}")
    if resume and (name or changes):
        raise ConfigError(
            "--resume takes the configuration from RUN; "
            "leave out -c, --set, --skip-bad, --channel and --background"
        )
    _train(data, name or "edge", run, changes, resume)


def _train(
    data: Path | None, name: str, run: Path | None, changes: list[str], resume: bool
) -> None:
    from .config import load_config

    if resume:
        run = run_to_resume(run)
        config = load_config(run / "config.yaml")
    else:
        config = load_config(name, changes)
        run = run or RUNS / f"{Path(name).stem}-{time.strftime('%Y%m%d-%H%M%S')}"

    from .training import train as train_run

    began = time.monotonic()
    try:
        train_run(data or data_folder_or_default(run), config, run, resume=resume)
    except KeyboardInterrupt:
        if is_first() and (run / "config.yaml").is_file():
            command = f"edgeae train --resume -o {shlex.quote(str(run))}"
            print(f"to continue: {command}", file=sys.stderr)
        raise
    if is_first():
        _print_result(run, time.monotonic() - began)


def _print_result(run: Path, seconds: float) -> None:
    metrics = metrics_record(run)
    if metrics is None:
        raise ConfigError(f"{run / 'metrics.json'}: is damaged; train again, into another -o RUN")
    loss = f"validation loss {metrics.val_loss:.4f}"
    epochs = f"at epoch {metrics.epoch + 1} of {metrics.epochs}"
    print(f"{run}: {loss} {epochs}, {seconds:.0f} s", file=sys.stderr)
    print(f"next: edgeae export {run} --int8", file=sys.stderr)
    print(run)
