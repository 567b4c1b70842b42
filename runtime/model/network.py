"""The network of an artifact, run by ONNX Runtime on one thread.

What the judgement of the file cannot see (`edgeae.runtime.model.protobuf`), a file that multiplies small
tensors to huge ones or computes for hours, ends here: its memory has a limit, and so has the
processor's time for a first patch.
"""

import os
import time
from collections.abc import Callable
from functools import cache
from threading import Thread
from typing import Any, TypeVar

import numpy as np

from ..errors import ArtifactError
from ..system.arrays import Float32
from .artifact import Artifact

MOST_FRAMES = 1024  # of a patch
BATCH = 64  # patches computed at once when many are there
MOST_MEMORY = 384 << 20  # bytes for weights and tensors; the largest preset takes a tenth
DEADLINE = 20.0  # seconds of the processor, to load the network and to compute one patch; milliseconds are usual
LOOK_SECONDS = 0.05  # between two looks at the processor's time
T = TypeVar("T")
RESIDUAL, STATISTICS = "residual", "statistics"  # the outputs of an artifact's network


class Network:
    """Log-mel patches -> what the head reads: sums over the time of each patch.

    The rows are the sum, the sum of squares and the sum of squared changes from frame to frame; the
    columns are the bands of the standardised input z, then those of the residual, both in standard
    deviations of the training sound. In an int8 artifact they have the same bits on every processor.

    Any callable with this signature and the other public members can stand in for it, as the trained
    torch network does in `edgeae evaluate`.
    """

    def __init__(self, artifact: Artifact) -> None:
        try:
            _prepare()
            self._session = _within(DEADLINE, lambda: _session(artifact.model))
            inputs = [(node.name, node.shape) for node in self._session.get_inputs()]
            outputs = {node.name for node in self._session.get_outputs()}
        except ArtifactError:
            raise
        except Exception as error:  # onnxruntime's exceptions have no common base below Exception
            raise ArtifactError(
                f"onnxruntime refuses the network ({_reason(error)}); export it again"
            ) from error
        shape = inputs[0][1] if len(inputs) == 1 else []
        if len(shape) != 3 or shape[2] != artifact.mel.n_mels or not _is_length(shape[1]):
            raise ArtifactError(
                f"the network takes {shape}; allowed is (n_patches, frames, {artifact.mel.n_mels})"
            )
        if not outputs >= {RESIDUAL, STATISTICS}:
            raise ArtifactError(
                f"the network gives {sorted(outputs)}; needed are {RESIDUAL} and {STATISTICS}"
            )
        self.patch_frames: int = shape[1]
        self._input, self._n_mels = inputs[0][0], artifact.mel.n_mels
        self._range = _range_of(artifact)
        _within(
            DEADLINE, lambda: self(np.full((1, self.patch_frames, self._n_mels), -50, np.float32))
        )

    def __call__(self, patches: Float32) -> Float32:
        """(n_patches, patch_frames, n_mels) dB -> (n_patches, 3, 2 * n_mels), see the class."""
        found = self._run(patches, STATISTICS, (3, 2 * self._n_mels))
        if found[:, 1:].min(initial=0) < 0:
            raise ArtifactError("the network gives sums of squares below 0; export it again")
        return found

    def residual(self, patches: Float32) -> Float32:
        """(n_patches, patch_frames, n_mels) dB -> reconstruction minus z, of the same shape."""
        return self._run(patches, RESIDUAL, patches.shape[1:])

    def out_of_range(self, patches: Float32) -> Float32:
        """(n_patches,) share of each patch beyond what the 8 bits of the network's input can express."""
        if self._range is None:
            return np.zeros(len(patches), np.float32)
        low, high = self._range
        beyond = (patches < low) | (patches > high)
        return np.array([np.count_nonzero(patch) / patch.size for patch in beyond], np.float32)

    def _run(self, patches: Float32, output: str, shape: tuple[int, ...]) -> Float32:
        if len(patches) <= BATCH:
            return self._batch(patches, output, shape)
        return np.concatenate(
            [
                self._batch(patches[k : k + BATCH], output, shape)
                for k in range(0, len(patches), BATCH)
            ]
        )

    def _batch(self, patches: Float32, output: str, shape: tuple[int, ...]) -> Float32:
        try:
            found: Any = self._session.run([output], {self._input: patches})[0]
        except Exception as error:  # see above
            raise ArtifactError(
                f"the network cannot be run ({_reason(error)}); export it again"
            ) from error
        if found.shape != (len(patches), *shape) or found.dtype != np.float32:
            raise ArtifactError(
                f"the network gives {found.dtype} {found.shape} as {output}; export it again"
            )
        if not np.isfinite(found).all():
            raise ArtifactError(
                f"the network gives values that are not numbers as {output}; export it again"
            )
        return np.asarray(found)


def _session(model: bytes) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.add_session_config_entry("session.use_env_allocators", "1")
    options.log_severity_level = 4
    return onnxruntime.InferenceSession(
        model,
        options,
        ["CPUExecutionProvider"],
        disabled_optimizers=[
            "ConstantFolding"
        ],  # edgeae folds when it exports; the limit would not hold for it
        enable_fallback=0,  # which prints to stdout
    )


@cache
def _prepare() -> None:
    """Import onnxruntime, and give the sessions that ask for it (``use_env_allocators``) one arena with a limit.

    Not within the deadline: the import takes as long as the disk does, and Python cannot end while a thread is at it.
    """
    os.environ.setdefault(
        "ORT_DISABLE_TELEMETRY", "1"
    )  # a database, and look-ups of its maker's host
    import onnxruntime

    place = onnxruntime.OrtMemoryInfo(
        "Cpu", onnxruntime.OrtAllocatorType.ORT_ARENA_ALLOCATOR, 0, onnxruntime.OrtMemType.DEFAULT
    )
    onnxruntime.create_and_register_allocator(
        place, onnxruntime.OrtArenaCfg({"max_mem": MOST_MEMORY})
    )


def _within(seconds: float, work: Callable[[], T]) -> T:
    """What ``work`` gives, in a thread that is left alone if it takes longer: onnxruntime cannot be stopped.

    seconds: of the processor, and of the whole process, which does nothing else meanwhile. Those of the clock say
    nothing about the network: on a busy computer, as at its start, they are many times as long.
    """
    outcome: list[T | Exception] = []

    def call() -> None:
        try:
            outcome.append(work())
        except Exception as error:  # raised again below
            outcome.append(error)

    thread, end = Thread(target=call, daemon=True), time.process_time() + seconds
    thread.start()
    while thread.is_alive() and time.process_time() < end:
        thread.join(LOOK_SECONDS)
    if not outcome:
        raise ArtifactError(
            f"the network took longer than {seconds:g} s of computing for one patch; use a smaller one"
        )
    if isinstance(outcome[0], Exception):
        raise outcome[0]
    return outcome[0]


def _is_length(frames: object) -> bool:
    return isinstance(frames, int) and 2 <= frames <= MOST_FRAMES


def _range_of(artifact: Artifact) -> tuple[Float32, Float32] | None:
    """The least and greatest level (n_mels,) dB that an int8 network tells from its neighbours."""
    section = artifact.quantization
    if section is None:
        return None
    return section.input_low_db.astype(np.float32), section.input_high_db.astype(np.float32)


def statistics_of(z: Float32, residual: Float32) -> Float32:
    """What `Network` gives, by NumPy: (n_patches, frames, n_mels) of both, standard deviations.

    -> (n_patches, 3, 2 * n_mels)
    """
    both = np.concatenate([z, residual], axis=2)
    rows = [
        both.sum(axis=1),
        np.square(both).sum(axis=1),
        np.square(np.diff(both, axis=1)).sum(axis=1),
    ]
    return np.stack(rows, axis=1)


def _reason(error: Exception) -> str:
    return " ".join(str(error).split())[:160]
