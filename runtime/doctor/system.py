"""The operating system as `edgeae doctor` sees it: kernel, clock, disks, the user, limits, who started us."""

import grp
import os
import platform
import re
import resource
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from ..system.clock import synced
from ..system.kernel import read_text
from .check import OK, PROBLEM, ROOT, WARNING, Check

FULL_MIB, SCARCE_MIB = 10, 100
FEW_FILES = 256  # a service with several microphones and outputs has some 50 open

_ESCAPED = re.compile(r"\\([0-7]{3})")  # a space in a mount point is written \040


def system(root: Path = ROOT) -> Check:
    """Distribution, kernel and how long it has been up."""
    name = re.search(r'^PRETTY_NAME="?(.*?)"?$', read_text(root / "etc/os-release"), re.MULTILINE)
    up = float((read_text(root / "proc/uptime") or "0").split()[0]) / 3600
    distribution = name[1] if name else "distribution not told"
    return Check(
        "system", OK, f"{distribution}, {platform.system()} {platform.release()}, up {up:.1f} h"
    )


def clock(state: bool | None) -> Check:
    """`state` as `synced()` tells it."""
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    if state is None:
        return Check("clock", OK, f"{now}; the system does not tell whether it is synchronised")
    if not state:
        advice = "sudo timedatectl set-ntp true, and look at timedatectl status; lines will say synced: false"
        return Check("clock", WARNING, f"{now}, not synchronised", advice)
    return Check("clock", OK, f"{now}, synchronised")


def clock_here() -> Check:
    """The clock of this computer."""
    return clock(synced())


def disk(place: Path, root: Path = ROOT) -> Check:
    """Free space and kind of the file system that holds a folder, and whether it can be written."""
    kind, read_only = _mount(place.resolve(), read_text(root / "proc/self/mountinfo"))
    told = os.statvfs(place)
    free = told.f_bavail * told.f_frsize >> 20
    sentence = f"{place}: {free} MiB free, {kind}{', read-only' if read_only else ''}"
    if read_only:
        return Check(
            "disk",
            WARNING,
            sentence,
            "nothing can be kept here: name another place, or remount it (rw)",
        )
    if free < FULL_MIB or (told.f_files and not told.f_favail):
        return Check(
            "disk",
            PROBLEM,
            f"{sentence}: full",
            "delete something; detection goes on, files do not",
        )
    if free < SCARCE_MIB:
        return Check("disk", WARNING, sentence, "delete something before it is full")
    return Check("disk", OK, sentence)


def _mount(place: Path, mountinfo: str) -> tuple[str, bool]:
    """File system type and whether it is read-only, of the mount that holds a resolved path."""
    best = (Path("/"), "file system not told", False)
    for line in mountinfo.splitlines():
        mounted, _, source = line.partition(" - ")
        point = Path(_ESCAPED.sub(lambda match: chr(int(match[1], 8)), mounted.split()[4]))
        kind, _, options = source.split(" ", 2)
        if place.is_relative_to(point) and len(point.parts) >= len(
            best[0].parts
        ):  # a later mount hides an earlier
            best = (point, kind, "ro" in f"{mounted.split()[5]},{options}".split(","))
    return best[1:]


def limits() -> Check:
    """How many files may be open at a time."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < FEW_FILES:
        return Check(
            "limits", WARNING, f"{soft} open files (hard limit {hard})", "raise it: ulimit -n 1024"
        )
    return Check("limits", OK, f"{soft} open files (hard limit {hard})")


def user(root: Path = ROOT, uid: int | None = None, groups: set[str] | None = None) -> Check:
    """Whether this user may open sound devices; the name of the user is nobody's business."""
    who = "root" if (os.getuid() if uid is None else uid) == 0 else "an ordinary user"
    inside = "audio" in (set(_groups()) if groups is None else groups)
    sentence = f"{who}, {'in' if inside else 'not in'} the group audio"
    closed = [p.name for p in root.glob("dev/snd/pcm*c") if not os.access(p, os.R_OK | os.W_OK)]
    if closed or (who != "root" and not inside):
        sentence += f"; may not open {', '.join(sorted(closed))}" if closed else ""
        return Check("user", WARNING, sentence, "sudo usermod -aG audio $USER, then log in again")
    return Check("user", OK, sentence)


def _groups() -> Iterator[str]:
    for number in {os.getegid(), *os.getgroups()}:
        try:
            yield grp.getgrgid(number).gr_name
        except KeyError:  # a number without a name, as in containers
            continue


def service(environ: Mapping[str, str], root: Path = ROOT) -> Check:
    """Whether systemd started this process, and whether it is there at all."""
    if "INVOCATION_ID" in environ:
        watchdog = int(environ.get("WATCHDOG_USEC", "0")) / 1e6
        told = ", ".join(name for name in ("NOTIFY_SOCKET", "WATCHDOG_USEC") if name in environ)
        return Check(
            "service",
            OK,
            f"started by systemd ({told or 'no notification'}, watchdog {watchdog:g} s)",
        )
    if (root / "run/systemd/system").is_dir():
        return Check("service", OK, "systemd runs here, this process was started by hand")
    return Check("service", OK, "no systemd here")
