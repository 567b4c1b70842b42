"""The shell commands of the documentation, run by a shell as they stand there.

`edgeae` is the real one, kept short: what listens for months gets twelve seconds of a file that
plays as ALSA's ``hw:1``, and what trains for minutes trains the preset ``tiny``. What
a test must not do, because it changes the computer or needs another one, is an empty program:
`NOT_RUN` says why.
"""

import os
import re
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from alsa_files import configuration

ROOT = Path(__file__).parents[1]
PAGES = [
    "README.md",
    "docs/tutorial.md",
    "docs/how-to.md",
    "docs/listening.md",
    "docs/challenge.md",
]
SECONDS = 600.0  # that a page may take; far more than it does, for a busy computer
NOT_RUN = {
    "make": "the targets run in .ci/run, or take hours",
    "pip": "installs",
    "python3": "makes an environment; `python3 -c` is run",
    "scripts/install-system-packages": "installs",
    "systemctl": "asks a service manager",
}
PYTHON = """#!/bin/sh
if [ "$1" = -c ]; then exec '{python}' "$@"; fi
"""  # what stands in the page itself is run: it makes a token that a later command reads
SHORT = """#!{python}
import sys

HERE = {{
    "usb:0d8c:013c": "hw:1",
    "usb-path:1-1.1": "hw:1",
    "usb-path:1-1.2": "hw:2",
    "/var/lib/prometheus/node-exporter/edgeae.prom": "edgeae.prom",
}}


def short(arguments):
    command, *words = [HERE.get(word, word) for word in arguments]
    if command == "run" and "--duration" not in words and ("--device" in words or "-D" in words):
        words += ["--duration", "12"]
    if command == "train" and "-c" not in words:
        words += ["-c", "tiny", "--set", "data.patch_step=8"]
    if command == "service":
        words = [word for word in words if word != "--install"]
    return [command, *words]


if __name__ == "__main__":  # several processes import it
    from edgeae.runtime.commands.cli import main

    if sys.argv[1:]:
        sys.argv[1:] = short(sys.argv[1:])
    try:
        main()
    except SystemExit as end:  # doctor finds fault with a computer without a sound card
        sys.exit(0 if sys.argv[1:2] == ["doctor"] and end.code in (2, 4) else end.code)
"""


def blocks(page: str) -> list[str]:
    """The shell commands of a page."""
    return re.findall(r"```sh\n(.*?)```", (ROOT / page).read_text(), re.S)


@pytest.fixture(scope="module")
def steady(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two minutes of one healthy machine."""
    from edgeae.train.synth.dataset import write_dataset

    return write_dataset(
        tmp_path_factory.mktemp("steady"),
        machines=[1],
        train_clips=1,
        test_normals=0,
        test_anomalies=0,
        seconds=130.0,
        seed=4,
    )


@pytest.fixture(scope="module")
def few_recordings(trained: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two machines of the trained data set, with a few recordings of each kind."""
    folder = tmp_path_factory.mktemp("few")
    for machine in ("id_00", "id_01"):
        for pattern, count in (
            (f"train/normal_{machine}_*.wav", 12),
            (f"test/normal_{machine}_*.wav", 3),
            (f"test/anomaly_{machine}_*.wav", 3),
        ):
            for path in sorted(trained.data.glob(pattern))[:count]:
                _copy(path, folder / path.relative_to(trained.data))
    return folder


def write_challenge_data(home: Path, recordings: Path) -> None:
    """One section of a development set, and of an evaluation set without labels."""
    train = sorted((recordings / "train").glob("*.wav"))[:12]
    for number, path in enumerate(train):
        name = f"section_00_source_train_normal_{number:04}_x.wav"
        for data_set in ("fan", "fan-evaluation"):
            _copy(path, home / data_set / "train" / name)
    for label in ("normal", "anomaly"):
        for number, path in enumerate(sorted((recordings / "test").glob(f"{label}*.wav"))):
            domain = ("source", "target")[number % 2]
            name = f"section_00_{domain}_test_{label}_{number:04}.wav"
            _copy(path, home / "fan" / "test" / name)
            _copy(
                path, home / "fan-evaluation" / "test" / f"section_00_{len(label)}{number:03}.wav"
            )


@pytest.fixture
def home(trained: Any, steady: Path, tmp_path: Path) -> Path:
    """A folder with the files that the pages name, except those that the pages make."""
    (recording,) = (steady / "train").glob("*.wav")
    samples, rate = soundfile.read(recording, dtype="int16")
    (tmp_path / "device.raw").write_bytes(np.asarray(samples).tobytes())
    (tmp_path / "asound.conf").write_text(configuration(tmp_path / "device.raw"))
    programs = tmp_path / ".venv" / "bin"
    programs.mkdir(parents=True)
    (tmp_path / "scripts").mkdir()
    (programs / "activate").touch()
    _program(programs / "edgeae", SHORT.format(python=sys.executable))
    _program(programs / "sudo", '#!/bin/sh\nexec "$@"\n')
    for name in NOT_RUN:
        _program(tmp_path / name if "/" in name else programs / name, "#!/bin/sh\n")
    _program(programs / "python3", PYTHON.format(python=sys.executable))
    for name in ("model.int8.onnx", "runs/first/model.int8.onnx"):
        _copy(trained.int8, tmp_path / name)
    (tmp_path / "runs" / "latest").symlink_to("first")
    for name in ("pump-1", "pump-2"):
        (tmp_path / "recordings" / name).mkdir(parents=True)
        for number, part in enumerate(samples[-6 * 10 * rate :].reshape(6, -1)):
            soundfile.write(tmp_path / "recordings" / name / f"normal_{number:02}.wav", part, rate)
    calibrate = "edgeae calibrate --no-known-sensitivity model.int8.onnx recordings/pump-1"
    _run(tmp_path, f"{calibrate} -o machine.onnx")
    for name in ("pump", "fan", "pump-3"):
        _copy(tmp_path / "machine.onnx", tmp_path / f"{name}.onnx")
    return tmp_path


def _program(path: Path, text: str) -> None:
    path.write_text(text)
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(source.read_bytes())


def _run(home: Path, script: str) -> None:
    """As one shell script that ends at the first command that fails."""
    programs = f"{home / '.venv' / 'bin'}:{os.environ['PATH']}"
    environment = {**os.environ, "PATH": programs, "ALSA_CONFIG_PATH": str(home / "asound.conf")}
    shell = ["bash", "-euxo", "pipefail", "-c", script]
    process = subprocess.run(
        shell,
        cwd=home,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert process.returncode == 0, process.stderr[-3000:]


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES)
def test_the_commands_of_a_page_run_in_their_order(
    page: str, home: Path, few_recordings: Path
) -> None:
    if page != "docs/tutorial.md":  # which records its own
        (home / "data").symlink_to(few_recordings)
    if page == "docs/challenge.md":
        write_challenge_data(home, few_recordings)
    script = "\n".join(blocks(page))
    for written in re.findall(r"^edgeae calibrate .* -o (\S+\.onnx)", script, re.M):
        (home / written).unlink(missing_ok=True)  # calibrate overwrites nothing
    _run(home, script)


def test_what_is_not_run_is_there() -> None:
    words = " ".join(block for page in PAGES for block in blocks(page)).split()
    assert set(NOT_RUN) <= set(words)
