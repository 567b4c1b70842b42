"""The sums over time are those of the head's features, and exact for whole numbers."""

import numpy as np
import onnx
import pytest

from edgeae.quantize.statistics_output import with_statistics
from edgeae.quantize.verify import observe
from edgeae.runtime.model.network import statistics_of
from edgeae.runtime.system.arrays import Float32

N_FRAMES = 32
N_MELS = 6
EXACT_FRAMES = 8  # whose squares are summed exactly
MAX_EXACT = 1447  # units: 8 of their squares are below 2^24
UNIT = 1 / 64


def network() -> onnx.ModelProto:
    """z is the input, the reconstruction zero, the residual their difference."""
    helper = onnx.helper
    shape: list[str | int] = ["n_patches", N_FRAMES, N_MELS]
    nodes = [
        helper.make_node("Mul", ["x", "one"], ["z"]),
        helper.make_node("Mul", ["x", "none"], ["r"]),
        helper.make_node("Sub", ["r", "z"], ["residual"]),
    ]
    constants = {"one": 1, "none": 0}
    graph = helper.make_graph(
        nodes,
        "network",
        [helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("residual", onnx.TensorProto.FLOAT, shape)],
        [
            onnx.numpy_helper.from_array(np.array(value, np.float32), name)
            for name, value in constants.items()
        ],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def outputs(unit: float | None, x: Float32) -> tuple[Float32, Float32]:
    session = observe(with_statistics(network(), unit), [])
    residual, statistics = session.run(["residual", "statistics"], {"x": x})
    return residual, statistics


def summed_by_groups(terms: np.ndarray) -> Float32:
    """(n, n_terms, m) whole numbers -> (n, m): 8 at a time exactly, then in order in float32."""
    total = np.zeros((len(terms), terms.shape[2]), np.float32)
    for start in range(0, terms.shape[1], EXACT_FRAMES):
        group = terms[:, start : start + EXACT_FRAMES].sum(axis=1)
        assert np.abs(group).max() < 2**24
        total = total + group.astype(np.float32)
    return total


def steady(rng: np.random.Generator) -> np.ndarray:
    """Each band at one end of the range, up or down: squares at their greatest."""
    values = rng.integers(MAX_EXACT - 50, MAX_EXACT + 1, (20, N_FRAMES, N_MELS))
    values[:, ::5] = MAX_EXACT
    return values * np.where(np.arange(N_MELS) % 2, 1, -1)


def jumping(rng: np.random.Generator) -> np.ndarray:
    """Zero and an end of the range in turn: squared changes at their greatest."""
    values = steady(rng)
    values[:, ::2] = 0
    return values


@pytest.mark.parametrize("kind", [steady, jumping])
def test_sums_of_squares_are_exact_up_to_the_end_of_the_range(kind: object) -> None:
    assert callable(kind)
    z = kind(np.random.default_rng(0))
    v = np.concatenate([z, -z], axis=2).astype(np.int64)
    residual, statistics = outputs(UNIT, z.astype(np.float32))
    np.testing.assert_array_equal(residual, (-z * UNIT).astype(np.float32))
    terms = (v, v**2, np.diff(v, axis=1) ** 2)
    expected = np.stack([summed_by_groups(term) for term in terms], axis=1)
    units = np.array([[UNIT], [UNIT**2], [UNIT**2]], np.float32)
    np.testing.assert_array_equal(statistics, expected * units)


def test_a_float_network_gives_the_sums_of_the_head() -> None:
    x = np.random.default_rng(0).normal(size=(5, N_FRAMES, N_MELS)).astype(np.float32)
    residual, statistics = outputs(None, x)
    np.testing.assert_array_equal(residual, -x)
    np.testing.assert_allclose(statistics, statistics_of(x, residual).sums, rtol=1e-4, atol=1e-4)


def test_the_network_given_is_left_as_it_was() -> None:
    model = network()
    before = model.SerializeToString()
    with_statistics(model, UNIT)
    assert model.SerializeToString() == before


@pytest.mark.parametrize("unit", [None, UNIT])
def test_the_file_is_valid_onnx(unit: float | None) -> None:
    onnx.checker.check_model(with_statistics(network(), unit), full_check=True)
