"""The network of an artifact, run by ONNX Runtime on one thread.

`edgeae.runtime.model.onnx_checks` cannot see that a file multiplies small tensors to huge ones or
computes for hours. For such files, this module limits the memory of the network and the processor
time of its first patch.
"""

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from threading import Thread
from typing import Protocol, TypeVar

import numpy as np

from ..errors import ArtifactError
from ..system.arrays import Float32
from .artifact import Artifact

MIN_PATCH_FRAMES = 2
MAX_PATCH_FRAMES = 1024
MAX_MEMORY_BYTES = 384 << 20  # of weights and tensors; the largest preset needs a tenth
PROCESSOR_TIME_CHECK_SECONDS = 0.05
SILENT_PATCH_DB = -50.0  # every value of the patch that is computed first
T = TypeVar("T")

# The outputs of an artifact's network
RESIDUAL = "residual"
STATISTICS = "statistics"
IDENTITY = "identity"
MAX_IDENTITY = 128  # numbers of an identity embedding


@dataclass(frozen=True)
class NetworkLimits:
    """Limits of a network; tests pass shorter ones."""

    # Processor time to load the network, and again to compute one patch. Both usually take
    # milliseconds.
    max_first_patch_seconds: float = 20.0
    max_batch_patches: int = 64  # of one call of ONNX Runtime


class Node(Protocol):
    """An input or output of an ONNX Runtime session."""

    name: str
    shape: list[object]  # an int, or the name of a variable dimension


class Session(Protocol):
    """The methods of `onnxruntime.InferenceSession` that edgeae uses."""

    def get_inputs(self) -> Sequence[Node]: ...

    def get_outputs(self) -> Sequence[Node]: ...

    def run(self, names: list[str], inputs: dict[str, Float32], /) -> list[Float32]: ...


@dataclass(frozen=True)
class PatchStatistics:
    """What the scoring head needs of log-mel patches.

    sums: (n_patches, 3, 2 * n_mels) over the time of each patch: the sum, the sum of squares and
        the sum of squared changes from frame to frame. The columns are the bands of the
        standardised input z, then those of the residual, both in standard deviations of the
        training sound.
    identity: (n_patches, n_identity) the identity embedding, in which machines differ; n_identity
        is 0 for a network without one.
    """

    sums: Float32
    identity: Float32

    def __len__(self) -> int:
        return len(self.sums)

    def __getitem__(self, patches: slice) -> "PatchStatistics":
        """The statistics of these patches."""
        return PatchStatistics(self.sums[patches], self.identity[patches])

    def joined(self, following: "PatchStatistics") -> "PatchStatistics":
        """The statistics of these patches and of those that follow."""
        return PatchStatistics(
            np.concatenate([self.sums, following.sums]),
            np.concatenate([self.identity, following.identity]),
        )


class Network:
    """Computes from log-mel patches what the scoring head needs, see `PatchStatistics`.

    An int8 artifact gives the same bits on every processor.

    Any callable with the same signature and the other public members can replace it, as the
    trained torch network does in `edgeae evaluate`.
    """

    def __init__(self, artifact: Artifact, limits: NetworkLimits | None = None) -> None:
        self._limits = limits or NetworkLimits()
        max_seconds = self._limits.max_first_patch_seconds
        try:
            _prepare_onnxruntime()
            self._session = run_within(max_seconds, lambda: _make_session(artifact.model))
            inputs = self._session.get_inputs()
            outputs = {node.name: node.shape for node in self._session.get_outputs()}
        except ArtifactError:
            raise
        # The exceptions of onnxruntime have no common base class below Exception.
        except Exception as error:
            raise ArtifactError(
                f"onnxruntime refuses the network ({_reason(error)}); export it again"
            ) from error
        self._n_mels = artifact.mel.n_mels
        self.patch_frames = _patch_frames_of(inputs, self._n_mels)
        if not outputs.keys() >= {RESIDUAL, STATISTICS}:
            raise ArtifactError(
                f"the network gives {sorted(outputs)}; needed are {RESIDUAL} and {STATISTICS}"
            )
        self.n_identity = _n_identity_of(outputs.get(IDENTITY))
        self._input = inputs[0].name
        self._range = _input_range_of(artifact)
        patch = np.full((1, self.patch_frames, self._n_mels), SILENT_PATCH_DB, np.float32)
        run_within(max_seconds, lambda: self(patch))

    def __call__(self, patches: Float32) -> PatchStatistics:
        """The statistics of patches (n_patches, patch_frames, n_mels), dB."""
        shapes: dict[str, tuple[int, ...]] = {STATISTICS: (3, 2 * self._n_mels)}
        if self.n_identity:
            shapes[IDENTITY] = (self.n_identity,)
        values = self._run(patches, shapes)
        sums = values[STATISTICS]
        if sums[:, 1:].min(initial=0) < 0:
            raise ArtifactError("the network gives sums of squares below 0; export it again")
        identity = values.get(IDENTITY)
        if identity is None:
            identity = np.empty((len(patches), 0), np.float32)
        return PatchStatistics(sums, identity)

    def residual(self, patches: Float32) -> Float32:
        """The reconstruction minus z of patches (n_patches, patch_frames, n_mels), same shape."""
        return self._run(patches, {RESIDUAL: patches.shape[1:]})[RESIDUAL]

    def out_of_range(self, patches: Float32) -> Float32:
        """(n_patches,) share of the values of each patch beyond the 8-bit range of the input.

        0 for a network with an identity embedding, whose range is of sound without its level.
        """
        if self._range is None or self.n_identity:
            return np.zeros(len(patches), np.float32)
        low, high = self._range
        beyond = (patches < low) | (patches > high)
        return np.array([np.count_nonzero(patch) / patch.size for patch in beyond], np.float32)

    def _run(self, patches: Float32, shapes: dict[str, tuple[int, ...]]) -> dict[str, Float32]:
        """The outputs of these names; shapes: of each of them for one patch."""
        n = self._limits.max_batch_patches
        if len(patches) <= n:
            return self._run_batch(patches, shapes)
        batches = [
            self._run_batch(patches[first : first + n], shapes)
            for first in range(0, len(patches), n)
        ]
        return {name: np.concatenate([batch[name] for batch in batches]) for name in shapes}

    def _run_batch(
        self, patches: Float32, shapes: dict[str, tuple[int, ...]]
    ) -> dict[str, Float32]:
        try:
            outputs = self._session.run(list(shapes), {self._input: patches})
        # The exceptions of onnxruntime have no common base class below Exception.
        except Exception as error:
            raise ArtifactError(
                f"the network cannot be run ({_reason(error)}); export it again"
            ) from error
        for (name, shape), values in zip(shapes.items(), outputs, strict=True):
            if values.shape != (len(patches), *shape) or values.dtype != np.float32:
                raise ArtifactError(
                    f"the network gives {values.dtype} {values.shape} as {name}; export it again"
                )
            if not np.isfinite(values).all():
                raise ArtifactError(
                    f"the network gives values that are not numbers as {name}; export it again"
                )
        return dict(zip(shapes, outputs, strict=True))


def statistics_of(
    z: Float32, residual: Float32, identity: Float32 | None = None
) -> PatchStatistics:
    """What `Network` gives, computed by NumPy.

    :param z: standardised input (n_patches, frames, n_mels), standard deviations
    :param residual: of the same shape and unit
    :param identity: (n_patches, n_identity), by default of size 0
    """
    both = np.concatenate([z, residual], axis=2)
    rows = [
        both.sum(axis=1),
        np.square(both).sum(axis=1),
        np.square(np.diff(both, axis=1)).sum(axis=1),
    ]
    if identity is None:
        identity = np.empty((len(z), 0), np.float32)
    return PatchStatistics(np.stack(rows, axis=1), identity)


def run_within(max_seconds: float, work: Callable[[], T]) -> T:
    """The result of ``work``; ArtifactError if it takes more than ``max_seconds``.

    ``work`` runs in a thread, which is abandoned at the limit because onnxruntime cannot be
    stopped. The limit is processor time of the whole process, which does nothing else meanwhile:
    on a busy computer the time of the clock can be many times as long.
    """
    outcome: list[T | Exception] = []

    def call() -> None:
        try:
            outcome.append(work())
        except Exception as error:  # raised again below
            outcome.append(error)

    thread = Thread(target=call, daemon=True)
    end = time.process_time() + max_seconds
    thread.start()
    while thread.is_alive() and time.process_time() < end:
        thread.join(PROCESSOR_TIME_CHECK_SECONDS)
    # The limit holds for work that ended while nobody looked, too.
    if not outcome or time.process_time() > end:
        raise ArtifactError(
            f"the network took longer than {max_seconds:g} s of computing for one patch; "
            "use a smaller one"
        )
    if isinstance(outcome[0], Exception):
        raise outcome[0]
    return outcome[0]


def _make_session(model: bytes) -> Session:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.add_session_config_entry("session.use_env_allocators", "1")
    options.log_severity_level = 4
    session: Session = onnxruntime.InferenceSession(
        model,
        options,
        ["CPUExecutionProvider"],
        # The memory limit does not hold for this optimizer; edgeae folds constants at export.
        disabled_optimizers=["ConstantFolding"],
        # The fallback prints to stdout.
        enable_fallback=0,
    )
    return session


@cache
def _prepare_onnxruntime() -> None:
    """Import onnxruntime and register the allocator with a memory limit that all sessions share.

    The import is outside of the time limit: it takes as long as the disk needs, and Python cannot
    exit while a thread imports.
    """
    # Telemetry would write a database and look up the hosts of its maker.
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    import onnxruntime

    memory = onnxruntime.OrtMemoryInfo(
        "Cpu", onnxruntime.OrtAllocatorType.ORT_ARENA_ALLOCATOR, 0, onnxruntime.OrtMemType.DEFAULT
    )
    arena = onnxruntime.OrtArenaCfg({"max_mem": MAX_MEMORY_BYTES})
    onnxruntime.create_and_register_allocator(memory, arena)


def _patch_frames_of(inputs: Sequence[Node], n_mels: int) -> int:
    """The frames of a patch; ArtifactError unless the one input is (n_patches, frames, n_mels)."""
    shape = inputs[0].shape if len(inputs) == 1 else []
    if len(shape) == 3 and shape[2] == n_mels:
        n_frames = shape[1]
        if isinstance(n_frames, int) and MIN_PATCH_FRAMES <= n_frames <= MAX_PATCH_FRAMES:
            return n_frames
    raise ArtifactError(f"the network takes {shape}; allowed is (n_patches, frames, {n_mels})")


def _n_identity_of(shape: list[object] | None) -> int:
    """The numbers of the identity embedding, 0 without one."""
    if shape is None:
        return 0
    size = shape[1] if len(shape) == 2 else None
    if not isinstance(size, int) or not 0 < size <= MAX_IDENTITY:
        raise ArtifactError(
            f"the network gives {shape} as {IDENTITY}; allowed is (n_patches, 1 to {MAX_IDENTITY})"
        )
    return size


def _input_range_of(artifact: Artifact) -> tuple[Float32, Float32] | None:
    """The lowest and highest level (n_mels,) dB that the input of an int8 network can express."""
    section = artifact.quantization
    if section is None:
        return None
    return section.input_low_db.astype(np.float32), section.input_high_db.astype(np.float32)


def _reason(error: Exception) -> str:
    return " ".join(str(error).split())[:160]
