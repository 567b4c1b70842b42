"""The computer as `edgeae doctor` sees it: model, processor, cores, memory, heat, power.

Each function takes the root of the file system, so that a test can be any computer.
"""

import os
import platform
import re
import shutil
import struct
import subprocess
from collections.abc import Callable
from pathlib import Path

from ..system.kernel import read_text
from .check import OK, PROBLEM, ROOT, WARNING, Check

HOT = 80.0  # degrees Celsius; from here on a Raspberry Pi slows down
SCARCE_MIB = 150  # a listening process takes 80

_INTEGER_X86, _INTEGER_ARM = ("avx2", "avx512_vnni", "avx_vnni"), ("asimd", "asimddp", "i8mm")
_ARM_PARTS = {
    "0xd03": "Cortex-A53",
    "0xd04": "Cortex-A35",
    "0xd05": "Cortex-A55",
    "0xd07": "Cortex-A57",
    "0xd08": "Cortex-A72",
    "0xd0b": "Cortex-A76",
}
# Bits of the firmware's get_throttled; 16 higher: it has happened since the start.
_POWER_BITS = {
    0: "under-voltage",
    1: "frequency capped",
    2: "throttled",
    3: "soft temperature limit",
}


def computer(root: Path = ROOT, bits: int = struct.calcsize("P") * 8) -> Check:
    """Model and architecture; 32 bits of userland are warned of."""
    model = (
        read_text(root / "proc/device-tree/model")
        or read_text(root / "sys/class/dmi/id/product_name")
        or "model not told"
    )
    sentence = f"{model}, {platform.machine()}, userland of {bits} bits"
    if bits < 64:
        return Check(
            "computer",
            WARNING,
            sentence,
            "install the 64-bit system: onnxruntime has no 32-bit ARM wheels",
        )
    return Check("computer", OK, sentence)


def processor(root: Path = ROOT) -> Check:
    """The processor and which of its instructions int8 gains from."""
    told = dict(re.findall(r"^([\w ]+?)\s*: (.*)$", read_text(root / "proc/cpuinfo"), re.MULTILINE))
    part = told.get("CPU part", "")
    model = told.get("model name") or _ARM_PARTS.get(part, part) or "model not told"
    features = set((told.get("flags") or told.get("Features") or "").split())
    usable = _INTEGER_X86 if "flags" in told else _INTEGER_ARM
    has = ", ".join(f"{'' if name in features else 'no '}{name}" for name in usable)
    if "flags" in told and not features & {"avx512_vnni", "avx_vnni"}:
        advice = "if the self-test of the artifact fails, make it with edgeae export --int8 --reduce-range"
        return Check("processor", WARNING, f"{model}: {has}", advice)
    return Check("processor", OK, f"{model}: {has}")


def cores(root: Path = ROOT) -> Check:
    """How many cores this process may use, how they are clocked, how busy they are."""
    folder = root / "sys/devices/system/cpu/cpu0/cpufreq"
    count, load = len(os.sched_getaffinity(0)), read_text(root / "proc/loadavg").split(" ")[0]
    sentence = f"{count} usable, load {load or 'not told'}"
    governor, now, most = (
        read_text(folder / f"scaling_{what}") for what in ("governor", "cur_freq", "max_freq")
    )
    if governor:
        sentence += f", governor {governor}"
    if now.isdecimal() and most.isdecimal():
        sentence += f", {int(now) // 1000} of {int(most) // 1000} MHz"
    if governor == "powersave" and "pstate" not in read_text(folder / "scaling_driver"):
        return Check(
            "cores",
            WARNING,
            sentence,
            "powersave holds the lowest frequency: choose ondemand or schedutil",
        )
    return Check("cores", OK, sentence)


def memory(root: Path = ROOT) -> Check:
    """Memory of the computer and what is left of it."""
    told = dict(re.findall(r"^(\w+): +(\d+) kB$", read_text(root / "proc/meminfo"), re.MULTILINE))
    total, available = (int(told[name]) // 1024 for name in ("MemTotal", "MemAvailable"))
    sentence = f"{total} MiB, {available} MiB available"
    if available < SCARCE_MIB:
        return Check(
            "memory",
            WARNING,
            sentence,
            f"stop other programs: listening needs {SCARCE_MIB} MiB to be safe",
        )
    return Check("memory", OK, sentence)


def temperature(root: Path = ROOT) -> Check:
    """The hottest of the thermal zones."""
    zones = [
        (read_text(path), read_text(path.with_name("type")))
        for path in root.glob("sys/class/thermal/thermal_zone*/temp")
    ]
    degrees = [
        (int(value) / 1000, name) for value, name in zones if value.removeprefix("-").isdecimal()
    ]
    if not degrees:
        return Check("temperature", OK, "not told by this system")
    hottest, name = max(degrees)
    if hottest >= HOT:
        return Check(
            "temperature",
            WARNING,
            f"{hottest:.0f} C ({name})",
            "cool it: from 80 C on processors slow down",
        )
    return Check("temperature", OK, f"{hottest:.0f} C ({name})")


def _vcgencmd() -> str:
    """What the Raspberry Pi's tool says, throttled=0x50000; nothing where there is no such tool."""
    if not (tool := shutil.which("vcgencmd")):
        return ""
    return subprocess.run(
        [tool, "get_throttled"], capture_output=True, text=True, timeout=5, check=False
    ).stdout


def power(root: Path = ROOT, ask: Callable[[], str] = _vcgencmd) -> Check:
    """Under-voltage and throttling, told by the firmware's file, its tool, or the kernel's sensor (Raspberry Pi)."""
    files = [*root.glob("sys/devices/platform/soc*/*firmware/get_throttled")]
    told = read_text(files[0]) if files else ask().strip().partition("=")[2]
    if re.fullmatch("(0x)?[0-9a-fA-F]+", told):
        return _power_of(int(told, 16))
    for name in root.glob("sys/class/hwmon/hwmon*/name"):
        if read_text(name) == "rpi_volt":
            return _power_of(int(read_text(name.with_name("in0_lcrit_alarm")) or 0))
    return Check("power", OK, "not told by this system")


def _power_of(bits: int) -> Check:
    now = [name for bit, name in _POWER_BITS.items() if bits >> bit & 1]
    before = [name for bit, name in _POWER_BITS.items() if bits >> bit + 16 & 1 and name not in now]
    if not now and not before:
        return Check("power", OK, "no under-voltage, no throttling since the start")
    parts = [f"{', '.join(now)} now"] * bool(now) + [f"{', '.join(before)} since the start"] * bool(
        before
    )
    low = "under-voltage" in (*now, *before)
    advice = (
        "use the original power supply and a short cable"
        if low
        else "cool it: a heat sink, a fan, another place"
    )
    return Check("power", PROBLEM if "under-voltage" in now else WARNING, "; ".join(parts), advice)
