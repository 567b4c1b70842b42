"""What the device must not need, and which stage may know which."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgeae.runtime.audio.recordings import audio_files

ROOT = Path(__file__).parents[1]
STAGES = {"runtime", "train", "quantize", "calibrate"}
ALLOWED = {
    "runtime": set(),
    "calibrate": {"runtime"},
    "train": {"runtime"},
    "quantize": {"runtime", "train"},
}
HEAVY = {"torch", "torchaudio", "lightning", "onnx", "scipy", "sklearn", "matplotlib", "yaml"}
SCORE_A_FILE = """
import sys
from importlib import import_module
from edgeae.runtime.commands.cli import run_command
heavy, modules, arguments = (text.split(",") for text in sys.argv[1:])
for name in modules:
    import_module(name)
code = run_command(["run", *arguments, "--json"])
sys.exit(code or ", ".join(set(heavy) & {name.partition(".")[0] for name in sys.modules}) or 0)
"""
# What costs memory or time at the start and is for some outputs only: OpenSSL, servers and clients, compression.
SELDOM = {"_hashlib", "_ssl", "asyncio", "email", "http", "urllib.request", "unittest", "numpy.testing", "lzma"}
SCORE_FRAMES = """
import sys
from edgeae.runtime.commands.cli import run_command
seldom, *arguments = sys.argv[1:]
code = run_command(["run", *arguments])
sys.exit(code or ", ".join(set(seldom.split(",")) & set(sys.modules)) or 0)
"""


def sources(stage: str) -> list[Path]:
    return sorted((ROOT / stage).glob("**/*.py"))


def imported(path: Path) -> Iterator[str]:
    """The stages that a file imports, wherever in it the import stands."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            package = ("edgeae", *path.parent.relative_to(ROOT).parts)
            above = package[: len(package) - node.level + 1] if node.level else ()
            base = ".".join(part for part in (*above, node.module) if part)
            names = [f"{base}.{alias.name}" for alias in node.names]
        else:
            continue
        for name in names:
            parts = name.split(".")
            if parts[0] == "edgeae" and len(parts) > 1 and parts[1] in STAGES:
                yield parts[1]


@pytest.mark.parametrize("stage", ALLOWED)
def test_a_stage_imports_only_the_stages_below_it(stage: str) -> None:
    assert sources(stage)
    wrong = {
        f"{path.relative_to(ROOT)} imports {other}"
        for path in sources(stage)
        for other in imported(path)
        if other not in ALLOWED[stage] | {stage}
    }
    assert not wrong


def test_the_device_imports_nothing_of_the_workstation(trained: Any) -> None:
    modules = [
        ".".join(("edgeae", *path.relative_to(ROOT).with_suffix("").parts)).removesuffix(".__init__")
        for stage in ("runtime", "calibrate")
        for path in sources(stage)
    ]
    recording = audio_files(trained.new / "test")[0]
    command = [sys.executable, "-c", SCORE_A_FILE, ",".join(HEAVY), ",".join(modules), f"{trained.int8},{recording}"]
    process = subprocess.run(command, capture_output=True, text=True, check=False)
    assert process.returncode == 0, process.stderr
    assert process.stdout.startswith('{"type": "score"')


def test_scoring_imports_nothing_that_only_some_outputs_need(trained: Any, tmp_path: Path) -> None:
    np.save(tmp_path / "frames.npy", np.full((320, 128), -60, np.float32))  # libsndfile's package needs some of it
    arguments = [",".join(SELDOM), str(trained.int8), str(tmp_path / "frames.npy")]
    process = subprocess.run(
        [sys.executable, "-c", SCORE_FRAMES, *arguments], capture_output=True, text=True, check=False
    )
    assert process.returncode == 0, process.stderr
