"""Checks of a foreign ONNX file before a session is made of it."""

from collections.abc import Callable

from ..errors import ArtifactError
from .protobuf import (
    _ATTRIBUTE_INT,
    _ATTRIBUTE_INTS,
    _ATTRIBUTE_SUBGRAPH,
    _ATTRIBUTE_TENSOR,
    _GRAPH_INITIALIZER,
    _GRAPH_NODE,
    _GRAPH_SPARSE,
    _MODEL_FUNCTIONS,
    _MODEL_GRAPH,
    _NODE_ATTRIBUTE,
    _NODE_DOMAIN,
    _NODE_INPUT,
    _NODE_OP_TYPE,
    _TENSOR_DIMS,
    _TENSOR_EXTERNAL,
    _TENSOR_LOCATION,
    _fields,
    _numbers,
    _text,
)

MAX_ELEMENTS = 8 << 20  # of one tensor


MAX_ATTRIBUTE = 4096  # of strides, pads and kernel sizes


OPERATORS = frozenset(
    "Add BatchNormalization Cast Clip Concat Constant Conv ConvTranspose DequantizeLinear Div Flatten Gemm Identity "
    "MatMul Mul QuantizeLinear ReduceSum Relu Reshape Round Shape Slice Split Squeeze Sub Sum Transpose "
    "Unsqueeze".split()
)


def _check_tensor(data: memoryview) -> None:
    elements = 1
    for number, kind, value in _fields(data):
        if number == _TENSOR_DIMS:
            for dim in _numbers(kind, value):
                elements *= dim
        if number == _TENSOR_EXTERNAL or (number == _TENSOR_LOCATION and value != 0):
            raise ArtifactError("it keeps data outside of the file")
    if elements > MAX_ELEMENTS:
        raise ArtifactError(
            f"it holds a tensor of {elements} elements; at most {MAX_ELEMENTS} are allowed"
        )


def _check_attribute(data: memoryview) -> None:
    for number, kind, value in _fields(data):
        if number in _ATTRIBUTE_SUBGRAPH:
            raise ArtifactError("it holds control flow or sparse tensors")
        if number == _ATTRIBUTE_TENSOR:
            _check_tensor(value)
        if number in (_ATTRIBUTE_INT, _ATTRIBUTE_INTS):
            large = [
                n for n in _numbers(kind, value) if MAX_ATTRIBUTE < n < 1 << 63
            ]  # above: negative
            if large:
                raise ArtifactError(
                    f"it holds the attribute {large[0]}; at most {MAX_ATTRIBUTE} is allowed"
                )


def _check_node(data: memoryview) -> None:
    operator, complete = "", True
    for number, _, value in _fields(data):
        if number == _NODE_INPUT:
            complete &= len(value) > 0
        elif number == _NODE_OP_TYPE:
            operator = _text(value)
        elif number == _NODE_DOMAIN and _text(value) not in ("", "ai.onnx"):
            raise ArtifactError(f"it uses operators of the domain {_text(value)!r}")
        elif number == _NODE_ATTRIBUTE:
            _check_attribute(value)
    if operator not in OPERATORS:
        raise ArtifactError(f"it uses the operator {operator!r}, which no edgeae network needs")
    if not complete:  # the Sum of onnxruntime 1.32 reads where nothing is
        raise ArtifactError(f"it leaves out an input of the operator {operator!r}")


def _check_graph(data: memoryview) -> None:
    checks: dict[int, Callable[[memoryview], None]] = {
        _GRAPH_NODE: _check_node,
        _GRAPH_INITIALIZER: _check_tensor,
    }
    for number, kind, value in _fields(data):
        if number == _GRAPH_SPARSE:
            raise ArtifactError("it holds sparse tensors")
        if number in checks and kind == 2:
            checks[number](value)


def check_model(model: bytes) -> None:
    """ArtifactError for a model that no edgeae network can be: foreign operators, data elsewhere, huge shapes."""
    graphs = 0
    for number, kind, value in _fields(memoryview(model)):
        if number == _MODEL_FUNCTIONS:
            raise ArtifactError("it defines functions of its own")
        if number == _MODEL_GRAPH and kind == 2:
            _check_graph(value)
            graphs += 1
    if graphs != 1:
        raise ArtifactError("it holds no network")
