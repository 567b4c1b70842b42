"""The files with hashes cover what a device installs, for each Python and processor."""

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
FOLDER = ROOT / "requirements"
FILES = sorted(FOLDER.glob("*.txt"))
MIN_HASHES = {  # of packages that are compiled: for three Pythons and two processors
    "numpy": 6,
    "onnxruntime": 6,
    "cffi": 6,
    "soxr": 4,  # one wheel for 3.12 and newer
    "soundfile": 2,  # for any Python
    "protobuf": 2,
}


def pins(file: Path) -> dict[str, tuple[str, list[str]]]:
    """(version, hashes) by package; fails for a line that pip would not take."""
    text = file.read_text().replace("\\\n", "")
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    result = {}
    for line in lines:
        name_and_version, *hashes = line.split()
        name, version = name_and_version.split("==")
        values = [value.removeprefix("--hash=sha256:") for value in hashes]
        assert values and all(re.fullmatch(r"[0-9a-f]{64}", value) for value in values), line
        assert len(set(values)) == len(values)
        result[name] = (version, values)
    return result


def assert_covered(requirements: list[str], file: str) -> None:
    pinned = pins(FOLDER / file)
    for requirement in map(Requirement, requirements):
        version, _ = pinned[canonicalize_name(requirement.name)]
        assert requirement.specifier.contains(version), requirement


def test_device_txt_covers_the_base_dependencies_and_what_builds_edgeae() -> None:
    assert_covered(PROJECT["project"]["dependencies"], "device.txt")
    assert_covered(PROJECT["build-system"]["requires"], "device.txt")


def test_mqtt_txt_covers_the_extra() -> None:
    assert_covered(PROJECT["project"]["optional-dependencies"]["mqtt"], "mqtt.txt")


def test_compiled_packages_have_a_hash_for_each_python_and_processor() -> None:
    pinned = pins(FOLDER / "device.txt")
    for name, n_hashes in MIN_HASHES.items():
        assert len(pinned[name][1]) >= n_hashes, name


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_no_file_names_a_server(file: Path) -> None:
    assert not re.search(r"://|index-url|find-links|trusted-host", file.read_text())
