"""The states of the sound."""

from typing import get_args

from edgeae.runtime.monitoring.states import SOUND_STATES, UNJUDGED_STATES, SoundState


def test_every_state_has_a_severity() -> None:
    assert get_args(SoundState) == SOUND_STATES


def test_sound_that_is_not_judged_is_the_most_severe() -> None:
    n_unjudged = len(UNJUDGED_STATES)
    assert set(SOUND_STATES[-n_unjudged:]) == set(UNJUDGED_STATES)
    assert SOUND_STATES[0] == "ok"
