"""Faults are told apart by what their names say beyond label, machine, split and number."""

from pathlib import Path

import pytest

from edgeae.evaluate.streams.conditions import (
    ALL_FAULTS,
    MAX_CONDITIONS,
    condition_of,
    conditions,
)
from edgeae.runtime.audio.recordings import Recording


def _faults(*names: str) -> list[Recording]:
    return [Recording(Path("test", name), "anomaly", "id_01") for name in names]


@pytest.mark.parametrize(
    ("name", "condition"),
    [
        ("anomaly_id_03_00000012.wav", ""),
        ("section_00_source_test_anomaly_0001_vel_6V.wav", "source vel 6V"),
        ("section_00_target_test_anomaly_0001_noise_2.wav", "target noise 2"),
        ("anomaly_bearing_03.wav", "bearing"),
        ("Anomaly (12).wav", ""),
        ("00000007.wav", ""),
        ("anomaly4.wav", ""),
    ],
)
def test_the_condition_is_what_remains_of_a_name(name: str, condition: str) -> None:
    assert condition_of(Path("test", name)) == condition


def test_each_condition_has_its_recordings_in_order() -> None:
    faults = _faults("anomaly_b_01.wav", "anomaly_a_02.wav", "anomaly_a_01.wav", "anomaly_b_02.wav")
    assert conditions(faults) == {
        "a": [Path("test", "anomaly_a_01.wav"), Path("test", "anomaly_a_02.wav")],
        "b": [Path("test", "anomaly_b_01.wav"), Path("test", "anomaly_b_02.wav")],
    }


def test_names_that_only_number_recordings_are_one_condition() -> None:
    names = [f"anomaly_{day}_x{day}.wav" for day in range(4)]
    assert conditions(_faults(*names)) == {ALL_FAULTS: [Path("test", name) for name in names]}
    assert list(conditions(_faults("anomaly_1.wav"))) == [ALL_FAULTS]
    assert conditions([]) == {}


def test_some_recordings_without_a_condition_keep_a_name() -> None:
    faults = _faults("anomaly_1.wav", "anomaly_2.wav", "anomaly_a_1.wav", "anomaly_a_2.wav")
    assert list(conditions(faults)) == [ALL_FAULTS, "a"]


def test_the_number_of_conditions_is_bounded_to_those_with_the_most_recordings() -> None:
    letters = [chr(ord("a") + k) for k in range(MAX_CONDITIONS + 3)]
    names = [f"anomaly_{letter}_{k}.wav" for letter in letters for k in range(2)]
    names += ["anomaly_z_1.wav", "anomaly_z_2.wav", "anomaly_z_3.wav"]
    found = conditions(_faults(*names))
    assert len(found) == MAX_CONDITIONS and "z" in found
