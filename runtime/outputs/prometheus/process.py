"""The resources of this process, under the names of Prometheus' own client libraries."""

import os
import time
from pathlib import Path

from .exposition import Family

PROC = Path("/proc")


def process_families(proc: Path = PROC) -> list[Family]:
    """Memory, CPU time, open files and start of this process.

    proc: where Linux's proc(5) is mounted.
    """
    memory = Family("process_resident_memory_bytes", "gauge", "Resident memory, bytes.")
    memory.add({}, _resident_bytes(proc))
    cpu = Family("process_cpu_seconds_total", "counter", "User and system time, seconds.")
    cpu.add({}, time.process_time())
    descriptors = Family("process_open_fds", "gauge", "Open file descriptors.")
    descriptors.add({}, sum(1 for _ in (proc / "self/fd").iterdir()))
    start = Family(
        "process_start_time_seconds", "gauge", "Start of the process, seconds since 1970."
    )
    start.add({}, _start_time(proc))
    return [memory, cpu, descriptors, start]


def _resident_bytes(proc: Path) -> float:
    pages = int((proc / "self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def _start_time(proc: Path) -> float:
    """Start of this process, seconds since 1970.

    /proc/self/stat holds it in ticks since boot, as the 20th field after the name of the process.
    The name may hold anything, so the last `)` ends it.
    """
    fields = (proc / "self/stat").read_text().rpartition(")")[2].split()
    lines = (proc / "stat").read_text().splitlines()
    boot = next(line for line in lines if line.startswith("btime "))
    return int(boot.split()[1]) + int(fields[19]) / os.sysconf("SC_CLK_TCK")
