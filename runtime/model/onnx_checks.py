"""Checks of an ONNX file from an unknown source before onnxruntime makes a session of it."""

from ..errors import ArtifactError
from .protobuf import WIRE_BYTES, read_fields

MAX_TENSOR_ELEMENTS = 8 << 20
MAX_ATTRIBUTE = 4096  # of strides, pads and kernel sizes
FIRST_NEGATIVE = 1 << 63  # numbers from here on are negative in two's complement

# Field numbers of onnx.proto
MODEL_GRAPH = 7
MODEL_FUNCTIONS = 25
GRAPH_NODE = 1
GRAPH_INITIALIZER = 5
GRAPH_SPARSE_INITIALIZER = 15
NODE_INPUT = 1
NODE_OPERATOR = 4
NODE_ATTRIBUTE = 5
NODE_DOMAIN = 7
ATTRIBUTE_INT = 3
ATTRIBUTE_TENSOR = 5
ATTRIBUTE_INTS = 8
ATTRIBUTE_GRAPHS_AND_SPARSE_TENSORS = (6, 11, 22, 23)
TENSOR_DIMS = 1
TENSOR_EXTERNAL_DATA = 13
TENSOR_DATA_LOCATION = 14

OPERATORS = frozenset(
    "Add BatchNormalization Cast Clip Concat Constant Conv ConvTranspose DequantizeLinear Div "
    "Flatten Gather Gemm Identity MatMul Mul QuantizeLinear ReduceMax ReduceMean ReduceSum Relu "
    "Reshape Round Shape Sigmoid Slice Split Squeeze Sub Sum Transpose Unsqueeze".split()
)


def check_model(model: bytes) -> None:
    """ArtifactError if the model cannot be a network of edgeae.

    Refused are other operators, control flow, data outside of the file, and huge tensors or
    attributes. ValueError or IndexError says that the file is damaged.
    """
    n_graphs = 0
    for field in read_fields(memoryview(model)):
        if field.number == MODEL_FUNCTIONS:
            raise ArtifactError("it defines functions of its own")
        if field.number == MODEL_GRAPH and field.wire_type == WIRE_BYTES:
            _check_graph(field.data)
            n_graphs += 1
    if n_graphs != 1:
        raise ArtifactError("it holds no network")


def _check_graph(graph: memoryview) -> None:
    for field in read_fields(graph):
        if field.number == GRAPH_SPARSE_INITIALIZER:
            raise ArtifactError("it holds sparse tensors")
        if field.wire_type != WIRE_BYTES:
            continue
        if field.number == GRAPH_NODE:
            _check_node(field.data)
        elif field.number == GRAPH_INITIALIZER:
            _check_tensor(field.data)


def _check_node(node: memoryview) -> None:
    operator = ""
    has_empty_input = False
    for field in read_fields(node):
        if field.number == NODE_INPUT and not field.data:
            has_empty_input = True
        elif field.number == NODE_OPERATOR:
            operator = field.text
        elif field.number == NODE_DOMAIN and field.text not in ("", "ai.onnx"):
            raise ArtifactError(f"it uses operators of the domain {field.text!r}")
        elif field.number == NODE_ATTRIBUTE:
            _check_attribute(field.data)
    if operator not in OPERATORS:
        raise ArtifactError(f"it uses the operator {operator!r}, which no edgeae network needs")
    # The Sum of onnxruntime 1.32 reads memory that is not its own for an empty input.
    if has_empty_input:
        raise ArtifactError(f"it leaves out an input of the operator {operator!r}")


def _check_attribute(attribute: memoryview) -> None:
    for field in read_fields(attribute):
        if field.number in ATTRIBUTE_GRAPHS_AND_SPARSE_TENSORS:
            raise ArtifactError("it holds control flow or sparse tensors")
        if field.number == ATTRIBUTE_TENSOR:
            _check_tensor(field.data)
        if field.number in (ATTRIBUTE_INT, ATTRIBUTE_INTS):
            _check_attribute_numbers(field.numbers)


def _check_attribute_numbers(numbers: list[int]) -> None:
    for number in numbers:
        if MAX_ATTRIBUTE < number < FIRST_NEGATIVE:
            raise ArtifactError(
                f"it holds the attribute {number}; at most {MAX_ATTRIBUTE} is allowed"
            )


def _check_tensor(tensor: memoryview) -> None:
    n_elements = 1
    for field in read_fields(tensor):
        if field.number == TENSOR_DIMS:
            for dimension in field.numbers:
                n_elements *= dimension
        is_elsewhere = field.number == TENSOR_DATA_LOCATION and field.value != 0
        if field.number == TENSOR_EXTERNAL_DATA or is_elsewhere:
            raise ArtifactError("it keeps data outside of the file")
    if n_elements > MAX_TENSOR_ELEMENTS:
        raise ArtifactError(
            f"it holds a tensor of {n_elements} elements; at most {MAX_TENSOR_ELEMENTS} are allowed"
        )
