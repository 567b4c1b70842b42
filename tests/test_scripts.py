"""shellcheck finds nothing in the shell scripts."""

import subprocess
from pathlib import Path

import pytest
from prometheus_tools import find_program

ROOT = Path(__file__).parents[1]
FOLDERS = ("scripts", ".ci", "benchmarks", "tests/services")
SHELLS = ("#!/bin/sh", "#!/usr/bin/env bash")


def is_shell_script(path: Path) -> bool:
    return path.is_file() and path.read_bytes().startswith(tuple(map(str.encode, SHELLS)))


SCRIPTS = [
    path
    for folder in FOLDERS
    for path in sorted((ROOT / folder).iterdir())
    if is_shell_script(path)
]


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_shellcheck_finds_nothing(script: Path) -> None:
    program = find_program("shellcheck")
    done = subprocess.run([program, script], capture_output=True, text=True, check=False)
    assert done.stdout + done.stderr == ""
