"""Training by several processes that srun or torchrun has started, on one node or on several.

    process 0     makes the folder, computes features --split--> trains, writes checkpoints, result
    process 1...                                      ---------> trains; writes nothing

All of them see the folder of the run under the same path. Processes that edgeae itself starts, one
for each device, need none of this: see `edgeae.train.trainer`.
"""

import os
from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING, TypeVar

from edgeae.runtime.commands.cli import EXIT_DEFECT
from edgeae.runtime.errors import EXIT_INTERRUPTED, ConfigError, EdgeaeError

if TYPE_CHECKING:
    import lightning.pytorch as pl

PREPARE_TIME = timedelta(hours=6)  # that processes wait for the first one to compute the features
INTERACTIVE_JOBS = ("bash", "interactive")  # of SLURM, in which Lightning looks for no processes
T = TypeVar("T")


def n_processes() -> int:
    """How many processes a launcher has started for this training; 1 without a launcher."""
    if "TORCHELASTIC_RUN_ID" in os.environ:
        return int(os.environ["WORLD_SIZE"])
    return int(os.environ["SLURM_NTASKS"]) if _is_slurm() else 1


def is_first() -> bool:
    """Whether this is the process that writes; true without a launcher."""
    if "TORCHELASTIC_RUN_ID" in os.environ:
        return os.environ["RANK"] == "0"
    return not _is_slurm() or os.environ["SLURM_PROCID"] == "0"


def _is_slurm() -> bool:
    is_interactive = os.environ.get("SLURM_JOB_NAME") in INTERACTIVE_JOBS
    return {"SLURM_NTASKS", "SLURM_PROCID"} <= os.environ.keys() and not is_interactive


def from_first(trainer: "pl.Trainer", make: Callable[[], T]) -> T:
    """What ``make`` returns in the first process, in every process.

    If it raises there, the others end with the exit code of the error and without a message.

    trainer: of connected processes, see `edgeae.train.trainer.connect`.
    """
    if n_processes() == 1:
        return make()
    result: tuple[T | None, int] = (None, 0)
    if is_first():
        try:
            result = (make(), 0)
        except BaseException as error:
            trainer.strategy.broadcast((None, _exit_code_of(error)))
            raise
    content, exit_code = trainer.strategy.broadcast(result)
    if exit_code or content is None:
        raise SystemExit(exit_code or EXIT_DEFECT)
    return content


def _exit_code_of(error: BaseException) -> int:
    """The exit code of a command that ends with this error."""
    if isinstance(error, EdgeaeError):
        return error.exit_code
    if isinstance(error, OSError):
        return ConfigError.exit_code
    return EXIT_INTERRUPTED if isinstance(error, KeyboardInterrupt) else EXIT_DEFECT
