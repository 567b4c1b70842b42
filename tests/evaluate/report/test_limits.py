"""The limits of an artifact follow from what it holds."""

from typing import TYPE_CHECKING

import pytest

from edgeae.evaluate.report.limits import own_limits
from edgeae.runtime.scoring.detector import Detector

if TYPE_CHECKING:
    from tests.conftest import Trained


@pytest.fixture
def detector(trained: "Trained") -> Detector:
    return Detector.load(trained.int8)


def test_an_artifact_without_a_machine_is_not_calibrated(detector: Detector) -> None:
    sentences = list(own_limits(detector, ["a", "b"], has_licence=True))
    assert sentences[0].startswith("Not calibrated:")
    assert detector.threshold.extrapolated
    assert sentences[1].startswith("1/day false alarms are rarer")
    assert len(sentences) == 2


def test_one_machine_and_no_licence_are_limits(detector: Detector) -> None:
    sentences = list(own_limits(detector, ["a"], has_licence=False))
    assert sentences[-2].startswith("Trained on one machine:")
    assert sentences[-1] == "The licence of the training data is not stated."


@pytest.mark.parametrize("machines", [None, "a", 1])
def test_machines_of_another_type_are_no_limit(detector: Detector, machines: object) -> None:
    assert len(list(own_limits(detector, machines, has_licence=True))) == 2
