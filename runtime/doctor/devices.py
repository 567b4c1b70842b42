"""Checks of the capture devices: what each offers, and its level."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import EdgeaeError
from .check import ROOT, Check

if TYPE_CHECKING:
    from ..capture.alsa import Alsa
    from ..capture.probe import Probe
    from ..capture.trial import DeviceTrial, Level, Offer

# dBFS of a peak, from which on a device clips, and below which it is silent.
MAX_PEAK_DBFS = -0.1
MIN_PEAK_DBFS = -90.0

# Names of the checks: of the device that has to work, and of any other.
NAMED = "device"
OTHER = "devices"


def check_devices(
    named: str | None, root: Path = ROOT, library: "Alsa | None" = None
) -> Iterator[Check]:
    """Check every capture device. A device that is named is a problem if it does not work.

    named: name of the device that has to work, if any.
    root: of the file system.
    library: libasound; loaded if it is not given.
    """
    from ..capture.alsa import Alsa
    from ..capture.names import resolve
    from ..capture.probe import probe_all
    from ..capture.stream_address import is_address
    from ..capture.trial import try_device

    if named and is_address(named):
        yield _check_stream(named)
        named = None
    sysfs = root / "sys"
    procfs = root / "proc"
    try:
        alsa = library or Alsa()
        alsa_name = resolve(named, sysfs=sysfs, procfs=procfs) if named else ""
    except EdgeaeError as error:
        yield _failed(str(error), is_named=bool(named))
        return
    probes = probe_all(alsa, sysfs=sysfs, procfs=procfs)
    if not probes and not named:
        advice = "check the cable, lsusb, and the group audio"
        yield Check.warning(OTHER, "no capture device", advice)
    for probe in probes:
        title = f"{probe.names[0].name} ({probe.device.description})"
        yield _check_trial(title, probe.trial, is_named=_is_called(probe, alsa_name))
    if named and not any(_is_called(probe, alsa_name) for probe in probes):
        yield _check_trial(named, try_device(alsa, alsa_name), is_named=True)


def _check_stream(address: str) -> Check:
    """The check of a network stream: what it delivers."""
    from ..capture.ffmpeg import StreamCapture
    from ..capture.stream_address import shown_name

    try:
        with StreamCapture(address) as capture:
            sound = f"{capture.samplerate} Hz, {capture.channels} channels"
    except EdgeaeError as error:
        return _failed(str(error), is_named=True)
    return Check.ok(NAMED, f"{shown_name(address)}: {sound}")


def _is_called(probe: "Probe", alsa_name: str) -> bool:
    """True if an ALSA name means this device; hw:1 means hw:1,0."""
    device = probe.device
    return alsa_name in (device.name, device.index, device.index.removesuffix(",0"))


def _check_trial(title: str, trial: "DeviceTrial", *, is_named: bool) -> Check:
    """Return the check for the result of testing a device."""
    if trial.state == "ok" and trial.offer and trial.level:
        return _check_level(title, trial.offer, trial.level, NAMED if is_named else OTHER)
    sentence = f"{title}: {trial.state}, {trial.reason}"
    # A device that another program uses works; one that edgeae itself uses is even the right one.
    in_use = trial.state == "busy" and (not is_named or "edgeae" in str(trial.reason))
    if in_use:
        return Check.ok(NAMED if is_named else OTHER, sentence)
    return _failed(sentence, is_named=is_named)


def _check_level(title: str, offer: "Offer", level: "Level", name: str) -> Check:
    """Return the check for a device that works: its level may still be impossible."""
    sentence = (
        f"{title}: {' '.join(map(str, offer.rates))} Hz, {' '.join(offer.formats)}, "
        f"{offer.channels_min} to {offer.channels_max} channels, "
        f"peak {level.peak_dbfs} dBFS, RMS {level.rms_dbfs} dBFS"
    )
    if level.peak_dbfs <= MIN_PEAK_DBFS:
        advice = "it is silent: unmute it (alsamixer, F4), or try another --channel"
        return Check.warning(name, sentence, advice)
    if level.peak_dbfs >= MAX_PEAK_DBFS:
        return Check.warning(name, sentence, "it clips: lower its capture volume (alsamixer, F4)")
    return Check.ok(name, sentence)


def _failed(sentence: str, *, is_named: bool) -> Check:
    """A device that does not work: a problem if it is named, else a warning."""
    return Check.problem(NAMED, sentence) if is_named else Check.warning(OTHER, sentence)
