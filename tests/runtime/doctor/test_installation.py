"""What the doctor says of the software edgeae stands on."""

import sys
from importlib.metadata import PackageNotFoundError, version

import pytest

from edgeae.runtime.doctor import installation
from edgeae.runtime.doctor.check import tried


def with_packages(**others: str | None) -> object:
    """Versions as installed here, but for `others`; None is missing."""

    def of(name: str) -> str:
        found = others.get(name.replace("-", "_"), "9.9")
        if found is None:
            raise PackageNotFoundError(name)
        return found

    return of


def test_the_versions_that_run_here_are_told() -> None:
    assert installation.packages().state == "ok"
    for name in ("numpy", "onnxruntime"):
        assert f"{name} {version(name)}" in installation.packages().sentence
    assert f"edgeae {version('edgeae')}, " in installation.python().sentence


@pytest.mark.parametrize(("machine", "state"), [("aarch64", "problem"), ("x86_64", "warning")])
def test_the_onnxruntime_that_dies_on_a_pi_is_warned_of(machine: str, state: str) -> None:
    found = installation.packages(with_packages(onnxruntime="1.21.0"), machine)  # type: ignore[arg-type]
    assert (found.state, "pip install --upgrade onnxruntime" in found.advice) == (state, True)


def test_a_missing_package_is_a_problem() -> None:
    found = installation.packages(with_packages(soxr=None, click=None))  # type: ignore[arg-type]
    assert (found.state, found.advice) == ("problem", "pip install soxr click")
    assert "soxr missing" in found.sentence


def test_what_only_some_outputs_need_may_be_missing() -> None:
    found = installation.optional(with_packages(paho_mqtt=None))  # type: ignore[arg-type]
    assert (found.state, found.sentence) == ("ok", "paho-mqtt not installed (only MQTT needs it)")
    assert installation.optional(with_packages()).sentence == "paho-mqtt 9.9"  # type: ignore[arg-type]


def test_the_libraries_of_this_computer_are_told() -> None:
    assert [(check.name, check.state) for check in installation.libraries()] == [
        ("libsndfile", "ok"),
        ("libasound", "ok"),
    ]


def test_a_missing_libasound_is_a_warning_that_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def missing(_: str) -> None:
        raise OSError("cannot open shared object file")

    monkeypatch.setattr("ctypes.CDLL", missing)
    [found] = [check for check in installation.libraries() if check.name == "libasound"]
    assert found.state == "warning"
    assert found.sentence == "libasound.so.2 is not installed, and live audio needs it"
    assert found.advice.startswith("sudo apt-get install libasound2 ")


def test_a_missing_libsndfile_is_a_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "soundfile", None)
    found = next(iter(installation.libraries()))
    assert (found.name, found.state, found.advice) == (
        "libsndfile",
        "problem",
        "sudo apt-get install libsndfile1",
    )


@pytest.mark.parametrize(("info", "state"), [((3, 11, 2), "ok"), ((3, 14, 0), "warning")])
def test_a_python_that_edgeae_is_not_made_for(
    monkeypatch: pytest.MonkeyPatch, info: tuple[int, int, int], state: str
) -> None:
    monkeypatch.setattr(sys, "version_info", info)
    assert installation.python().state == state


def test_the_environment_is_told_without_secrets_and_without_what_is_not_ours() -> None:
    found = installation.environment(
        {
            "OMP_NUM_THREADS": "1",
            "EDGEAE_MQTT_PASSWORD": "hunter2",
            "EDGEAE_BROKER": "mqtt://bob:hunter2@broker",
            "AWS_SECRET": "hunter2",
            "PATH": "/usr/bin",
        }
    )
    assert (
        found.sentence
        == "EDGEAE_BROKER=mqtt://***@broker; EDGEAE_MQTT_PASSWORD=***; OMP_NUM_THREADS=1"
    )
    assert installation.environment({}).sentence.startswith("no variable of EDGEAE_*, ")


def test_a_look_that_fails_is_a_line() -> None:
    def fail() -> None:
        raise RuntimeError("the kernel has no such thing")

    [found] = tried("power", fail)  # type: ignore[arg-type]
    assert (found.name, found.state) == ("power", "warning")
    assert found.sentence == "could not be checked (RuntimeError: the kernel has no such thing)"
