"""The trained torch network as an ONNX graph, and the proof that both compute the same."""

import io
import warnings
from typing import Any

import numpy as np
import onnx
import torch

from edgeae.runtime.errors import ArtifactError
from edgeae.runtime.model.artifact import Artifact
from edgeae.runtime.model.network import Network
from edgeae.runtime.system.arrays import Float32
from edgeae.train.architectures import Autoencoder
from edgeae.train.config import Config

from .rewriting.fold_zeros import fold_zeros
from .rewriting.graph import constants_to_initializers
from .rewriting.identity_output import ENCODED
from .statistics_output import with_statistics

OPSET = 17
MAX_PARITY_ERROR = 1e-4  # standard deviations


class _WithEncoded(torch.nn.Module):
    """A network that gives its residual, and what its encoder gives."""

    def __init__(self, network: Autoencoder) -> None:
        super().__init__()
        self.network = network

    def forward(self, patches: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        z = self.network.relative(self.network.standardised(patches))
        encoded = self.network.encode(z)
        return self.network.decode(encoded) - z, encoded


def to_onnx(network: Autoencoder, config: Config) -> onnx.ModelProto:
    """The network as torch exports it: (n_patches, n_frames, n_mels) dB -> residual of that shape.

    A network with an identity embedding also gives what its encoder gives, (n_patches, n_channels,
    n_steps).

    The nodes and tensors of a layer are named after its torch module, such as ``body.3``.
    """
    outputs = ["residual"]
    exported: torch.nn.Module = network
    if network.identity is not None:
        outputs.append(ENCODED)
        exported = _WithEncoded(network)
    example = torch.zeros(2, config.model.patch_frames, config.mel.n_mels)
    buffer: Any = io.BytesIO()  # torch's signature names paths alone
    with warnings.catch_warnings():
        # The TorchScript exporter needs no further package; it warns about its age.
        warnings.simplefilter("ignore", DeprecationWarning)
        warnings.filterwarnings("ignore", "Constant folding")  # of a Pad; see `fold_zeros`
        torch.onnx.export(
            exported.eval(),
            (example,),
            buffer,
            dynamo=False,
            opset_version=OPSET,
            input_names=["log_mel"],
            output_names=outputs,
            dynamic_axes={name: {0: "n_patches"} for name in ("log_mel", *outputs)},
        )
    model = onnx.load_from_string(buffer.getvalue())
    constants_to_initializers(model.graph)
    fold_zeros(model.graph)
    for node in model.graph.node:
        node.name = _module_name(node.name)
        for names in (node.input, node.output):
            names[:] = [_module_name(name) for name in names]
    return model


def identity_matrix(network: Autoencoder) -> Float32 | None:
    """The matrix of the identity embedding, None for a network without one."""
    if network.identity is None:
        return None
    matrix: Float32 = network.identity.matrix().numpy()
    return matrix


def _module_name(name: str) -> str:
    """``body.3`` for ``/body/body.3/Conv_output_0``; names outside of the body stay as they are."""
    modules = [part for part in name.split("/") if part.startswith("body.")]
    return modules[0] if modules else name


def check_parity(
    network: Autoencoder, model: onnx.ModelProto, config: Config, patches: Float32
) -> float:
    """The greatest difference between torch and ONNX on patches (n, n_frames, n_mels) dB.

    Raises ArtifactError if it exceeds 1e-4 standard deviations.
    """
    matrix = identity_matrix(network)
    artifact = Artifact.build(
        with_statistics(model, identity=matrix).SerializeToString(), config.mel
    )
    inference = Network(artifact)
    with torch.inference_mode():
        residual = network(torch.from_numpy(patches)).numpy()
        identity = network.embedding(torch.from_numpy(patches)).numpy()
    errors = [np.abs(inference.residual(patches) - residual).max()]
    if matrix is not None:
        errors.append(np.abs(inference(patches).identity - identity).max())
    error = float(max(errors))
    if not error <= MAX_PARITY_ERROR:
        raise ArtifactError(
            f"the ONNX network differs from torch by {error:.1e} standard deviations; "
            f"{MAX_PARITY_ERROR} is allowed"
        )
    return error
