"""A command for each event: the line as JSON on its stdin, no shell, a time limit.

    event line --> memory file --stdin--> COMMAND ARGUMENT... --stderr--> its end is the error's
                                          killed with its process group after the time limit

What is left of the process group when the command ends is killed, too: months of forgotten background jobs
would fill the memory. A job that has to outlive its command can leave the group (`setsid`).
"""

import contextlib
import os
import selectors
import shlex
import shutil
import signal
import subprocess
import time
from io import FileIO
from typing import cast

from ...errors import ConfigError
from ..lines import EventLine, RunLine
from ..sink import OutputError, Sink

TAIL = 300  # bytes of stderr that are told
SECRETS = {
    "EDGEAE_MQTT_PASSWORD",
    "EDGEAE_WEBHOOK_TOKEN",
    "EDGEAE_WEBHOOK",
}  # of ours, which no command needs
PIPE = 1 << 16  # bytes that a pipe holds


class Hook(Sink[RunLine]):
    """Run ``command`` for each event line; for at most ``timeout`` seconds.

    ``command`` is split as a shell would split it, and no shell sees it. Raises ConfigError if there is no
    such program. Only the program's name stands in messages, not its arguments: they may be secret.
    """

    name = "on-event"

    def __init__(self, command: str, *, timeout: float = 30.0) -> None:
        if not timeout > 0:
            raise ConfigError(f"--on-event with a time limit of {timeout:g} s; give more than 0")
        self._timeout, self._command = timeout, split(command)
        self._running: int | None = None  # process group of the command

    def wants(self, line: RunLine) -> bool:
        return isinstance(line, EventLine)

    def deliver(self, line: RunLine) -> None:
        """Run the command to its end; OutputError if it cannot be started, fails or takes too long."""
        program = self._command[0]
        try:
            process = start(self._command, line.to_json().encode() + b"\n")
        except OSError as error:
            raise OutputError(f"{program}: cannot be started ({error.strerror})") from error
        with process:
            self._running = process.pid
            try:
                said, in_time = supervise(process, self._timeout)
            finally:
                self._running = None
                kill(process)
        if not in_time:
            raise OutputError(f"{program}: was killed after {self._timeout:g} s{said}")
        if process.returncode > 0:
            raise OutputError(f"{program}: ended with exit code {process.returncode}{said}")
        if process.returncode < 0:
            raise OutputError(f"{program}: was ended by signal {-process.returncode}{said}")

    def close(self) -> None:
        """Nothing is open between two events."""

    def abort(self) -> None:
        """The process ends, and the command that runs with it."""
        if self._running:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._running, signal.SIGKILL)


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
            f"--on-event: {words[0]} is no program that can be run here; give its full path, chmod +x it"
        )
    return words


def start(command: list[str], text: bytes) -> "subprocess.Popen[bytes]":
    """A process in a group of its own that reads ``text``, or does not: a file in memory waits for nobody."""
    with os.fdopen(os.memfd_create("event"), "wb+", buffering=0) as stdin:
        stdin.write(text)
        stdin.seek(0)
        return subprocess.Popen(
            command,
            stdin=stdin,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            bufsize=0,
            start_new_session=True,
            env={name: value for name, value in os.environ.items() if name not in SECRETS},
        )


def supervise(process: "subprocess.Popen[bytes]", seconds: float) -> tuple[str, bool]:
    """Wait for the end of a process: the end of its stderr in words, and whether it came in time."""
    stderr, said, in_time = cast(FileIO, process.stderr), b"", False
    os.set_blocking(stderr.fileno(), False)
    deadline = time.monotonic() + seconds
    with FileIO(os.pidfd_open(process.pid)) as ended, selectors.DefaultSelector() as selector:
        selector.register(stderr, selectors.EVENT_READ)
        selector.register(ended, selectors.EVENT_READ)
        while not in_time and (left := deadline - time.monotonic()) > 0:
            for key, _ in selector.select(left):
                if key.fileobj is ended:
                    in_time = True
                elif chunk := stderr.read(PIPE):
                    said = (said + chunk)[-TAIL:]
                else:
                    selector.unregister(stderr)
    return in_words(said + (stderr.read(PIPE) or b"")), in_time


def kill(process: "subprocess.Popen[bytes]") -> None:
    """End what is left of the group. The process itself was not reaped, so the number is still its own."""
    with contextlib.suppress(PermissionError):  # another user's (sudo) has to end by itself
        os.killpg(process.pid, signal.SIGKILL)


def in_words(stderr: bytes) -> str:
    """What a message ends in: one line, without a terminal's colours."""
    text = " ".join(stderr[-TAIL:].decode(errors="replace").split())
    return f": {''.join(filter(str.isprintable, text))}" if text else ""
