"""A ConvTranspose is as many convolutions of stride 1 as it has phases, put one after the other."""

from itertools import product

import numpy as np
import pytest

from edgeae.quantize.rewriting.polyphase import phase_weights, plan_axis
from edgeae.runtime.system.arrays import Float64

SIZE = 7
N_IN = 3
N_OUT = 2


def by_definition(x: Float64, weight: Float64, stride: int, pad: int, length: int) -> Float64:
    """(N_OUT, length): tap j of input i is added at position i * stride + j - pad."""
    output = np.zeros((N_OUT, length))
    for i, j in product(range(x.shape[1]), range(weight.shape[2])):
        position = i * stride + j - pad
        if 0 <= position < length:
            output[:, position] += x[:, i] @ weight[:, :, j]
    return output


@pytest.mark.parametrize("kernel", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("pad", [0, 1])
def test_the_phases_interleaved_and_cropped_are_the_output(
    kernel: int, stride: int, pad: int
) -> None:
    rng = np.random.default_rng(kernel)
    x = rng.normal(size=(N_IN, SIZE))
    weight = rng.normal(size=(N_IN, N_OUT, kernel))
    axis = plan_axis(SIZE, kernel, stride, (pad, pad), 0)
    phases = phase_weights(weight, [axis])
    assert phases.shape == (stride * N_OUT, N_IN, axis.taps)
    padded = np.pad(x, [(0, 0), (-axis.first, axis.pad_end)])
    blocks = [
        np.einsum("oit,it->o", phases, padded[:, q : q + axis.taps]) for q in range(axis.blocks)
    ]
    shuffled = np.array(blocks).reshape(-1, N_OUT).T
    output = shuffled[:, axis.crop : axis.crop + axis.length]
    np.testing.assert_allclose(output, by_definition(x, weight, stride, pad, axis.length))


def test_nothing_is_cropped_where_the_output_is_padded() -> None:
    for kernel, pad in ((3, 1), (5, 2)):
        assert plan_axis(SIZE, kernel, 2, (pad, pad), 1).cropped == 0


def test_the_taps_without_a_weight_are_known() -> None:
    axis = plan_axis(SIZE, 3, 2, (1, 1), 1)
    n_weights = [int((row < 3).sum()) for row in axis.sources(3)]
    assert sorted(n_weights) == [1, 2]
    spans = axis.spans(3)
    assert [end - start >= n for (start, end), n in zip(spans, n_weights, strict=True)] == [
        True
    ] * 2
