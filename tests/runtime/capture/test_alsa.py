"""libasound through ctypes."""

import ctypes
import errno

import pytest

from edgeae.runtime.capture.alsa import Alsa, AlsaError
from edgeae.runtime.errors import DeviceError


def test_missing_libasound_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(_: str) -> None:
        raise OSError("cannot open shared object file")

    monkeypatch.setattr("ctypes.CDLL", missing)
    with pytest.raises(DeviceError, match="apt-get install libasound2"):
        Alsa()


def test_another_failure_of_the_loader_is_reported_as_the_loader_says_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def full(_: str) -> None:
        raise OSError("libasound.so.2: failed to map segment from shared object")

    monkeypatch.setattr("ctypes.CDLL", full)
    with pytest.raises(DeviceError, match=r"cannot be loaded \(.*failed to map segment"):
        Alsa()


def test_a_refused_call_is_an_error_with_number_and_reason() -> None:
    with pytest.raises(AlsaError) as caught:
        Alsa().handle("snd_pcm_open", b"nonsense", 0, 1)
    assert caught.value.errno == errno.ENOENT
    assert caught.value.strerror == "No such file or directory"


def test_a_structure_is_zeroed_and_as_large_as_libasound_says() -> None:
    alsa = Alsa()
    structure = alsa.structure("snd_pcm_hw_params")
    assert ctypes.sizeof(structure) == alsa.call("snd_pcm_hw_params_sizeof")
    assert not any(structure.raw)


def test_a_function_without_a_result_returns_0() -> None:
    alsa = Alsa()
    assert alsa.call("snd_pcm_info_set_device", alsa.structure("snd_pcm_info"), 3) == 0


def test_the_version_is_a_text() -> None:
    assert Alsa().text("snd_asoundlib_version").startswith("1.")
