"""Writers are killed, disks are full, files are torn: a file holds the old content or the new.

EDGEAE_KILLS sets how many kills there are (default 20; `make fuzz` has 200).
"""

import errno
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from edgeae.calibrate.calibrate import calibrate_files
from edgeae.runtime.audio.recordings import audio_files
from edgeae.runtime.commands.cli import run_command
from edgeae.runtime.errors import ArtifactError, ConfigError
from edgeae.runtime.model.artifact import Artifact
from edgeae.runtime.monitoring.drift_file import DriftFile
from edgeae.runtime.scoring.detector import Detector
from edgeae.runtime.system.files import UNFINISHED
from tests.conftest import Trained

KILLS = int(os.environ.get("EDGEAE_KILLS", "20"))
EDGEAE = [sys.executable, "-c", "from edgeae.runtime.commands.cli import main; main()"]

# Forks writers that never pause and kills each at a random point; then both files have to load.
WRITERS = """
import os, random, signal, sys, time
from pathlib import Path
from edgeae.runtime.model.artifact import Artifact
from edgeae.runtime.scoring.detector import Detector
from edgeae.runtime.monitoring.drift_file import DriftFile

machine = Path(sys.argv[1])
state = Path(sys.argv[2])
kills = int(sys.argv[3])
rng = random.Random(int(sys.argv[4]))
artifact = Artifact.read(machine)
detector = Detector.load(machine)
track = DriftFile(state, detector)
written = set()
max_temporary = 0

def write(kill):
    artifact.with_sections(provenance={"write": [kill] * rng.randrange(1, 5000)}).write(machine)
    track.tracker.learned_seconds = kill + 0.5
    track.save()

began = time.perf_counter()
write(kills)
once = time.perf_counter() - began  # a busy computer needs longer
for kill in range(kills):
    if not (writer := os.fork()):
        while True:
            write(kill)
    time.sleep(rng.uniform(0.05, 3) * once)
    os.kill(writer, signal.SIGKILL)
    os.waitpid(writer, 0)
    assert Artifact.read(machine).network_bytes() == artifact.network_bytes()
    written.add(DriftFile(state, detector).tracker.learned_seconds)
    max_temporary = max(max_temporary, len(list(machine.parent.glob(".*"))))
assert not list(machine.parent.glob("*.damaged")), "a state was torn"
print(len(written), max_temporary)
"""


@pytest.fixture(scope="module")
def clips(trained: Trained) -> list[Path]:
    return audio_files(trained.new / "train")


@pytest.fixture(scope="module")
def calibrated(trained: Trained, clips: list[Path]) -> Artifact:
    return calibrate_files(
        Detector.load(trained.int8), clips, machine="id_03", report=print
    ).artifact


@pytest.fixture
def machine(calibrated: Artifact, tmp_path: Path) -> Path:
    path = tmp_path / "machine.onnx"
    calibrated.write(path)
    return path


def unfinished(folder: Path) -> list[Path]:
    return list(folder.glob(f".*{UNFINISHED}"))


def test_killed_writers_leave_an_artifact_and_a_state_that_load(
    calibrated: Artifact, tmp_path: Path
) -> None:
    small = calibrated.with_sections(quantization=calibrated.sections["quantization"])
    machine = tmp_path / "machine.onnx"
    state = tmp_path / "track.json"
    small.write(machine)
    arguments = [str(machine), str(state), str(KILLS), "1"]
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", WRITERS, *arguments],
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    n_states, max_temporary = map(int, done.stdout.split())
    assert n_states > 1  # they did write
    assert max_temporary <= KILLS
    for path in unfinished(tmp_path):
        os.utime(path, (0, 0))
    small.write(machine)
    DriftFile(state, Detector(small))
    assert not unfinished(tmp_path)


@pytest.mark.parametrize("kill", range(max(2, KILLS // 20)))
def test_a_killed_calibration_in_place_leaves_an_artifact_that_loads(
    machine: Path, clips: list[Path], kill: int
) -> None:
    before = machine.read_bytes()
    command = [
        *EDGEAE,
        "calibrate",
        str(machine),
        *map(str, clips),
        "--force",
        "--in-place",
        "--no-known-sensitivity",
    ]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    time.sleep(random.Random(kill).uniform(0.3, 1.5))
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert Artifact.read(machine).network_bytes() == Artifact.from_bytes(before).network_bytes()
    assert len(unfinished(machine.parent)) <= 1


def failing(*_: Any, **__: Any) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


class FullFile:
    """An opened file whose ``when`` fails."""

    def __init__(self, file: Any, when: str) -> None:
        self._file = file
        self._when = when

    def __enter__(self) -> "FullFile":
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def __getattr__(self, name: str) -> Any:
        return failing if name == self._when else getattr(self._file, name)


def opening_no_new_file(os_open: Callable[..., int]) -> Callable[..., int]:
    """``os.open`` that opens what is there, and cannot create a file."""

    def opened(path: Any, flags: int, *arguments: Any, **options: Any) -> int:
        if flags & os.O_EXCL:
            failing()
        return os_open(path, flags, *arguments, **options)

    return opened


def fill(monkeypatch: pytest.MonkeyPatch, when: str) -> None:
    """From now on the disk is full in this step of a write."""
    fdopen: Callable[..., Any] = os.fdopen
    if when in ("write", "flush"):
        monkeypatch.setattr(os, "fdopen", lambda *arguments: FullFile(fdopen(*arguments), when))
    elif when == "create":
        monkeypatch.setattr(os, "open", opening_no_new_file(os.open))
    else:
        place = {"fsync": (os, "fsync"), "rename": (Path, "replace")}[when]
        monkeypatch.setattr(*place, failing)


STEPS = ["create", "write", "flush", "fsync", "rename"]


@pytest.mark.parametrize("when", STEPS)
def test_a_full_disk_leaves_the_old_artifact_and_is_reported(
    machine: Path,
    clips: list[Path],
    when: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    before = machine.read_bytes()
    fill(monkeypatch, when)
    assert (
        run_command(
            [
                "calibrate",
                str(machine),
                *map(str, clips),
                "--force",
                "--in-place",
                "--no-known-sensitivity",
            ]
        )
        == 2
    )
    assert capsys.readouterr().err.splitlines()[-1] == (
        f"edgeae: {machine}: cannot be written (No space left on device); choose another place"
    )
    assert {path: path.read_bytes() for path in machine.parent.iterdir()} == {machine: before}


@pytest.mark.parametrize("when", STEPS)
def test_a_full_disk_leaves_the_old_state(
    machine: Path, when: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = machine.with_name("track.json")
    detector = Detector.load(machine)
    DriftFile(state, detector)
    before = state.read_bytes()
    fill(monkeypatch, when)
    with pytest.raises(
        ConfigError, match=r"track\.json: cannot be written \(No space left on device\)"
    ):
        DriftFile(state, detector)
    assert state.read_bytes() == before
    assert not unfinished(state.parent)


def test_a_real_limit_of_the_file_size_leaves_the_old_artifact(
    machine: Path, clips: list[Path]
) -> None:
    before = machine.read_bytes()
    limited = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (10000, 10000)); "
    command = [
        sys.executable,
        "-c",
        limited + EDGEAE[-1],
        "calibrate",
        str(machine),
        *map(str, clips),
        "--force",
        "--in-place",
        "--no-known-sensitivity",
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stderr.splitlines()[-1]) == (
        2,
        f"edgeae: {machine}: cannot be written (File too large); choose another place",
    )
    assert {path: path.read_bytes() for path in machine.parent.iterdir()} == {machine: before}


def test_an_artifact_that_ends_at_any_thousandth_byte_is_refused(machine: Path) -> None:
    content = machine.read_bytes()
    for end in range(0, len(content), 1000):
        with pytest.raises(ArtifactError):
            Artifact.from_bytes(content[:end])


@pytest.mark.parametrize("share", [0.0, 0.001, 0.5, 0.999])
def test_a_torn_artifact_has_the_exit_code_of_one(
    machine: Path, clips: list[Path], share: float, capsys: pytest.CaptureFixture[str]
) -> None:
    content = machine.read_bytes()
    machine.write_bytes(content[: int(share * len(content))])
    assert run_command(["run", str(machine), str(clips[0])]) == 3
    out, err = capsys.readouterr()
    assert (out, len(err.splitlines())) == ("", 1)
    assert "copy or export it again" in err


def test_a_state_that_ends_at_any_byte_is_set_aside_and_tracking_goes_on(
    machine: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    state = machine.with_name("track.json")
    detector = Detector.load(machine)
    DriftFile(state, detector)
    content = json.dumps({**json.loads(state.read_bytes()), "learned": 60.0}).encode()
    aside = state.with_name("track.json.damaged")
    for end in range(0, len(content), 29 if KILLS < 200 else 1):
        state.write_bytes(content[:end])
        assert DriftFile(state, detector).tracker.learned_seconds == 0
        assert aside.read_bytes() == content[:end]
    state.write_bytes(content)
    assert DriftFile(state, detector).tracker.learned_seconds == 60
    assert "is damaged and was moved to" in capsys.readouterr().err


def test_a_damaged_state_that_cannot_be_set_aside_is_reported(machine: Path) -> None:
    state = machine.with_name("track.json")
    state.write_text("{")
    (machine.with_name("track.json.damaged") / "kept").mkdir(parents=True)
    with pytest.raises(
        ConfigError,
        match=r"track\.json: is damaged and cannot be moved to .*damaged \(Is a directory\)",
    ):
        DriftFile(state, Detector.load(machine))
    assert state.read_text() == "{"
