"""Checks of the software that edgeae needs."""

import platform
import sys
from collections.abc import Callable, Iterator, Mapping
from importlib.metadata import PackageNotFoundError, version

from .check import Check
from .masking import masked_variable

REQUIRED_PACKAGES = ("numpy", "onnxruntime", "soundfile", "soxr", "click")
# package: what needs it
OPTIONAL_PACKAGES = {"paho-mqtt": "MQTT"}
ENVIRONMENT_PREFIXES = ("EDGEAE_", "ALSA_", "OMP_", "OPENBLAS_")
MIN_PYTHON = (3, 11)
MAX_PYTHON = (3, 13)
BROKEN_ONNXRUNTIME = "1.21.0"

GetVersion = Callable[[str], str]


def check_python() -> Check:
    """Check the versions of edgeae and Python, and where they are installed."""
    edgeae_version = _version("edgeae", version) or "not installed"
    in_environment = sys.prefix != sys.base_prefix
    place = f"{'in' if in_environment else 'outside of'} a virtual environment"
    python_version = f"{platform.python_implementation()} {platform.python_version()}"
    sentence = f"edgeae {edgeae_version}, {python_version}, {place}"
    if not MIN_PYTHON <= sys.version_info[:2] <= MAX_PYTHON:
        return Check.warning("edgeae", sentence, "edgeae is made for Python 3.11 to 3.13")
    return Check.ok("edgeae", sentence)


def check_packages(get_version: GetVersion = version, machine: str = platform.machine()) -> Check:
    """Check the packages of the base install.

    get_version: returns the version of a package, or raises PackageNotFoundError.
    machine: architecture, as `uname -m` prints it.
    """
    versions = {name: _version(name, get_version) for name in REQUIRED_PACKAGES}
    sentence = ", ".join(f"{name} {number or 'missing'}" for name, number in versions.items())
    missing = [name for name, number in versions.items() if not number]
    if missing:
        return Check.problem("packages", sentence, f"pip install {' '.join(missing)}")
    if versions["onnxruntime"] == BROKEN_ONNXRUNTIME:
        advice = f"{BROKEN_ONNXRUNTIME} dies on a Raspberry Pi 4: pip install --upgrade onnxruntime"
        if machine == "aarch64":
            return Check.problem("packages", sentence, advice)
        return Check.warning("packages", sentence, advice)
    return Check.ok("packages", sentence)


def check_optional_packages(get_version: GetVersion = version) -> Check:
    """Check the packages that only some outputs need."""
    parts = []
    for name, user in OPTIONAL_PACKAGES.items():
        number = _version(name, get_version)
        parts.append(f"{name} {number or f'not installed (only {user} needs it)'}")
    return Check.ok("optional", ", ".join(parts))


def check_libraries() -> Iterator[Check]:
    """Check the shared libraries: libsndfile reads files, libasound reads microphones."""
    try:
        from soundfile import __libsndfile_version__

        yield Check.ok("libsndfile", __libsndfile_version__)
    except (ImportError, OSError) as error:
        yield Check.problem(
            "libsndfile", f"cannot be loaded: {error}", "sudo apt-get install libsndfile1"
        )
    from ..capture.alsa import Alsa
    from ..errors import DeviceError

    try:
        yield Check.ok("libasound", Alsa().text("snd_asoundlib_version"))
    except DeviceError as error:
        sentence, _, advice = str(error).partition(": ")
        yield Check.warning("libasound", sentence, advice)


def check_environment(environ: Mapping[str, str]) -> Check:
    """Check the environment variables that change what edgeae does; secrets are masked."""
    variables = [
        f"{name}={masked_variable(name, value)}"
        for name, value in sorted(environ.items())
        if name.startswith(ENVIRONMENT_PREFIXES)
    ]
    if variables:
        return Check.ok("environment", "; ".join(variables))
    patterns = ", ".join(f"{prefix}*" for prefix in ENVIRONMENT_PREFIXES)
    return Check.ok("environment", f"no variable of {patterns}")


def _version(name: str, get_version: GetVersion) -> str | None:
    try:
        return get_version(name)
    except PackageNotFoundError:
        return None
