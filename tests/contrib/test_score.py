"""The program in C prints the scores of `edgeae run`, and refuses what it cannot score."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import soundfile
from numpy.typing import NDArray

from edgeae.calibrate.calibrate import calibrate_files
from edgeae.runtime.scoring.detector import Detector
from edgeae.runtime.scoring.heads import Kind
from edgeae.runtime.scoring.selftest import update_selftest
from tests.conftest import Trained

ROOT = Path(__file__).parents[2]
SOURCES = ROOT / "contrib" / "c"
# A folder with ONNX Runtime's own header; without it the part of it that stands beside this file.
HEADER_VARIABLE = "ONNXRUNTIME_INCLUDE"
TOLERANCE = 1e-3  # of a score; a level may be rounded to the next step of int8
RATE = 16000
SOUND = np.random.default_rng(5).standard_normal(RATE * 9 + 700) * 0.05

Score = Callable[..., subprocess.CompletedProcess[str]]


def headers() -> list[Path]:
    """The folders with a header to compile with."""
    folders = [Path(__file__).parent / "onnxruntime"]
    if HEADER_VARIABLE in os.environ:
        folders.append(Path(os.environ[HEADER_VARIABLE]))
    return folders


@pytest.fixture(scope="module", params=headers(), ids=lambda folder: folder.name)
def program(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The compiled program, linked with the library of the onnxruntime that is installed."""
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("cc is not here: a C compiler is needed")
    folder = tmp_path_factory.mktemp("score")
    capi = Path(onnxruntime.__file__).parent / "capi"
    libraries = sorted(capi.glob("libonnxruntime.so.*"))
    if not libraries:
        pytest.skip(f"{capi} holds no libonnxruntime.so: its onnxruntime is of another kind")
    for name in ("libonnxruntime.so", "libonnxruntime.so.1"):
        (folder / name).symlink_to(libraries[0])
    command = [
        *(compiler, "-O2", "-std=c11", "-Wall", "-Wextra", "-Werror"),
        *("-I", str(request.param), str(SOURCES / "score.c"), "-o", str(folder / "score")),
        *("-L", str(folder), f"-Wl,-rpath,{folder}", "-lonnxruntime", "-lm"),
    ]
    subprocess.run(command, check=True)
    return folder / "score"


@pytest.fixture(scope="module", params=["int8", "float_"])
def machine(trained: Trained, request: pytest.FixtureRequest) -> Detector:
    """An artifact that is calibrated on a machine of which the training had no sound."""
    recordings = sorted((trained.new / "train").glob("*.wav"))
    return calibrate_files(
        Detector.load(getattr(trained, request.param)), recordings, machine="pump-3", report=print
    )


def write_constants(artifact: Path) -> Path:
    """The file of constants.py, beside the artifact."""
    path = artifact.with_suffix(".bin")
    subprocess.run([sys.executable, SOURCES / "constants.py", artifact, path], check=True)
    return path


def write_wav(path: Path, samples: NDArray[np.float64], samplerate: int = RATE) -> Path:
    soundfile.write(path, samples, samplerate, subtype="PCM_16")
    return path


def run(program: Path, *files: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([program, *files], capture_output=True, text=True, check=False)


@pytest.mark.parametrize("kind", ["gaussian", "no_network", "mse"])
def test_its_scores_are_those_of_edgeae(
    program: Path, machine: Detector, kind: Kind, tmp_path: Path
) -> None:
    artifact = tmp_path / "machine.onnx"
    update_selftest(machine.with_kind(kind)).artifact.write(artifact)
    detector = Detector.load(artifact)
    constants = write_constants(artifact)
    for n_samples in (len(SOUND), RATE * 5, 1024 + 95 * 512, 1024 + 40 * 512):
        wav = write_wav(tmp_path / "recording.wav", SOUND[:n_samples])
        done = run(program, artifact, constants, wav)
        assert done.returncode == 0, done.stderr
        printed = np.array([line.split() for line in done.stdout.splitlines()], float)
        windows = list(detector.read(wav))
        scores = detector.head.score(np.array([window.features for window in windows]))
        np.testing.assert_allclose(printed[:, 0], [window.end for window in windows])
        np.testing.assert_allclose(printed[:, 1], scores, rtol=0, atol=TOLERANCE)
        limit = detector.threshold.value
        np.testing.assert_allclose(printed[:, 2], limit, atol=1e-6)
        assert (printed[:, 3] == (printed[:, 1] > limit)).all()


@pytest.fixture(scope="module")
def artifact(trained: Trained, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An int8 artifact with its constants beside it."""
    path = tmp_path_factory.mktemp("artifact") / "model.onnx"
    shutil.copy(trained.int8, path)
    write_constants(path)
    return path


def test_constants_of_another_artifact_are_refused(
    program: Path, artifact: Path, trained: Trained, tmp_path: Path
) -> None:
    wav = write_wav(tmp_path / "recording.wav", SOUND)
    done = run(program, trained.float_, artifact.with_suffix(".bin"), wav)
    assert (done.returncode, done.stdout) == (2, "")
    assert "constants are of another artifact" in done.stderr


def test_constants_that_cannot_be_written_are_reported(artifact: Path, tmp_path: Path) -> None:
    python = Path(sys.executable)
    done = run(python, SOURCES / "constants.py", artifact, tmp_path / "missing" / "m.bin")
    assert done.returncode == 1
    assert done.stderr.startswith(f"constants.py: {tmp_path}/missing/m.bin: cannot be written (")


def test_constants_that_end_early_are_refused(
    program: Path, artifact: Path, tmp_path: Path
) -> None:
    wav = write_wav(tmp_path / "recording.wav", SOUND)
    content = artifact.with_suffix(".bin").read_bytes()
    damaged = tmp_path / "damaged.bin"
    for size in (0, 7, 100, 180, 1500, len(content) // 2, len(content) - 8):
        damaged.write_bytes(content[:size])
        done = run(program, artifact, damaged, wav)
        assert (done.returncode, done.stdout) == (2, ""), size


def test_a_processor_that_computes_otherwise_is_found(
    program: Path, artifact: Path, tmp_path: Path
) -> None:
    wav = write_wav(tmp_path / "recording.wav", SOUND)
    content = bytearray(artifact.with_suffix(".bin").read_bytes())
    expected_score = slice(160, 168)  # in the head of the file
    content[expected_score] = np.float64(99).tobytes()
    (tmp_path / "other.bin").write_bytes(content)
    done = run(program, artifact, tmp_path / "other.bin", wav)
    assert (done.returncode, done.stdout) == (3, "")
    assert "self-test failed" in done.stderr


def test_a_full_disk_is_no_success(program: Path, artifact: Path, tmp_path: Path) -> None:
    wav = write_wav(tmp_path / "recording.wav", SOUND)
    command = [program, artifact, artifact.with_suffix(".bin"), wav]
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 2
    assert "the scores cannot be written" in done.stderr


def test_recordings_that_it_does_not_read_are_refused(
    program: Path, artifact: Path, tmp_path: Path
) -> None:
    constants = artifact.with_suffix(".bin")
    whole = write_wav(tmp_path / "whole.wav", SOUND).read_bytes()
    (tmp_path / "cut.wav").write_bytes(whole[:20])
    recordings = {
        tmp_path / "missing.wav": "cannot be read",
        constants: "is no WAV",
        tmp_path / "cut.wav": "cut off",
        write_wav(tmp_path / "rate.wav", SOUND, 44100): "16000 Hz",
        write_wav(tmp_path / "stereo.wav", np.stack([SOUND, SOUND], 1)): "one channel",
        write_wav(tmp_path / "short.wav", SOUND[:9000]): "shorter than one patch",
    }
    for path, message in recordings.items():
        done = run(program, artifact, constants, path)
        assert (done.returncode, done.stdout) == (2, ""), path
        assert message in done.stderr
