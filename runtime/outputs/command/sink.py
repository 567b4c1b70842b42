"""Runs a command for each event: the line as JSON on its stdin, no shell, a time limit.

    event line --> temporary file --stdin--> COMMAND ARGUMENT... --stderr--> temporary file

The end of stderr is a part of the error message. When the command ends or exceeds the time limit,
its whole process group is killed: background jobs that nobody waits for would fill the memory in
months. A job that has to outlive its command can leave the group (`setsid`).
"""

import contextlib
import os
import shlex
import shutil
import signal
import subprocess
import tempfile
from typing import IO

from ...errors import ConfigError
from ..lines import EventLine, RunLine
from ..sink import OutputError, Sink

MAX_MESSAGE_BYTES = 300  # of stderr
# Variables that edgeae reads and no command needs.
SECRET_VARIABLES = {
    "EDGEAE_MQTT_PASSWORD",
    "EDGEAE_WEBHOOK_TOKEN",
    "EDGEAE_WEBHOOK",
    "EDGEAE_PAGE_TOKEN",
}


class Hook(Sink[RunLine]):
    """Run ``command`` for each event line, for at most ``timeout`` seconds.

    ``command`` is split as a shell would split it, but no shell runs it. Raises ConfigError if
    there is no such program. Messages name the program without its arguments, which may be secret.
    """

    name = "on-event"

    def __init__(self, command: str, *, timeout: float = 30.0) -> None:
        if not timeout > 0:
            raise ConfigError(f"--on-event with a time limit of {timeout:g} s; give more than 0")
        self._timeout = timeout
        self._command = split(command)
        self._group: int | None = None  # process group of the command that runs

    def wants(self, line: RunLine) -> bool:
        return isinstance(line, EventLine)

    def deliver(self, line: RunLine) -> None:
        """Run the command to its end; OutputError if it cannot be started, fails or is too slow."""
        program = self._command[0]
        text = line.to_json().encode() + b"\n"
        try:
            with tempfile.TemporaryFile() as stderr:
                code = self._run(text, stderr)
                reason = read_reason(stderr)
        except OSError as error:
            raise OutputError(f"{program}: cannot be started ({error.strerror})") from error
        if code is None:
            raise OutputError(f"{program}: was killed after {self._timeout:g} s{reason}")
        if code > 0:
            raise OutputError(f"{program}: ended with exit code {code}{reason}")
        if code < 0:
            raise OutputError(f"{program}: was ended by signal {-code}{reason}")

    def _run(self, text: bytes, stderr: IO[bytes]) -> int | None:
        """The exit code of the command; None if it was killed after the time limit."""
        process = start(self._command, text, stderr)
        self._group = process.pid
        try:
            return process.wait(self._timeout)
        except subprocess.TimeoutExpired:
            return None
        finally:
            self._group = None
            kill_group(process.pid)
            process.wait()

    def close(self) -> None:
        """Nothing is open between two events."""

    def abort(self) -> None:
        """Kill the command that runs, because the process ends."""
        if self._group:
            kill_group(self._group)


def split(command: str) -> list[str]:
    """The program and its arguments; ConfigError unless it can be run."""
    try:
        words = shlex.split(command)
    except ValueError as error:
        raise ConfigError(
            f"--on-event: the command cannot be split into words ({error}); quote it"
        ) from error
    if not words:
        raise ConfigError("--on-event: the command is empty; name a program and its arguments")
    if not shutil.which(words[0]):
        raise ConfigError(
            f"--on-event: {words[0]} is no program that can be run here; "
            "give its full path, chmod +x it"
        )
    return words


def start(command: list[str], text: bytes, stderr: IO[bytes]) -> "subprocess.Popen[bytes]":
    """Start a process in a group of its own.

    Its stdin is a file, so that a command that does not read ``text`` blocks nobody.
    """
    environment = {
        name: value for name, value in os.environ.items() if name not in SECRET_VARIABLES
    }
    with tempfile.TemporaryFile() as stdin:
        stdin.write(text)
        stdin.seek(0)
        return subprocess.Popen(
            command,
            stdin=stdin,
            stdout=subprocess.DEVNULL,
            stderr=stderr,
            start_new_session=True,
            env=environment,
        )


def kill_group(group: int) -> None:
    """End all processes of a group; those of another user (sudo) have to end by themselves."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, signal.SIGKILL)


def read_reason(stderr: IO[bytes]) -> str:
    """The end of stderr as the end of a message: one line, without a terminal's colours."""
    size = stderr.seek(0, os.SEEK_END)
    stderr.seek(max(0, size - MAX_MESSAGE_BYTES))
    text = " ".join(stderr.read().decode(errors="replace").split())
    return f": {''.join(filter(str.isprintable, text))}" if text else ""
