"""Small networks of each kind, exported and quantized, and what they compute inside."""

import io
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import torch
from numpy.typing import NDArray
from torch import nn

from edgeae.quantize.verify import observe
from edgeae.runtime.system.arrays import Float32

Values = NDArray[Any]


Pair = tuple[onnx.ModelProto, onnx.ModelProto]  # a float network as exported, its int8 form


Layer = nn.Module | tuple[nn.Module, ...]


MEAN = np.linspace(-30, -60, 128, dtype=np.float32)  # dB


STD = np.linspace(5, 9, 128, dtype=np.float32)  # dB


class Network(nn.Module):
    """Standardise (n, 32, 128) dB, run `layers` on bands as channels or on an image, subtract."""

    mean: torch.Tensor
    std: torch.Tensor

    def __init__(self, layers: Sequence[Layer], image: bool) -> None:
        super().__init__()
        self.layers = stacked(layers)
        self.image = image
        self.register_buffer("mean", torch.from_numpy(MEAN))
        self.register_buffer("std", torch.from_numpy(STD))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        z = (x - self.mean) / self.std
        if self.image:
            y: torch.Tensor = self.layers(z.unsqueeze(1)).squeeze(1)
        else:
            y = self.layers(z.transpose(1, 2)).transpose(1, 2)
        return y - z


def stacked(layers: Sequence[Layer]) -> nn.Sequential:
    """BatchNorm and ReLU after each layer but those in a tuple, which are linear."""
    modules: list[nn.Module] = []
    for layer in layers:
        if isinstance(layer, tuple):
            modules += layer
            continue
        assert isinstance(layer, nn.Conv1d | nn.Conv2d | nn.ConvTranspose1d | nn.ConvTranspose2d)
        image = layer.weight.ndim == 4
        norm = (nn.BatchNorm2d if image else nn.BatchNorm1d)(layer.out_channels)
        nn.init.uniform_(norm.weight, 0.5, 1.5)
        nn.init.normal_(norm.bias, std=0.5)
        nn.init.normal_(norm.get_buffer("running_mean"), std=0.2)
        modules += [layer, norm, nn.ReLU(), nn.Dropout(0.2)]
    return nn.Sequential(*modules)


def edge(w: int = 16) -> Network:
    down, up = nn.Conv1d, nn.ConvTranspose1d
    encoder: list[Layer] = [
        down(128, w, 5, 2, 2),
        down(w, w, 3, 2, 1),
        down(w, w, 3, 2, 1),
        (down(w, 8, 1),),
    ]
    decoder: list[Layer] = [
        down(8, w, 1),
        *(up(w, w, 4, 2, 1) for _ in range(3)),
        (down(w, 128, 3, 1, 1),),
    ]
    return Network([*encoder, *decoder], image=False)


def cnn2d(w: int = 4) -> Network:
    down, up = nn.Conv2d, nn.ConvTranspose2d
    encoder: list[Layer] = [
        down(1, w, 5, 2, 2),
        down(w, 2 * w, 5, 2, 2),
        down(2 * w, 2 * w, 3, 2, 1),
    ]
    encoder += [down(2 * w, 4 * w, 3, 2, 1), (down(4 * w, 5, 3, 1, 1),)]
    decoder: list[Layer] = [
        up(5, 4 * w, 3, 1, 1),
        up(4 * w, 2 * w, 3, 2, 1, 1),
        up(2 * w, 2 * w, 3, 2, 1, 1),
    ]
    decoder += [up(2 * w, w, 5, 2, 2, 1), (up(w, 1, 5, 2, 2, 1),)]
    return Network([*encoder, *decoder], image=True)


def dense(w: int = 16) -> Network:
    one, up = nn.Conv1d, nn.ConvTranspose1d
    encoder = [one(128, w, 5, 1, 4), one(w, w, 1), one(w, w, 1), one(w, 8, 1)]
    return Network([*encoder, one(8, w, 1), one(w, w, 1), (up(w, 128, 5, 1, 4),)], image=False)


NETWORKS = {"edge": edge, "cnn2d": cnn2d, "dense": dense}


def float_network(network: Network) -> onnx.ModelProto:
    buffer: Any = io.BytesIO()  # torch's signature names paths alone
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # the exporter that needs no onnxscript
        torch.onnx.export(
            network.eval(),
            (torch.zeros(2, 32, 128),),
            buffer,
            dynamo=False,
            opset_version=17,
            input_names=["logmel"],
            output_names=["residual"],
            dynamic_axes={"logmel": {0: "n"}, "residual": {0: "n"}},
        )
    return onnx.load_from_string(buffer.getvalue())


def sound(n: int, seed: int) -> Float32:
    noise = np.random.default_rng(seed).normal(size=(n, 32, 128))
    return (MEAN + STD * noise).astype(np.float32)


def run(model: onnx.ModelProto, x: Values) -> Values:
    """The first output for ``x`` as the first input."""
    options = ort.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = 1
    session = ort.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    output: Values = session.run(None, {session.get_inputs()[0].name: x})[0]
    return output


def reconstruction(model: onnx.ModelProto, x: Values) -> Values:
    """What the network proper gives, before the standardised input is subtracted."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    copy.graph.output[0].name = subtraction(model).input[0]
    return run(copy, x)


def subtraction(model: onnx.ModelProto) -> onnx.NodeProto:
    """The node that gives reconstruction minus z; in an int8 network, in units."""
    node: onnx.NodeProto = next(
        n for n in model.graph.node if n.op_type == "Sub" and n.output[0].startswith("residual")
    )
    return node


def inner(model: onnx.ModelProto, x: Values, *tensors: str) -> list[Values]:
    """What tensors within the graph hold."""
    session = observe(model, tensors)
    outputs: list[Values] = session.run(list(tensors), {session.get_inputs()[0].name: x})
    return outputs


def parameter(model: onnx.ModelProto, name: str) -> Values:
    tensor = next(t for t in model.graph.initializer if t.name == name)
    return onnx.numpy_helper.to_array(tensor)
