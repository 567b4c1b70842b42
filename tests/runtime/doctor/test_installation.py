"""Checks of the software that edgeae needs."""

import sys
from importlib.metadata import PackageNotFoundError, version

import pytest

from edgeae.runtime.doctor import installation


def with_packages(**others: str | None) -> installation.GetVersion:
    """Versions as installed here, but for `others`; None is missing."""

    def get_version(name: str) -> str:
        number = others.get(name.replace("-", "_"), "9.9")
        if number is None:
            raise PackageNotFoundError(name)
        return number

    return get_version


def test_the_versions_that_run_here_are_told() -> None:
    assert installation.check_packages().state == "ok"
    for name in ("numpy", "onnxruntime"):
        assert f"{name} {version(name)}" in installation.check_packages().sentence
    assert f"edgeae {version('edgeae')}, " in installation.check_python().sentence


@pytest.mark.parametrize(("machine", "state"), [("aarch64", "problem"), ("x86_64", "warning")])
def test_the_onnxruntime_that_dies_on_a_pi_is_warned_of(machine: str, state: str) -> None:
    check = installation.check_packages(with_packages(onnxruntime="1.21.0"), machine)
    assert (check.state, "pip install --upgrade onnxruntime" in check.advice) == (state, True)


def test_a_missing_package_is_a_problem() -> None:
    check = installation.check_packages(with_packages(soxr=None, click=None))
    assert (check.state, check.advice) == ("problem", "pip install soxr click")
    assert "soxr missing" in check.sentence


def test_what_only_some_outputs_need_may_be_missing() -> None:
    check = installation.check_optional_packages(with_packages(paho_mqtt=None))
    assert (check.state, check.sentence) == ("ok", "paho-mqtt not installed (only MQTT needs it)")
    assert installation.check_optional_packages(with_packages()).sentence == "paho-mqtt 9.9"


def test_the_libraries_of_this_computer_are_told() -> None:
    assert [(check.name, check.state) for check in installation.check_libraries()] == [
        ("libsndfile", "ok"),
        ("libasound", "ok"),
    ]


def test_a_missing_libasound_is_a_warning_that_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def missing(_: str) -> None:
        raise OSError("cannot open shared object file")

    monkeypatch.setattr("ctypes.CDLL", missing)
    [check] = [entry for entry in installation.check_libraries() if entry.name == "libasound"]
    assert check.state == "warning"
    assert check.sentence == "libasound.so.2 is not installed, and live audio needs it"
    assert check.advice.startswith("sudo apt-get install libasound2 ")


def test_a_missing_libsndfile_is_a_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "soundfile", None)
    check = next(iter(installation.check_libraries()))
    assert (check.name, check.state, check.advice) == (
        "libsndfile",
        "problem",
        "sudo apt-get install libsndfile1",
    )


@pytest.mark.parametrize(("info", "state"), [((3, 11, 2), "ok"), ((3, 14, 0), "warning")])
def test_a_python_that_edgeae_is_not_made_for(
    monkeypatch: pytest.MonkeyPatch, info: tuple[int, int, int], state: str
) -> None:
    monkeypatch.setattr(sys, "version_info", info)
    assert installation.check_python().state == state


def test_the_environment_is_told_without_secrets_and_without_what_is_not_ours() -> None:
    check = installation.check_environment(
        {
            "OMP_NUM_THREADS": "1",
            "EDGEAE_MQTT_PASSWORD": "hunter2",
            "EDGEAE_BROKER": "mqtt://bob:hunter2@broker",
            "AWS_SECRET": "hunter2",
            "PATH": "/usr/bin",
        }
    )
    assert (
        check.sentence
        == "EDGEAE_BROKER=mqtt://***@broker; EDGEAE_MQTT_PASSWORD=***; OMP_NUM_THREADS=1"
    )
    assert installation.check_environment({}).sentence.startswith("no variable of EDGEAE_*, ")
