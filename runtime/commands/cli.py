"""The command line.

The module of a command is imported only when the command is run, so that ``--help`` is fast.
"""

import errno
import os
import shlex
import sys
import threading
import traceback
from importlib import import_module
from io import TextIOWrapper
from typing import TYPE_CHECKING, Any

import click
from click.shell_completion import CompletionItem

from ..errors import EXIT_INTERRUPTED, EdgeaeError, printable

if TYPE_CHECKING:
    from ..live.limits import RunLimits
    from .bench import BenchLimits
    from .service import ServiceFolders

    CommandLimits = RunLimits | BenchLimits | ServiceFolders

EXIT_DEFECT = 70  # EX_SOFTWARE

# command: (module, attribute, one line of help), in the order of the work
COMMANDS = {
    "demo": (
        "edgeae.evaluate.demo",
        "demo",
        "Try the whole pipeline on synthetic machines, in minutes.",
    ),
    "inspect": ("edgeae.evaluate.dataset.cli", "inspect", "Report on a data set before training."),
    "train": ("edgeae.train.cli", "train", "Train an autoencoder on normal sound."),
    "export": (
        "edgeae.quantize.cli",
        "export",
        "Write a trained network as one float or int8 artifact.",
    ),
    "evaluate": ("edgeae.evaluate.cli", "evaluate", "Measure AUC and pAUC on labelled recordings."),
    "calibrate": (
        "edgeae.calibrate.cli",
        "calibrate",
        "Fit an artifact to one machine from normal sound.",
    ),
    "run": ("edgeae.runtime.commands.run", "run", "Score recordings, a stream or a microphone."),
    "service": (
        "edgeae.runtime.commands.service",
        "service",
        "Install a systemd service that scores continuously.",
    ),
    "devices": ("edgeae.runtime.commands.devices", "devices", "List capture devices."),
    "record": ("edgeae.runtime.commands.record", "record", "Record a capture device to a file."),
    "doctor": (
        "edgeae.runtime.commands.doctor",
        "doctor",
        "Check this computer; print one page for a bug report.",
    ),
    "info": ("edgeae.runtime.commands.info", "info", "Show an artifact and run its self-test."),
    "bench": (
        "edgeae.runtime.commands.bench",
        "bench",
        "Measure time and memory of an artifact on this computer.",
    ),
}

# Options that people look for, and where edgeae has them; similar names are found, too.
OPTION_ADVICE = {
    "--budget": "the budget is given as --false-alarms 1/day, to calibrate, evaluate and export",
    "--threshold": "the threshold follows from the budget: edgeae calibrate --false-alarms 1/day",
    "--microphone": "a microphone is named by --device; edgeae devices lists them",
    "--port": "the live page is run --page PORT, Prometheus metrics are run --metrics PORT",
}


class LazyGroup(click.Group):
    """Finds a command by its name in COMMANDS, and imports it when it runs."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name == help_command.name:
            return help_command
        if cmd_name not in COMMANDS:
            return None
        module, attribute, _ = COMMANDS[cmd_name]
        command = getattr(import_module(module), attribute)
        assert isinstance(command, click.Command)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click does, but with a similar name for a command that does not exist."""
        name = args[0]
        is_known = name in COMMANDS or name == help_command.name
        if not is_known and not name.startswith("-") and not ctx.resilient_parsing:
            ctx.fail(f"No such command {name!r}; {_advice_for_command(name)}")
        return super().resolve_command(ctx, args)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Complete the names of commands without importing the commands.

        click imports each command for its summary, but a device does not have the packages that the
        commands of the workstation need.
        """
        items = [CompletionItem(name, help=about) for name, (_, _, about) in COMMANDS.items()]
        matching = [item for item in items if item.value.startswith(incomplete)]
        return matching + click.Command.shell_complete(self, ctx, incomplete)

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            # The reader of stdout has ended, as in `edgeae run ... | head`.
            _discard_stdout()
            return 0

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, summary) for name, (_, _, summary) in COMMANDS.items()])


def _advice_for_command(name: str) -> str:
    """What to do where ``name`` is no command."""
    from difflib import get_close_matches

    if name.endswith(".onnx"):
        return f"a command comes first: edgeae run {name}"
    similar = get_close_matches(name, COMMANDS, n=2)
    if not similar:
        return "edgeae --help lists the commands"
    return f"did you mean {' or '.join(similar)}?"


@click.command("help")
@click.argument("command", required=False)
@click.pass_context
def help_command(context: click.Context, command: str | None) -> None:
    """Print the help of COMMAND, or of edgeae.

    \b
    Example:
      edgeae help calibrate
    """
    parent = context.parent
    assert parent is not None
    if command is None:
        click.echo(parent.get_help())
        return
    group = parent.command
    assert isinstance(group, click.Group)
    _, chosen, _ = group.resolve_command(parent, [command])
    assert chosen is not None
    with click.Context(chosen, parent, command) as own:
        click.echo(chosen.get_help(own))


@click.group(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)
@click.version_option(package_name="edgeae", message="%(prog)s %(version)s")
def cli() -> None:
    """Detect machine faults by their sound.

    \b
    On a workstation:  edgeae train DATA && edgeae export --int8
    On the device:     edgeae calibrate --device hw:1 && edgeae run --device hw:1
    First look:        edgeae demo
    More on a command: edgeae help COMMAND
    """


def _sentence_of(error: OSError) -> str:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        # The error of a write does not name its file.
        place = error.filename or "the output"
        return f"{place}: cannot be written ({error.strerror}); make room, or choose another place"
    place = f"{error.filename}: " if error.filename else ""
    return f"{place}{error.strerror or error}; name another file, or fix this one"


def run_command(arguments: list[str], limits: "CommandLimits | None" = None) -> int:
    """Run one command; returns its exit code. Every expected error is one sentence on stderr.

    limits: those of this command, for tests; None: the default ones.
    """
    try:
        code = cli.main(arguments, prog_name="edgeae", standalone_mode=False, obj=limits)
    except EdgeaeError as error:
        click.echo(f"edgeae: {error}", err=True)
        _advise_on_dashes(arguments)
        return error.exit_code
    except click.ClickException as error:
        error.show()
        _advise_on_option(error)
        _advise_on_dashes(arguments)
        return error.exit_code
    except BrokenPipeError:
        raise
    except OSError as error:
        click.echo(f"edgeae: {_sentence_of(error)}", err=True)
        try:
            sys.stdout.flush()
        except OSError:
            _discard_stdout()
        return 2
    except (click.Abort, KeyboardInterrupt):
        click.echo("edgeae: interrupted", err=True)
        return EXIT_INTERRUPTED
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("edgeae"):
            raise
        command = arguments[0] if arguments else ""
        message = (
            f"edgeae {command} needs {error.name}, which is not installed; "
            "run: pip install 'edgeae[train]'"
        )
        click.echo(f"edgeae: {message}", err=True)
        return 2
    return code if isinstance(code, int) else 0


def _discard_stdout() -> None:
    """Send what is not written yet nowhere: Python flushes stdout at its end, and would fail."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, sys.stdout.fileno())


def _advise_on_option(error: click.ClickException) -> None:
    """Name the option that does what an unknown one was meant to do."""
    from difflib import get_close_matches

    if not isinstance(error, click.NoSuchOption):
        return
    for name in get_close_matches(error.option_name, OPTION_ADVICE, n=1, cutoff=0.8):
        click.echo(f"edgeae: {OPTION_ADVICE[name]}", err=True)


def _advise_on_dashes(arguments: list[str]) -> None:
    """Say how a file is typed whose name looks like an option, where an argument is one."""
    for argument in arguments:
        if argument.startswith("-") and argument != "-" and os.path.lexists(argument):
            path = f"./{argument}"
            click.echo(
                printable(
                    f"edgeae: {argument} is also a file or folder; to name it, type "
                    f"{shlex.quote(path)}"
                ),
                err=True,
            )
            return


def main(limits: "RunLimits | None" = None) -> None:
    """Entry point of the ``edgeae`` command. limits: of `edgeae run`, for tests."""
    # NumPy's matrix products are small here: several threads would cost more than they save.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    if isinstance(sys.stdout, TextIOWrapper):
        # The name of a file is printed as it is, whatever its bytes.
        sys.stdout.reconfigure(errors="surrogateescape")
    try:
        code = run_command(sys.argv[1:], limits)
    except Exception:
        # A defect of edgeae. Exit code 1 would mean that anomalies were found.
        traceback.print_exc()
        code = EXIT_DEFECT
    if any(thread.name == "output stdout" for thread in threading.enumerate()):
        # Nobody reads stdout: a thread waits in it, holds its buffer, and Python would abort.
        sys.stderr.flush()
        os._exit(code)
    sys.exit(code)
