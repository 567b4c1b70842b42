"""`edgeae calibrate`: what it takes, what it refuses, and what it writes."""

import contextlib
import json
import os
import pty
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from edgeae.calibrate import calibrate
from edgeae.calibrate.calibrate import calibrate_files
from edgeae.runtime.audio.recordings import audio_files
from edgeae.runtime.capture.blocks import Gap
from edgeae.runtime.commands.cli import run_command
from edgeae.runtime.model.artifact import Artifact
from edgeae.runtime.scoring.detector import Detector
from tests.conftest import Trained
from tests.runtime import conftest as alsa

alsa_environment = alsa.alsa_environment
alsa_device = alsa.alsa_device

RATE = 16000
Command = Callable[..., tuple[int, str, str]]
AlsaDevice = Callable[..., Path]


@pytest.fixture
def model(trained: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the int8 artifact in the current folder."""
    monkeypatch.chdir(tmp_path)
    return Path(shutil.copy(trained.int8, tmp_path / "model.int8.onnx"))


@pytest.fixture
def command(model: Path, capfd: pytest.CaptureFixture[str]) -> Command:
    """``command(*arguments)``: the exit code, stdout and stderr of `edgeae calibrate MODEL ...`."""

    def call(*arguments: object) -> tuple[int, str, str]:
        capfd.readouterr()
        code = run_command(
            ["calibrate", str(model), "--no-known-sensitivity", *map(str, arguments)]
        )
        return code, *capfd.readouterr()

    return call


@pytest.fixture
def clips(trained: Trained) -> list[Path]:
    return audio_files(trained.new / "train")


@pytest.fixture
def sound(clips: list[Path]) -> NDArray[np.int16]:
    return np.concatenate([soundfile.read(clip, dtype="int16")[0] for clip in clips])


def untimed(path: Path, machine: str | None = None) -> bytes:
    """An artifact without the time of its calibration, and with another name if one is given."""
    artifact = Artifact.read(path)
    head = {**artifact.sections["head"], "calibrated": None, "history": []}
    return artifact.with_sections(head=head | ({"machine": machine} if machine else {})).to_bytes()


def test_files_give_what_the_function_gives(
    command: Command, model: Path, clips: list[Path]
) -> None:
    assert command(*clips, "-o", "own.onnx", "--false-alarms", "1/week")[0] == 0
    samples = [soundfile.read(clip, dtype="float32")[0] for clip in clips]
    own = calibrate(Detector.load(model), samples, machine="id_03", false_alarms="1/week")
    own.artifact.write("expected.onnx")
    assert untimed(Path("own.onnx")) == untimed(Path("expected.onnx"))


def test_the_new_file_is_told_on_stdout_and_the_promise_on_stderr(
    command: Command, clips: list[Path]
) -> None:
    code, out, err = command(*clips)
    assert (code, out) == (0, "machine.onnx\n")
    assert "machine id_03: learned from 6 windows" in err
    assert " normal windows of the training are known" in err


def test_a_folder_of_recordings_is_all_of_them(
    command: Command, trained: Trained, clips: list[Path]
) -> None:
    command(trained.new / "train", "-o", "folder.onnx")
    command(*clips, "-o", "files.onnx")
    assert untimed(Path("folder.onnx")) == untimed(Path("files.onnx"))


def test_a_data_set_is_the_training_recordings_of_the_machine_asked_for(
    command: Command, model: Path, trained: Trained
) -> None:
    assert command(trained.data, "--machine", "id_01", "--clips", 5, "-o", "own.onnx")[0] == 0
    first = [path for path in audio_files(trained.data / "train") if "id_01" in path.name][:5]
    expected = calibrate_files(Detector.load(model), first, machine="id_01", report=print)
    expected.artifact.write("expected.onnx")
    assert untimed(Path("own.onnx")) == untimed(Path("expected.onnx"))


def test_clips_are_the_first_by_name(command: Command, clips: list[Path]) -> None:
    command(*reversed(clips), "--clips", 2, "-o", "first.onnx")
    command(*clips[:2], "-o", "two.onnx")
    assert untimed(Path("first.onnx")) == untimed(Path("two.onnx"))


def test_machine_names_the_result(command: Command, clips: list[Path]) -> None:
    command(*clips, "--machine", "pump-3")
    assert Detector.load("machine.onnx").machine == "pump-3"


def test_a_device_calibrates_as_the_same_sound_in_a_file(
    command: Command, sound: NDArray[np.int16], alsa_device: AlsaDevice
) -> None:
    alsa_device(sound)
    soundfile.write("sound.wav", sound[: 21 * RATE], RATE, "PCM_16")
    assert command("--device", "hw:1", "--duration", 21, "-o", "live.onnx")[0] == 0
    assert command("sound.wav", "-o", "file.onnx")[0] == 0
    assert untimed(Path("live.onnx")) == untimed(Path("file.onnx"))


def test_a_device_at_another_rate_calibrates_as_the_file(
    command: Command, alsa_device: AlsaDevice
) -> None:
    noise = (np.random.default_rng(1).standard_normal(48000 * 12) * 3000).astype(np.int16)
    alsa_device(noise, 48000)
    soundfile.write("sound.flac", noise, 48000, "PCM_16")
    command(
        "--device", "hw:1", "--duration", 12, "--force", "-o", "live.onnx"
    )  # noise is no machine
    command("sound.flac", "--force", "-o", "file.onnx")
    assert untimed(Path("live.onnx")) == untimed(Path("file.onnx"))


class FakeCapture:
    """A device that gives what it is told."""

    samplerate = RATE
    channels = 1
    format = "S16_LE"
    items: tuple[Any, ...] = ()

    def __init__(self, *_: Any, **__: Any) -> None:
        pass

    def __enter__(self) -> "FakeCapture":
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def stop(self) -> None:
        pass

    def blocks(self) -> Iterator[Any]:
        yield from self.items


@pytest.fixture
def device_gives(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    def install(*items: Any) -> None:
        monkeypatch.setattr("edgeae.calibrate.from_device.open_capture", FakeCapture)
        monkeypatch.setattr(FakeCapture, "items", items)

    return install


def test_no_window_spans_a_gap(
    command: Command, sound: NDArray[np.int16], device_gives: Callable[..., None]
) -> None:
    samples = sound / np.float32(2**15)
    step = 512 * 32 * 10 + 512  # what one window needs
    device_gives(samples[:step], Gap(1000, "overrun"), samples[step:])
    assert command("--device", "hw:1", "--duration", 60, "--force", "-o", "live.onnx")[0] == 0
    for name, part in (("a.wav", sound[:step]), ("b.wav", sound[step:])):
        soundfile.write(name, part, RATE, "PCM_16")
    command("a.wav", "b.wav", "--force", "-o", "files.onnx")
    assert untimed(Path("live.onnx")) == untimed(Path("files.onnx"))


def test_a_gap_at_the_end_does_not_waste_the_sound_before_it(
    command: Command, sound: NDArray[np.int16], device_gives: Callable[..., None]
) -> None:
    device_gives(sound / np.float32(2**15), Gap(1000, "overrun"), np.zeros(100, np.float32))
    assert command("--device", "hw:1", "--duration", 60)[0] == 0
    assert Detector.load("machine.onnx").head.windows == 5  # 24 s in windows of 4.1 s


def test_a_device_of_gaps_alone_is_a_device_error(
    command: Command, device_gives: Callable[..., None]
) -> None:
    device_gives(*[np.zeros(100, np.float32), Gap(1000, "overrun")] * 5)
    code, _, err = command("--device", "hw:1")
    assert code == 4
    assert "no uninterrupted second" in err


def test_a_missing_device_exits_with_4(command: Command) -> None:
    assert command("--device", "hw:CARD=NoSuchCard,DEV=0")[0] == 4


def test_a_silent_device_is_refused_and_nothing_is_written(
    command: Command, alsa_device: AlsaDevice
) -> None:
    alsa_device(np.zeros(RATE, np.int16))
    code, out, err = command("--device", "hw:1", "--duration", 12)
    assert (code, out) == (2, "")
    assert "the sound is silent" in err
    assert not Path("machine.onnx").exists()


def test_a_clipped_device_is_refused_unless_forced(
    command: Command, sound: NDArray[np.int16], alsa_device: AlsaDevice
) -> None:
    alsa_device((sound.astype(int) * 40).clip(-(2**15), 2**15 - 1).astype(np.int16))
    listening = ("--device", "hw:1", "--duration", 12)
    code, out, err = command(*listening)
    assert (code, out) == (2, "")
    assert "edgeae: hw:1: " in err
    assert "samples are clipped, allowed is less than 0.01%" in err
    assert not Path("machine.onnx").exists()
    code, out, err = command(*listening, "--force")
    assert (code, out) == (0, "machine.onnx\n")
    assert "samples are clipped, allowed is less than 0.01%" in err


def test_the_seconds_that_differ_at_a_device_are_named(
    command: Command, sound: NDArray[np.int16], alsa_device: AlsaDevice
) -> None:
    changed = sound.copy()
    changed[13 * RATE : 13 * RATE + 4000] = np.random.default_rng(0).integers(-8000, 8000, 4000)
    alsa_device(changed)
    code, _, err = command("--device", "hw:1", "--duration", 24)
    assert code == 2
    assert "hw:1: seconds 12 to 16 differ from the rest" in err


def test_a_log_sees_a_line_every_ten_seconds(
    command: Command, sound: NDArray[np.int16], alsa_device: AlsaDevice
) -> None:
    alsa_device(sound)
    _, out, err = command("--device", "hw:1", "--duration", 22)
    assert out == "machine.onnx\n"
    assert [line[:22] for line in err.splitlines()[:2]] == [
        "listening: 10 of 22 s ",
        "listening: 20 of 22 s ",
    ]


def test_a_terminal_sees_the_level_and_stdout_the_file_alone(
    model: Path, sound: NDArray[np.int16], alsa_device: AlsaDevice
) -> None:
    alsa_device(sound)
    ours, theirs = pty.openpty()
    arguments = [
        sys.executable,
        "-c",
        "from edgeae.runtime.commands.cli import main; main()",
        "calibrate",
        str(model),
    ]
    with subprocess.Popen(
        [*arguments, "--device", "hw:1", "--duration", "12"], stdout=subprocess.PIPE, stderr=theirs
    ) as process:
        os.close(theirs)
        seen = b""
        with contextlib.suppress(OSError):  # the terminal's other end is closed
            while part := os.read(ours, 4096):
                seen += part
        assert process.stdout is not None
        assert process.stdout.read() == b"machine.onnx\n"
    os.close(ours)
    assert b"\r\x1b[K12 of 12 s  [#" in seen
    assert b"dBFS, peak -" in seen


def test_the_artifact_is_not_overwritten_by_default(
    command: Command, model: Path, clips: list[Path]
) -> None:
    before = model.read_bytes()
    assert command(*clips)[0] == 0
    assert model.read_bytes() == before


@pytest.mark.parametrize("other_name", ["model.int8.onnx", "./model.int8.onnx", "link.onnx"])
def test_output_never_overwrites_the_artifact(
    command: Command, model: Path, clips: list[Path], other_name: str
) -> None:
    Path("link.onnx").symlink_to(model)
    before = model.read_bytes()
    code, _, err = command(*clips, "-o", other_name)
    assert code == 2
    assert "--in-place" in err
    assert model.read_bytes() == before
    assert Path("link.onnx").is_symlink()


@pytest.mark.parametrize("options", [[], ["-o", "own.onnx"]])
def test_an_existing_output_is_kept_unless_overwrite_is_given(
    command: Command, clips: list[Path], options: list[str]
) -> None:
    target = Path(options[-1] if options else "machine.onnx")
    target.write_bytes(b"of another machine")
    code, out, err = command(*clips, *options)
    assert (code, out) == (2, "")
    assert f"edgeae: {target} exists; give another -o, or overwrite it with --overwrite" in err
    assert target.read_bytes() == b"of another machine"
    assert command(*clips, *options, "--overwrite")[:2] == (0, f"{target}\n")
    assert Detector.load(target).machine == "id_03"


def test_an_existing_output_is_refused_before_listening(command: Command) -> None:
    Path("machine.onnx").touch()
    code, _, err = command("--device", "hw:CARD=NoSuchCard,DEV=0")
    assert code == 2
    assert "machine.onnx exists" in err


def test_overwrite_does_not_replace_the_artifact_itself(
    command: Command, model: Path, clips: list[Path]
) -> None:
    before = model.read_bytes()
    code, _, err = command(*clips, "-o", model, "--overwrite")
    assert code == 2
    assert "--in-place" in err
    assert model.read_bytes() == before


def test_run_without_a_model_uses_what_calibrate_has_written(
    command: Command, model: Path, clips: list[Path], capfd: pytest.CaptureFixture[str]
) -> None:
    assert model.name == "model.int8.onnx"
    assert command(*clips)[0] == 0
    assert run_command(["info", "--json"]) == 0
    assert json.loads(capfd.readouterr().out)["file"] == "machine.onnx"


def test_in_place_replaces_the_artifact_and_leaves_no_other_file(
    command: Command, model: Path, clips: list[Path]
) -> None:
    command(*clips, "-o", "own.onnx")
    expected = untimed(Path("own.onnx"))
    Path("own.onnx").unlink()
    assert command(*clips, "--in-place")[1] == f"{model}\n"
    assert untimed(model) == expected
    assert list(Path().iterdir()) == [Path(model.name)]


def test_a_failed_calibration_in_place_leaves_the_artifact(command: Command, model: Path) -> None:
    before = model.read_bytes()
    soundfile.write("quiet.wav", np.zeros(4 * RATE), RATE)
    assert command("quiet.wav", "--in-place")[0] == 2
    assert model.read_bytes() == before


def test_an_output_folder_that_does_not_exist_is_refused(
    command: Command, clips: list[Path]
) -> None:
    code, out, err = command(*clips, "-o", "no/such/folder/machine.onnx")
    assert (code, out) == (2, "")
    assert "no/such/folder" in err


def test_info_passes_its_self_test_after_calibration(
    command: Command, clips: list[Path], capfd: pytest.CaptureFixture[str]
) -> None:
    command(*clips)
    assert run_command(["info", "machine.onnx", "--json"]) == 0
    values = json.loads(capfd.readouterr().out)
    assert values["selftest"].startswith("self-test passed")
    assert (values["machine"], values["calibration_windows"]) == ("id_03", 6)
    assert values["calibrated"]


def test_a_machine_s_artifact_can_be_calibrated_for_another(
    command: Command, trained: Trained, clips: list[Path], capfd: pytest.CaptureFixture[str]
) -> None:
    command(trained.data, "--machine", "id_00", "-o", "first.onnx")
    assert (
        run_command(
            [
                "calibrate",
                "first.onnx",
                "--no-known-sensitivity",
                *map(str, clips),
                "-o",
                "second.onnx",
            ]
        )
        == 0
    )
    command(*clips, "-o", "fresh.onnx")
    assert untimed(Path("second.onnx")) == untimed(Path("fresh.onnx"))


def test_an_artifact_that_computes_otherwise_is_refused_before_it_listens(
    command: Command, model: Path
) -> None:
    artifact = Artifact.read(model)
    expected = artifact.sections["selftest"]
    artifact.with_sections(selftest={**expected, "energy": expected["energy"] + 0.1}).write(model)
    code, _, err = command("--device", "hw:CARD=NoSuchCard,DEV=0")
    assert code == 3
    assert "self-test failed" in err


def test_a_recording_that_is_called_an_anomaly_is_refused(
    command: Command, trained: Trained, clips: list[Path]
) -> None:
    anomaly = next(path for path in audio_files(trained.new / "test") if "anomaly" in path.name)
    code, _, err = command(*clips, anomaly)
    assert code == 2
    assert f"{anomaly}: the name says anomaly" in err


@pytest.mark.parametrize("options", [[], ["--machine", "id_09"]])
def test_a_data_set_of_several_machines_asks_which(
    command: Command, trained: Trained, options: list[str]
) -> None:
    code, _, err = command(trained.data, *options)
    assert code == 2
    assert "holds the machines id_00, id_01, id_02" in err
    assert "name one of them with --machine" in err


def test_files_of_several_machines_ask_which(command: Command, trained: Trained) -> None:
    code, _, err = command(*audio_files(trained.data / "train"))
    assert code == 2
    assert "id_00, id_01, id_02" in err
    assert "--machine" in err


def test_a_bad_recording_is_named_and_nothing_is_written(
    command: Command, clips: list[Path]
) -> None:
    Path("bad.wav").write_bytes(b"no sound")
    code, out, err = command(*clips, "bad.wav")
    assert (code, out) == (2, "")
    assert "edgeae: bad.wav: " in err
    assert not Path("machine.onnx").exists()


def test_skip_bad_calibrates_on_the_others(command: Command, clips: list[Path]) -> None:
    Path("bad.wav").write_bytes(b"no sound")
    assert command(*clips, "bad.wav", "--skip-bad")[0] == 0
    assert Detector.load("machine.onnx").head.windows == 6


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["sound.wav", "--device", "hw:1"],
        ["sound.wav", "-o", "a.onnx", "--in-place"],
        ["sound.wav"],  # no such file
        ["--device", "hw:1", "--duration", "1"],
        ["sound.wav", "--clips", "0"],
        ["sound.wav", "--channel", "left"],
    ],
)
def test_wrong_usage_exits_with_2_and_writes_nothing(
    command: Command, model: Path, arguments: list[str]
) -> None:
    code, out, err = command(*arguments)
    assert (code, out) == (2, "")
    assert err
    assert list(Path().iterdir()) == [Path(model.name)]


def test_a_wrong_budget_is_refused(command: Command, clips: list[Path]) -> None:
    code, _, err = command(*clips, "--false-alarms", "1/fortnight")
    assert code == 2
    assert "1/fortnight" in err


def test_a_machine_that_the_data_set_does_not_hold_is_refused(
    command: Command, trained: Trained
) -> None:
    code, _, err = command(trained.new, "--machine", "id_99")
    assert code == 2
    assert "holds the machine id_03, not id_99" in err


def test_a_budget_or_name_that_cannot_be_used_is_refused_before_listening(command: Command) -> None:
    assert command("--device", "hw:1", "--false-alarms", "never")[0] == 2
    assert command("--device", "hw:1", "-o", "machine.wav")[0] == 2
    assert command("--device", "hw:1", "-o", "nowhere/machine.onnx")[0] == 2


def test_few_windows_are_warned_of(command: Command, clips: list[Path]) -> None:
    _, _, err = command(clips[0])
    assert "only 1 window: alarms will be unreliable" in err


def test_a_machine_keeps_its_name_when_it_is_calibrated_again(
    command: Command, clips: list[Path]
) -> None:
    command(*clips, "--machine", "pump-3", "--in-place")
    nameless = [shutil.copy(clip, f"{k}.wav") for k, clip in enumerate(clips)]
    code, _, err = command(*nameless, "--in-place")
    assert code == 0
    assert "machine pump-3: learned from" in err


def test_the_known_sensitivity_is_printed_and_stored(
    command: Command, clips: list[Path], capfd: pytest.CaptureFixture[str]
) -> None:
    code, out, err = command("--known-sensitivity", *clips[:1], "--force")
    assert (code, out) == (0, "machine.onnx\n")
    lines = err.splitlines()
    title = lines.index(f"{'smallest change that raises an alarm in':54}    1 minute  10 minutes")
    table = lines[title + 1 : title + 13]
    assert table[0].startswith("  louder or quieter at 62 to 250 Hz ")
    assert table[-1].startswith("  white noise, against the machine's level ")
    words = [line.split(":")[0] for line in lines[lines.index("words") + 1 :]]
    assert words[:4] == ["  threshold", "  budget", "  false alarm", "  window"]
    assert run_command(["info", "machine.onnx"]) == 0
    shown = capfd.readouterr().out
    assert "  louder or quieter at 2 to 4 kHz " in shown
    assert f"{'smallest change that raises an alarm in':54}    1 minute  10 minutes" in shown


@pytest.fixture
def false_alarm(tmp_path: Path, clips: list[Path]) -> Path:
    """A folder with a clip that holds normal sound of the machine, and a tone after it."""
    folder = tmp_path / "clips"
    folder.mkdir()
    normal = np.concatenate([soundfile.read(clip)[0] for clip in clips[:4]])
    tone = 0.3 * np.std(normal) * np.sin(2 * np.pi * 3000 * np.arange(len(normal)) / RATE)
    tone[: len(tone) // 2] = 0
    soundfile.write(folder / "20261123T023450.120Z_id-03_5f0a91.wav", normal + tone, RATE)
    return folder


def test_the_clips_of_a_false_alarm_are_added(
    command: Command, clips: list[Path], false_alarm: Path
) -> None:
    code, out, _ = command(*clips, "--machine", "id_03", "-o", "machine.onnx")
    assert (code, out) == (0, "machine.onnx\n")
    before = Detector.load("machine.onnx")
    arguments = ["calibrate", "machine.onnx", "--no-known-sensitivity"]
    added = [*arguments, "--add", "--from-clips", str(false_alarm), "--in-place"]
    assert run_command(added) == 0
    after = Detector.load("machine.onnx")
    assert after.head.windows > before.head.windows
    [clip] = audio_files(false_alarm)
    scores = [
        max(detector.result(window).score for window in detector.read(clip, 0))
        - detector.threshold.value
        for detector in (before, after)
    ]
    assert scores[1] < scores[0]


def test_clips_are_for_a_calibration_that_exists(command: Command, false_alarm: Path) -> None:
    code, _, err = command("--from-clips", false_alarm, "-o", "machine.onnx")
    assert (code, "give --add, too" in err) == (2, True)
    code, _, err = command("--add", "--from-clips", false_alarm, "-o", "machine.onnx")
    assert (code, "calibrate it once without --add" in err) == (2, True)


def test_clips_take_the_place_of_recordings(
    command: Command, clips: list[Path], false_alarm: Path
) -> None:
    code, _, err = command(*clips, "--add", "--from-clips", false_alarm)
    assert (code, "give exactly one of them" in err) == (2, True)


def test_a_sensitivity_takes_the_place_of_a_budget(command: Command, clips: list[Path]) -> None:
    code, _, err = command(*clips, "--sensitivity", "low", "-o", "machine.onnx")
    assert (code, "for 1/month" in err) == (0, True)
    code, _, err = command(*clips, "--sensitivity", "low", "--false-alarms", "1/day")
    assert (code, "give one of the two" in err) == (2, True)
