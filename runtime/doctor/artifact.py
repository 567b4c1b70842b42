"""Check of the artifact: its format, its machine, and its self-test on this computer."""

import json
import signal
import subprocess
import sys
from pathlib import Path

from ..errors import ArtifactError
from ..model.find import default_model
from .check import OK, PROBLEM, Check

# The self-test runs in a process of its own: an onnxruntime that is killed by an illegal
# instruction does not take the page with it.
_EDGEAE = "from edgeae.runtime.commands.cli import main; main()"
# A slow SD card takes about 10 s.
MAX_SELF_TEST_SECONDS = 120.0


def check_artifact(path: Path | None) -> Check:
    """Check the artifact that is named, or else the one that every command uses by default."""
    origin = "named" if path else "by default"
    try:
        path = path or default_model()
    except ArtifactError as error:
        advice = str(error).partition(": ")[2]
        return Check.warning("artifact", "none is named or found", advice)
    from ..model.artifact import FORMAT, Artifact

    try:
        artifact = Artifact.read(path)
        kind = "float" if artifact.quantization is None else "int8"
        machine = artifact.head.machine
    except ArtifactError as error:
        return Check.problem("artifact", str(error))
    state, verdict = _self_test(path)
    sentence = f"{path} ({origin}): format {FORMAT}, {kind}, machine {machine or 'none'}, {verdict}"
    if state == PROBLEM:
        advice = "export it again, or install another onnxruntime"
        return Check.problem("artifact", sentence, advice)
    if not machine:
        return Check.warning("artifact", sentence, "calibrate it to a machine: edgeae calibrate")
    return Check.ok("artifact", sentence)


def _self_test(path: Path) -> tuple[str, str]:
    """Run `edgeae info`; returns the state and the verdict of its self-test."""
    command = [sys.executable, "-c", _EDGEAE, "info", str(path), "--json"]
    try:
        completed = subprocess.run(
            command, capture_output=True, text=True, timeout=MAX_SELF_TEST_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        return PROBLEM, f"self-test not done in {MAX_SELF_TEST_SECONDS:g} s"
    if completed.returncode < 0:
        signal_name = signal.Signals(-completed.returncode).name
        return PROBLEM, f"self-test killed by {signal_name}"
    if not completed.stdout:
        messages = completed.stderr.strip().splitlines() or ["no error message"]
        return PROBLEM, f"self-test not done: {messages[-1]}"
    verdict: str = json.loads(completed.stdout)["selftest"]
    return PROBLEM if completed.returncode else OK, verdict
