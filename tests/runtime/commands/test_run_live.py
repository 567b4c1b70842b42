"""`edgeae run -` and `edgeae run --device`: how live sound is scored to its end."""

import http.client
import io
import json
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from numpy.typing import NDArray
from ports import reserved_port

from edgeae.runtime.commands.run_live import score_live
from edgeae.runtime.errors import AudioError, ConfigError, DeviceError
from edgeae.runtime.live.limits import RunLimits
from edgeae.runtime.scoring.detector import Detector
from tests.runtime.capture.fakes import AlsaDevice
from tests.runtime.commands.parsed_options import parsed_options

RATE = 16000
Pipe = Callable[[bytes], None]


@pytest.fixture(scope="module")
def detector(machine: Path) -> Detector:
    return Detector.load(machine)


@pytest.fixture
def pipe(monkeypatch: pytest.MonkeyPatch) -> Pipe:
    """``pipe(raw)``: what stands on standard input."""

    def install(raw: bytes) -> None:
        monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(raw)))

    return install


def score(*arguments: object, detectors: list[Detector]) -> tuple[bool, bool]:
    return score_live(parsed_options(*arguments, "--json"), detectors, RunLimits())


def test_a_pipe_is_scored_to_its_end(
    detector: Detector, sound: NDArray[np.int16], pipe: Pipe, capsys: pytest.CaptureFixture[str]
) -> None:
    pipe(sound.tobytes())
    _, interrupted = score("-", detectors=[detector])
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert not interrupted
    assert (lines[0]["state"], lines[-1]["state"]) == ("listening", "stopped")
    assert lines[-1]["t"] == len(sound) / RATE


def test_a_loud_tone_is_an_anomaly(
    detector: Detector, sound: NDArray[np.int16], pipe: Pipe
) -> None:
    tone = 8000 * np.sin(2 * np.pi * 3000 * np.arange(len(sound)) / RATE)
    pipe(np.clip(sound + tone, -32768, 32767).astype("<i2").tobytes())
    any_anomaly, _ = score("-", detectors=[detector])
    assert any_anomaly


def test_a_source_of_which_nothing_was_judged_is_reported(
    detector: Detector, pipe: Pipe, capsys: pytest.CaptureFixture[str]
) -> None:
    pipe(bytes(2 * 8 * RATE))
    any_anomaly, _ = score("-", detectors=[detector])
    assert not any_anomaly
    message = "-: none of its 5 windows was judged (silence): nothing is known about the machine"
    assert capsys.readouterr().err == f"edgeae: {message}\n"


def test_standard_input_that_is_closed_is_refused(
    detector: Detector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", None)
    with pytest.raises(ConfigError, match="standard input is closed; pipe sound into"):
        score("-", detectors=[detector])


def test_too_little_sound_for_a_score_is_an_error(detector: Detector, pipe: Pipe) -> None:
    pipe(bytes(1000))
    with pytest.raises(AudioError, match=r"at least 1\.06 s is needed"):
        score("-", detectors=[detector])


def test_each_channel_of_a_device_is_a_source(
    detector: Detector,
    sound: NDArray[np.int16],
    alsa_device: AlsaDevice,
    capfd: pytest.CaptureFixture[str],
) -> None:
    alsa_device(np.stack([sound, sound[::-1]], axis=1))
    arguments = ("--device", "hw:1", "--channels", "0,1", "--duration", 6)
    score(*arguments, detectors=[detector] * 2)
    lines = [json.loads(line) for line in capfd.readouterr().out.splitlines()]
    sources = {line["source"] for line in lines if line["type"] == "score"}
    assert sources == {"hw:1 channel 0", "hw:1 channel 1"}


def test_a_device_that_is_missing_ends_the_run(detector: Detector) -> None:
    with pytest.raises(DeviceError, match="NoSuchCard"):
        score("--device", "hw:CARD=NoSuchCard,DEV=0", detectors=[detector])


def test_a_message_that_the_sound_was_normal_is_recorded_and_the_state_is_kept(
    detector: Detector,
    sound: NDArray[np.int16],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    message = tmp_path / "normal"

    class Buffer(io.BytesIO):
        """A person creates the file while sound is read."""

        def read1(self, size: int | None = -1, /) -> bytes:
            message.touch()
            return super().read1(size)

        def read(self, size: int | None = -1, /) -> bytes:
            message.touch()
            return super().read(size)

    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=Buffer(sound.tobytes())))
    state = tmp_path / "state.json"
    score("-", "--state", state, "--feedback", message, detectors=[detector])
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    [accepted] = [line for line in lines if line.get("state") == "accepted"]
    assert (accepted["by"], accepted["minutes"]) == ("file", 0)
    assert json.loads(state.read_text())["n_learned"] >= 0


def test_what_is_said_on_the_page_is_learned_as_that_of_the_file(
    detector: Detector,
    sound: NDArray[np.int16],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    token = tmp_path / "token"
    token.write_text("a-token-that-is-long-enough")
    answers: list[int] = []

    with reserved_port() as port:

        class Buffer(io.BytesIO):
            """A person presses the button while sound is read, until the page knows the source."""

            def read(self, size: int | None = -1, /) -> bytes:
                if self.tell() and 202 not in answers:
                    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
                    headers = {"Authorization": f"Bearer {token.read_text()}"}
                    connection.request("POST", "/normal?source=0", headers=headers)
                    answers.append(connection.getresponse().status)
                    connection.close()
                return super().read(size)

            read1 = read

        monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=Buffer(sound.tobytes())))
        arguments = ("-", "--page", f"127.0.0.1:{port}", "--page-token-file", token)
        score(*arguments, detectors=[detector])
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    [accepted] = [line for line in lines if line.get("state") == "accepted"]
    assert accepted["by"] == "page"
    assert answers.count(202) == 1
