"""Checks of the computer: model, processor, cores, memory, temperature, power.

Each function takes the root of the file system, so that a test can imitate any computer.
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
from .check import ROOT, Check

# Degrees Celsius. From here on a Raspberry Pi reduces its clock rate.
MAX_TEMPERATURE_C = 80.0
# A listening process needs about 80 MiB.
MIN_AVAILABLE_MIB = 150
VCGENCMD_TIMEOUT_SECONDS = 5

UNKNOWN_MODEL = "unknown model"
NOT_REPORTED = "not reported by this system"

# Instructions that make int8 networks fast.
_INT8_INSTRUCTIONS_X86 = ("avx2", "avx512_vnni", "avx_vnni")
_INT8_INSTRUCTIONS_ARM = ("asimd", "asimddp", "i8mm")
_VNNI = {"avx512_vnni", "avx_vnni"}
_ARM_PARTS = {
    "0xd03": "Cortex-A53",
    "0xd04": "Cortex-A35",
    "0xd05": "Cortex-A55",
    "0xd07": "Cortex-A57",
    "0xd08": "Cortex-A72",
    "0xd0b": "Cortex-A76",
}
_UNDER_VOLTAGE = "under-voltage"
# Bits of the firmware's get_throttled: true now. Each bit plus 16: was true since the start.
_POWER_BITS = {
    0: _UNDER_VOLTAGE,
    1: "frequency capped",
    2: "throttled",
    3: "soft temperature limit",
}
_SINCE_START_SHIFT = 16


def check_computer(root: Path = ROOT, bits: int = struct.calcsize("P") * 8) -> Check:
    """Check model and architecture; a 32-bit userland is a warning. bits: of this Python."""
    model = (
        read_text(root / "proc/device-tree/model")
        or read_text(root / "sys/class/dmi/id/product_name")
        or UNKNOWN_MODEL
    )
    sentence = f"{model}, {platform.machine()}, userland of {bits} bits"
    if bits < 64:
        advice = "install the 64-bit system: onnxruntime has no 32-bit ARM wheels"
        return Check.warning("computer", sentence, advice)
    return Check.ok("computer", sentence)


def check_processor(root: Path = ROOT) -> Check:
    """Check the processor, and which of its instructions make int8 networks fast."""
    cpuinfo = read_text(root / "proc/cpuinfo")
    fields = dict(re.findall(r"^([\w ]+?)\s*: (.*)$", cpuinfo, re.MULTILINE))
    part = fields.get("CPU part", "")
    model = fields.get("model name") or _ARM_PARTS.get(part, part) or UNKNOWN_MODEL
    is_x86 = "flags" in fields
    available = set((fields.get("flags") or fields.get("Features") or "").split())
    instructions = _INT8_INSTRUCTIONS_X86 if is_x86 else _INT8_INSTRUCTIONS_ARM
    listed = ", ".join(name if name in available else f"no {name}" for name in instructions)
    sentence = f"{model}: {listed}"
    if is_x86 and not available & _VNNI:
        advice = (
            "if the self-test of the artifact fails, "
            "make it with edgeae export --int8 --reduce-range"
        )
        return Check.warning("processor", sentence, advice)
    return Check.ok("processor", sentence)


def check_cores(root: Path = ROOT) -> Check:
    """Check how many cores this process may use, their clock rate and how busy they are."""
    folder = root / "sys/devices/system/cpu/cpu0/cpufreq"
    n_cores = len(os.sched_getaffinity(0))
    load = read_text(root / "proc/loadavg").split(" ")[0] or "unknown"
    governor = read_text(folder / "scaling_governor")
    frequency_khz = read_text(folder / "scaling_cur_freq")
    max_frequency_khz = read_text(folder / "scaling_max_freq")
    sentence = f"{n_cores} usable, load {load}"
    if governor:
        sentence += f", governor {governor}"
    if frequency_khz.isdecimal() and max_frequency_khz.isdecimal():
        sentence += f", {int(frequency_khz) // 1000} of {int(max_frequency_khz) // 1000} MHz"
    # With Intel's pstate drivers, powersave still adapts the frequency to the load.
    if governor == "powersave" and "pstate" not in read_text(folder / "scaling_driver"):
        advice = "powersave keeps the lowest frequency: choose ondemand or schedutil"
        return Check.warning("cores", sentence, advice)
    return Check.ok("cores", sentence)


def check_memory(root: Path = ROOT) -> Check:
    """Check the memory of the computer and how much of it is available."""
    meminfo = read_text(root / "proc/meminfo")
    kib = dict(re.findall(r"^(\w+): +(\d+) kB$", meminfo, re.MULTILINE))
    total_mib = int(kib["MemTotal"]) // 1024
    available_mib = int(kib["MemAvailable"]) // 1024
    sentence = f"{total_mib} MiB, {available_mib} MiB available"
    if available_mib < MIN_AVAILABLE_MIB:
        advice = f"stop other programs: listening needs {MIN_AVAILABLE_MIB} MiB to be safe"
        return Check.warning("memory", sentence, advice)
    return Check.ok("memory", sentence)


def check_temperature(root: Path = ROOT) -> Check:
    """Check the temperature of the hottest thermal zone."""
    zones: list[tuple[float, str]] = []
    for path in root.glob("sys/class/thermal/thermal_zone*/temp"):
        millidegrees = read_text(path)
        if millidegrees.removeprefix("-").isdecimal():
            zones.append((int(millidegrees) / 1000, read_text(path.with_name("type"))))
    if not zones:
        return Check.ok("temperature", NOT_REPORTED)
    degrees, zone = max(zones)
    sentence = f"{degrees:.0f} C ({zone})"
    if degrees >= MAX_TEMPERATURE_C:
        advice = f"cool it: from {MAX_TEMPERATURE_C:.0f} C on processors slow down"
        return Check.warning("temperature", sentence, advice)
    return Check.ok("temperature", sentence)


def _run_vcgencmd() -> str:
    """Return what the tool of the Raspberry Pi prints (throttled=0x50000); empty without it."""
    tool = shutil.which("vcgencmd")
    if tool is None:
        return ""
    completed = subprocess.run(
        [tool, "get_throttled"],
        capture_output=True,
        text=True,
        timeout=VCGENCMD_TIMEOUT_SECONDS,
        check=False,
    )
    return completed.stdout


def check_power(root: Path = ROOT, run_vcgencmd: Callable[[], str] = _run_vcgencmd) -> Check:
    """Check under-voltage and throttling of a Raspberry Pi.

    They are reported by a file of the firmware, else by its tool, else by a sensor of the kernel.
    """
    firmware_files = [*root.glob("sys/devices/platform/soc*/*firmware/get_throttled")]
    if firmware_files:
        throttled = read_text(firmware_files[0])
    else:
        throttled = run_vcgencmd().strip().partition("=")[2]
    if re.fullmatch("(0x)?[0-9a-fA-F]+", throttled):
        return _power_of(int(throttled, 16))
    for name in root.glob("sys/class/hwmon/hwmon*/name"):
        if read_text(name) == "rpi_volt":
            alarm = read_text(name.with_name("in0_lcrit_alarm")) or "0"
            return _power_of(int(alarm))
    return Check.ok("power", NOT_REPORTED)


def _power_of(bits: int) -> Check:
    """Return the check for the bits of get_throttled."""
    now = [name for bit, name in _POWER_BITS.items() if bits >> bit & 1]
    before = [
        name
        for bit, name in _POWER_BITS.items()
        if bits >> (bit + _SINCE_START_SHIFT) & 1 and name not in now
    ]
    if not now and not before:
        return Check.ok("power", "no under-voltage, no throttling since the start")
    parts = []
    if now:
        parts.append(f"{', '.join(now)} now")
    if before:
        parts.append(f"{', '.join(before)} since the start")
    sentence = "; ".join(parts)
    if _UNDER_VOLTAGE in now or _UNDER_VOLTAGE in before:
        advice = "use the original power supply and a short cable"
    else:
        advice = "cool it: a heat sink, a fan, another place"
    if _UNDER_VOLTAGE in now:
        return Check.problem("power", sentence, advice)
    return Check.warning("power", sentence, advice)
