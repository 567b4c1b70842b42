"""Recordings scored by a Dask cluster of two worker processes on this computer."""

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from edgeae.runtime.audio.recordings import audio_files
from edgeae.runtime.commands.cli import run_command
from edgeae.runtime.errors import ConfigError
from edgeae.runtime.offline.cluster import _check_address, cluster_workers
from edgeae.runtime.offline.files import score_files
from edgeae.runtime.outputs.lines import RunLine
from edgeae.runtime.outputs.publisher import LinePublisher
from edgeae.runtime.scoring.detector import Detector
from tests.conftest import Trained

distributed = pytest.importorskip(
    "distributed", reason="Dask is not installed: pip install 'edgeae[cluster]'"
)
pytestmark = [
    pytest.mark.slow,
    # Dask's own, when its workers end.
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]
OF_THE_RUN = ("time", "synced")


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with distributed.LocalCluster(
        n_workers=2,
        threads_per_worker=2,
        dashboard_address=":0",
        host="127.0.0.1",
        silence_logs=50,
    ) as cluster:
        yield cluster.scheduler_address


@pytest.fixture
def files(trained: Trained) -> list[Path]:
    return audio_files(trained.new / "test")


def _lines(text: str) -> list[dict[str, Any]]:
    """Lines without what differs from run to run."""
    lines = [json.loads(line) for line in text.splitlines()]
    return [{k: v for k, v in line.items() if k not in OF_THE_RUN} for line in lines]


def test_a_cluster_prints_what_one_process_prints(
    machine: Path,
    files: list[Path],
    address: str,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / "bad.wav").write_bytes(b"RIFF")
    # Workers have another present folder, and relative paths stay as they were given.
    monkeypatch.chdir(files[0].parent)
    given = [*(path.name for path in files), str(tmp_path / "bad.wav"), files[0].name]
    arguments = ["run", str(machine), "--json", "--skip-bad", *given]
    capfd.readouterr()
    assert run_command([*arguments, "--jobs", "1"]) == 0
    alone = capfd.readouterr()
    assert run_command([*arguments, "--cluster", address]) == 0
    together = capfd.readouterr()
    assert _lines(together.out) == _lines(alone.out)
    assert "bad.wav" in together.err


class _Published(LinePublisher):
    """Keeps the lines, and ends a worker after the first ones."""

    def __init__(self, victim: int | None = None) -> None:
        self.lines: list[RunLine] = []
        self._victim = victim

    def publish(self, line: RunLine, machine: str | None = None, age: float | None = None) -> None:
        self.lines.append(line)
        if self._victim is not None:
            os.kill(self._victim, signal.SIGKILL)
            self._victim = None


def test_a_lost_worker_is_survived(machine: Path, files: list[Path], address: str) -> None:
    detector = Detector.load(machine)
    many = files * 6
    alone = _Published()
    score_files(detector, many, 0, alone)
    with distributed.Client(address, set_as_default=False) as client:
        victim = next(iter(client.run(os.getpid).values()))
    together = _Published(victim)
    with cluster_workers(address) as workers:
        score_files(detector, many, 0, together, workers=workers)
    assert together.lines == alone.lines


@pytest.mark.parametrize(
    ("answer", "message"), [("0.0.1", "has edgeae 0.0.1, and this"), (OSError(), "has no edgeae")]
)
def test_workers_with_another_edgeae_are_refused(
    answer: str | OSError, message: str, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(distributed.Client, "run", lambda *_, **__: {"tcp://a:1": answer})
    with (
        pytest.raises(ConfigError, match=rf"the worker tcp://a:1 {message}.*install the same"),
        cluster_workers(address),
    ):
        pass


def test_no_scheduler_is_one_sentence() -> None:
    with (
        pytest.raises(ConfigError, match="no Dask scheduler answers there"),
        cluster_workers("tcp://127.0.0.1:9", connect_seconds=1.0),
    ):
        pass


@pytest.mark.parametrize(
    "address",
    ["a:8786", "tcp://a.b-c:8786", "tls://10.0.0.1:1", "[::1]:8786", "tcp://[fe80::1%eth0]:8786"],
)
def test_an_address_that_a_scheduler_can_have_is_accepted(address: str) -> None:
    _check_address(address)


@pytest.mark.parametrize(
    "address",
    [
        *("foo", "tcp://foo", "tcp://foo bar:8786", "10.0.0.1", ":8786", "::1:8786"),
        *("http://10.0.0.1:8787", "tcp://10.0.0.1:8786/"),
    ],
)
def test_what_is_no_address_is_refused_at_once(address: str) -> None:
    with (
        pytest.raises(ConfigError, match="no address of a Dask scheduler"),
        cluster_workers(address),
    ):
        pass


def test_tls_without_certificates_is_one_sentence() -> None:
    with (
        pytest.raises(ConfigError, match="no certificates for this address"),
        cluster_workers("tls://127.0.0.1:9", connect_seconds=1.0),
    ):
        pass


def test_no_worker_is_one_sentence() -> None:
    with (
        distributed.LocalCluster(
            n_workers=0, dashboard_address=":0", host="127.0.0.1", silence_logs=50
        ) as cluster,
        pytest.raises(ConfigError, match="the scheduler has no worker"),
        cluster_workers(cluster.scheduler_address, connect_seconds=1.0),
    ):
        pass
