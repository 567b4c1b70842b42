"""Two processes, as srun or torchrun starts them on two nodes, train one network."""

import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import lightning.pytorch as pl
import pytest
import torch
from ports import reserved_port

from edgeae.runtime.commands.cli import EXIT_DEFECT, run_command
from edgeae.runtime.errors import EXIT_INTERRUPTED, AudioError, ConfigError
from edgeae.train.processes import from_first, is_first, n_processes
from edgeae.train.trainer import is_lost_connection
from edgeae.train.training import train
from tests.conftest import Maker
from tests.train.short_runs import tiny_config

pytestmark = pytest.mark.usefixtures("elsewhere")
# Reports each file below the folder of the run that the process writes, makes or renames.
PROCESS = """
import os, sys

def report(event, arguments):
    if event == "open":
        path, mode, flags = arguments
        written = [path] if flags & (os.O_WRONLY | os.O_RDWR) else []
    elif event in ("os.mkdir", "os.remove", "os.rename", "os.symlink"):
        written = arguments[:2]
    else:
        return
    for path in written:
        if isinstance(path, str | os.PathLike) and "runs" in str(path):
            print("writes", path, file=sys.stderr)

sys.addaudithook(report)
from edgeae.runtime.commands.cli import main
main()
"""
SETTINGS = ("training.accelerator=cpu", "training.devices=1", "training.num_nodes=2")


def launched(launcher: str, rank: int, port: int) -> dict[str, str]:
    """The environment in which a launcher starts a process, the only one of its node."""
    address = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "GLOO_SOCKET_IFNAME": "lo"}
    if launcher == "torchrun":
        return {
            **address,
            "TORCHELASTIC_RUN_ID": "none",
            "RANK": str(rank),
            "LOCAL_RANK": "0",
            "GROUP_RANK": str(rank),
            "WORLD_SIZE": "2",
            "LOCAL_WORLD_SIZE": "1",
        }
    return {
        **address,
        "SLURM_JOB_ID": "17",
        "SLURM_NTASKS": "2",
        "SLURM_NTASKS_PER_NODE": "1",
        "SLURM_NNODES": "2",
        "SLURM_PROCID": str(rank),
        "SLURM_LOCALID": "0",
        "SLURM_NODEID": str(rank),
        "SLURM_NODELIST": "node[1-2]",
    }


def started(launcher: str, arguments: list[str]) -> list["subprocess.CompletedProcess[str]"]:
    """What the two processes of a command print, and how they end."""
    done = []
    with reserved_port() as port:
        processes = [
            subprocess.Popen(
                [sys.executable, "-c", PROCESS, *arguments],
                env={**os.environ, **launched(launcher, rank, port)},
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
            for rank in range(2)
        ]
        for process in processes:
            out, err = process.communicate(timeout=300)
            done.append(subprocess.CompletedProcess(process.args, process.returncode, out, err))
    return done


@pytest.mark.slow
def test_two_nodes_train_one_network_and_one_of_them_writes(
    make_data: Maker, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = [word for setting in SETTINGS for word in ("--set", setting)]
    command = ["train", str(make_data()), "-c", "tiny", "-o", "runs/both", *settings]
    first, second = started("slurm", command)
    assert (first.returncode, second.returncode) == (0, 0), first.stderr + second.stderr
    assert (first.stdout, second.stdout) == ("runs/both\n", "")
    assert "writes runs/both/metrics.json" in first.stderr
    assert "writes" not in second.stderr
    assert "next: edgeae export" not in second.stderr
    run = Path("runs/both")
    names = {path.name for path in run.iterdir()}
    assert names >= {"config.yaml", "data.json", "metrics.json", "checkpoints", "tensorboard"}
    assert json.loads((run / "metrics.json").read_text())["epochs"] == 3
    assert len(list((run / "checkpoints").glob("*.ckpt"))) == 4
    assert run_command(["export", str(run)]) == 0
    assert Path(capsys.readouterr().out.strip()).is_file()


@pytest.mark.slow
def test_an_error_of_the_first_process_ends_all_and_is_reported_once(tmp_path: Path) -> None:
    settings = [word for setting in SETTINGS for word in ("--set", setting)]
    first, second = started("torchrun", ["train", "nothing", "-o", "runs/none", *settings])
    assert first.returncode == second.returncode == ConfigError.exit_code
    assert "nothing" in first.stderr
    assert second.stderr == ""


class _Strategy:
    """Keeps what the first process sends to the others."""

    def __init__(self) -> None:
        self.sent: list[object] = []

    def broadcast(self, content: object) -> object:
        self.sent.append(content)
        return content


@pytest.mark.parametrize(
    ("error", "exit_code"),
    [
        (AudioError("no sound"), 2),
        (OSError(28, "No space left on device"), 2),
        (KeyboardInterrupt(), EXIT_INTERRUPTED),
        (ZeroDivisionError(), EXIT_DEFECT),
    ],
)
def test_the_others_end_with_the_exit_code_of_the_first_process(
    error: BaseException, exit_code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in launched("torchrun", 0, 1).items():
        monkeypatch.setenv(name, value)
    strategy = _Strategy()
    trainer = cast("pl.Trainer", SimpleNamespace(strategy=strategy))

    def fail() -> None:
        raise error

    with pytest.raises(type(error)):
        from_first(trainer, fail)
    assert strategy.sent == [(None, exit_code)]


GLOO = "[third_party/gloo/gloo/transport/tcp/pair.cc:545] Read error: Connection reset by peer."


@pytest.mark.parametrize(
    ("error", "is_lost"),
    [
        (RuntimeError(GLOO), True),
        (RuntimeError("mat1 and mat2 shapes cannot be multiplied"), False),
        (torch.distributed.DistBackendError("NCCL communicator was aborted"), True),
    ],
)
def test_a_process_that_is_lost_is_known_by_its_connection(
    error: RuntimeError, is_lost: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in launched("torchrun", 0, 1).items():
        monkeypatch.setenv(name, value)
    assert is_lost_connection(error) is is_lost


def test_without_a_launcher_there_is_one_process(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith(("SLURM_", "TORCHELASTIC"))]:
        monkeypatch.delenv(name)
    assert (n_processes(), is_first()) == (1, True)


@pytest.mark.parametrize("launcher", ["torchrun", "slurm"])
def test_a_launcher_says_how_many_processes_there_are(
    monkeypatch: pytest.MonkeyPatch, launcher: str
) -> None:
    for name, value in launched(launcher, 1, 1).items():
        monkeypatch.setenv(name, value)
    assert (n_processes(), is_first()) == (2, False)
    monkeypatch.setenv("SLURM_JOB_NAME", "bash")
    assert n_processes() == (2 if launcher == "torchrun" else 1)


@pytest.mark.parametrize("setting", ["training.num_nodes=2", "training.strategy=ddp"])
def test_nodes_need_a_launcher(tmp_path: Path, setting: str) -> None:
    with pytest.raises(ConfigError, match="start it with srun or torchrun"):
        train(tmp_path, tiny_config(setting), Path("run"))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (("training.strategy=ddp_spawn",), "leave srun or torchrun out"),
        (("training.devices=1",), r"num_nodes 1, .* not available here \(.*world size"),
    ],
)
def test_processes_that_do_not_fit_the_configuration_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: tuple[str, ...], message: str
) -> None:
    for name, value in launched("torchrun", 0, 1).items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ConfigError, match=message):
        train(tmp_path, tiny_config("training.accelerator=cpu", *settings), Path("run"))
    assert not Path("run").exists()
