"""The table of `benchmarks/pi.sh`: this computer, and what an artifact costs on it.

Needs the base package alone.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

EDGEAE = [sys.executable, "-c", "from edgeae.runtime.commands.cli import main; main()"]
TURNS = 5  # of what takes less than a second
FIRST_SCORE = 120.0  # seconds, at most, until a microphone gives one


def said(*arguments: object) -> str:
    """What an edgeae command writes to stdout; if it fails, its message ends this program."""
    done = subprocess.run(
        [*EDGEAE, *map(str, arguments)], stdout=subprocess.PIPE, text=True, check=False
    )
    if done.returncode and not done.stdout:
        sys.exit(done.returncode)
    return done.stdout


def told() -> dict[str, str]:
    """The computer as `edgeae doctor` sees it now."""
    return {
        check["name"]: check["sentence"] for check in json.loads(said("doctor", "--json"))["checks"]
    }


def least_seconds(*arguments: object) -> float:
    """From the start of an edgeae command to its end."""
    times = []
    for _ in range(TURNS):
        began = time.perf_counter()
        said(*arguments)
        times.append(time.perf_counter() - began)
    return min(times)


def live(model: Path, device: str, seconds: float) -> tuple[float, float]:
    """(milliseconds of the processor per second, MiB) of a process that listens."""
    command = [*EDGEAE, "run", str(model), "--device", device, "--json"]
    with tempfile.TemporaryFile("w+") as lines, subprocess.Popen(command, stdout=lines) as process:
        try:
            wait_for_score(process, lines)
            before, began = cpu_seconds(process.pid), time.perf_counter()
            time.sleep(seconds)
            used, elapsed = cpu_seconds(process.pid) - before, time.perf_counter() - began
            return used / elapsed * 1000, resident_mib(process.pid)
        finally:
            process.send_signal(signal.SIGTERM)


def wait_for_score(process: subprocess.Popen[Any], lines: Any) -> None:
    """Until the process has told a score: before, it does not do all of its work."""
    end = time.monotonic() + FIRST_SCORE
    while '"type": "score"' not in os.pread(lines.fileno(), 1 << 16, 0).decode():
        if process.poll() is not None or time.monotonic() > end:
            sys.exit("pi: the device gave no score; see `edgeae devices` and `edgeae doctor`")
        time.sleep(0.1)


def cpu_seconds(pid: int) -> float:
    """Of all threads."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def resident_mib(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    return (
        int(next(line for line in status.splitlines() if line.startswith("VmRSS:")).split()[1])
        / 1024
    )


def commit() -> str:
    """Of the code, where git knows it."""
    command = ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty"]
    try:
        return (
            subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
            or "not told"
        )
    except FileNotFoundError:
        return "not told"


def rows(model: Path, device: str | None, seconds: float) -> Iterator[tuple[str, str]]:
    """What is measured, and its value."""
    info, before = json.loads(said("info", model, "--json")), told()
    for name in ("computer", "system", "processor", "cores", "memory", "edgeae", "packages"):
        yield name, before[name]
    yield "commit", commit()
    yield (
        "artifact",
        f"{'int8' if info['quantization'] else 'float'}, {info['bytes'] / 1024:.0f} KiB",
    )
    yield "self-test", info["selftest"]
    yield "`edgeae --help`", f"{least_seconds('--help'):.2f} s"
    bench = json.loads(said("bench", model, "--json"))
    yield (
        "start to the score of a file",
        f"{bench['startup_s']:.2f} s, {bench['rss_mib']:.1f} MiB at most",
    )
    for key, name in {
        "frontend": "front end",
        "inference": "network",
        "total": "sound to score",
    }.items():
        yield (
            f"{name}, per second of sound",
            f"{bench[f'{key}_us_per_s'] / 1000:.2f} ms of one core",
        )
    if device:
        milliseconds, mib = live(model, device, seconds)
        yield (
            f"listening for {seconds:g} s",
            f"{milliseconds:.1f} ms of one core per second, {mib:.1f} MiB",
        )
    after = told()
    for name in ("temperature", "power"):
        yield f"{name} before", before[name]
        yield f"{name} after", after[name]


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="pi.sh", description="What edgeae costs on this computer."
    )
    parser.add_argument("model", type=Path, help="an artifact, FILE.onnx")
    parser.add_argument(
        "--device", help="a capture device, as in `edgeae devices`: listen to it, too"
    )
    parser.add_argument("--seconds", type=float, default=60, help="how long; 60 by default")
    options = parser.parse_args()
    print("| what | on this computer |\n|---|---|")
    for name, value in rows(options.model, options.device, options.seconds):
        print(f"| {name} | {value.replace('|', '/')} |", flush=True)


if __name__ == "__main__":
    main()
