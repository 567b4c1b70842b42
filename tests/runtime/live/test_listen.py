"""`edgeae run --device` for months: several channels, devices that come and go, and their lines."""

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from network_streams import StreamServer, http_stream
from numpy.typing import NDArray

from edgeae.runtime.capture.alsa import Alsa, AlsaError
from edgeae.runtime.capture.microphone import MicrophoneLimits
from edgeae.runtime.commands.cli import run_command
from edgeae.runtime.live.limits import RunLimits
from edgeae.runtime.model.artifact import Artifact
from edgeae.runtime.scoring.selftest import load_all
from tests.runtime.capture.fakes import AlsaDevice, AlsaPlan

RATE = 16000
QUICK = RunLimits(microphone=MicrophoneLimits(min_retry_seconds=0.01))
MAIN = [sys.executable, "-c", "from edgeae.runtime.commands.cli import main; main()"]

Line = dict[str, Any]
Run = Callable[..., tuple[int, list[Line], str]]


@pytest.fixture(scope="module")
def other(machine: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Another machine of the same training, with a threshold of its own."""
    artifact, path = Artifact.read(machine), tmp_path_factory.mktemp("other") / "other.onnx"
    head, threshold = artifact.sections["head"], artifact.sections["threshold"]
    changed = {"head": {**head, "machine": "fan-2"}, "threshold": {**threshold, "value": -100.0}}
    artifact.with_sections(**changed).write(path)
    return path


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str]) -> Run:
    """``run(*arguments)``: `edgeae run ... --json`; its exit code, lines and words."""

    def call(*arguments: object) -> tuple[int, list[Line], str]:
        capfd.readouterr()
        code = run_command(["run", "--json", *map(str, arguments)], QUICK)
        out, err = capfd.readouterr()
        return code, [json.loads(line) for line in out.splitlines()], err

    return call


def scores(lines: list[Line], source: str) -> list[tuple[float, float]]:
    return [
        (line["t"], line["score"])
        for line in lines
        if line["type"] == "score" and line["source"] == source
    ]


def states(lines: list[Line]) -> list[str]:
    return [
        str(line.get("state", line["type"])) for line in lines if line["type"] in ("status", "gap")
    ]


@pytest.fixture
def stereo(sound: NDArray[np.int16], alsa_device: AlsaDevice, tmp_path: Path) -> Path:
    """A device of two channels, the second played backwards; and the same as a file."""
    both = np.stack([sound, sound[::-1]], axis=1)
    alsa_device(both)
    path = tmp_path / "both.wav"
    soundfile.write(path, both, RATE, "PCM_16")
    return path


def test_each_channel_scores_as_that_of_the_file(run: Run, machine: Path, stereo: Path) -> None:
    code, lines, _ = run(machine, "--device", "hw:1", "--channels", "1,0", "--duration", 16)
    assert code == 0
    for channel in (0, 1):
        expected = scores(run(machine, stereo, "--channel", channel)[1], str(stereo))
        assert scores(lines, f"hw:1 channel {channel}") == expected
        assert len(expected) == 13


def test_each_channel_can_have_an_artifact_of_its_own(
    run: Run, machine: Path, other: Path, stereo: Path
) -> None:
    _, lines, _ = run(machine, other, "--device", "hw:1", "--channels", "0,1", "--duration", 16)
    told = {line["source"]: line["machine"] for line in lines}
    assert told == {"hw:1 channel 0": "id_03", "hw:1 channel 1": "fan-2"}
    assert {
        line["threshold"]
        for line in lines
        if line["machine"] == "fan-2" and line["type"] == "score"
    } == {-100.0}
    models = [line["model"] for line in lines if line.get("state") == "listening"]
    assert models == [str(machine), str(other)]
    assert stereo.is_file()


def test_artifacts_of_one_network_share_its_session(
    machine: Path, other: Path, trained: Any
) -> None:
    one, two, float_ = load_all([machine, other, trained.float_])
    assert one.network is two.network
    assert float_.network is not one.network
    assert (one.machine, two.machine) == ("id_03", "fan-2")


def test_several_devices_are_heard_at_once(
    run: Run, machine: Path, sound: NDArray[np.int16], alsa_device: AlsaDevice
) -> None:
    alsa_device(sound)
    code, lines, _ = run(machine, "--device", "hw:1", "-D", "plughw:2,0", "--duration", 12)
    assert code == 0
    assert scores(lines, "hw:1") == scores(lines, "plughw:2,0")
    assert [line["windows"] for line in lines if line.get("state") == "stopped"] == [
        len(scores(lines, "hw:1"))
    ] * 2


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["{machine}", "{machine}", "--device", "hw:1"], "2 artifacts for 1 sources"),
        (
            ["{machine}", "--device", "hw:1", "--channels", "0,1", "--channel", "0"],
            "in the place of --channel",
        ),
        (["{machine}", "-", "--channels", "0,1"], "--channels is for --device"),
        (["{machine}", "--device", "hw:1", "--channels", "0,left"], "'left'"),
        (
            ["{machine}", "--device", "hw:1", "--channels", "0,1", "--track", "x.json"],
            "of several sources it is a folder",
        ),
    ],
)
def test_what_does_not_fit_together_is_refused(
    run: Run, machine: Path, arguments: list[str], sentence: str
) -> None:
    code, lines, err = run(*[argument.format(machine=machine) for argument in arguments])
    assert (code, lines) == (2, [])
    assert sentence in err


def test_a_channel_that_the_device_lacks_ends_the_command(
    run: Run, machine: Path, stereo: Path
) -> None:
    code, lines, err = run(machine, "--device", "hw:1", "--channels", f"0,{2**30}")
    assert (code, lines) == (4, [])
    assert f"has no channel {2**30}" in err
    assert stereo.is_file()


def test_lines_are_numbered_and_say_how_old_they_are(run: Run, machine: Path, stereo: Path) -> None:
    _, lines, _ = run(machine, "--device", "hw:1", "--channels", "0,1", "--duration", 16)
    assert [line["seq"] for line in lines] == list(range(len(lines)))
    assert {line["synced"] for line in lines} <= {True, False, None}
    ages = [line["age"] for line in lines if line["type"] == "score"]
    assert all(0 <= age < 60 for age in ages)
    assert {line["age"] for line in run(machine, stereo)[1] if line["type"] == "score"} == {None}


def test_several_sources_are_tracked_in_a_folder(
    run: Run, machine: Path, stereo: Path, tmp_path: Path
) -> None:
    (tmp_path / "tracks").mkdir()
    run(
        machine,
        "--device",
        "hw:1",
        "--channels",
        "0,1",
        "--duration",
        12,
        "--track",
        tmp_path / "tracks",
    )
    assert sorted(path.name for path in (tmp_path / "tracks").glob("[!.]*")) == [
        "hw-1-channel-0.json",
        "hw-1-channel-1.json",
    ]
    assert stereo.is_file()


@pytest.mark.parametrize("code", [errno.ENODEV, errno.EIO])
def test_a_microphone_that_is_unplugged_is_told_and_heard_again(
    run: Run,
    machine: Path,
    sound: NDArray[np.int16],
    alsa_device: AlsaDevice,
    alsa_plan: AlsaPlan,
    code: int,
) -> None:
    alsa_device(sound)
    alsa_plan(200, -1, -1, code=code)
    exit_code, lines, _ = run(machine, "--device", "hw:1", "--duration", 14)
    assert exit_code == 0
    assert states(lines) == ["listening", "lost", "lost", "listening", "gap", "stopped"]
    [gap] = [line for line in lines if line["type"] == "gap"]
    assert gap["reason"] == "unplugged"
    assert gap["seconds"] == pytest.approx(gap["frames"] / RATE, abs=1e-3)
    assert lines[-1]["gaps"] == 1
    assert lines[-1]["lost_seconds"] == gap["seconds"]
    times = [line["t"] for line in lines]
    assert times == sorted(times)
    assert gap["t"] == pytest.approx(200 * 512 / RATE + gap["seconds"], abs=2e-3)
    after = [line for line in lines[lines.index(gap) :] if line["type"] == "score"]
    assert after[0]["t"] >= gap["t"] + 4.0  # a whole window of sound after the gap


def test_a_device_that_is_not_there_at_the_start_can_be_waited_for(
    run: Run, machine: Path, sound: NDArray[np.int16], alsa_device: AlsaDevice, alsa_plan: AlsaPlan
) -> None:
    alsa_device(sound)
    alsa_plan(-1, -1)
    code, lines, _ = run(machine, "--device", "hw:1", "--duration", 6, "--wait-device", 60)
    assert code == 0
    assert states(lines) == ["waiting", "listening", "stopped"]
    assert "there is no capture device hw:1" in lines[0]["sentence"]


@pytest.mark.parametrize("options", [[], ["--wait-device", "0.2"]])
def test_a_device_that_does_not_come_ends_the_command(
    run: Run, machine: Path, alsa_device: AlsaDevice, alsa_plan: AlsaPlan, options: list[str]
) -> None:
    alsa_device(bytes(1000))
    alsa_plan(*[-1] * 1000)
    code, lines, err = run(machine, "--device", "hw:1", *options)
    assert code == 4
    assert states(lines) == (["waiting", "stopped"] if options else [])
    assert "there is no capture device hw:1" in err


def test_one_device_of_two_is_enough(
    run: Run, machine: Path, sound: NDArray[np.int16], alsa_device: AlsaDevice, alsa_plan: AlsaPlan
) -> None:
    alsa_device(sound)
    alsa_plan()
    code, lines, _ = run(machine, "-D", "hw:1", "-D", "nonsense", "--duration", 12)
    assert code == 0
    assert len(scores(lines, "hw:1")) == 9  # of 12 s, in windows of 4.096 s
    assert states([line for line in lines if line["source"] == "nonsense"]) == [
        "waiting",
        "stopped",
    ]


def test_a_device_that_stays_away_can_be_given_up(
    run: Run, machine: Path, sound: NDArray[np.int16], alsa_device: AlsaDevice, alsa_plan: AlsaPlan
) -> None:
    alsa_device(sound)
    alsa_plan(200, *[-1] * 1000)
    code, lines, err = run(machine, "--device", "hw:1", "--give-up", 0.3)
    assert code == 4
    assert "hw:1" in err
    assert len(scores(lines, "hw:1")) > 0


def test_what_is_missing_at_the_end_is_told(
    run: Run, machine: Path, sound: NDArray[np.int16], alsa_device: AlsaDevice, alsa_plan: AlsaPlan
) -> None:
    alsa_device(sound)
    alsa_plan(200, *[-1] * 1000)
    code, lines, _ = run(machine, "--device", "hw:1", "--give-up", 0.3)
    assert code == 4
    gap, stopped = lines[-2:]
    assert (gap["type"], gap["reason"], stopped["state"]) == ("gap", "unplugged", "stopped")
    assert gap["seconds"] >= 0.3
    assert stopped["lost_seconds"] == gap["seconds"]


def test_waiting_for_a_device_is_not_part_of_the_duration(
    run: Run, machine: Path, sound: NDArray[np.int16], alsa_device: AlsaDevice, alsa_plan: AlsaPlan
) -> None:
    alsa_device(sound)
    alsa_plan(-1, -1, -1)
    code, lines, _ = run(machine, "--device", "hw:1", "--duration", 0.05, "--wait-device", 60)
    assert (code, states(lines)[:2]) == (
        2,
        ["waiting", "listening"],
    )  # it came, for less than a window
    alsa_plan(*[-1] * 1000)
    assert run(machine, "--device", "hw:1", "--duration", 0.05, "--wait-device", 0.3)[0] == 4


def test_two_sources_of_one_name_are_refused(run: Run, machine: Path) -> None:
    for arguments in (["-D", "hw:1", "-D", "hw:1"], ["-D", "hw:1", "--channels", "0,0"]):
        code, lines, err = run(machine, *arguments)
        assert (code, lines) == (2, [])
        assert "two sources are the same" in err


def test_the_duration_passes_while_a_device_is_lost(
    run: Run, machine: Path, sound: NDArray[np.int16], alsa_device: AlsaDevice, alsa_plan: AlsaPlan
) -> None:
    alsa_device(sound)
    alsa_plan(200, *[-1] * 1000)
    code, lines, _ = run(machine, "--device", "hw:1", "--duration", 200 * 512 / RATE + 0.5)
    assert code == 0
    assert states(lines)[-1] == "stopped"


def test_sound_that_is_not_numbers_is_a_gap(
    run: Run,
    machine: Path,
    sound: NDArray[np.int16],
    alsa_device: AlsaDevice,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class OnlyFloats(Alsa):
        def call(self, name: str, *arguments: Any) -> int:
            if name == "snd_pcm_hw_params_set_format" and arguments[2] != 14:
                raise AlsaError(errno.EINVAL, "injected")
            return super().call(name, *arguments)

    samples = (sound / 2**15).astype("<f4")
    samples[8 * RATE : 8 * RATE + 100] = np.nan
    alsa_device(samples)
    monkeypatch.setattr("edgeae.runtime.capture.capture.Alsa", OnlyFloats)
    code, lines, _ = run(machine, "--device", "hw:1", "--duration", 16)
    assert code == 0
    [gap] = [line for line in lines if line["type"] == "gap"]
    assert gap["reason"] == "not numbers"
    assert all(np.isfinite(line["score"]) for line in lines if line["type"] == "score")


def test_a_pipe_that_waits_ends_with_its_status_on_sigterm(
    machine: Path, sound: NDArray[np.int16], tmp_path: Path
) -> None:
    reader, writer = os.pipe()
    command = [*MAIN, "run", str(machine), "-", "--json", "--track", str(tmp_path / "track.json")]
    with subprocess.Popen(
        command, stdin=reader, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        feeder = threading.Thread(target=os.write, args=(writer, sound.tobytes()))
        feeder.start()
        assert process.stdout
        lines = [process.stdout.readline(), process.stdout.readline()]
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=30)
    os.close(reader)
    feeder.join()
    os.close(writer)
    found = [json.loads(line) for line in [*lines, *out.splitlines()]]
    assert (process.returncode, err) == (0, "")
    assert [found[0]["state"], found[-1]["state"]] == ["listening", "stopped"]
    assert (tmp_path / "track.json").is_file()


def test_a_device_that_repeats_itself_is_not_judged(
    run: Run, machine: Path, sound: NDArray[np.int16], alsa_device: AlsaDevice
) -> None:
    alsa_device(
        sound[: 8 * RATE]
    )  # at the end of its file the device repeats its last period, or zeros, for ever
    code, lines, _ = run(machine, "--device", "hw:1", "--duration", 30, "--fail-on-anomaly")
    told = [line["state"] for line in lines if line["type"] == "status"]
    assert told[:2] in (["listening", "stuck"], ["listening", "silence"])
    after = [line for line in lines if line["type"] == "score" and line["t"] > 10]
    assert {line["health"] for line in after} <= {"stuck", "silence"}
    assert not any(line["anomaly"] for line in after)
    assert code == int(any(line["anomaly"] for line in lines if line["type"] == "score"))


@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="ffmpeg is not installed")
def test_a_network_stream_is_scored_and_its_login_is_nowhere(
    run: Run, machine: Path, sound: NDArray[np.int16], tmp_path: Path
) -> None:
    server = StreamServer(sound, RATE, pace=4.0, credentials="viewer:s3cr3t-word")
    with http_stream(server):
        address = f"http://viewer:s3cr3t-word@127.0.0.1:{server.port}/live?token=abcdef"
        log = tmp_path / "log.jsonl"
        code, lines, err = run(machine, "--device", address, "--duration", 13, "--log", log)
    assert code == 0
    assert len(scores(lines, f"http://127.0.0.1:{server.port}/live?token=***")) > 2
    for text in (json.dumps(lines), err, log.read_text()):
        assert "s3cr3t" not in text
        assert "viewer" not in text
        assert "abcdef" not in text
