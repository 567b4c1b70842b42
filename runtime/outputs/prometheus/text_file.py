"""The numbers as a file for node_exporter's textfile collector, where no port may be open.

    edgeae run machine.onnx --device hw:1 --metrics-file /var/lib/node_exporter/edgeae.prom

Its own thread writes, so that the age grows in the file also when no line comes. After a kill the file stays as it was:
alert on `time() - edgeae_last_window_timestamp_seconds > 60`.
"""

from pathlib import Path
from threading import Event, Thread

from ...errors import ConfigError
from ..lines import RunLine
from ..sink import Sink
from .metrics import Metrics

EVERY = 15.0  # seconds, as often as Prometheus usually scrapes
CLOSING = 2.0  # seconds for the last file


class MetricsFile(Sink[RunLine]):
    """A sink for the sake of its trouble: `deliver` tells what the writing thread met."""

    name = "metrics-file"

    def __init__(self, path: Path, metrics: Metrics, every: float = EVERY) -> None:
        """every: seconds between files; ConfigError for a path that node_exporter does not read, or no folder."""
        if path.suffix != ".prom":
            raise ConfigError(
                f"--metrics-file {path}: node_exporter reads files that end in .prom; name it so"
            )
        if not path.parent.is_dir():
            raise ConfigError(
                f"--metrics-file {path}: there is no folder {path.parent}; make it first"
            )
        self._path, self._metrics, self._every = path, metrics, every
        self._failure: OSError | None = None
        self._over = Event()
        self._thread = Thread(target=self._work, name="metrics file", daemon=True)
        self._thread.start()

    def wants(self, line: RunLine) -> bool:
        return True

    def deliver(self, line: RunLine) -> None:
        """OSError if the last file could not be written."""
        if self._failure:
            raise self._failure

    def close(self) -> None:
        """After a last file, which says that nothing is listened to any more."""
        self._over.set()
        self._thread.join(CLOSING)

    def _work(self) -> None:
        over = False
        while not over:
            over = self._over.wait(self._every)
            try:
                self._write()
            except OSError as error:
                self._failure = error
            else:
                self._failure = None

    def _write(self) -> None:
        """A reader sees the old file or the new one. No fsync: what a power loss takes is worthless after it, and an
        SD card wears out from it."""
        new = self._path.with_name(f".{self._path.name}.new")  # which node_exporter does not read
        try:
            new.write_text(self._metrics.text(), encoding="utf-8", errors="replace")
            new.replace(self._path)
        except OSError:
            new.unlink(missing_ok=True)
            raise
