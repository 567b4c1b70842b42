"""Checks of the operating system: kernel, clock, disks, limits, the user, systemd."""

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
from .check import ROOT, Check

# With less free space, files are not written any more.
FULL_DISK_MIB = 10
MIN_FREE_MIB = 100
# A service with several microphones and outputs has about 50 files open.
MIN_OPEN_FILES = 256

UNKNOWN_FILE_SYSTEM = "unknown file system"

# A space in a mount point is written \040.
_ESCAPED = re.compile(r"\\([0-7]{3})")


def check_system(root: Path = ROOT) -> Check:
    """Check distribution, kernel and uptime."""
    release = read_text(root / "etc/os-release")
    name = re.search(r'^PRETTY_NAME="?(.*?)"?$', release, re.MULTILINE)
    distribution = name[1] if name else "unknown distribution"
    uptime = read_text(root / "proc/uptime") or "0"
    uptime_hours = float(uptime.split()[0]) / 3600
    kernel = f"{platform.system()} {platform.release()}"
    return Check.ok("system", f"{distribution}, {kernel}, up {uptime_hours:.1f} h")


def check_clock(synchronised: bool | None) -> Check:
    """Check whether a time service keeps the clock right; None if the system does not report it."""
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    if synchronised is None:
        sentence = f"{now}; the system does not report whether it is synchronised"
        return Check.ok("clock", sentence)
    if not synchronised:
        advice = (
            "sudo timedatectl set-ntp true, and check timedatectl status; "
            "until then lines have synced: false"
        )
        return Check.warning("clock", f"{now}, not synchronised", advice)
    return Check.ok("clock", f"{now}, synchronised")


def check_own_clock() -> Check:
    """Check the clock of this computer."""
    return check_clock(synced())


def check_disk(folder: Path, root: Path = ROOT) -> Check:
    """Check the file system that holds a folder: free space, kind, and whether it is writable."""
    kind, read_only = _mount(folder.resolve(), read_text(root / "proc/self/mountinfo"))
    status = os.statvfs(folder)
    free_mib = status.f_bavail * status.f_frsize >> 20
    no_inodes = bool(status.f_files) and not status.f_favail
    sentence = f"{folder}: {free_mib} MiB free, {kind}"
    if read_only:
        advice = "edgeae cannot write files here: choose another folder, or remount it (rw)"
        return Check.warning("disk", f"{sentence}, read-only", advice)
    if free_mib < FULL_DISK_MIB or no_inodes:
        advice = "delete files: detection goes on, but nothing is stored"
        return Check.problem("disk", f"{sentence}: full", advice)
    if free_mib < MIN_FREE_MIB:
        return Check.warning("disk", sentence, "delete files before it is full")
    return Check.ok("disk", sentence)


def _mount(path: Path, mountinfo: str) -> tuple[str, bool]:
    """Return the file system type of the mount that holds a resolved path, and if it is read-only.

    mountinfo: content of /proc/self/mountinfo.
    """
    best_point = Path("/")
    kind = UNKNOWN_FILE_SYSTEM
    read_only = False
    for line in mountinfo.splitlines():
        mount, _, source = line.partition(" - ")
        mount_fields = mount.split()
        point = Path(_ESCAPED.sub(lambda match: chr(int(match[1], 8)), mount_fields[4]))
        # The longest mount point counts; of two equal ones, the later hides the earlier.
        if path.is_relative_to(point) and len(point.parts) >= len(best_point.parts):
            best_point = point
            kind, _, super_options = source.split(" ", 2)
            options = f"{mount_fields[5]},{super_options}".split(",")
            read_only = "ro" in options
    return kind, read_only


def check_limits() -> Check:
    """Check how many files may be open at the same time."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    sentence = f"{soft} open files (hard limit {hard})"
    if soft < MIN_OPEN_FILES:
        return Check.warning("limits", sentence, "raise it: ulimit -n 1024")
    return Check.ok("limits", sentence)


def check_user(root: Path = ROOT, uid: int | None = None, groups: set[str] | None = None) -> Check:
    """Check whether this user may open sound devices. The name of the user stays private.

    uid, groups: number and group names of the user; those of this process if they are not given.
    """
    if uid is None:
        uid = os.getuid()
    if groups is None:
        groups = set(_own_groups())
    is_root = uid == 0
    in_audio = "audio" in groups
    refused = sorted(
        path.name for path in root.glob("dev/snd/pcm*c") if not os.access(path, os.R_OK | os.W_OK)
    )
    sentence = (
        f"{'root' if is_root else 'an ordinary user'}, "
        f"{'in' if in_audio else 'not in'} the group audio"
    )
    if refused:
        sentence += f"; may not open {', '.join(refused)}"
    if refused or not (is_root or in_audio):
        advice = "sudo usermod -aG audio $USER, then log in again"
        return Check.warning("user", sentence, advice)
    return Check.ok("user", sentence)


def _own_groups() -> Iterator[str]:
    for number in {os.getegid(), *os.getgroups()}:
        try:
            yield grp.getgrgid(number).gr_name
        except KeyError:  # a number without a name, as in containers
            continue


def check_service(environ: Mapping[str, str], root: Path = ROOT) -> Check:
    """Check whether systemd runs here, and whether it started this process."""
    if "INVOCATION_ID" in environ:
        watchdog_seconds = int(environ.get("WATCHDOG_USEC", "0")) / 1e6
        variables = [name for name in ("NOTIFY_SOCKET", "WATCHDOG_USEC") if name in environ]
        notification = ", ".join(variables) or "no notification"
        sentence = f"started by systemd ({notification}, watchdog {watchdog_seconds:g} s)"
        return Check.ok("service", sentence)
    if (root / "run/systemd/system").is_dir():
        return Check.ok("service", "systemd runs here, this process was started by hand")
    return Check.ok("service", "no systemd here")
