"""The metrics as a file for node_exporter's textfile collector, where no port may be open.

    edgeae run machine.onnx --device hw:1 --metrics-file /var/lib/node_exporter/edgeae.prom

A thread of its own writes the file, so that the age in it grows even when no line comes. After a
kill the file stays as it was: alert on `time() - edgeae_last_window_timestamp_seconds > 60`.
"""

from pathlib import Path
from threading import Event, Thread

from ...errors import ConfigError
from ..lines import RunLine
from ..sink import Sink
from .metrics import Metrics

CLOSE_SECONDS = 2.0  # for the last file


class MetricsFile(Sink[RunLine]):
    """Writes the file in a thread. It is a sink so that `deliver` can report what failed there."""

    name = "metrics-file"

    def __init__(self, path: Path, metrics: Metrics, every: float) -> None:
        """Start to write.

        every: seconds between two files.

        Raises ConfigError for a name that node_exporter does not read, or without the folder.
        """
        if path.suffix != ".prom":
            raise ConfigError(
                f"--metrics-file {path}: node_exporter reads files that end in .prom; name it so"
            )
        if not path.parent.is_dir():
            raise ConfigError(
                f"--metrics-file {path}: there is no folder {path.parent}; make it first"
            )
        self._path = path
        self._metrics = metrics
        self._every = every
        self._failure: OSError | None = None
        self._closing = Event()
        self._thread = Thread(target=self._work, name="metrics file", daemon=True)
        self._thread.start()

    def wants(self, line: RunLine) -> bool:
        return True

    def deliver(self, line: RunLine) -> None:
        """OSError if the last file could not be written."""
        if self._failure:
            raise self._failure

    def close(self) -> None:
        """Write the last file, which says that no source is captured any more."""
        self._closing.set()
        self._thread.join(CLOSE_SECONDS)

    def _work(self) -> None:
        closing = False
        while not closing:
            closing = self._closing.wait(self._every)
            try:
                self._write()
            except OSError as error:
                self._failure = error
            else:
                self._failure = None

    def _write(self) -> None:
        """Replace the file: a reader sees the old one or the new one.

        There is no fsync: the values are worthless after a power loss, and each fsync wears the SD
        card.
        """
        new = self._path.with_name(f".{self._path.name}.new")  # which node_exporter does not read
        try:
            new.write_text(self._metrics.text(), encoding="utf-8", errors="replace")
            new.replace(self._path)
        except OSError:
            new.unlink(missing_ok=True)
            raise
