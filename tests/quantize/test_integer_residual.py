"""What an int8 network computes outside of its integers is counted in whole units."""

import numpy as np
import torch

from edgeae.quantize.equalize import equalize
from edgeae.quantize.integer_residual import input_range
from edgeae.quantize.qdq import quantize
from edgeae.quantize.ranges import measure_ranges
from edgeae.quantize.rewriting.conv_transpose import rewrite
from edgeae.quantize.rewriting.fold_batchnorm import fold
from tests.quantize.small_networks import (
    MEAN,
    STD,
    Pair,
    dense,
    float_network,
    inner,
    parameter,
    sound,
    subtraction,
)


def test_everything_outside_of_the_integers_is_counted_in_whole_units(pair: Pair) -> None:
    x = sound(4, 4)
    reconstructed, z = subtraction(pair[1]).input
    unit = parameter(pair[1], "statistics.unit")
    counts, z, residual = inner(pair[1], x, reconstructed, z, "residual")
    for whole in (counts, z):
        np.testing.assert_array_equal(whole, np.round(whole))
    assert np.abs(z * unit - (x - MEAN) / STD).max() <= unit / 2 + 1e-5
    np.testing.assert_array_equal(residual, (counts - z) * unit)


def test_a_band_of_small_range_has_small_steps() -> None:
    torch.manual_seed(3)
    network = dense()
    with torch.no_grad():
        last = network.layers[-1]
        weight = last.get_parameter("weight")  # of a ConvTranspose: (in, out, kernel)
        weight.mul_(100)  # a reconstruction as large as the input
        weight[:, :64] /= 4
        last.get_parameter("bias")[:64] /= 4
    folded = fold(float_network(network))
    patches = [sound(50, 1)]
    int8 = quantize(rewrite(equalize(folded, measure_ranges(folded, patches), 1.5)), patches)
    steps = parameter(int8, "units.steps")
    np.testing.assert_array_equal(steps, np.round(steps))
    assert steps[:64].max() < steps[64:].mean()


def test_an_image_network_has_one_step_for_all_bands(pair: Pair) -> None:
    steps = parameter(pair[1], "units.steps")
    assert steps.shape == ()


def test_the_input_range_is_what_8_bits_hold(pair: Pair) -> None:
    low, high = input_range(pair[1])
    first = next(node for node in pair[1].graph.node if node.op_type == "QuantizeLinear")
    for level, edge in ((0, low), (255, high)):
        codes = [
            inner(pair[1], np.tile(edge + shift, (1, 32, 1)).astype(np.float32), first.output[0])[0]
            for shift in (-0.5 * STD, 0.5 * STD)
        ]
        inside = codes[1] if level == 0 else codes[0]
        outside = codes[0] if level == 0 else codes[1]
        assert (outside == level).all()
        assert (inside != level).all()
