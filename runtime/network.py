"""The network of an artifact, run by ONNX Runtime on one thread."""

from typing import Any

import numpy as np

from .artifact import Artifact
from .errors import ArtifactError
from .mel import Float32

BATCH = 64  # patches computed at once when many are there


class Network:
    """Log-mel patches -> residuals, in standard deviations of the training sound.

    Any callable with this signature and the attribute ``patch_frames`` can stand in for it, as the
    trained torch network does in `edgeae evaluate`.
    """

    def __init__(self, artifact: Artifact) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.log_severity_level = 4
        try:
            self._session = onnxruntime.InferenceSession(
                artifact.model,
                options,
                ["CPUExecutionProvider"],
                enable_fallback=0,  # which prints to stdout
            )
            inputs = [(node.name, node.shape) for node in self._session.get_inputs()]
            outputs = [node.name for node in self._session.get_outputs()]
        except Exception as error:  # onnxruntime's exceptions have no common base below Exception
            raise ArtifactError(f"onnxruntime refuses the network ({_reason(error)}); export it again") from error
        shape = inputs[0][1] if len(inputs) == 1 and outputs else []
        if len(shape) != 3 or shape[2] != artifact.mel.n_mels or not isinstance(shape[1], int) or shape[1] < 1:
            raise ArtifactError(f"the network takes {shape}; allowed is (n_patches, frames, {artifact.mel.n_mels})")
        self.patch_frames: int = shape[1]
        self._input, self._output = inputs[0][0], outputs[0]

    def __call__(self, patches: Float32) -> Float32:
        """(n_patches, patch_frames, n_mels) dB -> residual of the same shape."""
        return np.concatenate([self._run(patches[k : k + BATCH]) for k in range(0, len(patches), BATCH)])

    def _run(self, patches: Float32) -> Float32:
        try:
            output: Any = self._session.run([self._output], {self._input: patches})[0]
        except Exception as error:  # see above
            raise ArtifactError(f"the network cannot be run ({_reason(error)}); export it again") from error
        if output.shape != patches.shape or output.dtype != np.float32:
            raise ArtifactError(f"the network gives {output.dtype} {output.shape} for {patches.shape}; export it again")
        return np.asarray(output)


def _reason(error: Exception) -> str:
    """On one line, without what a hostile file could send to the terminal."""
    return "".join(letter if letter.isprintable() else " " for letter in str(error)[:160])
