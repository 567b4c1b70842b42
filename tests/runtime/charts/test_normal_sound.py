"""The memory of normal minutes."""

import numpy as np

from edgeae.runtime.charts.normal_sound import MAX_COUNTED_MINUTES, MAX_MINUTES, NormalSound

WINDOWS = np.arange(12.0).reshape(4, 3)


def sound_of(n_minutes: int) -> NormalSound:
    """After the minutes 0, 1, 2, ..., each of three equal features."""
    sound = NormalSound(WINDOWS, 9, WINDOWS.mean(axis=0))
    for minute in range(n_minutes):
        sound.learn(np.full(3, float(minute)))
    return sound


def ages(sound: NormalSound) -> list[float]:
    return [sound.n_learned - float(minute[0]) for minute in sound.minutes]


def test_the_first_minutes_are_all_kept_in_their_order() -> None:
    sound = sound_of(MAX_MINUTES)
    assert [minute[0] for minute in sound.minutes] == list(range(MAX_MINUTES))


def test_a_full_memory_replaces_minutes_and_counts_them_all() -> None:
    sound = sound_of(10 * MAX_MINUTES)
    assert len(sound.minutes) == MAX_MINUTES
    assert sound.n_learned == 10 * MAX_MINUTES
    assert len({minute[0] for minute in sound.minutes}) == MAX_MINUTES


def test_until_a_day_is_over_the_minutes_are_a_fair_sample_of_all() -> None:
    mean_age = np.mean(ages(sound_of(MAX_COUNTED_MINUTES)))
    expected = MAX_COUNTED_MINUTES / 2
    error = MAX_COUNTED_MINUTES / np.sqrt(12 * MAX_MINUTES)
    assert abs(mean_age - expected) < 3 * error


def test_after_many_days_the_minutes_are_spread_over_about_a_day() -> None:
    of_minutes = ages(sound_of(10 * MAX_COUNTED_MINUTES))
    assert 0.4 * MAX_COUNTED_MINUTES < np.mean(of_minutes) < MAX_COUNTED_MINUTES
    assert max(of_minutes) < 3 * MAX_COUNTED_MINUTES


def test_the_same_minutes_leave_the_same_memory() -> None:
    np.testing.assert_array_equal(sound_of(500).minutes, sound_of(500).minutes)


def test_without_leaves_minutes_out_and_the_sound_as_it_is() -> None:
    sound = sound_of(5)
    rest = sound.without([0, 3])
    assert [minute[0] for minute in rest.minutes] == [1, 2, 4]
    assert (rest.n_windows, len(sound.minutes)) == (9, 5)
    np.testing.assert_array_equal(rest.windows, WINDOWS)
    np.testing.assert_array_equal(rest.windows_mean, sound.windows_mean)
