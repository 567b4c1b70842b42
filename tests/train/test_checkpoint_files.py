"""A checkpoint is whole, or the one before is still there."""

import errno
from pathlib import Path

import pytest
import torch

from edgeae.runtime.errors import ConfigError
from edgeae.train import checkpoint_files
from edgeae.train.checkpoint_files import WholeCheckpoints


def test_a_checkpoint_is_written_beside_its_name(tmp_path: Path) -> None:
    path = tmp_path / "run/checkpoints/last.ckpt"
    WholeCheckpoints().save_checkpoint({"epoch": 3}, path)
    assert torch.load(path, weights_only=True) == {"epoch": 3}
    assert [entry.name for entry in path.parent.iterdir()] == ["last.ckpt"]


def test_a_full_disk_keeps_the_checkpoint_and_names_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "run/checkpoints/last.ckpt"
    WholeCheckpoints().save_checkpoint({"epoch": 3}, path)

    def fail(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(checkpoint_files, "replace_file", fail)
    with pytest.raises(ConfigError, match=r"run: a checkpoint cannot be written \(No space left"):
        WholeCheckpoints().save_checkpoint({"epoch": 4}, path)
    assert torch.load(path, weights_only=True) == {"epoch": 3}
