"""What can be checked of the container without building it, and its health check."""

import re
import runpy
import shlex
import shutil
import socket
import subprocess
import sys
from fnmatch import fnmatch
from itertools import pairwise
from pathlib import Path
from threading import Thread

import pytest
from example_lines import score, status
from ports import reserved_port

from edgeae.runtime.outputs.prometheus.endpoint import MetricsServer
from edgeae.runtime.outputs.prometheus.metrics import Metrics

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "contrib" / "container"
FILE = FOLDER / "Containerfile"
HEALTH_CHECK = FOLDER / "healthcheck.py"


def instructions() -> list[tuple[str, str]]:
    """(name, arguments) of each instruction of the file."""
    text = re.sub(r"^#.*\n", "", FILE.read_text(), flags=re.M).replace("\\\n", " ")
    lines = [line.split(maxsplit=1) for line in text.splitlines() if line.strip()]
    return [(name, arguments) for name, arguments in lines]


def arguments_of(name: str) -> list[str]:
    return [arguments for each, arguments in instructions() if each == name]


def copied_files() -> list[str]:
    """The files and folders of the repository that are copied."""
    copies = [arguments for arguments in arguments_of("COPY") if not arguments.startswith("--from")]
    return [source for arguments in copies for source in arguments.split()[:-1]]


def test_each_copied_file_exists_and_is_sent_to_the_builder() -> None:
    patterns = (ROOT / ".dockerignore").read_text().splitlines()
    sent = [pattern.removeprefix("!") for pattern in patterns if pattern.startswith("!")]
    assert copied_files()
    for source in copied_files():
        assert (ROOT / source).exists(), source
        assert any(fnmatch(source, pattern) for pattern in sent), source
    for pattern in sent:
        assert list(ROOT.glob(pattern)), pattern


def test_it_copies_all_packages() -> None:
    stages = {path.parent.name for path in ROOT.glob("*/py.typed")} | {"configs"}
    assert stages <= set(copied_files())


def test_it_runs_as_an_ordinary_user() -> None:
    *_, user = arguments_of("USER")
    last_name = [name for name, _ in instructions() if name in ("RUN", "USER")][-1]
    assert int(user.split(":")[0]) > 0
    assert last_name == "USER"
    [command] = [arguments for arguments in arguments_of("RUN") if "useradd" in arguments]
    assert f"--uid {user} --gid audio" in command


def test_packages_are_installed_by_their_hashes_alone() -> None:
    installs = [
        shlex.split(command)
        for arguments in arguments_of("RUN")
        for command in arguments.split("&&")
        if re.search(r"pip\s+install", command)
    ]
    assert len(installs) == 2
    for words in installs:
        assert "--require-hashes" in words or "--no-deps" in words
        for option, value in pairwise(words):
            if option == "-r":
                assert (ROOT / value.removeprefix("/source/")).is_file()


def test_the_linter_finds_nothing() -> None:
    program = shutil.which("hadolint")
    if program is None:
        pytest.skip("hadolint is not here")
    done = subprocess.run([program, FILE], capture_output=True, text=True, check=False)
    assert done.stdout + done.stderr == ""


def health(port: int) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(HEALTH_CHECK), str(port)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_the_health_check_passes_while_sound_is_scored() -> None:
    metrics = Metrics()
    with reserved_port() as port:
        done = health(port)
        assert done.returncode == 1
        assert "does not answer" in done.stderr
        server = MetricsServer(str(port), metrics)
        try:
            done = health(port)
            assert (done.returncode, done.stderr) == (1, "no sound was scored yet\n")
            metrics.deliver(status("listening"))
            metrics.deliver(score(1.0))
            done = health(port)
            assert (done.returncode, done.stderr) == (0, "")
        finally:
            server.close()


def test_another_program_at_the_port_is_reported_in_one_sentence() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        answer = Thread(target=_answer_badly, args=(server,))
        answer.start()
        done = health(server.getsockname()[1])
        answer.join()
    assert done.returncode == 1
    assert "does not answer: garbage" in done.stderr
    assert "Traceback" not in done.stderr


def _answer_badly(server: socket.socket) -> None:
    connection, _ = server.accept()
    with connection:
        connection.recv(4096)
        connection.sendall(b"garbage\r\n\r\n")


def test_the_health_check_fails_for_old_sound() -> None:
    silent_sources = runpy.run_path(str(HEALTH_CHECK))["silent_sources"]
    line = 'edgeae_score_age_seconds{{source="{}"}} {}\n'
    metrics = line.format("hw:1", "0.5") + line.format("hw:2", "61.0")
    assert silent_sources(metrics) == ['{source="hw:2"}']
    metrics += 'edgeae_paused{source="hw:1"} 0\nedgeae_paused{source="hw:2"} 1\n'
    assert silent_sources(metrics) == [], "a person paused it"
