"""The kinds of head: all of them are registered, and each does what its properties promise."""

from typing import get_args

import numpy as np
import pytest

from edgeae.runtime.model.sections import HeadKind
from edgeae.runtime.scoring.heads import CALIBRATABLE_KINDS, KINDS_OF_HEAD, Kind
from edgeae.runtime.system.arrays import Float64

N_FEATURES = 25
KINDS: tuple[Kind, ...] = get_args(HeadKind)


class Machine:
    """A machine whose distances are the first three features after the energy."""

    n_input_views = 2

    def __init__(self, *view_weights: float) -> None:
        self.view_weights = np.array(view_weights or (2.0, 1.0, 1.0))

    def distances(self, windows: Float64) -> Float64:
        return windows[..., 1:4]


def test_every_kind_that_an_artifact_may_name_is_registered() -> None:
    assert set(KINDS_OF_HEAD) == set(KINDS)
    assert all(kind.name == name for name, kind in KINDS_OF_HEAD.items())


@pytest.mark.parametrize("name", KINDS)
def test_weights_add_up_to_one_and_there_is_one_for_each_part(name: Kind) -> None:
    kind = KINDS_OF_HEAD[name]
    windows = np.arange(3.0 * N_FEATURES).reshape(3, N_FEATURES)
    weights = kind.weights(Machine())
    assert kind.parts(Machine(), windows).shape == (3, len(weights))
    assert weights.sum() == pytest.approx(1)


@pytest.mark.parametrize(("name", "first"), [("gaussian", 1.0), ("no_network", 1.0), ("mse", 0.0)])
def test_the_first_part_is_the_distance_of_the_input_or_the_energy(
    name: Kind, first: float
) -> None:
    kind = KINDS_OF_HEAD[name]
    assert kind.parts(Machine(), np.arange(float(N_FEATURES)))[0] == first
    assert kind.is_distance == (first == 1.0)


def test_the_weights_are_relative_to_the_views_that_a_kind_uses() -> None:
    machine = Machine(2.0, 1.0, 1.0)
    np.testing.assert_allclose(KINDS_OF_HEAD["gaussian"].weights(machine), [0.5, 0.25, 0.25])
    np.testing.assert_allclose(KINDS_OF_HEAD["no_network"].weights(machine), [2 / 3, 1 / 3])


def test_only_the_baseline_gets_no_threshold() -> None:
    assert CALIBRATABLE_KINDS == ("gaussian", "mse")
