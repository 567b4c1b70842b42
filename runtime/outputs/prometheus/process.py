"""What this process costs, under the names that Prometheus' client libraries have given it."""

import os
import time
from pathlib import Path

from .exposition import Family

PROC = Path("/proc")


def process_families() -> list[Family]:
    """Read now, from Linux's /proc."""
    resident = Family("process_resident_memory_bytes", "gauge", "Resident memory, bytes.")
    resident.add({}, _resident())
    cpu = Family("process_cpu_seconds_total", "counter", "User and system time, seconds.")
    cpu.add({}, time.process_time())
    descriptors = Family("process_open_fds", "gauge", "Open file descriptors.")
    descriptors.add({}, sum(1 for _ in (PROC / "self/fd").iterdir()))
    start = Family(
        "process_start_time_seconds", "gauge", "Start of the process, seconds since 1970."
    )
    start.add({}, _start())
    return [resident, cpu, descriptors, start]


def _resident() -> float:
    return int((PROC / "self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def _start() -> float:
    """Ticks since boot, after the name of the process, which may hold anything but the last `)`."""
    ticks = int((PROC / "self/stat").read_text().rpartition(")")[2].split()[19])
    boot = next(
        line for line in (PROC / "stat").read_text().splitlines() if line.startswith("btime ")
    )
    return int(boot.split()[1]) + ticks / os.sysconf("SC_CLK_TCK")
