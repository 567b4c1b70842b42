"""Processors that qemu emulates: `make emulated`. Results are exact there, times mean nothing."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.conftest import Trained

REPOSITORY = Path(__file__).parents[2]
FOLDER = Path(os.environ.get("EDGEAE_EMULATED", REPOSITORY / ".emulated")) / "bin"
MAIN = ("-c", "from edgeae.runtime.commands.cli import main; main()")
OUTPUTS = Path(__file__).with_name("outputs.py")
TOLERANCE = 1e-4  # of scores, which are natural logarithms: relative to the distance they stand for

Outputs = dict[str, NDArray[Any]]
Line = dict[str, Any]

emulated = [
    pytest.mark.emulated,
    pytest.mark.skipif(not FOLDER.is_dir(), reason="scripts/install-emulator has not been run"),
]


def host_saturates() -> bool:
    """Whether this computer is an x86 with AVX2 and without VNNI, whose int8 sums saturate.

    Its outputs for weights of 8 bits are wrong, so they are no reference for another processor.
    """
    cpuinfo = Path("/proc/cpuinfo").read_text()
    flags = next((line for line in cpuinfo.splitlines() if line.startswith("flags")), "").split()
    return "avx2" in flags and not {"avx512_vnni", "avx_vnni"} & set(flags)


@pytest.fixture(scope="session")
def trained(trained: Trained, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """The trained models, with an int8 artifact that this computer computes correctly."""
    if not host_saturates():
        return trained
    from edgeae.quantize.export import export

    path = tmp_path_factory.mktemp("exact") / "model.int8.onnx"
    exported = export(trained.run, int8=True, reduce_range=True, report=print)
    return replace(trained, int8=exported.write(trained.run, path))


@dataclass(frozen=True)
class Processor:
    """A Python on some processor."""

    python: Path
    folder: Path  # for what it writes

    def command(self, *arguments: object) -> list[str]:
        """`edgeae` with these arguments."""
        return [str(self.python), *MAIN, *map(str, arguments)]

    def run(self, *arguments: object, pcm: Path | None = None) -> subprocess.CompletedProcess[str]:
        """`edgeae` until it ends; pcm: what it reads on stdin."""
        return self._wait(self.command(*arguments), pcm)

    def edgeae(self, *arguments: object, pcm: Path | None = None) -> str:
        """What a command that must not fail writes to stdout."""
        done = self.run(*arguments, pcm=pcm)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def lines(self, *arguments: object, pcm: Path | None = None) -> list[Line]:
        """What `edgeae run` says."""
        return [
            json.loads(line)
            for line in self.edgeae("run", *arguments, "--json", pcm=pcm).splitlines()
        ]

    def outputs(self, model: Path, patches: Path) -> Outputs:
        """Each output of the network."""
        target = self.folder / "outputs.npz"
        done = self._wait(list(map(str, [self.python, OUTPUTS, model, patches, target])))
        assert done.returncode == 0, done.stderr
        with np.load(target) as found:
            return dict(found)

    def calibrated(self, model: Path, recordings: list[Path]) -> Path:
        target = self.folder / "machine.onnx"
        # To plant changes takes an emulated processor minutes, and no test reads the result.
        options = ["--no-known-sensitivity", "-o", target]
        self.edgeae("calibrate", model, *recordings, *options)
        return target

    def _wait(
        self, command: list[str], pcm: Path | None = None
    ) -> subprocess.CompletedProcess[str]:
        with (pcm or Path(os.devnull)).open("rb") as stdin:
            return subprocess.run(
                command, stdin=stdin, capture_output=True, text=True, check=False, timeout=900
            )


@pytest.fixture(scope="module")
def processor(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Processor]:
    """A processor by its name; ``host`` is this computer's."""

    def make(name: str) -> Processor:
        return Processor(
            Path(sys.executable) if name == "host" else FOLDER / name, tmp_path_factory.mktemp(name)
        )

    return make


@pytest.fixture(scope="module")
def host(processor: Callable[[str], Processor]) -> Processor:
    return processor("host")


@pytest.fixture(scope="module", params=["cortex-a72", "cortex-a76"])
def pi(request: pytest.FixtureRequest, processor: Callable[[str], Processor]) -> Processor:
    """The processors of Raspberry Pi 4 and 5: without and with dot products of bytes."""
    return processor(request.param)


@pytest.fixture(scope="module")
def normals(trained: Any) -> list[Path]:
    return sorted((trained.new / "train").glob("normal_*.wav"))


@pytest.fixture(scope="module")
def machine(host: Processor, trained: Any, normals: list[Path]) -> Path:
    """The int8 artifact calibrated on this computer."""
    return host.calibrated(trained.int8, normals)
