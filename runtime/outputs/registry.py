"""Where the lines of `edgeae run` go: the options, and the outputs that they ask for."""

import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar

import click

from ..errors import ConfigError
from ..system.progress import draws_over
from ..system.watchdog import ServiceManager
from .clips.ring import Recorder
from .lines import PROGRAM, AboutLine, BandsLine, ClipLine, Line, RunLine, StatusLine
from .outbox import CLOSING, Outbox, Sink
from .publisher import LinePublisher
from .stdout import Screen
from .terminal import Terminal

if TYPE_CHECKING:
    from ..scoring.detector import Detector
    from .page.bands import View

CHECK_SECONDS = 1.0
SCREEN_LINES = 10_000  # that wait for whoever reads stdout
OFFLINE_CLOSING = 600.0  # seconds for what waits, where no sound is lost meanwhile
FILE = click.Path(path_type=Path, dir_okay=False)
FOLDER = click.Path(path_type=Path, file_okay=False)
POSITIVE = click.FloatRange(min=0, min_open=True)

OPTIONS = [
    click.option("--log", type=FILE, help="Lines into FILE.jsonl as well, which is rotated."),
    click.option(
        "--log-megabytes",
        default=10.0,
        show_default=True,
        type=POSITIVE,
        help="Of one file of --log.",
    ),
    click.option(
        "--log-files",
        default=5,
        show_default=True,
        type=click.IntRange(2),
        help="Of --log, old ones too.",
    ),
    click.option(
        "--log-fsync",
        default="events",
        show_default=True,
        type=click.Choice(["always", "events", "never"]),
        help="Which lines of --log are safe from a power cut at once: all, all but scores, none.",
    ),
    click.option(
        "--on-event",
        metavar="COMMAND",
        help="Run it for each event, which it gets as JSON on stdin.",
    ),
    click.option(
        "--on-event-timeout", default=30.0, show_default=True, type=POSITIVE, help="Seconds for it."
    ),
    click.option(
        "--webhook",
        metavar="URL",
        envvar="EDGEAE_WEBHOOK",
        help="POST events, gaps and statuses there.",
    ),
    click.option(
        "--webhook-spool",
        type=FOLDER,
        help="Where they wait for a server that is down.  [default: memory]",
    ),
    click.option(
        "--webhook-limit",
        default=1000,
        show_default=True,
        type=click.IntRange(1),
        help="How many wait.",
    ),
    click.option(
        "--mqtt",
        metavar="URL",
        help="mqtt[s]://[user@]host[:port][/prefix]; $EDGEAE_MQTT_PASSWORD.",
    ),
    click.option(
        "--mqtt-discovery",
        default="homeassistant",
        show_default=True,
        help="Home Assistant's prefix, or none.",
    ),
    click.option(
        "--mqtt-every",
        default=10.0,
        show_default=True,
        type=click.FloatRange(0, 3600),
        help="Seconds between two states.",
    ),
    click.option("--mqtt-client", help="Client id, where two processes share host and prefix."),
    click.option(
        "--mqtt-ca",
        type=FILE,
        help="PEM file of the authority that signed the broker's certificate.",
    ),
    click.option(
        "--metrics", metavar="[HOST:]PORT", help="Prometheus endpoint; a bare port is 127.0.0.1."
    ),
    click.option("--metrics-file", type=FILE, help="FILE.prom for node_exporter."),
    click.option(
        "--page", metavar="[HOST:]PORT", help="Live page to look at; a bare port is 127.0.0.1."
    ),
    click.option("--clips", type=FOLDER, help="Keep what alarms sounded like, as FLAC."),
    click.option(
        "--clips-megabytes", default=500.0, show_default=True, type=POSITIVE, help="Of all clips."
    ),
    click.option(
        "--clips-days", default=90.0, show_default=True, type=POSITIVE, help="That a clip is kept."
    ),
]
Command = TypeVar("Command", bound=Callable[..., Any])


def output_options(command: Command) -> Command:
    """Adds the options that `Outputs` takes."""
    for option in reversed(OPTIONS):
        command = option(command)
    return command


def _screen(*, as_json: bool, live: bool) -> Sink[RunLine]:
    """Standard output: lines, but for a person who watches a machine one that is drawn over."""
    if as_json or not live or not draws_over(sys.stdout):
        return Screen(as_json=as_json)
    return Terminal()


class Outputs:
    """All outputs of one process, and its service manager; a context that delivers what waits when it is left."""

    def __init__(self, *, as_json: bool, live: bool, paced: bool, **options: Any) -> None:
        """live: of a microphone or a pipe. paced: of a microphone, which waits for nobody, not even for stdout."""
        if options["clips"] and not live:
            raise ConfigError(
                "--clips keeps the sound of a microphone or a pipe; that of files is there already"
            )
        if options["page"] is not None and not live:
            raise ConfigError(
                "--page shows a microphone or a pipe; of recordings, `edgeae evaluate` writes a report"
            )
        self.notify = ServiceManager()
        self._live, self._closers = live, list[Callable[[], None]]()
        self._clips: Path | None = options["clips"]
        screen = _screen(as_json=as_json, live=live)
        self._keeper: Outbox[Line] | None = None
        self._page: Outbox[Line] | None = None
        self._outboxes = self._opened(options)
        self._screen = Outbox(screen, SCREEN_LINES) if paced else None
        self._outboxes += [self._screen] if self._screen else []
        self._closers += [] if paced else [screen.close]
        self.publisher = LinePublisher(
            None if paced else screen.deliver, self._outboxes, waits=not live
        )
        self._began, self._due = time.monotonic(), 0.0
        self._told: dict[str, str | None] = {}
        self._dropped: dict[str, int] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        deadline = time.monotonic() + (CLOSING if self._live else OFFLINE_CLOSING)
        for outbox in self._outboxes:
            if outbox.sink.name != "metrics-file":  # which tells of the others
                outbox.end()
        for outbox in self._outboxes:
            left, name = outbox.close(deadline - time.monotonic()), outbox.sink.name
            if outbox.trouble and not outbox.gone:
                click.echo(f"edgeae: {name}: {outbox.trouble}", err=True)
            if left:
                click.echo(f"edgeae: {name}: {left} lines were not delivered in time", err=True)
        for close in self._closers:
            close()
        self.notify.close()

    def recorder(self, source: str, machine: str | None) -> Recorder | None:
        """What keeps the sound of a source, if clips are wanted."""
        return Recorder(self._clips, source, machine) if self._clips else None

    def keep(self, clips: Iterable[ClipLine]) -> None:
        """Write clips that a recorder gave."""
        for clip in clips:
            if self._keeper:
                self._keeper.put(clip)

    def view(self, source: str, detector: "Detector", model: Path) -> "View | None":
        """What pictures the sound of a source, if a page is wanted; it is told what does not change."""
        if not self._page:
            return None
        from .page.bands import View

        view = View(source, detector, model.name)
        self.picture(view.about())
        return view

    def picture(self, line: AboutLine | BandsLine) -> None:
        """For the page alone."""
        if self._page:
            self._page.put(line)

    def tick(self) -> None:
        """Tell of outputs that fail or work again. BrokenPipeError when the reader of stdout went away."""
        if self._screen and self._screen.gone:
            raise BrokenPipeError
        if time.monotonic() < self._due:
            return
        self._due = time.monotonic() + CHECK_SECONDS
        for outbox in self._outboxes:
            self._check(outbox)

    def _opened(self, options: dict[str, Any]) -> list[Outbox[RunLine]]:
        """The outputs that are asked for. What they need is imported here: most are not asked for.

        An empty value, as of a shell's variable that is not set, is one that they refuse.
        """
        sinks: list[Sink[RunLine]] = []
        if options["log"]:
            from .log_file import LineFile

            limits = {"megabytes": options["log_megabytes"], "files": options["log_files"]}
            sinks.append(LineFile(options["log"], **limits, fsync=options["log_fsync"]))
        if options["on_event"] is not None:
            from .command import Hook

            sinks.append(Hook(options["on_event"], timeout=options["on_event_timeout"]))
        if options["webhook"] is not None:
            from .webhook import Webhook

            sinks.append(
                Webhook(
                    options["webhook"],
                    spool=options["webhook_spool"],
                    limit=options["webhook_limit"],
                )
            )
        if options["mqtt"] is not None:
            from .mqtt.sink import Mqtt

            discovery = None if options["mqtt_discovery"] == "none" else options["mqtt_discovery"]
            how = {
                "every": options["mqtt_every"],
                "client_id": options["mqtt_client"],
                "ca_file": options["mqtt_ca"],
            }
            sinks.append(Mqtt(options["mqtt"], discovery=discovery, **how))
        outboxes = [Outbox(sink) for sink in sinks]
        if options["clips"]:
            from .clips.files import WAITING, ClipFiles

            limits = {"megabytes": options["clips_megabytes"], "days": options["clips_days"]}
            self._keeper = Outbox(ClipFiles(options["clips"], **limits), WAITING)
            outboxes.append(self._keeper)
        if options["page"] is not None:
            from .page.history import History
            from .page.server import PageServer

            history = History()
            self._closers.append(PageServer(options["page"], history).close)
            self._page = Outbox(history)
            outboxes.append(self._page)
        return [*outboxes, *self._measured(options, outboxes)]

    def _measured(
        self, options: dict[str, Any], outboxes: list[Outbox[RunLine]]
    ) -> list[Outbox[RunLine]]:
        """What publishes numbers, of the other outputs as well."""
        if options["metrics"] is None and options["metrics_file"] is None:
            return []
        from .prometheus.metrics import Metrics

        metrics = Metrics(outboxes)
        found = [Outbox(metrics)]
        if options["metrics"] is not None:
            from .prometheus.endpoint import MetricsServer

            self._closers.append(MetricsServer(options["metrics"], metrics).close)
        if options["metrics_file"]:
            from .prometheus.text_file import MetricsFile

            found.append(Outbox(MetricsFile(options["metrics_file"], metrics)))
        return found

    def _check(self, outbox: Outbox[RunLine]) -> None:
        name, dropped = outbox.sink.name, outbox.dropped
        new, self._dropped[name] = dropped - self._dropped.get(name, 0), dropped
        trouble = outbox.trouble or (
            "too slow, the oldest lines are dropped" if new or outbox.behind else None
        )
        if (trouble is None) == (self._told.get(name) is None):
            return
        self._told[name] = trouble
        state, sentence = (
            ("degraded", f"{name}: {trouble}") if trouble else ("restored", f"{name} works again")
        )
        t = round(time.monotonic() - self._began, 3)
        self.publisher.publish(
            StatusLine(
                source=PROGRAM,
                t=t,
                state=state,
                details={
                    "output": name,
                    "sentence": sentence,
                    "dropped": dropped,
                    "failed": outbox.failed,
                },
            )
        )
