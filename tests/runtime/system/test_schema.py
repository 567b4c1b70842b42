"""A dataclass as a schema: what is built, and the sentence for each wrong value."""

from dataclasses import dataclass, field
from typing import Annotated

import numpy as np
import pytest

from edgeae.runtime.errors import ConfigError
from edgeae.runtime.system.arrays import Float64
from edgeae.runtime.system.schema import Between, MaxLength, PositiveUpTo, build


@dataclass(frozen=True)
class Motor:
    power: float


@dataclass(frozen=True)
class Machine:
    count: Annotated[int, Between(1, 9)]
    name: Annotated[str, MaxLength(5)] = "pump"
    factor: float = 1.0
    share: Annotated[float, PositiveUpTo(0.5)] = 0.5
    levels: Float64 = field(default_factory=lambda: np.zeros(1))
    motor: Motor | None = None


def test_values_become_the_fields() -> None:
    machine = build(Machine, {"count": 3, "factor": 2, "motor": {"power": 5}})
    assert (machine.count, machine.name, machine.factor) == (3, "pump", 2.0)
    assert isinstance(machine.factor, float)
    assert machine.motor == Motor(5.0)


def test_an_array_becomes_float64() -> None:
    machine = build(Machine, {"count": 1, "levels": np.ones(2, np.float32)})
    assert machine.levels.dtype == np.float64
    np.testing.assert_array_equal(machine.levels, [1, 1])


def test_a_nested_dataclass_may_be_null() -> None:
    assert build(Machine, {"count": 1, "motor": None}).motor is None


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"count": 1, "speed": 2}, "unknown key m.speed; allowed are count, name"),
        ({}, "m.count is missing"),
        ({"count": 10}, "m.count is 10; allowed is a whole number, 1 to 9"),
        ({"count": True}, "m.count is True; allowed is a whole number, 1 to 9"),
        ({"count": 1, "name": "a" * 6}, "m.name is 'aaaaaa'; allowed is text, 1 to 5"),
        ({"count": 1, "factor": "2"}, "m.factor is '2'; allowed is a number"),
        ({"count": 1, "factor": 10**400}, "m.factor is 1000"),
        (
            {"count": 1, "share": 0},
            "m.share is 0; allowed is a number, greater than 0, at most 0.5",
        ),
        ({"count": 1, "share": 0.6}, "m.share is 0.6; allowed is a number, greater than 0"),
        ({"count": 1, "levels": [1.0]}, r"m.levels is \[1.0\]; allowed is an array"),
        ({"count": 1, "motor": 3}, "m.motor is 3; allowed is a mapping or null"),
        ({"count": 1, "motor": {}}, "m.motor.power is missing"),
        ([1], r"m is \[1\]; allowed is a mapping with count"),
    ],
)
def test_a_wrong_value_is_named(values: object, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        build(Machine, values, "m")


def test_unknown_keys_can_be_ignored() -> None:
    assert build(Machine, {"count": 1, "speed": 2}, ignore_unknown=True).count == 1
