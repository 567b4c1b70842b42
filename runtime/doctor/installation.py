"""The software that edgeae stands on, as `edgeae doctor` sees it."""

import platform
import sys
from collections.abc import Callable, Iterator, Mapping
from importlib.metadata import PackageNotFoundError, version

from .check import OK, PROBLEM, WARNING, Check
from .masking import variable

PACKAGES = ("numpy", "onnxruntime", "soundfile", "soxr", "click")
OPTIONAL = {"paho-mqtt": "MQTT"}
PREFIXES = ("EDGEAE_", "ALSA_", "OMP_", "OPENBLAS_")


def python() -> Check:
    """edgeae, Python and where it lives."""
    found, implementation = (
        _version("edgeae", version) or "not installed",
        platform.python_implementation(),
    )
    place = (
        "in a virtual environment"
        if sys.prefix != sys.base_prefix
        else "outside of a virtual environment"
    )
    sentence = f"edgeae {found}, {implementation} {platform.python_version()}, {place}"
    if not (3, 11) <= sys.version_info[:2] <= (3, 13):
        return Check("edgeae", WARNING, sentence, "edgeae is made for Python 3.11 to 3.13")
    return Check("edgeae", OK, sentence)


def packages(of: Callable[[str], str] = version, machine: str = platform.machine()) -> Check:
    """The packages of the base install."""
    found = {name: _version(name, of) for name in PACKAGES}
    sentence = ", ".join(f"{name} {number or 'missing'}" for name, number in found.items())
    if missing := [name for name, number in found.items() if not number]:
        return Check("packages", PROBLEM, sentence, f"pip install {' '.join(missing)}")
    if found["onnxruntime"] == "1.21.0":
        state = PROBLEM if machine == "aarch64" else WARNING
        return Check(
            "packages",
            state,
            sentence,
            "1.21.0 dies on a Raspberry Pi 4: pip install --upgrade onnxruntime",
        )
    return Check("packages", OK, sentence)


def optional(of: Callable[[str], str] = version) -> Check:
    """Packages that only some outputs need."""
    found = {name: _version(name, of) for name in OPTIONAL}
    lacking = "not installed (only {} needs it)"
    return Check(
        "optional",
        OK,
        ", ".join(f"{n} {v or lacking.format(OPTIONAL[n])}" for n, v in found.items()),
    )


def libraries() -> Iterator[Check]:
    """The shared libraries below: libsndfile reads files, libasound reads microphones."""
    try:
        from soundfile import __libsndfile_version__

        yield Check("libsndfile", OK, __libsndfile_version__)
    except (ImportError, OSError) as error:
        yield Check(
            "libsndfile", PROBLEM, f"cannot be loaded: {error}", "sudo apt-get install libsndfile1"
        )
    from ..capture.alsa import Alsa
    from ..errors import DeviceError

    try:
        yield Check("libasound", OK, Alsa().text("snd_asoundlib_version"))
    except DeviceError as error:
        missing, _, advice = str(error).partition(": ")
        yield Check("libasound", WARNING, missing, advice)


def environment(environ: Mapping[str, str]) -> Check:
    """The variables that change what edgeae does, without secrets."""
    told = [
        f"{name}={variable(name, value)}"
        for name, value in sorted(environ.items())
        if name.startswith(PREFIXES)
    ]
    return Check(
        "environment",
        OK,
        "; ".join(told) or f"no variable of {', '.join(f'{p}*' for p in PREFIXES)}",
    )


def _version(name: str, of: Callable[[str], str]) -> str | None:
    try:
        return of(name)
    except PackageNotFoundError:
        return None
