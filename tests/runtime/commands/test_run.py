"""`edgeae run`: files, pipes and devices, what is printed, and the exit codes."""

import io
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import soundfile
import soxr
from numpy.typing import NDArray

from edgeae.runtime.audio.pcm import FORMATS, decode
from edgeae.runtime.audio.recordings import audio_files
from edgeae.runtime.capture import capture as capture_module
from edgeae.runtime.capture.alsa import Alsa, AlsaError
from edgeae.runtime.capture.blocks import Block, Gap
from edgeae.runtime.commands.cli import run_command
from edgeae.runtime.features.mel import log_mel
from edgeae.runtime.model.artifact import Artifact
from edgeae.runtime.scoring.detector import Detector
from edgeae.runtime.system.clock import now

RATE = 16000
AGREED = ["type", "t", "time", "source", "score", "threshold", "anomaly", "level_dbfs"]
SCORE_KEYS = [*AGREED, "out_of_range", "health", "machine", "seq", "synced", "age"]
MAIN = [sys.executable, "-c", "from edgeae.runtime.commands.cli import main; main()"]

Line = dict[str, Any]
Run = Callable[..., tuple[int, list[Line], str]]
AlsaDevice = Callable[..., Path]


@pytest.fixture
def wav(sound: NDArray[np.int16], tmp_path: Path) -> Path:
    path = tmp_path / "sound.wav"
    soundfile.write(path, sound, RATE, "PCM_16")
    return path


@pytest.fixture
def normal(trained: Any, tmp_path: Path) -> Path:
    """A recording that the machine was calibrated on."""
    path = tmp_path / "healthy.wav"
    shutil.copy(audio_files(trained.new / "train")[0], path)
    return path


@pytest.fixture
def broken(trained: Any, tmp_path: Path) -> Path:
    """A recording of the machine with a loud tone."""
    samples, rate = soundfile.read(audio_files(trained.new / "train")[0])
    path = tmp_path / "broken.wav"
    soundfile.write(
        path, samples + 0.3 * np.sin(2 * np.pi * 3000 * np.arange(len(samples)) / rate), rate
    )
    return path


@pytest.fixture
def run(machine: Path, capfd: pytest.CaptureFixture[str]) -> Run:
    """``run(*arguments)``: `edgeae run machine.onnx ... --json`; its exit code, lines and words."""

    def call(*arguments: object, model: Path = machine) -> tuple[int, list[Line], str]:
        capfd.readouterr()
        code = run_command(["run", str(model), "--json", *map(str, arguments)])
        out, err = capfd.readouterr()
        return code, [json.loads(line) for line in out.splitlines()], err

    return call


def scores(lines: Iterable[Line]) -> list[tuple[float, float, float]]:
    return [
        (line["t"], line["score"], line["level_dbfs"]) for line in lines if line["type"] == "score"
    ]


def pipe_in(monkeypatch: pytest.MonkeyPatch, raw: bytes) -> None:
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(raw)))


def test_a_score_line_has_the_agreed_keys(run: Run, wav: Path) -> None:
    code, lines, _ = run(wav)
    assert code == 0
    found = [line for line in lines if line["type"] == "score"]
    assert len(found) == 13  # 16 s, windows of 4.096 s
    for line in found:
        assert list(line) == SCORE_KEYS
        assert (line["source"], line["anomaly"]) == (str(wav), line["score"] > line["threshold"])


def test_the_time_of_a_line_is_now_in_utc(run: Run, wav: Path) -> None:
    time = datetime.fromisoformat(run(wav)[1][0]["time"])
    assert time.utcoffset() == timedelta(0)
    assert abs(datetime.now(UTC) - time) < timedelta(minutes=5)


def test_the_scores_are_the_detector_s(run: Run, wav: Path, machine: Path) -> None:
    detector = Detector.load(machine)
    expected = [(r.t, r.score, r.level_dbfs) for r in map(detector.result, detector.read(wav))]
    assert scores(run(wav)[1]) == expected


def test_wav_flac_and_npy_score_the_same(
    run: Run, wav: Path, sound: NDArray[np.int16], tmp_path: Path
) -> None:
    soundfile.write(tmp_path / "sound.flac", sound, RATE, "PCM_16")
    np.save(tmp_path / "sound.npy", log_mel(sound / np.float32(2**15)))
    _, lines, _ = run(wav, tmp_path / "sound.flac", tmp_path / "sound.npy")
    by_file = [
        scores(line for line in lines if line["source"].endswith(end))
        for end in (".wav", ".flac", ".npy")
    ]
    assert by_file[0] == by_file[1]
    assert [found[:2] for found in by_file[2]] == [found[:2] for found in by_file[0]]


def test_a_folder_is_its_recordings(run: Run, trained: Any) -> None:
    code, lines, _ = run(trained.new / "test")
    assert code == 0
    assert [line["source"] for line in lines] == [
        str(path) for path in audio_files(trained.new / "test")
    ]


def test_an_empty_folder_is_refused(run: Run, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    code, lines, err = run(tmp_path / "empty")
    assert (code, lines) == (2, [])
    assert f"{tmp_path / 'empty'}: holds no .wav" in err


def test_raw_pcm_on_stdin_scores_as_the_file(
    run: Run, wav: Path, sound: NDArray[np.int16], monkeypatch: pytest.MonkeyPatch
) -> None:
    pipe_in(monkeypatch, sound.tobytes())
    code, lines, _ = run("-")
    assert code == 0
    assert scores(lines) == scores(run(wav)[1])
    assert {line["source"] for line in lines} == {"-"}


def test_raw_pcm_can_have_another_rate_format_and_more_channels(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stereo = (np.random.default_rng(3).standard_normal((44100 * 4, 2)) * 0.1).astype(np.float32)
    soundfile.write(tmp_path / "stereo.wav", stereo, 44100, "FLOAT")
    pipe_in(monkeypatch, stereo.tobytes())
    options = ["--rate", 44100, "--format", "FLOAT_LE", "--input-channels", 2, "--channel", 1]
    assert scores(run("-", *options)[1]) == scores(run(tmp_path / "stereo.wav", "--channel", 1)[1])


def test_half_a_frame_at_the_end_of_a_pipe_is_dropped(
    run: Run, sound: NDArray[np.int16], monkeypatch: pytest.MonkeyPatch
) -> None:
    pipe_in(monkeypatch, sound.tobytes())
    whole = scores(run("-")[1])
    pipe_in(monkeypatch, sound.tobytes() + b"\x7f")
    assert scores(run("-")[1]) == whole


def test_a_pipe_s_duration_is_cut_to_the_sample(
    run: Run, sound: NDArray[np.int16], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    soundfile.write(tmp_path / "part.wav", sound[: int(11.7 * RATE)], RATE, "PCM_16")
    pipe_in(monkeypatch, sound.tobytes())
    assert scores(run("-", "--duration", 11.7)[1]) == scores(run(tmp_path / "part.wav")[1])


@pytest.mark.parametrize("raw", [b"", b"\x01", bytes(16000)])
def test_a_pipe_that_ends_before_the_first_score_fails(
    run: Run, raw: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipe_in(monkeypatch, raw)
    code, lines, err = run("-")
    assert code == 2
    assert [line["state"] for line in lines] == ["listening", "stopped"]
    assert "at least 1.06 s is needed" in err


def test_raw_pcm_that_is_not_a_number_gives_no_score(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipe_in(monkeypatch, np.full(RATE * 12, np.nan, "<f4").tobytes())
    code, lines, err = run("-", "--format", "FLOAT_LE")
    assert (code, scores(lines)) == (2, [])
    assert "not numbers" in err


@pytest.mark.parametrize("file_format", ["WAV", "FLAC"])
def test_a_recording_that_comes_through_a_pipe_scores_as_the_file(
    run: Run,
    wav: Path,
    sound: NDArray[np.int16],
    file_format: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    _, of_file, _ = run(wav)
    content = io.BytesIO()
    soundfile.write(content, sound, RATE, format=file_format)
    pipe_in(monkeypatch, content.getvalue())
    code, lines, _ = run("-", "--rate", 48000)
    assert code == 0
    assert scores(lines) == scores(of_file)


def test_another_file_in_the_place_of_raw_pcm_is_refused(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipe_in(monkeypatch, b"OggS" + bytes(1000))
    code, lines, err = run("-")
    assert (code, scores(lines)) == (2, [])
    assert "stdin begins as a file of the kind OGG" in err


def test_a_pipe_that_breaks_off_is_reported_behind_its_scores(
    run: Run, wav: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipe_in(monkeypatch, wav.read_bytes()[:-100])
    code, lines, err = run("-")
    assert (code, bool(scores(lines))) == (2, True)
    assert "cut short, 100 bytes are missing" in err


def test_a_fifo_scores_as_the_file(run: Run, wav: Path, tmp_path: Path) -> None:
    _, of_file, _ = run(wav)
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    threading.Thread(target=fifo.write_bytes, args=[wav.read_bytes()], daemon=True).start()
    code, lines, _ = run(fifo)
    assert code == 0
    assert scores(lines) == scores(of_file)


def test_a_channel_that_raw_pcm_does_not_have_is_refused(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipe_in(monkeypatch, bytes(100))
    code, _, err = run("-", "--channel", 1)
    assert code == 2
    assert "--channel 1" in err


def test_a_device_scores_as_the_file(
    run: Run, wav: Path, sound: NDArray[np.int16], alsa_device: AlsaDevice
) -> None:
    alsa_device(sound)
    code, lines, _ = run("--device", "hw:1", "--duration", len(sound) / RATE)
    assert code == 0
    assert scores(lines) == scores(run(wav)[1])
    assert {line["source"] for line in lines} == {"hw:1"}


def test_a_device_begins_and_ends_with_a_status(
    run: Run, sound: NDArray[np.int16], alsa_device: AlsaDevice
) -> None:
    alsa_device(sound)
    _, lines, _ = run("--device", "hw:1", "--duration", 12)
    statuses = [line for line in lines if line["type"] == "status"]
    assert [status["state"] for status in statuses] == ["listening", "stopped"]
    assert [status["t"] for status in statuses] == [0, 12]
    assert (statuses[0]["samplerate"], statuses[0]["channels"], statuses[0]["format"]) == (
        RATE,
        1,
        "S16_LE",
    )
    assert statuses[1]["windows"] == len(scores(lines))


@pytest.mark.parametrize("channel", ["1", "mix"])
def test_a_stereo_device_at_48_khz_scores_as_the_file(
    run: Run, alsa_device: AlsaDevice, tmp_path: Path, channel: str
) -> None:
    stereo = (np.random.default_rng(4).standard_normal((48000 * 12, 2)) * 3000).astype(np.int16)
    soundfile.write(tmp_path / "stereo.wav", stereo, 48000, "PCM_16")
    alsa_device(stereo, 48000)
    _, lines, _ = run("--device", "hw:1", "--duration", 12, "--channel", channel)
    assert (lines[0]["samplerate"], lines[0]["channels"]) == (48000, 2)
    assert scores(lines) == scores(run(tmp_path / "stereo.wav", "--channel", channel)[1])


def test_a_device_of_24_packed_bits_scores_as_the_file(
    run: Run, alsa_device: AlsaDevice, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Only24Bits(Alsa):
        def call(self, name: str, *arguments: Any) -> int:
            if name == "snd_pcm_hw_params_set_format" and arguments[2] != FORMATS["S24_3LE"][0]:
                raise AlsaError(22, "injected")
            return super().call(name, *arguments)

    values = (np.random.default_rng(5).standard_normal(RATE * 11) * 2**20).astype("<i4")
    soundfile.write(tmp_path / "deep.wav", values << 8, RATE, "PCM_24")
    alsa_device(values.view(np.uint8).reshape(-1, 4)[:, :3].tobytes())
    monkeypatch.setattr(capture_module, "Alsa", Only24Bits)
    _, lines, _ = run("--device", "hw:1", "--duration", 11)
    assert lines[0]["format"] == "S24_3LE"
    assert scores(lines) == scores(run(tmp_path / "deep.wav")[1])


class FakeCapture:
    """A device that gives what it is told, and then the signal that ends the process."""

    samplerate, channels, format = RATE, 1, "FLOAT_LE"
    items: tuple[Any, ...] = ()

    def __init__(self, *_: Any, **__: Any) -> None:
        pass

    def __enter__(self) -> "FakeCapture":
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def check_stall(self) -> None:
        pass

    def decode(self, raw: bytes) -> NDArray[np.float32]:
        return decode(raw, self.format, self.channels)

    def start(self, deliver: Callable[[Any], None]) -> None:
        for item in (*self.items, signal.SIGTERM):
            if isinstance(item, signal.Signals):
                os.kill(os.getpid(), item)
            elif isinstance(item, np.ndarray):
                deliver(Block(bytearray(item.astype("<f4").tobytes()), len(item), now()))
            else:
                deliver(item)


@pytest.fixture
def device_gives(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    def install(*items: Any) -> None:
        monkeypatch.setattr("edgeae.runtime.capture.capture.Capture", FakeCapture)
        monkeypatch.setattr(FakeCapture, "items", items)

    return install


def test_a_gap_is_told_and_the_time_goes_on(
    run: Run, sound: NDArray[np.int16], device_gives: Callable[..., None]
) -> None:
    samples = sound / np.float32(2**15)
    device_gives(samples[: 11 * RATE], Gap(2 * RATE, "overrun"), samples[: 12 * RATE])
    code, lines, _ = run("--device", "hw:1")
    assert code == 0
    [gap] = [line for line in lines if line["type"] == "gap"]
    assert (gap["t"], gap["frames"], gap["reason"], gap["source"]) == (
        13.0,
        32000,
        "overrun",
        "hw:1",
    )
    after = lines[lines.index(gap) + 1 :]
    assert after[0]["t"] == pytest.approx(13 + 4.096, abs=0.032)  # a whole new window
    assert after[-1]["t"] == 25.0
    times = [line["t"] for line in lines]
    assert times == sorted(times)


def test_lost_frames_count_for_the_duration(
    run: Run, sound: NDArray[np.int16], device_gives: Callable[..., None]
) -> None:
    samples = sound / np.float32(2**15)
    device_gives(samples[: 11 * RATE], Gap(2 * RATE, "overrun"), samples)
    _, lines, _ = run("--device", "hw:1", "--duration", 15)
    assert lines[-1]["t"] == 15.0


def test_the_scores_after_a_gap_are_those_of_the_sound_after_it(
    run: Run, wav: Path, sound: NDArray[np.int16], device_gives: Callable[..., None]
) -> None:
    device_gives(np.ones(5000, np.float32), Gap(100, "overrun"), sound / np.float32(2**15))
    found = scores(run("--device", "hw:1")[1])
    assert [score[1:] for score in found] == [score[1:] for score in scores(run(wav)[1])]


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 0)])
def test_a_signal_before_the_first_score_ends_quietly(
    run: Run, device_gives: Callable[..., None], number: signal.Signals, code: int
) -> None:
    device_gives(np.zeros(1000, np.float32), number, np.zeros(1000, np.float32))
    before = signal.getsignal(number)
    found, lines, err = run("--device", "hw:1")
    assert (found, lines[-1]["state"], err) == (code, "stopped", "")
    assert signal.getsignal(number) is before


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 0)])
def test_a_signal_ends_a_live_process_with_a_status_line(
    machine: Path,
    sound: NDArray[np.int16],
    alsa_microphone: Callable[..., Any],
    number: signal.Signals,
    code: int,
) -> None:
    hanging = alsa_microphone(sound, seconds=0.001)
    command = [*MAIN, "run", str(machine), "--device", "hw:1", "--json"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout
        lines = [process.stdout.readline(), process.stdout.readline()]
        assert hanging.wait(30)
        process.send_signal(number)
        out, err = process.communicate(timeout=30)
    found = [json.loads(line) for line in [*lines, *out.splitlines()]]
    assert (process.returncode, err) == (code, "")
    assert [line["type"] for line in found[:2]] == ["status", "score"]
    assert (found[-1]["state"], found[-1]["windows"]) == ("stopped", len(scores(found)))


@pytest.mark.parametrize("options", [[], ["--json"]])
def test_a_reader_that_goes_away_ends_the_process_quietly(
    machine: Path, normal: Path, options: list[str]
) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    command = [*MAIN, "run", str(machine), str(normal), *options]
    process = subprocess.run(
        command, stdout=writer, stderr=subprocess.PIPE, text=True, timeout=60, check=False
    )
    os.close(writer)
    assert (process.returncode, process.stderr) == (0, "")


def test_fail_on_anomaly_exits_with_1(run: Run, broken: Path) -> None:
    code, lines, _ = run(broken, "--fail-on-anomaly")
    assert (code, lines[0]["anomaly"]) == (1, True)


def test_an_anomaly_alone_is_no_failure(run: Run, broken: Path) -> None:
    assert run(broken)[0] == 0


def test_fail_on_anomaly_exits_with_0_for_a_normal_recording(run: Run, normal: Path) -> None:
    code, lines, _ = run(normal, "--fail-on-anomaly")
    assert (code, lines[0]["anomaly"]) == (0, False)


def test_one_anomaly_among_normal_recordings_is_found(run: Run, normal: Path, broken: Path) -> None:
    assert run(normal, broken, normal, "--fail-on-anomaly")[0] == 1


def _write_with_tone(path: Path, sound: NDArray[np.int16], *parts: NDArray[np.float64]) -> None:
    """Write the sound with a loud tone, and then the ``parts``."""
    tone = 0.3 * np.sin(2 * np.pi * 3000 * np.arange(len(sound)) / RATE)
    soundfile.write(path, np.concatenate([sound / 2**15 + tone, *parts]), RATE)


def test_a_lasting_anomaly_is_an_event_with_the_bands_that_moved(
    run: Run, sound: NDArray[np.int16], tmp_path: Path
) -> None:
    _write_with_tone(tmp_path / "tone.wav", np.tile(sound, 4))
    _, lines, _ = run(tmp_path / "tone.wav")
    [event] = [line for line in lines if line["type"] == "event"]
    told = ["event", "duration", "peak", "bands", "sentence", "cause", "kind", "since", "chart"]
    assert list(event) == ["type", "t", "time", "source", *told, "machine", "seq", "synced"]
    assert (event["event"], event["kind"], event["chart"]) == ("start", "persistent", None)
    ends = [line["t"] for line in lines if line["type"] == "score"]
    assert (event["since"], event["t"]) == (ends[0], ends[39])  # 40 windows above the threshold
    loudest = event["bands"][0]
    assert loudest["low_hz"] < 3000 < loudest["high_hz"]
    assert loudest["change_db"] > 3
    assert loudest["kind"] == "steady"
    assert "dB louder (" in event["sentence"]
    assert "(gain and load explain " in event["sentence"]
    assert "), steady, began 40 s before this event" in event["sentence"]


def test_silence_is_told_and_starts_no_alarm(
    run: Run, sound: NDArray[np.int16], tmp_path: Path
) -> None:
    soundfile.write(
        tmp_path / "off.wav", np.concatenate([np.zeros_like(sound), sound]), RATE, "PCM_16"
    )
    code, lines, _ = run(tmp_path / "off.wav", "--fail-on-anomaly")
    assert [line["type"] for line in lines[:2]] == ["status", "score"]
    statuses = [line for line in lines if line["type"] == "status"]
    assert [line["state"] for line in statuses] == ["silence", "ok"]
    assert "check the microphone" in statuses[0]["sentence"]
    assert statuses[0]["share"] == 1
    silent = [line for line in lines if line["type"] == "score" and line["health"] == "silence"]
    assert max(line["score"] - line["threshold"] for line in silent) > 0
    assert not any(line["anomaly"] for line in silent)
    assert all(line["t"] > silent[-1]["t"] for line in lines if line["type"] == "event")
    after = [line for line in lines if line["type"] == "score"][len(silent) :]
    assert {line["health"] for line in after} == {"ok"}
    assert code == int(any(line["anomaly"] for line in after))


def test_an_alarm_outlasts_a_microphone_that_falls_silent(
    run: Run, sound: NDArray[np.int16], tmp_path: Path
) -> None:
    _write_with_tone(tmp_path / "off.wav", np.tile(sound, 4), np.zeros(20 * RATE))
    _, lines, _ = run(tmp_path / "off.wav")
    assert [line["event"] for line in lines if line["type"] == "event"] == ["start"]


def test_a_microphone_of_another_rate_is_the_cause_of_its_alarm(
    run: Run, sound: NDArray[np.int16], tmp_path: Path
) -> None:
    narrow = soxr.resample(sound / 2**15, RATE, 8000)
    soundfile.write(tmp_path / "narrow.wav", np.tile(narrow, 4), 8000, "PCM_16")
    _, lines, _ = run(tmp_path / "narrow.wav")
    assert lines[0]["state"] == "bandwidth"
    assert {line["health"] for line in lines if line["type"] == "score"} == {"bandwidth"}
    assert all(line["anomaly"] for line in lines if line["type"] == "score")
    [event] = [line for line in lines if line["type"] == "event"]
    assert event["cause"] == "microphone"
    assert "the microphone or its sample rate changed" in event["sentence"]


def test_without_json_the_lines_are_words(
    machine: Path, broken: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_command(["run", str(machine), str(broken)]) == 0
    out = capsys.readouterr().out
    assert out.startswith(str(broken))
    assert "ANOMALY" in out


def test_a_bad_file_is_named_and_the_others_are_scored(
    run: Run, normal: Path, broken: Path, tmp_path: Path
) -> None:
    bad = tmp_path / "bad.wav"
    bad.write_bytes(b"RIFF but no more")
    code, lines, err = run(normal, bad, tmp_path / "missing.wav", broken)
    assert code == 2
    assert [line["source"] for line in lines] == [str(normal), str(broken)]
    assert f"{bad}: " in err
    assert f"{tmp_path / 'missing.wav'}: no such file" in err


def test_a_file_that_breaks_off_has_no_score_at_all(
    run: Run, sound: NDArray[np.int16], tmp_path: Path
) -> None:
    path = tmp_path / "cut.flac"
    soundfile.write(path, sound, RATE, "PCM_16")
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 4 // 5])
    code, lines, err = run(path)
    assert (code, lines) == (2, [])
    assert str(path) in err


def test_skip_bad_goes_on_without_failing(run: Run, normal: Path, tmp_path: Path) -> None:
    bad = tmp_path / "bad.wav"
    bad.write_bytes(b"")
    code, lines, err = run(bad, normal, "--skip-bad")
    assert (code, len(lines)) == (0, 1)
    assert f"{bad}: the file is empty" in err


def test_a_missing_device_exits_with_4(run: Run) -> None:
    code, lines, err = run("--device", "hw:CARD=NoSuchCard,DEV=0")
    assert (code, lines) == (4, [])
    assert "hw:CARD=NoSuchCard,DEV=0" in err


@pytest.mark.parametrize(
    "damage", [lambda model: b"not onnx", lambda model: model[: len(model) // 2]]
)
def test_a_foreign_or_truncated_artifact_exits_with_3(
    run: Run, machine: Path, normal: Path, tmp_path: Path, damage: Callable[[bytes], bytes]
) -> None:
    bad = tmp_path / "bad.onnx"
    bad.write_bytes(damage(machine.read_bytes()))
    code, lines, err = run(normal, model=bad)
    assert (code, lines) == (3, [])
    assert err.startswith(f"edgeae: {bad}: ")
    assert len(err.splitlines()) == 1


def test_an_artifact_that_computes_otherwise_exits_with_3(
    run: Run, machine: Path, normal: Path, tmp_path: Path
) -> None:
    artifact, bad = Artifact.read(machine), tmp_path / "bad.onnx"
    expected = artifact.sections["selftest"]
    artifact.with_sections(selftest={**expected, "energy": expected["energy"] + 0.1}).write(bad)
    code, lines, err = run(normal, model=bad)
    assert (code, lines) == (3, [])
    assert "self-test failed" in err


def test_no_artifact_exits_with_3(
    normal: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("EDGEAE_MODEL", raising=False)
    assert run_command(["run", str(normal)]) == 3
    assert "no artifact" in capsys.readouterr().err


def test_the_artifact_of_the_environment_is_the_default(
    machine: Path, normal: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("EDGEAE_MODEL", str(machine))
    assert run_command(["run", str(normal), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["source"] == str(normal)


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["sound.wav", "--device", "hw:1"],
        ["-", "sound.wav"],
        ["-", "--device", "hw:1"],
        ["sound.wav", "--channel", "left"],
        ["-", "--format", "MP3"],
        ["-", "--rate", "0"],
        ["--device", "hw:1", "--duration", "0"],
        ["--no-such-option"],
    ],
)
def test_wrong_usage_exits_with_2_and_prints_nothing(run: Run, arguments: list[str]) -> None:
    code, lines, err = run(*arguments)
    assert (code, lines) == (2, [])
    assert err


def test_an_artifact_that_knows_no_machine_is_said(run: Run, trained: Any, normal: Path) -> None:
    code, _, err = run(normal, model=trained.int8)
    assert code == 0
    assert "not calibrated" in err


def test_a_second_of_sound_after_a_gap_is_not_judged(
    run: Run, sound: NDArray[np.int16], device_gives: Callable[..., None]
) -> None:
    samples = sound / np.float32(2**15)
    device_gives(samples[: 11 * RATE], Gap(RATE, "overrun"), samples[: 2 * RATE])
    _, lines, _ = run("--device", "hw:1")
    assert max(line["t"] for line in lines if line["type"] == "score") <= 11.0


def test_a_place_that_cannot_be_read_is_one_sentence(
    run: Run, monkeypatch: pytest.MonkeyPatch, wav: Path
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied", "sound.wav")

    monkeypatch.setattr("edgeae.runtime.commands.run_files.expand", refuse)
    code, _, err = run(wav)
    assert (code, err.splitlines()[-1]) == (
        2,
        "edgeae: sound.wav: Permission denied; name another file, or fix this one",
    )


def test_a_duration_of_files_is_refused(run: Run, wav: Path) -> None:
    assert run(wav, "--duration", 2)[0] == 2


def test_nothing_but_bad_files_fails_even_when_they_are_skipped(run: Run, tmp_path: Path) -> None:
    assert run(tmp_path / "missing.wav", "--skip-bad")[0] == 2


def test_options_come_from_a_file_and_the_command_line_wins(
    run: Run, wav: Path, tmp_path: Path
) -> None:
    log, config = tmp_path / "lines.jsonl", tmp_path / "run.toml"
    config.write_text(f'log = "{log}"\nfail-on-anomaly = true\n')
    code, lines, err = run(wav, "--config", config)
    assert (code, err) == (int(any(line.get("anomaly") for line in lines)), "")
    assert [json.loads(line) for line in log.read_text().splitlines()] == lines
    other = tmp_path / "other.jsonl"
    run(wav, "--config", config, "--log", other)
    assert len(other.read_text().splitlines()) == len(lines)


def test_a_wrong_key_in_the_file_is_exit_code_2(run: Run, wav: Path, tmp_path: Path) -> None:
    config = tmp_path / "run.toml"
    config.write_text("logs = 1\n")
    code, lines, err = run(wav, "--config", config)
    assert (code, lines) == (2, [])
    assert err.startswith(f"edgeae: {config}: 'logs' is not an option of edgeae run; allowed are ")
    assert err.count("\n") == 1
