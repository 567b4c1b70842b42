"""Can this computer judge, and can it hear: the artifact and the devices, as `edgeae doctor` sees them."""

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import ArtifactError, EdgeaeError
from ..model.find import default_model
from .check import OK, PROBLEM, ROOT, WARNING, Check

if TYPE_CHECKING:
    from ..capture.trial import DeviceTrial

# In a process of its own: an onnxruntime that dies of an illegal instruction takes nobody with it.
_INFO = "from edgeae.runtime.commands.cli import main; main()"
TIME_LIMIT = 120.0  # seconds; an SD card that is slow takes 10

_LOUDEST, _QUIETEST = -0.1, -90.0  # dBFS of a peak


def artifact(named: Path | None) -> Check:
    """The artifact that is named, or found as every command finds it: format, machine, self-test."""
    try:
        path = named or default_model()
    except ArtifactError as error:
        return Check("artifact", WARNING, "none is named or found", str(error).partition(": ")[2])
    from ..model.artifact import FORMAT, Artifact

    try:
        sections = Artifact.read(path).sections
    except ArtifactError as error:
        return Check("artifact", PROBLEM, str(error))
    state, verdict = _self_test(path)
    kind, machine = "int8" if sections["quantization"] else "float", sections["head"].get("machine")
    found = f"{path} ({'named' if named else 'by default'})"
    sentence = f"{found}: format {FORMAT}, {kind}, machine {machine or 'none'}, {verdict}"
    if state == PROBLEM:
        return Check(
            "artifact", PROBLEM, sentence, "export it again, or install another onnxruntime"
        )
    if not machine:
        return Check("artifact", WARNING, sentence, "calibrate it to a machine: edgeae calibrate")
    return Check("artifact", OK, sentence)


def _self_test(path: Path) -> tuple[str, str]:
    """State and verdict of `edgeae info`."""
    command = [sys.executable, "-c", _INFO, "info", str(path), "--json"]
    try:
        ended = subprocess.run(
            command, capture_output=True, text=True, timeout=TIME_LIMIT, check=False
        )
    except subprocess.TimeoutExpired:
        return PROBLEM, f"self-test not done in {TIME_LIMIT:g} s"
    if ended.returncode < 0:
        return PROBLEM, f"self-test killed by {signal.Signals(-ended.returncode).name}"
    if not ended.stdout:
        return (
            PROBLEM,
            f"self-test not done: {(ended.stderr.strip() or 'no word why').splitlines()[-1]}",
        )
    return (PROBLEM if ended.returncode else OK), json.loads(ended.stdout)["selftest"]


def devices(named: str | None, root: Path = ROOT) -> Iterator[Check]:
    """Every capture device and what it hears; the one that is named has to work."""
    from ..capture.alsa import Alsa
    from ..capture.names import resolve
    from ..capture.probe import probe_all
    from ..capture.trial import try_device

    sysfs, procfs = root / "sys", root / "proc"
    try:
        alsa = Alsa()
        wanted = resolve(named, sysfs=sysfs, procfs=procfs) if named else ""
    except EdgeaeError as error:
        yield Check("device" if named else "devices", PROBLEM if named else WARNING, str(error))
        return
    found = probe_all(alsa, sysfs=sysfs, procfs=procfs)
    if not found and not named:
        yield Check(
            "devices", WARNING, "no capture device", "check the cable, lsusb, and the group audio"
        )
    meant = [
        p
        for p in found
        if wanted in (p.device.name, p.device.index, p.device.index.removesuffix(",0"))
    ]
    for probe in found:
        title = f"{probe.names[0].name} ({probe.device.description})"
        yield _judged(title, probe.trial, probe in meant)
    if named and not meant:
        yield _judged(named, try_device(alsa, wanted), True)


def _judged(title: str, trial: "DeviceTrial", named: bool) -> Check:
    """One sentence for a trial; a device that edgeae itself listens to is as it should be."""
    name, offer, level = "device" if named else "devices", trial.offer, trial.level
    if trial.state != "ok" or not offer or not level:
        served = trial.state == "busy" and (not named or "edgeae" in str(trial.reason))
        return Check(
            name,
            OK if served else PROBLEM if named else WARNING,
            f"{title}: {trial.state}, {trial.reason}",
        )
    sentence = (
        f"{title}: {' '.join(map(str, offer.rates))} Hz, {' '.join(offer.formats)}, "
        f"{offer.channels_min} to {offer.channels_max} channels, peak {level.peak_dbfs} dBFS, RMS {level.rms_dbfs} dBFS"
    )
    if level.peak_dbfs <= _QUIETEST:
        return Check(
            name,
            WARNING,
            sentence,
            "it hears nothing: unmute it (alsamixer, F4), or try another --channel",
        )
    if level.peak_dbfs >= _LOUDEST:
        return Check(name, WARNING, sentence, "it clips: lower its capture volume (alsamixer, F4)")
    return Check(name, OK, sentence)
