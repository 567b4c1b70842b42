"""The export of the trained run, and its training recordings, shared by the tests of the export."""

import pytest

from edgeae.quantize.export import Export, export
from edgeae.quantize.training_set import TrainingSet
from tests.conftest import Trained


@pytest.fixture(scope="session")
def exported(trained: Trained) -> Export:
    """Both artifacts of the trained run, made by this process; tests only read them."""
    return export(trained.run, int8=True, report=print)


@pytest.fixture(scope="session")
def training_set(exported: Export) -> TrainingSet:
    return exported.training_set
