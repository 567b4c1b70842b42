"""Sections of an artifact: what fits, and what is reported of one that does not."""

from dataclasses import dataclass, replace

import numpy as np
import pytest

from edgeae.runtime.errors import ArtifactError
from edgeae.runtime.features.mel import MelSpec
from edgeae.runtime.model.sections import (
    ExplainSection,
    SelfTestSection,
    read_section,
    to_values,
)

N_MELS = 8
SELFTEST = {"seed": 1, "sha256": None, "energy": -1.0, "score": 2.0, "tolerance": 0.1}


@pytest.fixture
def explain() -> ExplainSection:
    return ExplainSection.of(MelSpec(n_mels=N_MELS), np.full(N_MELS, -40.0), np.full(N_MELS, 6.0))


def test_a_section_is_read_from_its_values() -> None:
    assert read_section(SelfTestSection, SELFTEST, "selftest") == SelfTestSection(
        1, None, -1.0, 2.0, 0.1
    )


def test_keys_of_a_newer_version_are_ignored() -> None:
    values = {**SELFTEST, "added": "later"}
    assert read_section(SelfTestSection, values, "selftest").seed == 1


@pytest.mark.parametrize(
    ("values", "key"),
    [
        ({**SELFTEST, "seed": -1}, "selftest.seed is -1"),
        ({**SELFTEST, "score": "high"}, "selftest.score is 'high'"),
        ({"seed": 1}, "selftest.sha256 is missing"),
        (None, "selftest is missing"),
        ([], "selftest is missing"),
    ],
)
def test_a_section_that_does_not_fit_is_named_with_its_key(values: object, key: str) -> None:
    with pytest.raises(ArtifactError) as error:
        read_section(SelfTestSection, values, "selftest")
    assert key in str(error.value)
    assert str(error.value).startswith("the self-test is damaged (")


@dataclass(frozen=True)
class Inner:
    number: int


@dataclass(frozen=True)
class Outer:
    pair: tuple[Inner, ...]
    by_name: dict[str, Inner]


def test_dataclasses_of_any_depth_become_dictionaries() -> None:
    outer = Outer((Inner(1), Inner(2)), {"three": Inner(3)})
    assert to_values(outer) == {
        "pair": [{"number": 1}, {"number": 2}],
        "by_name": {"three": {"number": 3}},
    }


def test_the_bands_of_a_specification_have_their_edges(explain: ExplainSection) -> None:
    assert explain.band_edges_hz.shape == (N_MELS + 2,)
    assert (np.diff(explain.band_edges_hz) > 0).all()
    explain.check(N_MELS)


def test_bands_of_another_number_are_refused(explain: ExplainSection) -> None:
    with pytest.raises(ArtifactError, match="does not say how its bands vary"):
        explain.check(N_MELS + 1)


@pytest.mark.parametrize("std_db", [1e-4, 1e3, 1e10])
def test_bands_that_vary_as_no_sound_does_are_refused(
    explain: ExplainSection, std_db: float
) -> None:
    with pytest.raises(ArtifactError, match="no sound does"):
        replace(explain, band_std_db=np.full(N_MELS, std_db)).check(N_MELS)


def test_a_band_that_training_masked_is_allowed_among_others(explain: ExplainSection) -> None:
    std_db = explain.band_std_db.copy()
    std_db[-1] = 1e6
    replace(explain, band_std_db=std_db).check(N_MELS)
