"""One capture device: what it offers, its level, and why it does not work."""

import errno
import math

import numpy as np
import pytest

from edgeae.runtime.capture.alsa import Alsa, AlsaError
from edgeae.runtime.capture.trial import (
    Level,
    TrialLimits,
    get_offer,
    measure_level,
    try_device,
)
from tests.runtime.capture.fakes import TONE, AlsaDevice, FaultyAlsa


def test_an_offer_lists_what_is_accepted_at_the_own_rate_of_the_device(
    alsa_device: AlsaDevice,
) -> None:
    alsa_device(TONE, samplerate=44100)
    offer = get_offer(Alsa(), "hw:1")
    assert offer.rates == (44100,)
    assert {"S16_LE", "S24_LE", "U8"} <= set(offer.formats)


def test_a_device_that_cannot_be_opened_has_no_offer() -> None:
    with pytest.raises(AlsaError):
        get_offer(FaultyAlsa(snd_pcm_open=[errno.EBUSY]), "hw:1")


def test_only_the_sound_after_the_settling_counts(alsa_device: AlsaDevice) -> None:
    loud = np.full(1600, 2**15 - 1, np.int16)
    alsa_device(np.concatenate([loud, np.resize(np.array([2**14, -(2**14)], np.int16), 16000)]))
    limits = TrialLimits(level_seconds=0.2, settle_seconds=0.1)
    half = round(20 * math.log10(0.5), 1)
    assert measure_level(Alsa(), "hw:1", limits) == Level(half, half)


def test_a_trial_without_the_level_does_not_capture(alsa_device: AlsaDevice) -> None:
    alsa_device(TONE)
    trial = try_device(FaultyAlsa(snd_pcm_start=[errno.EIO]), "hw:1", level=False)
    assert (trial.state, trial.level) == ("ok", None)


def test_a_missing_device_is_a_result_and_no_error(alsa_device: AlsaDevice) -> None:
    alsa_device(TONE)
    trial = try_device(Alsa(), "nonsense")
    assert trial.state == "missing"
    assert trial.reason == "there is no such device: check its name and its cable"
