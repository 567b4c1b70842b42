"""Prometheus' own programs: a real node_exporter that reads files, and promtool."""

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import pytest
from ports import reserved_port
from waiting import wait_for

TOOLS = Path(__file__).parents[2] / ".tools/usr/bin"
SEARCH_PATH = f"{TOOLS}:/usr/bin:/usr/local/bin"


def find_program(*names: str) -> str:
    """The path of a program under any of its names; the test is skipped if there is none."""
    for name in names:
        program = shutil.which(name) or shutil.which(name, path=SEARCH_PATH)
        if program:
            return program
    pytest.skip(f"{names[0]} is not here: scripts/install-system-packages --tests unpacks it")


def check_with_promtool(text: str) -> str:
    """What `promtool check metrics` has against a text; empty if nothing."""
    program = find_program("promtool")
    done = subprocess.run(
        [program, "check", "metrics"], input=text, capture_output=True, text=True, check=False
    )
    return done.stdout + done.stderr


class NodeExporter:
    """A node_exporter with the collector of text files alone."""

    def __init__(self, port: int, log: Path) -> None:
        self._port = port
        self._log = log

    def scrape(self) -> str:
        """What Prometheus gets from it."""
        with urlopen(f"http://127.0.0.1:{self._port}/metrics", timeout=30) as answer:
            text: str = answer.read().decode()
        return text

    @property
    def log(self) -> str:
        """What it has printed."""
        return self._log.read_text()

    def answers(self) -> bool:
        try:
            self.scrape()
        except (URLError, ConnectionError):
            return False
        return True


@contextmanager
def node_exporter(folder: Path, log: Path) -> Iterator[NodeExporter]:
    """A running node_exporter that reads the files of a folder."""
    program = find_program("prometheus-node-exporter", "node_exporter")
    with reserved_port() as port, log.open("wb") as output:
        command = [
            program,
            f"--web.listen-address=127.0.0.1:{port}",
            "--collector.disable-defaults",
            "--collector.textfile",
            f"--collector.textfile.directory={folder}",
        ]
        with subprocess.Popen(command, stdout=output, stderr=output) as process:
            exporter = NodeExporter(port, log)
            try:
                wait_for(exporter.answers)
                yield exporter
            finally:
                process.kill()
