"""Write requirements/*.txt: the versions and hashes of what is installed on a device.

python scripts/lock-requirements.py

Needs a network and a few minutes: pip resolves pyproject.toml's dependencies for each Python and
each processor of `TARGETS`, from wheels alone. A package has one version for all of them.
"""

import json
import subprocess
import sys
import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
PYTHONS = ("3.11", "3.12", "3.13")
PROCESSORS = ("x86_64", "aarch64")
# Of the C library: Raspberry Pi OS bookworm has 2.36, Debian bullseye and Ubuntu 20.04 have 2.31.
GLIBC_TAGS = (
    *(f"manylinux_2_{minor}" for minor in (31, 28, 27, 26, 24, 17, 12, 5)),
    *("manylinux2014", "manylinux2010", "manylinux1"),
)
BASE: list[str] = PROJECT["project"]["dependencies"]
BUILD: list[str] = PROJECT["build-system"]["requires"]
MQTT: list[str] = PROJECT["project"]["optional-dependencies"]["mqtt"]
# By file: what it holds, for the head; and the requirements.
FILES = {
    "device.txt": (
        "what `edgeae run` and `calibrate` need on a device, and what builds edgeae",
        [*BASE, *BUILD],
    ),
    "mqtt.txt": ("what --mqtt needs beside device.txt", MQTT),
}


@dataclass(frozen=True)
class Target:
    """A Python and a processor that a device may have."""

    python: str
    processor: str

    def environment(self) -> dict[str, str]:
        """What markers of requirements are compared with."""
        return {
            "python_version": self.python,
            "python_full_version": f"{self.python}.0",
            "platform_machine": self.processor,
            "implementation_name": "cpython",
            "platform_python_implementation": "CPython",
            "platform_system": "Linux",
            "sys_platform": "linux",
            "os_name": "posix",
            "extra": "",
        }


@dataclass(frozen=True)
class Wheel:
    """A wheel that pip chose."""

    name: str
    version: str
    sha256: str
    requires: tuple[str, ...]


TARGETS = [Target(*pair) for pair in product(PYTHONS, PROCESSORS)]


def resolve(requirements: Sequence[str], target: Target, constraints: Iterable[str]) -> list[Wheel]:
    """The wheels that pip chooses for a target."""
    with TemporaryDirectory() as folder:
        constraint_file = Path(folder, "constraints.txt")
        constraint_file.write_text("\n".join([*constraints, ""]))
        command = [
            *(sys.executable, "-m", "pip", "install", "--dry-run", "--ignore-installed"),
            *("--quiet", "--report", f"{folder}/report.json", "--target", f"{folder}/none"),
            *("--only-binary", ":all:", "--implementation", "cp"),
            *("--python-version", target.python, "--constraint", str(constraint_file)),
        ]
        for tag in GLIBC_TAGS:
            command += ["--platform", f"{tag}_{target.processor}"]
        subprocess.run([*command, *requirements], check=True)
        report = json.loads(Path(folder, "report.json").read_text())
    return [
        Wheel(
            canonicalize_name(item["metadata"]["name"]),
            item["metadata"]["version"],
            item["download_info"]["archive_info"]["hashes"]["sha256"],
            tuple(item["metadata"].get("requires_dist", ())),
        )
        for item in report["install"]
    ]


def check_complete(wheels: Sequence[Wheel], target: Target) -> None:
    """Exit if a wheel needs one that is missing: pip compares markers with its own Python."""
    names = {wheel.name for wheel in wheels}
    for wheel in wheels:
        for text in wheel.requires:
            requirement = Requirement(text)
            marker = requirement.marker
            needed = marker is None or marker.evaluate(dict(target.environment()))
            if needed and canonicalize_name(requirement.name) not in names:
                sys.exit(f"{wheel.name} needs {requirement.name} on {target}: run another Python")


def resolve_all(requirements: Sequence[str]) -> list[Wheel]:
    """The wheels for all targets; a package that has several versions gets its oldest."""
    constraints: list[str] = []
    while True:
        by_target = {target: resolve(requirements, target, constraints) for target in TARGETS}
        for target, wheels in by_target.items():
            check_complete(wheels, target)
        versions: dict[str, set[str]] = {}
        for wheel in (wheel for wheels in by_target.values() for wheel in wheels):
            versions.setdefault(wheel.name, set()).add(wheel.version)
        oldest = [
            f"{name}=={min(several, key=Version)}"
            for name, several in versions.items()
            if len(several) > 1
        ]
        if not oldest:
            return [wheel for wheels in by_target.values() for wheel in wheels]
        constraints += oldest


def text_of(file: str, purpose: str, wheels: Sequence[Wheel]) -> str:
    """The lines of a file for `pip install --require-hashes`."""
    lines = [
        f"# {purpose[0].upper()}{purpose[1:]},",
        f"# for Python {', '.join(PYTHONS)} on {' and '.join(PROCESSORS)}; wheels alone.",
        "# Made by scripts/lock-requirements.py:",
        f"#   pip install --require-hashes --only-binary :all: -r requirements/{file}",
    ]
    hashes: dict[str, set[str]] = {}
    for wheel in wheels:
        hashes.setdefault(f"{wheel.name}=={wheel.version}", set()).add(wheel.sha256)
    for pin, of_pin in sorted(hashes.items()):
        lines.append(f"{pin} \\")
        lines.append(" \\\n".join(f"    --hash=sha256:{value}" for value in sorted(of_pin)))
    return "\n".join([*lines, ""])


def main() -> None:
    for file, (purpose, requirements) in FILES.items():
        wheels = resolve_all(requirements)
        path = ROOT / "requirements" / file
        path.write_text(text_of(file, purpose, wheels))
        print(f"{path.relative_to(ROOT)}: {len({wheel.name for wheel in wheels})} packages")


if __name__ == "__main__":
    main()
