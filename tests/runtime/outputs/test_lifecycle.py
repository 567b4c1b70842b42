"""The outputs of `edgeae run` together: what one that fails, hangs or fills means for the others
and for the sound."""

import fcntl
import http.server
import itertools
import json
import os
import re
import resource
import select
import shlex
import signal
import socket
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from edgeae.calibrate.calibrate import calibrate_files
from edgeae.runtime.audio.recordings import audio_files
from edgeae.runtime.commands.cli import run_command
from edgeae.runtime.live.limits import RunLimits
from edgeae.runtime.outputs.declaration import OutputLimits
from edgeae.runtime.outputs.lines import RunLine
from edgeae.runtime.outputs.log.sink import LogFile
from edgeae.runtime.scoring.detector import Detector

pytestmark = pytest.mark.slow

RATE, PERIOD = 16000, 512
PATIENCE = 60  # seconds, for what takes one

# `edgeae run` whose waits are short.
HURRIED = """
from edgeae.runtime.capture.blocks import CaptureLimits
from edgeae.runtime.capture.microphone import MicrophoneLimits
from edgeae.runtime.commands.cli import main
from edgeae.runtime.live.limits import RunLimits
from edgeae.runtime.outputs.declaration import OutputLimits
outputs = OutputLimits(check_seconds=0.0, max_stdout_lines=20, close_seconds=0.5)
microphone = MicrophoneLimits(
    check_seconds=0.05, max_retry_seconds=0.05, capture=CaptureLimits(stall_seconds=0.5)
)
main(RunLimits(microphone=microphone, outputs=outputs))
"""

Line = dict[str, Any]
Pcm = NDArray[np.int16]


@pytest.fixture(scope="module")
def machine(trained: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("machine") / "machine.onnx"
    clips = audio_files(trained.new / "train")
    detector = Detector.load(trained.int8)
    artifact = calibrate_files(detector, clips, machine="id_03", report=print).artifact
    # An alarm starts within the few seconds that a test plays.
    rule = {**artifact.sections["threshold"], "alarm_windows": 3, "of_windows": 5}
    artifact.with_sections(threshold=rule).write(path)
    return path


@pytest.fixture(scope="module")
def normal(trained: Any) -> Pcm:
    """24 s of the healthy machine."""
    clips = audio_files(trained.new / "train")
    return np.concatenate([soundfile.read(clip, dtype="int16")[0] for clip in clips])


@pytest.fixture(scope="module")
def broken(normal: Pcm) -> Pcm:
    """24 s of the machine with a loud tone."""
    tone = 8000 * np.sin(2 * np.pi * 3000 * np.arange(len(normal)) / RATE)
    return np.asarray(np.clip(normal + tone, -32768, 32767).astype(np.int16))


class Device:
    """`hw:1`, a FIFO, which hears what it is given as fast as it is read."""

    def __init__(self, path: Path) -> None:
        self.path = path
        os.mkfifo(path)
        self._fifo = os.open(path, os.O_RDWR | os.O_NONBLOCK)

    def play(self, samples: Pcm) -> None:
        """Whole periods, (frames,) or (frames, channels); fails if nobody reads."""
        for start in range(0, len(samples) - PERIOD + 1, PERIOD):
            assert select.select([], [self._fifo], [], PATIENCE)[1], (
                "the device is not read any more"
            )
            os.write(self._fifo, samples[start : start + PERIOD].tobytes())

    def close(self) -> None:
        os.close(self._fifo)


@pytest.fixture
def device(tmp_path: Path, alsa_environment: Callable[..., None]) -> Iterator[Device]:
    device = Device(tmp_path / "device")
    alsa_environment(device.path)
    yield device
    device.close()


class Listening:
    """A process that listens, and what it has said."""

    def __init__(
        self, machine: Path, *arguments: object, read: bool = True, program: str = HURRIED
    ) -> None:
        command = [
            sys.executable,
            "-W",
            "error",
            "-c",
            program,
            "run",
            machine,
            "--device",
            "hw:1",
            "--json",
        ]
        self.lines: list[Line] = []
        self._said = threading.Condition()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self.process = subprocess.Popen(
            list(map(str, [*command, *arguments])),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        if read:
            self.read()

    def read(self) -> None:
        """Begin to read what it says."""
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout
        for text in self.process.stdout:
            with self._said:
                self.lines.append(json.loads(text))
                self._said.notify()

    def until(self, wanted: Callable[[Line], bool]) -> Line:
        """The first line that is wanted, once it was said."""
        with self._said:
            assert self._said.wait_for(lambda: any(map(wanted, self.lines)), PATIENCE), self.lines[
                -3:
            ]
            return next(filter(wanted, self.lines))

    def stop(self) -> tuple[int, str]:
        """End it as a service manager does; its exit code and words."""
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(PATIENCE)
        if self._reader.ident:
            self._reader.join(PATIENCE)
        assert self.process.stdout and self.process.stderr
        with self.process.stdout, self.process.stderr as stderr:
            return code, stderr.read()


Listens = Callable[..., Listening]


@pytest.fixture
def listens(machine: Path, device: Device) -> Iterator[Listens]:
    """``listens(*arguments)``: `edgeae run machine.onnx --device hw:1 --json ...` in a process."""
    started: list[Listening] = []

    def start(*arguments: object, **how: Any) -> Listening:
        started.append(Listening(machine, *arguments, **how))
        return started[-1]

    yield start
    for listening in started:
        if listening.process.poll() is None:
            listening.process.kill()
            listening.stop()


def told(state: str, output: str) -> Callable[[Line], bool]:
    return lambda line: line.get("state") == state and line.get("output") == output


def scored_at(t: float) -> Callable[[Line], bool]:
    return lambda line: line["type"] == "score" and line["t"] >= t


def read(path: Path) -> list[Line]:
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def eventually(condition: Callable[[], Any]) -> None:
    wait = threading.Event()
    assert any(condition() or wait.wait(0.02) for _ in range(PATIENCE * 50)), (
        "it never came to that"
    )


# --- stdout ---------------------------------------------------------------------------------------


def test_a_stdout_that_nobody_reads_stops_neither_capture_nor_log(
    listens: Listens, device: Device, normal: Pcm, tmp_path: Path
) -> None:
    listening, log = listens("--log", tmp_path / "log.jsonl", read=False), tmp_path / "log.jsonl"
    assert listening.process.stdout
    fcntl.fcntl(listening.process.stdout, fcntl.F_SETPIPE_SZ, 4096)
    for _ in range(4):
        device.play(normal)
    eventually(lambda: any(map(scored_at(4 * 24 - 2), read(log))))
    eventually(lambda: any(map(told("degraded", "stdout"), read(log))))
    device.play(normal[: 2 * RATE])
    eventually(lambda: any(map(scored_at(4 * 24), read(log))))
    assert not any(map(told("restored", "stdout"), read(log)))
    listening.read()
    restored = listening.until(told("restored", "stdout"))
    assert restored["dropped"] > 0
    code, err = listening.stop()
    assert (code, err) == (0, "")
    lines = read(log)
    assert [line["seq"] for line in lines] == list(range(len(lines)))
    assert lines[-1]["state"] == "stopped"
    assert len(lines) - len(listening.lines) == restored["dropped"]
    [degraded] = filter(told("degraded", "stdout"), lines)
    assert degraded["sentence"] == "stdout: too slow, the oldest lines are dropped"


def test_a_stdout_that_nobody_reads_does_not_delay_the_end(
    listens: Listens, device: Device, normal: Pcm, tmp_path: Path
) -> None:
    listening, log = listens("--log", tmp_path / "log.jsonl", read=False), tmp_path / "log.jsonl"
    assert listening.process.stdout
    fcntl.fcntl(listening.process.stdout, fcntl.F_SETPIPE_SZ, 4096)
    device.play(np.tile(normal, 2))
    eventually(lambda: any(map(scored_at(46), read(log))))
    code, said = listening.stop()
    assert code == 0
    assert re.fullmatch(r"edgeae: stdout: \d+ lines were not delivered in time\n", said)
    assert read(log)[-1]["state"] == "stopped"


# --- log ------------------------------------------------------------------------------------------


def test_a_full_disk_under_the_log_is_reported_until_there_is_room(
    listens: Listens, device: Device, normal: Pcm, tmp_path: Path
) -> None:
    log = tmp_path / "log.jsonl"
    listening = listens("--log", log)
    device.play(normal)
    eventually(lambda: any(map(scored_at(20), read(log))))
    full = (log.stat().st_size + 100, resource.RLIM_INFINITY)
    resource.prlimit(listening.process.pid, resource.RLIMIT_FSIZE, full)
    device.play(normal)
    degraded = listening.until(told("degraded", "log"))
    assert "File too large" in degraded["sentence"]
    listening.until(scored_at(46))
    resource.prlimit(listening.process.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)
    device.play(normal)
    restored = listening.until(told("restored", "log"))
    listening.until(scored_at(70))
    assert listening.stop() == (0, "")
    assert [line["seq"] for line in listening.lines] == list(range(len(listening.lines)))
    assert len(listening.lines) - len(read(log)) == restored["failed"] > 0


def test_a_full_disk_is_reported_for_sound_from_a_pipe_too(
    machine: Path, normal: Pcm, tmp_path: Path
) -> None:
    command = [
        sys.executable,
        "-W",
        "error",
        "-c",
        HURRIED,
        "run",
        machine,
        "-",
        "--json",
        "--log",
        tmp_path / "log",
    ]
    with subprocess.Popen(
        list(map(str, command)), stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0
    ) as process:
        assert process.stdin and process.stdout
        process.stdin.write(normal.tobytes())
        eventually(lambda: any(map(scored_at(20), read(tmp_path / "log"))))
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (100, resource.RLIM_INFINITY))
        process.stdin.write(normal.tobytes())
        process.stdin.close()
        lines = [json.loads(line) for line in process.stdout.read().splitlines()]
    [degraded] = filter(told("degraded", "log"), lines)
    assert "File too large" in degraded["sentence"]
    assert any(map(scored_at(46), lines))


# --- hooks ----------------------------------------------------------------------------------------


def is_event(line: Line) -> bool:
    return bool(line["type"] == "event")


def test_the_command_receives_the_line_of_each_event(
    listens: Listens, device: Device, normal: Pcm, broken: Pcm, tmp_path: Path
) -> None:
    heard = tmp_path / "heard"
    listening = listens("--on-event", f"sh -c 'cat >> {heard}'")
    for sound in (normal, broken, normal):
        device.play(sound)
    listening.until(lambda line: line.get("event") == "end")
    listening.until(scored_at(70))
    assert listening.stop()[0] == 0
    events = [line for line in listening.lines if is_event(line)]
    alarms = [event["event"] for event in events if event["kind"] == "persistent"]
    assert alarms == ["start", "end"]
    assert read(heard) == events


def test_a_command_that_hangs_delays_no_score(
    listens: Listens, device: Device, normal: Pcm, broken: Pcm
) -> None:
    listening = listens("--on-event", "sleep 3600", "--on-event-timeout", 3600)
    device.play(normal)
    device.play(broken)
    listening.until(is_event)
    device.play(np.tile(normal, 4))
    listening.until(scored_at(6 * 24 - 2))
    assert not any(map(told("degraded", "on-event"), listening.lines))
    assert listening.stop()[0] == 0


@pytest.mark.parametrize(
    ("command", "limit", "sentence"),
    [
        ("sleep 3600", 0.2, "on-event: sleep: was killed after 0.2 s"),
        ("sh -c 'echo no paper >&2; exit 3'", 30, "on-event: sh: ended with exit code 3: no paper"),
    ],
)
def test_a_command_that_fails_is_reported(
    listens: Listens,
    device: Device,
    normal: Pcm,
    broken: Pcm,
    command: str,
    limit: float,
    sentence: str,
) -> None:
    listening = listens("--on-event", command, "--on-event-timeout", limit)
    device.play(normal)
    device.play(broken)
    assert listening.until(told("degraded", "on-event"))["sentence"] == sentence
    code, err = listening.stop()
    assert (code, err) == (0, f"edgeae: {sentence}\n")


# --- clips ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("channels", [1, 2])
def test_a_clip_contains_the_sound_before_and_after_the_start_of_its_alarm(
    machine: Path,
    normal: Pcm,
    broken: Pcm,
    alsa_device: Any,
    tmp_path: Path,
    channels: int,
    capfd: pytest.CaptureFixture[str],
) -> None:
    played = np.stack(
        [np.concatenate([normal, broken, normal]), np.concatenate([broken, normal, normal])], axis=1
    )
    alsa_device(played[:, 0] if channels == 1 else played)
    listened = [] if channels == 1 else ["--channels", "0,1"]
    command = [
        "run",
        machine,
        "--device",
        "hw:1",
        *listened,
        "--json",
        "--duration",
        72,
        "--clips",
        tmp_path / "clips",
    ]
    assert run_command(list(map(str, command))) == 0
    lines = [json.loads(line) for line in capfd.readouterr().out.splitlines()]
    starts = [line for line in lines if line.get("event") == "start"]
    assert len(starts) == channels
    assert len(list((tmp_path / "clips").iterdir())) == 2 * channels
    for event in starts:
        column = played[:, int(event["source"][-1]) if channels == 2 else 0]
        samples, rate = soundfile.read(event["clip"], dtype="int16")
        about = json.loads(Path(event["clip"]).with_suffix(".json").read_text())
        assert (rate, about["event"], about["ended"], about["after"]) == (
            RATE,
            event,
            "complete",
            20.0,
        )
        assert min(10.0, event["t"]) <= about["before"] <= min(10.0, event["t"] + 0.5)
        start = max(0, round((event["t"] - about["before"]) * RATE))
        starts_at = (
            k
            for k in range(start, start + RATE // 2)
            if np.array_equal(samples[:100], column[k : k + 100])
        )
        first = next(starts_at)
        assert np.array_equal(samples, column[first : first + len(samples)])
        assert len(samples) == round((about["before"] + about["after"]) * RATE)


def test_clips_of_files_are_refused(
    machine: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wav, clips = tmp_path / "sound.wav", tmp_path / "clips"
    soundfile.write(wav, np.zeros(5 * RATE), RATE)
    assert run_command(["run", str(machine), str(wav), "--clips", str(clips)]) == 2
    out, err = capsys.readouterr()
    assert (out, len(err.splitlines()), clips.exists()) == ("", 1, False)
    assert "--clips stores the sound of a microphone or a pipe" in err


# --- metrics, web hook, MQTT ----------------------------------------------------------------------


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def test_metrics_can_be_scraped_while_sound_is_scored(
    listens: Listens, device: Device, normal: Pcm, tmp_path: Path
) -> None:
    port, file = free_port(), tmp_path / "edgeae.prom"
    listening = listens("--metrics", port, "--metrics-file", file)
    device.play(normal)
    listening.until(scored_at(20))

    def scraped() -> str:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=PATIENCE) as answer:
            return str(answer.read().decode())

    def windows() -> int:
        return sum(line["type"] == "score" for line in listening.lines)

    labels = '{source="hw:1",machine="id_03"}'
    eventually(lambda: f"edgeae_windows_total{labels} {windows()}\n" in scraped())
    assert f"edgeae_listening{labels} 1\n" in scraped()
    assert listening.stop() == (0, "")
    of_file = '{source="hw:1",machine="id_03",process="edgeae"}'
    assert f"edgeae_listening{of_file} 0\n" in file.read_text()
    assert f"edgeae_windows_total{of_file} " in file.read_text()


class Posted(http.server.BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        text = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.lines.append(json.loads(text))  # type: ignore[attr-defined]
        self.send_response(204)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass


@pytest.fixture
def server() -> Iterator[Any]:
    """A web server; ``lines`` are those that were posted."""
    with http.server.HTTPServer(("127.0.0.1", 0), Posted) as server:
        server.lines = []  # type: ignore[attr-defined]
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_a_web_server_receives_all_lines_but_scores(
    listens: Listens, device: Device, normal: Pcm, broken: Pcm, server: Any
) -> None:
    listening = listens("--webhook", f"http://127.0.0.1:{server.server_port}/alarms")
    device.play(normal)
    device.play(broken)
    listening.until(is_event)
    eventually(
        lambda: len(server.lines) == sum(line["type"] != "score" for line in listening.lines)
    )
    assert listening.stop() == (0, "")
    assert server.lines == [line for line in listening.lines if line["type"] != "score"]


def test_a_missing_broker_is_reported_and_delays_no_line(
    listens: Listens, device: Device, normal: Pcm
) -> None:
    listening = listens("--mqtt", f"mqtt://127.0.0.1:{free_port()}")
    device.play(normal)
    listening.until(scored_at(20))
    assert "127.0.0.1" in listening.until(told("degraded", "mqtt"))["sentence"]
    device.play(normal)
    listening.until(scored_at(46))
    assert listening.stop()[0] == 0


# --- files ----------------------------------------------------------------------------------------


def test_files_wait_for_a_slow_output(
    machine: Path,
    normal: Pcm,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    deliver, wait = LogFile.deliver, threading.Event()

    def slowly(log: LogFile, line: RunLine) -> None:
        wait.wait(0.01)
        deliver(log, line)

    monkeypatch.setattr(LogFile, "deliver", slowly)
    limits = RunLimits(outputs=OutputLimits(max_waiting_lines=3))
    wav, log = tmp_path / "sound.wav", tmp_path / "log.jsonl"
    soundfile.write(wav, np.tile(normal, 3), RATE, "PCM_16")
    command = ["run", str(machine), str(wav), "--json", "--log", str(log)]
    assert run_command(command, limits) == 0
    out, err = capfd.readouterr()
    printed = [json.loads(line) for line in out.splitlines()]
    assert (len(printed) > 60, read(log), err) == (True, printed, "")


# --- the service manager --------------------------------------------------------------------------


class Manager:
    """What systemd holds."""

    def __init__(self, path: Path) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(path))
        self.heard: list[str] = []
        self.statuses: list[str] = []
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._work)
        self._thread.start()

    def _work(self) -> None:  # it reads all the time: few messages fit into such a socket
        while not self._ended.is_set() or select.select([self._socket], [], [], 0)[0]:
            if select.select([self._socket], [], [], 0.02)[0]:
                message = self._socket.recv(4096).decode()
                (self.statuses if message.startswith("STATUS=") else self.heard).append(message)

    def close(self) -> None:
        """After the last message."""
        self._ended.set()
        self._thread.join()
        self._socket.close()


@pytest.fixture
def manager(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Manager]:
    manager = Manager(tmp_path / "notify")
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
    monkeypatch.setenv("WATCHDOG_USEC", "4")  # each score is time for a ping
    yield manager
    manager.close()


def test_a_service_is_ready_before_its_microphone_and_pings_once_it_scores(
    listens: Listens, device: Device, manager: Manager, normal: Pcm
) -> None:
    away = device.path.rename(device.path.with_name("in a drawer"))
    listening = listens("--wait-device", PATIENCE)
    listening.until(lambda line: line.get("state") == "waiting")
    eventually(lambda: manager.heard == ["READY=1"] and manager.statuses)
    assert "waiting: there is no capture device" in manager.statuses[0]
    away.rename(device.path)
    device.play(normal[: 3 * RATE])  # less than a window
    listening.until(lambda line: line.get("state") == "listening")
    assert manager.heard == ["READY=1"]
    device.play(normal)
    listening.until(scored_at(25))
    assert listening.stop() == (0, "")
    eventually(lambda: "STOPPING=1" in manager.heard)
    before = list(itertools.takewhile(lambda message: message != "STOPPING=1", manager.heard))
    assert before[0] == "READY=1" and set(before[1:]) == {"WATCHDOG=1"}
    assert len(before) - 1 <= sum(line["type"] in ("score", "event") for line in listening.lines)


def test_less_than_a_window_of_sound_sends_no_ping(
    listens: Listens, device: Device, manager: Manager, normal: Pcm
) -> None:
    listening = listens()
    device.play(normal[: 3 * RATE])
    listening.until(lambda line: line.get("state") == "listening")
    assert listening.stop() == (0, "")
    manager.close()
    assert manager.heard[:2] == [
        "READY=1",
        "STOPPING=1",
    ]  # what was heard is judged at the end all the same


def test_a_microphone_that_hangs_sends_no_further_ping(
    listens: Listens, manager: Manager, normal: Pcm, alsa_microphone: Any
) -> None:
    hanging = alsa_microphone(normal, seconds=0.0)
    listening = listens()
    assert hanging.wait(PATIENCE)
    listening.until(lambda line: line.get("state") == "stalled")
    heard = list(manager.heard)
    assert "WATCHDOG=1" in heard
    listening.until(lambda line: line.get("state") == "stalled")
    assert listening.process.poll() is None
    assert manager.heard == heard


# --- the end --------------------------------------------------------------------------------------


@pytest.mark.parametrize("ends", ["normal", "broken"])
def test_the_last_line_says_whether_an_alarm_is_on(
    listens: Listens, device: Device, normal: Pcm, broken: Pcm, ends: str
) -> None:
    listening = listens()
    device.play(broken)
    listening.until(lambda line: line.get("event") == "start")
    if ends == "normal":
        device.play(normal)
        listening.until(lambda line: line.get("event") == "end")
    assert listening.stop() == (0, "")
    assert (listening.lines[-1]["state"], listening.lines[-1]["alarm"]) == (
        "stopped",
        ends == "broken",
    )


# --- what is refused ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "arguments",
    [
        "--log {0}",
        "--log {0}/no-folder/log.jsonl",
        "--log {0}/log.jsonl --log-megabytes 0",
        "--log {0}/log.jsonl --log-files 1",
        "--log {0}/log.jsonl --log-fsync sometimes",
        "--on-event ''",
        "--on-event no-such-program",
        "--on-event true --on-event-timeout 0",
        "--webhook ''",
        "--webhook example.org",
        "--webhook http://127.0.0.1:9 --webhook-limit 0",
        "--webhook http://127.0.0.1:9 --webhook-spool {0}/sound.wav",
        "--webhook http://127.0.0.1:9 --webhook-spool {0}/no-folder/spool",
        "--mqtt ''",
        "--mqtt http://broker",
        "--mqtt mqtt://user:secret@broker",
        "--mqtt mqtt://broker --mqtt-every -1",
        "--mqtt mqtts://broker --mqtt-ca {0}/no-file.pem",
        "--mqtt mqtt://broker --mqtt-ca {0}/sound.wav",
        "--metrics ''",
        "--metrics nonsense",
        "--metrics 99999",
        "--metrics-file {0}/numbers.txt",
        "--metrics-file {0}/no-folder/numbers.prom",
    ],
)
@pytest.mark.parametrize("live", [True, False])
def test_an_option_that_cannot_work_is_refused_before_any_file_is_created(
    machine: Path,
    alsa_device: Any,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    arguments: str,
    live: bool,
) -> None:
    soundfile.write(tmp_path / "sound.wav", np.zeros(5 * RATE), RATE)
    alsa_device(bytes(1000))
    there = set(tmp_path.iterdir())
    source = ["--device", "hw:1", "--duration", "5"] if live else [str(tmp_path / "sound.wav")]
    assert (
        run_command(["run", str(machine), *source, *shlex.split(arguments.format(tmp_path))]) == 2
    )
    out, err = capfd.readouterr()
    assert (out, set(tmp_path.iterdir())) == ("", there)
    assert "secret" not in err and "Traceback" not in err
    *usage, sentence = err.splitlines()
    assert sentence.startswith(("edgeae: ", "Error: "))
    assert sentence.startswith("Error: ") or not usage


@pytest.mark.parametrize(
    "arguments", ["--clips-megabytes 0", "--clips-days 0", "--clips {0}/sound.wav"]
)
def test_a_folder_that_cannot_store_clips_is_refused(
    machine: Path,
    alsa_device: Any,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    arguments: str,
) -> None:
    soundfile.write(tmp_path / "sound.wav", np.zeros(5 * RATE), RATE)
    alsa_device(bytes(1000))
    there = set(tmp_path.iterdir())
    clips = f"--clips {tmp_path}/clips {arguments.format(tmp_path)}"
    assert (
        run_command(
            ["run", str(machine), "--device", "hw:1", "--duration", "5", *shlex.split(clips)]
        )
        == 2
    )
    out, err = capfd.readouterr()
    assert (out, set(tmp_path.iterdir())) == ("", there)
    assert err.splitlines()[-1].startswith(("edgeae: ", "Error: "))


def test_a_page_for_recordings_is_refused(
    machine: Path, trained: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    clip = audio_files(trained.new / "train")[0]
    assert run_command(["run", str(machine), str(clip), "--page", "8321"]) == 2
    assert "--page shows a microphone or a pipe" in capsys.readouterr().err


def test_a_page_changes_no_score_and_a_port_in_use_is_one_sentence(
    machine: Path, broken: Pcm
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        plain, page = (
            subprocess.run(
                [sys.executable, "-c", HURRIED, "run", machine, "-", "--json", *more],
                input=broken.tobytes(), capture_output=True, check=False,
            )
            for more in ([], ["--page", "127.0.0.1:0"])
        )  # fmt: skip
        refused = subprocess.run(
            [sys.executable, "-c", HURRIED, "run", machine, "-", "--page", address],
            input=b"", capture_output=True, check=False,
        )  # fmt: skip
    told = [[json.loads(line) for line in run.stdout.splitlines()] for run in (plain, page)]
    kept = [
        [(line["type"], line["t"], line.get("score"), line["seq"]) for line in lines]
        for lines in told
    ]
    assert kept[0] == kept[1]
    assert refused.returncode == 2
    assert refused.stderr.decode() == (
        f"edgeae: --page {address}: cannot listen there (Address already in use); "
        "choose another address\n"
    )
