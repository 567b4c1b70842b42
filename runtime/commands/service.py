"""`edgeae service`: print or install a systemd service, whose arguments are checked first."""

import pwd
import re
import site
import stat
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import click

from ..capture.names import is_numbered, lasting_name
from ..capture.stream_address import has_written_secrets, is_address, shown_name
from ..charts.charts_setup import has_charts
from ..errors import ConfigError
from ..model.find import names_artifact, split_models
from ..scoring.detector import Detector
from ..scoring.selftest import load_all
from ..service.install import install
from ..service.request import Request
from ..service.unit import ANYBODY, HIDDEN_FOLDERS, Unit, is_hidden, peer
from ..system.files import absolute
from ..system.identity import slug
from .run import run

MIN_WATCHDOG_SECONDS = 30  # in addition to two windows
STATE_FILE = "state.json"  # of the learned sound
MIN_MEMORY_MB = 100  # listening takes 80


@dataclass(frozen=True)
class ServiceFolders:
    """Folders of systemd; tests pass others."""

    units: Path = Path("/etc/systemd/system")
    state: Path = Path("/var/lib")  # holds a folder for the state of each service
    hidden: Sequence[Path] = HIDDEN_FOLDERS  # whose content services do not see


DEFAULT_FOLDERS = ServiceFolders()


def plan(
    request: Request,
    *,
    name: str | None,
    user: str | None,
    network: bool,
    watchdog: int,
    memory: str,
    folders: ServiceFolders = DEFAULT_FOLDERS,
) -> Unit:
    """The unit for a request; EdgeaeError if it could not run."""
    _check_microphone(request)
    _check_options(name, user, memory)
    models = split_models(request.values["arguments"])[0]
    detectors = load_all(models)
    machine = detectors[0].machine
    window = max(detector.window for detector in detectors)
    if watchdog < 2 * window + MIN_WATCHDOG_SECONDS:
        raise ConfigError(
            f"--watchdog {watchdog}: a score needs {window:g} s of sound, and again after a gap; "
            f"give {2 * window + MIN_WATCHDOG_SECONDS:.0f} or more"
        )
    if name is None and machine is None:
        raise ConfigError(
            f"{models[0]} is not calibrated to a machine; calibrate it, or give --name"
        )
    title = f"edgeae-{name or slug(str(machine))}"
    program = find_program()
    needed = [program, *(absolute(model) for model in models), *request.inputs()]
    for path in needed:
        _check_readable(path, user, folders.hidden)
    return Unit(
        title,
        [
            str(program),
            "run",
            *_arguments(request, models, watchdog),
            *_state_arguments(request, detectors),
        ],
        readable=[*needed, *_python(program)],
        writable=list(request.writable(folders.state / title, user)),
        peers=frozenset(
            [*request.peers(), *_stream_peers(request), *([ANYBODY] if network else [])]
        ),
        machines=sorted({detector.machine for detector in detectors if detector.machine}),
        secrets=any(request.given("url")) or any(_stream_peers(request)),
        public=any(request.given("public-file")),
        credentials=list(request.credentials()),
        quiet=request.keeps_lines,
        user=user,
        watchdog=watchdog,
        memory=memory,
        hidden=folders.hidden,
    )


def _check_microphone(request: Request) -> None:
    others = [argument for argument in request.values["arguments"] if not names_artifact(argument)]
    if not request.values.get("device") or others:
        raise ConfigError(
            "a service listens to microphones; "
            "give --device, as to edgeae run, and neither files nor -"
        )
    if request.values.get("duration") is not None:
        raise ConfigError(
            "a service listens without limit and is started again when it ends; "
            "leave --duration out"
        )


def _stream_peers(request: Request) -> Iterator[str]:
    """The senders of network streams; ConfigError for a password that everybody could read."""
    for device in request.values.get("device") or ():
        if not is_address(device):
            continue
        if has_written_secrets(device):
            raise ConfigError(
                f"--device {shown_name(device)}: everybody can read a password or a token in a "
                f"unit; write $CAMERA_PASSWORD in the place of each, and set that in /etc/edgeae/, "
                f"in the file that the unit names"
            )
        yield peer(device)


def _check_options(name: str | None, user: str | None, memory: str) -> None:
    if name is not None and not re.fullmatch(r"[a-z0-9][a-z0-9_-]{0,39}", name):
        raise ConfigError(
            f"--name {name}: lower case letters, digits, - and _ are allowed, 40 at most"
        )
    size = re.fullmatch(r"(\d+)([MG])", memory)
    if not size or int(size[1]) * {"M": 1, "G": 1000}[size[2]] < MIN_MEMORY_MB:
        raise ConfigError(f"--memory {memory}: give {MIN_MEMORY_MB}M or more, such as 200M or 1G")
    try:
        pwd.getpwnam(user or "root")
    except KeyError as error:
        raise ConfigError(
            f"--user {user}: there is no such user; leave it out for one of the service's own"
        ) from error


def _arguments(request: Request, models: Sequence[Path], watchdog: int) -> list[str]:
    """The arguments, with absolute paths of artifacts, and a time to wait for the device."""
    positional = request.values["arguments"]
    named = {
        argument: str(absolute(argument)) for argument in positional if names_artifact(argument)
    }
    arguments = [named.get(argument, argument) for argument in request.absolute_arguments()]
    default = [] if named else [str(absolute(model)) for model in models]
    wait = [] if request.values.get("wait_device") else ["--wait-device", str(watchdog)]
    return [*default, *arguments, *wait]


def _state_arguments(request: Request, detectors: Sequence[Detector]) -> list[str]:
    """A place for the learned sound in the folder of the service's state."""
    values = request.values
    if values.get("state") or values.get("no_learn") or not all(map(has_charts, detectors)):
        return []
    has_several_sources = len(values["device"]) > 1 or "," in (values.get("channels") or "")
    return ["--state", "." if has_several_sources else STATE_FILE]


def find_program() -> Path:
    """Return the `edgeae` program that runs now, or else that of this Python."""
    called = Path(sys.argv[0])
    program = (
        called
        if called.name == "edgeae" and called.is_file()
        else Path(sys.executable).with_name("edgeae")
    )
    if not program.is_file() or Path(__file__).is_relative_to(site.getusersitepackages()):
        raise ConfigError(
            "a service needs edgeae in a virtual environment; "
            "python3 -m venv .venv && .venv/bin/pip install edgeae, "
            "then .venv/bin/edgeae service ..."
        )
    return absolute(program)


def _python(program: Path) -> list[Path]:
    """The files and folders that the program consists of."""
    return [
        program.resolve(),
        absolute(sys.prefix),
        absolute(sys.base_prefix),
        Path(__file__).resolve().parents[2],
    ]


def _check_readable(path: Path, user: str | None, hidden: Sequence[Path]) -> None:
    """ConfigError if a service of its own user may not read a path.

    It reads what everybody may read. Folders that are hidden from it are not checked.
    """
    for part in (path, *path.parents):
        wanted = stat.S_IXOTH if part.is_dir() else stat.S_IROTH
        if not (user or part.stat().st_mode & wanted or (part != path and is_hidden(path, hidden))):
            raise ConfigError(
                f"{part}: a service of its own user may not read it; "
                f"run chmod o+{'x' if part.is_dir() else 'r'} on it, or give --user"
            )


def _warn_of_numbers(request: Request) -> None:
    """Report names of devices that may be another microphone after a reboot."""
    for device in request.values.get("device") or ():
        if is_numbered(device):
            name = lasting_name(device)
            advice = f"give {name}" if name else "`edgeae devices` prints names that last"
            click.echo(
                f"edgeae: --device {device}: may be another microphone after a reboot; {advice}",
                err=True,
            )


@click.command(context_settings={"ignore_unknown_options": True})
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED, metavar="RUN ARGUMENTS...")
@click.option(
    "--name", help="Name of the service, edgeae-NAME.  [default: the machine of the artifact]"
)
@click.option(
    "--user",
    help="Run as this user.  [default: a user of its own, who owns /var/lib/edgeae-NAME alone]",
)
@click.option(
    "--watchdog",
    default=120,
    show_default=True,
    type=click.IntRange(30, 3600),
    help="Maximum time without a score before the service is restarted, s.",
)
@click.option(
    "--memory",
    default="200M",
    show_default=True,
    help="Maximum memory of the service, such as 200M or 1G.",
)
@click.option("--network", is_flag=True, help="Allow any network, for the program of --on-event.")
@click.option(
    "--install",
    "now",
    is_flag=True,
    help="Write the unit, start it, and start it at every boot (root).",
)
@click.pass_obj
def service(
    folders: ServiceFolders | None,
    /,
    arguments: tuple[str, ...],
    name: str | None,
    user: str | None,
    watchdog: int,
    memory: str,
    network: bool,
    now: bool,
) -> None:
    """Print or install a systemd service that does `edgeae run` with these arguments.

    It is started again when it fails, and when no sound was scored for a while. Files that it
    writes to names without a folder are in /var/lib/edgeae-NAME, as is what it learns (--state);
    passwords are read from /etc/edgeae/edgeae-NAME.env. For --device give a name that lasts, as
    `edgeae devices` prints it.

    \b
    edgeae service pump-3.onnx --device usb:0d8c:013c --json
    edgeae service pump-3.onnx --config /etc/edgeae/pump-3.toml
    sudo .venv/bin/edgeae service pump-3.onnx --device usb:0d8c:013c --json --install
    systemctl status edgeae-pump-3
    """
    request = Request.parse(arguments, run)
    _warn_of_numbers(request)
    folders = folders or DEFAULT_FOLDERS
    unit = plan(
        request,
        name=name,
        user=user,
        network=network,
        watchdog=watchdog,
        memory=memory,
        folders=folders,
    )
    if not now:
        click.echo(unit.text(), nl=False)
        return
    install(unit, folders.units)
    click.echo(
        f"{unit.name} listens; "
        f"what it does: systemctl status {unit.name}, journalctl -u {unit.name}",
        err=True,
    )
