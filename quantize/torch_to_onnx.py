"""The trained torch network as an ONNX graph, and the proof that both compute the same."""

import io
import warnings
from typing import Any

import numpy as np
import onnx

from edgeae.runtime.errors import ArtifactError
from edgeae.runtime.model.artifact import Artifact
from edgeae.runtime.model.network import Network
from edgeae.runtime.system.arrays import Float32
from edgeae.train.architectures import Autoencoder
from edgeae.train.config import Config

from .statistics_output import with_statistics

OPSET = 17
MAX_PARITY_ERROR = 1e-4  # standard deviations


def to_onnx(network: Autoencoder, config: Config) -> onnx.ModelProto:
    """The network as torch exports it: (n_patches, n_frames, n_mels) dB -> residual of that shape.

    The nodes and tensors of a layer are named after its torch module, such as ``body.3``.
    """
    import torch

    example = torch.zeros(2, config.model.patch_frames, config.mel.n_mels)
    buffer: Any = io.BytesIO()  # torch's signature names paths alone
    with warnings.catch_warnings():
        # The TorchScript exporter needs no further package; it warns about its age.
        warnings.simplefilter("ignore", DeprecationWarning)
        torch.onnx.export(
            network.eval(),
            (example,),
            buffer,
            dynamo=False,
            opset_version=OPSET,
            input_names=["log_mel"],
            output_names=["residual"],
            dynamic_axes={"log_mel": {0: "n_patches"}, "residual": {0: "n_patches"}},
        )
    model = onnx.load_from_string(buffer.getvalue())
    for node in model.graph.node:
        node.name = _module_name(node.name)
        for names in (node.input, node.output):
            names[:] = [_module_name(name) for name in names]
    return model


def _module_name(name: str) -> str:
    """``body.3`` for ``/body/body.3/Conv_output_0``; names outside of the body stay as they are."""
    return name.split("/")[2] if name.startswith("/body/body.") else name


def check_parity(
    network: Autoencoder, model: onnx.ModelProto, config: Config, patches: Float32
) -> float:
    """The greatest difference between torch and ONNX on patches (n, n_frames, n_mels) dB.

    Raises ArtifactError if it exceeds 1e-4 standard deviations.
    """
    import torch

    with torch.inference_mode():
        expected = network(torch.from_numpy(patches)).numpy()
    artifact = Artifact.build(with_statistics(model).SerializeToString(), config.mel)
    residual = Network(artifact).residual(patches)
    error = float(np.abs(residual - expected).max())
    if not error <= MAX_PARITY_ERROR:
        raise ArtifactError(
            f"the ONNX network differs from torch by {error:.1e} standard deviations; "
            f"{MAX_PARITY_ERROR} is allowed"
        )
    return error
