"""Checkpoints that are whole: written beside their name and renamed, in the folder of the run."""

import io
from pathlib import Path
from typing import Any

import torch
from lightning.fabric.plugins import TorchCheckpointIO
from lightning.fabric.utilities.types import _PATH

from edgeae.runtime.errors import ConfigError
from edgeae.runtime.system.files import replace_file


class WholeCheckpoints(TorchCheckpointIO):
    """How Lightning writes checkpoints: whatever happens, a file holds the old one or the new.

    Lightning itself would write to the folder of temporary files, and copy from there.
    """

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: _PATH, storage_options: object = None
    ) -> None:
        """Write a checkpoint; ConfigError if the disk does not take it."""
        target = Path(path)
        run = target.parent.parent
        content = io.BytesIO()
        torch.save(checkpoint, content)
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            replace_file(target, content.getvalue())
        except OSError as error:
            raise ConfigError(
                f"{run}: a checkpoint cannot be written ({error.strerror}); make room, then "
                f"continue with edgeae train --resume -o {run}"
            ) from error
