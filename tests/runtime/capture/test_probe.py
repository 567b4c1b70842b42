"""All capture devices with their names, tested by the real libasound over files.

Only cards and faults are made up.
"""

import errno
import json
import math
from pathlib import Path

import numpy as np
import pytest

from edgeae.runtime.audio.pcm import FORMATS
from edgeae.runtime.capture.alsa import Alsa
from edgeae.runtime.capture.device_text import MAX_COLUMNS, device_lines
from edgeae.runtime.capture.probe import probe_all
from edgeae.runtime.capture.trial import RATES, DeviceTrial, Level, TrialLimits
from edgeae.runtime.errors import DeviceError
from tests.runtime.capture.fakes import (
    TONE,
    USB_MICROPHONE,
    AlsaDevice,
    AlsaMicrophone,
    FaultyCards,
    Kernel,
    write,
)


@pytest.fixture
def kernel(tmp_path: Path) -> Kernel:
    made = Kernel(tmp_path)
    made.plug(1, "Device", "1-1.2", **USB_MICROPHONE)
    return made


def probed(
    kernel: Kernel, alsa: Alsa | None = None, level: bool = True, limits: TrialLimits | None = None
) -> DeviceTrial:
    """The trial of the one device of a computer; its names and its text are checked as well."""
    [probe] = probe_all(
        alsa or FaultyCards(),
        level=level,
        sysfs=kernel.sysfs,
        procfs=kernel.procfs,
        limits=limits,
    )
    assert all(len(line) <= MAX_COLUMNS for line in device_lines(probe))
    assert json.loads(json.dumps(probe.to_dict()))["name"] == "hw:CARD=Device,DEV=0"
    assert probe.names[0].name == "usb:0d8c:013c:AB12"
    return probe.trial


def level_of(trial: DeviceTrial) -> tuple[float, float]:
    """Peak and RMS, dBFS."""
    assert trial.level is not None
    return trial.level.peak_dbfs, trial.level.rms_dbfs


def test_a_device_tells_its_names_what_it_accepts_and_hears(
    kernel: Kernel, alsa_device: AlsaDevice
) -> None:
    alsa_device(TONE, samplerate=48000)
    trial = probed(kernel)
    assert (trial.state, trial.reason) == ("ok", None)
    assert trial.offer is not None
    assert trial.offer.rates == (48000,)
    assert set(FORMATS) <= set(trial.offer.formats)
    assert trial.offer.channels_min == 1
    peak = 20 * math.log10(0.25)
    assert level_of(trial) == pytest.approx((peak, peak - 3.0), abs=0.1)


def test_every_usual_rate_is_tried(kernel: Kernel, alsa_device: AlsaDevice) -> None:
    alsa_device(TONE)
    trial = probed(kernel, level=False)
    assert trial.offer is not None
    assert trial.offer.rates == RATES
    assert (trial.state, trial.level) == ("ok", None)


def test_the_sound_of_plugging_in_is_not_the_level(kernel: Kernel, alsa_device: AlsaDevice) -> None:
    samples = np.concatenate([np.full(512, 2**15 - 1, np.int16), TONE[:16000]])
    alsa_device(samples)
    assert level_of(probed(kernel)) == pytest.approx((-12, -15.1), abs=0.1)


def test_digital_silence_is_pointed_out(kernel: Kernel, alsa_device: AlsaDevice) -> None:
    alsa_device(bytes(32000))
    [probe] = probe_all(FaultyCards(), sysfs=kernel.sysfs, procfs=kernel.procfs)
    assert probe.trial.level == Level(-120, -120)
    assert "every sample is zero" in "\n".join(device_lines(probe))


def test_a_device_that_gives_no_sound_says_so(
    kernel: Kernel, alsa_microphone: AlsaMicrophone
) -> None:
    alsa_microphone(TONE[:0])
    trial = probed(kernel, limits=TrialLimits(timeout_seconds=0.2))
    assert (trial.state, trial.level) == ("stalled", None)
    assert trial.reason == "it gives no sound within 0.2 s: reconnect it"
    assert trial.offer is not None


@pytest.mark.parametrize(
    ("code", "state", "reason"),
    [
        (errno.EBUSY, "busy", "in use by another program: `fuser -v /dev/snd/*` names it"),
        (
            errno.EACCES,
            "forbidden",
            "this user may not open it: sudo usermod -aG audio $USER, then log in again",
        ),
        (errno.ENODEV, "missing", "there is no such device: check its name and its cable"),
        (errno.EIO, "broken", "it cannot be opened: injected"),
    ],
)
def test_a_device_that_does_not_open_is_listed_with_why(
    kernel: Kernel, code: int, state: str, reason: str
) -> None:
    trial = probed(kernel, FaultyCards(snd_pcm_open=code))
    assert (trial.state, trial.reason, trial.offer, trial.level) == (state, reason, None, None)


def test_a_busy_device_says_who_has_it(kernel: Kernel) -> None:
    write(
        kernel.procfs / "asound/card1/pcm0c/sub0/status",
        "state: RUNNING\nowner_pid   : 4711\ntrigger_time: 1",
    )
    write(kernel.procfs / "4711/comm", "arecord")
    assert (
        probed(kernel, FaultyCards(snd_pcm_open=errno.EBUSY)).reason
        == "in use by process 4711 (arecord)"
    )


@pytest.mark.parametrize("function", ["snd_pcm_wait", "snd_pcm_hw_params", "snd_pcm_start"])
def test_a_device_that_fails_while_it_is_listened_to_is_broken(
    kernel: Kernel, alsa_device: AlsaDevice, function: str
) -> None:
    alsa_device(TONE)
    trial = probed(kernel, FaultyCards(**{function: errno.ENODEV}))
    assert trial.state == "broken"
    assert "hw:CARD=Device,DEV=0" in str(trial.reason)


def test_a_device_that_refuses_to_be_asked_is_broken(
    kernel: Kernel, alsa_device: AlsaDevice
) -> None:
    alsa_device(TONE)
    assert probed(kernel, FaultyCards(snd_pcm_hw_params_set_access=errno.EINVAL)).state == "broken"


def test_a_card_that_this_user_may_not_look_at_is_listed(tmp_path: Path) -> None:
    kernel = Kernel(tmp_path)
    kernel.plug(3, "Hidden")
    probes = probe_all(
        FaultyCards(snd_pcm_open=errno.EACCES), sysfs=kernel.sysfs, procfs=kernel.procfs
    )
    assert [(p.device.name, p.device.index, p.trial.state) for p in probes] == [
        ("hw:CARD=Device,DEV=0", "hw:1,0", "forbidden"),
        ("hw:CARD=Hidden,DEV=0", "hw:3,0", "forbidden"),
    ]


def test_a_card_that_the_kernel_hides_has_the_names_of_alsa(tmp_path: Path) -> None:
    [probe] = probe_all(FaultyCards(snd_pcm_open=errno.EBUSY), sysfs=tmp_path, procfs=tmp_path)
    assert [name.name for name in probe.names] == ["hw:CARD=Device,DEV=0", "card:Device", "hw:1,0"]


def test_missing_libasound_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(_: str) -> None:
        raise OSError("cannot open shared object file")

    monkeypatch.setattr("ctypes.CDLL", missing)
    with pytest.raises(DeviceError, match="apt-get install libasound2"):
        probe_all()
