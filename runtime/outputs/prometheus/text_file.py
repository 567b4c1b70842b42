"""The metrics as a file for node_exporter's textfile collector, where no port may be open.

    edgeae run machine.onnx --device hw:1 --metrics-file /var/lib/node_exporter/edgeae.prom

A thread of its own writes the file, so that the age in it grows even when no line comes. After a
kill the file stays as it was: alert on `time() - edgeae_last_window_timestamp_seconds > 60`.

node_exporter joins the files of a folder with its own metrics. So each series has the name of its
file as the label `process`, and `process_*`, which node_exporter has itself, are left out.
"""

from pathlib import Path
from threading import Event, Thread

from ...errors import ConfigError
from ...system.files import lock_named, replace_file
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

        Raises ConfigError for a name that node_exporter does not read, without the folder, or if
        another process writes the file.
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
        self._lock = lock_named(f"--{self.name}", path)
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
        self._lock.release()

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

        The values are worthless after a power loss, and each fsync wears the SD card.
        """
        text = self._metrics.text({"process": self._path.stem}, with_process=False)
        replace_file(self._path, text.encode(errors="replace"), durable=False)
