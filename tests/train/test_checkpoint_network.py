"""The network of a checkpoint: read back, refused, or replaced by the next best one."""

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from edgeae.runtime.errors import ConfigError
from edgeae.train.checkpoint_network import load_best, load_network
from edgeae.train.config import Config, load_config
from edgeae.train.run_folder import best_checkpoint, checkpoints_by_loss
from tests.conftest import Trained


def test_a_checkpoint_gives_back_network_and_configuration(trained: Trained) -> None:
    path = best_checkpoint(trained.run)
    network, config = load_network(path)
    assert config == load_config("tiny")
    assert not network.training
    assert network.std.min() >= 1
    weights = torch.load(path, weights_only=True)["state_dict"]
    assert torch.equal(network.mean, weights["network.mean"])


@pytest.mark.parametrize(
    "content", [b"", b"no checkpoint", b"PK\x03\x04 cut short", "foreign", "pickle"]
)
def test_a_damaged_or_foreign_checkpoint_is_refused(tmp_path: Path, content: bytes | str) -> None:
    path = tmp_path / "x.ckpt"
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        torch.save({"state_dict": {}} if content == "foreign" else {"call": print}, path)
    with pytest.raises(ConfigError, match=r"x\.ckpt: .*(damaged|not a checkpoint)"):
        load_network(path)


@pytest.mark.parametrize("weights", [{}, {"state_dict": {"network.mean": torch.zeros(3)}}])
def test_weights_that_do_not_fit_are_refused(tmp_path: Path, weights: dict[str, Any]) -> None:
    torch.save(
        {"edgeae": {"format": 1, "config": Config().to_dict()}, **weights}, tmp_path / "x.ckpt"
    )
    with pytest.raises(ConfigError, match="the weights do not fit"):
        load_network(tmp_path / "x.ckpt")


def test_a_missing_checkpoint_is_named() -> None:
    with pytest.raises(ConfigError, match="no such checkpoint"):
        load_network(Path("nowhere.ckpt"))


def test_the_next_best_checkpoint_is_used_where_the_best_is_damaged(
    trained: Trained, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    shutil.copytree(trained.run / "checkpoints", run / "checkpoints")
    best, second, *_ = checkpoints_by_loss(run)
    best.write_bytes(best.read_bytes()[:1000])
    messages: list[str] = []
    checkpoint, _, _ = load_best(run, messages.append)
    assert checkpoint == second
    assert len(messages) == 1
    assert messages[0].startswith(f"{best}: damaged")
    for path in checkpoints_by_loss(run):
        path.write_bytes(b"torn")
    with pytest.raises(ConfigError, match="damaged"):
        load_best(run, messages.append)


def test_an_export_does_not_import_lightning() -> None:
    code = "import sys, edgeae.quantize.export; sys.exit('lightning' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
