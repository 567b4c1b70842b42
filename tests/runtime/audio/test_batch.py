"""Reading many recordings, some of which are bad."""

import pytest

from edgeae.runtime.audio.batch import read_each
from edgeae.runtime.errors import AudioError


def even(number: int) -> int:
    if number % 2:
        raise AudioError(f"{number}: odd")
    return number * 10


def test_bad_recordings_are_reported_and_fail_the_whole() -> None:
    reported: list[str] = []
    with pytest.raises(AudioError, match=r"^2 of 5 recordings cannot be used .*--skip-bad$"):
        read_each([0, 1, 2, 3, 4], even, reported.append)
    assert reported == ["1: odd", "3: odd"]


def test_bad_recordings_are_reported_and_skipped() -> None:
    reported: list[str] = []
    assert read_each([0, 1, 2], even, reported.append, skip_bad=True) == [(0, 0), (2, 20)]
    assert reported == ["1: odd"]


@pytest.mark.parametrize("items", [[], [1, 3]])
def test_nothing_that_can_be_read_is_an_error(items: list[int]) -> None:
    with pytest.raises(AudioError, match="no recording could be read"):
        read_each(items, even, lambda _: None, skip_bad=True)


def test_other_errors_are_not_taken_for_bad_recordings() -> None:
    with pytest.raises(ZeroDivisionError):
        read_each([0], lambda number: 1 // number, lambda _: None, skip_bad=True)
