"""What the doctor says of computers that are made of files."""

from pathlib import Path

import pytest

from edgeae.runtime.doctor import computer
from edgeae.runtime.doctor.check import Check
from tests.runtime.capture.fakes import write

PI4 = (
    "processor\t: 0\nBogoMIPS\t: 108.00\n"
    "Features\t: fp asimd evtstrm crc32 cpuid\nCPU part\t: 0xd08\n"
)
PI5 = (
    "processor\t: 0\nFeatures\t: fp asimd asimdhp asimddp\nCPU part\t: 0xd0b\n\n"
    "Serial\t\t: 100000001234abcd\n"
)
VNNI = "processor\t: 0\nmodel name\t: Xeon\nflags\t\t: sse2 avx2 avx512_vnni\n"
AVX2 = "processor\t: 0\nmodel name\t: Core i5\nflags\t\t: sse2 avx2\n"
CPUFREQ = "sys/devices/system/cpu/cpu0/cpufreq"


@pytest.mark.parametrize("place", ["soc/soc:firmware", "soc@107c000000/soc@107c000000:firmware"])
@pytest.mark.parametrize(
    ("told", "state", "sentence", "advice"),
    [
        ("0", "ok", "no under-voltage, no throttling since the start", ""),
        ("50000", "warning", "under-voltage, throttled since the start", "power supply"),
        ("50005", "problem", "under-voltage, throttled now", "power supply"),
        ("80008", "warning", "soft temperature limit now", "cool it"),
        (
            "d0008",
            "warning",
            "soft temperature limit now; under-voltage, throttled since the start",
            "power supply",
        ),
    ],
)
def test_power_is_told_by_the_firmware(
    tmp_path: Path, place: str, told: str, state: str, sentence: str, advice: str
) -> None:
    write(tmp_path / "sys/devices/platform" / place / "get_throttled", told)
    check = computer.check_power(tmp_path, run_vcgencmd=lambda: "throttled=0x1")
    assert (check.state, check.sentence) == (state, sentence)
    assert advice in check.advice


def test_power_is_told_by_the_tool_where_there_is_no_file(tmp_path: Path) -> None:
    assert (
        computer.check_power(tmp_path, run_vcgencmd=lambda: "throttled=0x50000\n").state
        == "warning"
    )


@pytest.mark.parametrize(("alarm", "state"), [("0", "ok"), ("1", "problem")])
def test_power_is_told_by_the_sensor_where_there_is_nothing_else(
    tmp_path: Path, alarm: str, state: str
) -> None:
    write(tmp_path / "sys/class/hwmon/hwmon0/name", "cpu_thermal")
    write(tmp_path / "sys/class/hwmon/hwmon1/name", "rpi_volt")
    write(tmp_path / "sys/class/hwmon/hwmon1/in0_lcrit_alarm", alarm)
    assert (
        computer.check_power(tmp_path, run_vcgencmd=lambda: "VCHI initialization failed").state
        == state
    )


def test_power_that_nobody_tells_is_no_failure(tmp_path: Path) -> None:
    assert computer.check_power(tmp_path, run_vcgencmd=str) == Check(
        "power", "ok", "not reported by this system"
    )


@pytest.mark.parametrize(
    ("cpuinfo", "state", "sentence"),
    [
        (PI4, "ok", "Cortex-A72: asimd, no asimddp, no i8mm"),
        (PI5, "ok", "Cortex-A76: asimd, asimddp, no i8mm"),
        (VNNI, "ok", "Xeon: avx2, avx512_vnni, no avx_vnni"),
        (AVX2, "warning", "Core i5: avx2, no avx512_vnni, no avx_vnni"),
        ("", "ok", "unknown model: no asimd, no asimddp, no i8mm"),
    ],
)
def test_the_processor_tells_what_int8_gains_from(
    tmp_path: Path, cpuinfo: str, state: str, sentence: str
) -> None:
    write(tmp_path / "proc/cpuinfo", cpuinfo)
    check = computer.check_processor(tmp_path)
    assert (check.state, check.sentence) == (state, sentence)
    assert ("--reduce-range" in check.advice) == (state == "warning")


def test_the_model_of_a_raspberry_pi_is_told_without_its_serial_number(tmp_path: Path) -> None:
    write(tmp_path / "proc/device-tree/model", "Raspberry Pi 5 Model B Rev 1.0\0")
    write(tmp_path / "proc/device-tree/serial-number", "100000001234abcd\0")
    write(tmp_path / "proc/cpuinfo", PI5)
    check = computer.check_computer(tmp_path, bits=64)
    assert check.state == "ok"
    assert check.sentence.startswith("Raspberry Pi 5 Model B Rev 1.0, ")
    assert "1234abcd" not in check.sentence + computer.check_processor(tmp_path).sentence


def test_a_userland_of_32_bits_is_warned_of(tmp_path: Path) -> None:
    check = computer.check_computer(tmp_path, bits=32)
    assert (check.state, "64-bit system" in check.advice) == ("warning", True)


@pytest.mark.parametrize(
    ("governor", "driver", "state"),
    [
        ("ondemand", "cpufreq-dt", "ok"),
        ("powersave", "cpufreq-dt", "warning"),
        ("powersave", "intel_pstate", "ok"),
    ],
)
def test_cores_tell_their_governor_and_frequency(
    tmp_path: Path, governor: str, driver: str, state: str
) -> None:
    for name, value in {
        "governor": governor,
        "driver": driver,
        "cur_freq": "600000",
        "max_freq": "1800000",
    }.items():
        write(tmp_path / CPUFREQ / f"scaling_{name}", value)
    write(tmp_path / "proc/loadavg", "0.52 0.58 0.59 1/389 5432")
    check = computer.check_cores(tmp_path)
    assert check.state == state
    assert check.sentence.endswith(f"usable, load 0.52, governor {governor}, 600 of 1800 MHz")


def test_cores_of_a_computer_that_tells_nothing(tmp_path: Path) -> None:
    assert computer.check_cores(tmp_path).sentence.endswith("usable, load unknown")


@pytest.mark.parametrize(("available", "state"), [(900, "ok"), (100, "warning")])
def test_scarce_memory_is_warned_of(tmp_path: Path, available: int, state: str) -> None:
    meminfo = (
        "MemTotal:         945512 kB\nMemFree:           52000 kB\n"
        f"MemAvailable:     {available << 10} kB"
    )
    write(tmp_path / "proc/meminfo", meminfo)
    check = computer.check_memory(tmp_path)
    assert (check.state, check.sentence) == (state, f"923 MiB, {available} MiB available")


@pytest.mark.parametrize(("hottest", "state"), [(61234, "ok"), (85000, "warning")])
def test_the_hottest_zone_counts(tmp_path: Path, hottest: int, state: str) -> None:
    zones = [("cpu-thermal", hottest), ("cpu-thermal", -5000), ("wifi", 40000), ("broken", "")]
    for number, (kind, degrees) in enumerate(zones):
        write(tmp_path / f"sys/class/thermal/thermal_zone{number}/type", kind)
        write(tmp_path / f"sys/class/thermal/thermal_zone{number}/temp", str(degrees))
    check = computer.check_temperature(tmp_path)
    assert (check.state, check.sentence) == (state, f"{hottest / 1000:.0f} C (cpu-thermal)")


def test_a_computer_without_a_thermometer(tmp_path: Path) -> None:
    assert computer.check_temperature(tmp_path).state == "ok"
