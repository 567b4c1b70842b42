"""What the device must not need, and which stage may know which."""

import ast
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgeae.runtime.audio.recordings import audio_files

ROOT = Path(__file__).parents[1]
# Each stage with the stages that it may import.
STAGES = {
    "runtime": set(),
    "calibrate": {"runtime"},
    "train": {"runtime"},
    "quantize": {"runtime", "train"},
    "evaluate": {"runtime", "calibrate", "train", "quantize"},
}
# The folders of a stage in the order of imports: a folder imports itself and those before it.
FOLDERS = {
    "runtime": (
        "errors",
        "tcp_port",
        "system",
        "audio",
        "features",
        "model",
        "scoring",
        "charts",
        "monitoring",
        "capture",
        "outputs",
        "live",
        "offline",
        "service",
        "doctor",
        "tables",
        "commands",
    ),
    "evaluate": ("streams", "results", "pages", "report", "dataset", "cli", "demo_tables", "demo"),
}
MAX_FILES_IN_A_FOLDER = 17
HEAVY = {
    "torch",
    "torchaudio",
    "lightning",
    "onnx",
    "scipy",
    "sklearn",
    "matplotlib",
    "jinja2",
    "yaml",
}
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
# These cost memory or time at the start and serve some outputs only: OpenSSL, servers, compression,
# databases.
SELDOM = {
    "_hashlib",
    "_sqlite3",
    "_ssl",
    "asyncio",
    "email",
    "http",
    "urllib.request",
    "unittest",
    "numpy.testing",
    "lzma",
    "sqlite3",
}
SCORE_FRAMES = """
import sys
from edgeae.runtime.commands.cli import run_command
seldom, *arguments = sys.argv[1:]
code = run_command(["run", *arguments])
sys.exit(code or ", ".join(set(seldom.split(",")) & set(sys.modules)) or 0)
"""


def sources(stage: str) -> list[Path]:
    return sorted((ROOT / stage).glob("**/*.py"))


def module_name(path: Path) -> str:
    """``edgeae.runtime.audio.level`` for ``runtime/audio/level.py``."""
    parts = ("edgeae", *path.relative_to(ROOT).with_suffix("").parts)
    return ".".join(parts).removesuffix(".__init__")


MODULES = {module_name(path): path for stage in STAGES for path in sources(stage)}


def imports_of(path: Path) -> set[str]:
    """The modules of the project that a file imports, wherever in it the import stands."""
    package = path.parent.relative_to(ROOT).parts
    targets = set[str]()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            targets |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            above = ("edgeae", *package)[: len(package) + 2 - node.level] if node.level else ()
            base = ".".join(part for part in (*above, node.module) if part)
            for alias in node.names:
                name = f"{base}.{alias.name}"
                targets.add(name if name in MODULES else base)
    return targets & MODULES.keys()


GRAPH = {name: imports_of(path) - {name} for name, path in MODULES.items()}


def circles(graph: dict[str, set[str]]) -> list[list[str]]:
    """The groups of nodes that reach each other (strongly connected components of two or more)."""

    def reachable(start: str) -> set[str]:
        reached = set[str]()
        waiting = list(graph[start])
        while waiting:
            node = waiting.pop()
            if node not in reached:
                reached.add(node)
                waiting += graph[node]
        return reached

    reach = {node: reachable(node) for node in graph}
    groups = {
        tuple(sorted({other for other in reach[node] if node in reach[other]} | {node}))
        for node in graph
        if node in reach[node]
    }
    return sorted(map(list, groups))


def folder_graph() -> dict[str, set[str]]:
    """Which folder imports which; the names of a package itself are not a folder."""
    folder_of = {
        name: name if path.name == "__init__.py" else name.rpartition(".")[0]
        for name, path in MODULES.items()
    }
    graph: dict[str, set[str]] = {folder: set() for folder in folder_of.values()}
    for name, targets in GRAPH.items():
        if MODULES[name].name != "__init__.py":
            graph[folder_of[name]] |= {
                folder_of[target]
                for target in targets
                if folder_of[target] != folder_of[name] and MODULES[target].name != "__init__.py"
            }
    return graph


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_imports_only_the_stages_below_it(stage: str) -> None:
    assert sources(stage)
    wrong = {
        f"{name} imports {target}"
        for name, targets in GRAPH.items()
        for target in targets
        if name.split(".")[1] == stage and target.split(".")[1] not in STAGES[stage] | {stage}
    }
    assert not wrong


@pytest.mark.parametrize("stage", FOLDERS)
def test_the_folders_of_a_stage_import_in_one_direction(stage: str) -> None:
    order = FOLDERS[stage]
    assert {
        path.stem if path.is_file() else path.name
        for path in (ROOT / stage).iterdir()
        if path.suffix in ("", ".py") and path.name not in ("__init__.py", "__pycache__")
    } == set(order)
    wrong = {
        f"{name} imports {target}"
        for name, targets in GRAPH.items()
        for target in targets
        if name.startswith(f"edgeae.{stage}.")
        and target.startswith(f"edgeae.{stage}.")
        and order.index(target.split(".")[2]) > order.index(name.split(".")[2])
    }
    assert not wrong


def test_no_file_imports_in_a_circle() -> None:
    graph = {
        name: set() if MODULES[name].name == "__init__.py" else targets
        for name, targets in GRAPH.items()
    }
    assert not circles(graph)


def test_no_folder_imports_in_a_circle() -> None:
    assert not circles(folder_graph())


def test_no_folder_holds_more_files_than_a_reader_can_keep_in_view() -> None:
    crowded = {
        str(folder.relative_to(ROOT)): len(list(folder.glob("*.py")))
        for folder in {path.parent for path in MODULES.values()}
        if len(list(folder.glob("*.py"))) > MAX_FILES_IN_A_FOLDER
    }
    assert not crowded


def test_the_device_imports_nothing_of_the_workstation(trained: Any) -> None:
    modules = [
        ".".join(("edgeae", *path.relative_to(ROOT).with_suffix("").parts)).removesuffix(
            ".__init__"
        )
        for stage in ("runtime", "calibrate")
        for path in sources(stage)
    ]
    recording = audio_files(trained.new / "test")[0]
    command = [
        sys.executable,
        "-c",
        SCORE_A_FILE,
        ",".join(HEAVY),
        ",".join(modules),
        f"{trained.int8},{recording}",
    ]
    process = subprocess.run(command, capture_output=True, text=True, check=False)
    assert process.returncode == 0, process.stderr
    assert process.stdout.startswith('{"type": "score"')


def test_scoring_imports_nothing_that_only_some_outputs_need(trained: Any, tmp_path: Path) -> None:
    np.save(
        tmp_path / "frames.npy", np.full((320, 128), -60, np.float32)
    )  # libsndfile's package needs some of it
    arguments = [",".join(SELDOM), str(trained.int8), str(tmp_path / "frames.npy")]
    process = subprocess.run(
        [sys.executable, "-c", SCORE_FRAMES, *arguments],
        capture_output=True,
        text=True,
        check=False,
    )
    assert process.returncode == 0, process.stderr
