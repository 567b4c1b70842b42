"""Instructions for a second of sound on the processors of Raspberry Pi 4 and 5.

python benchmarks/arm_counts.py MODEL.onnx... [--json FILE]    (or: make arm-counts)

qemu emulates the processor. Its plugin (`arm_counts.c`) counts the instructions, by kind, that the
arm64 Python of `scripts/install-emulator` executes with the wheels that a Pi gets. One process does
each work for n and for 2 n patches of sound after a first turn (`arm_work.py`); the difference is n
patches, without start-up. NumPy, OpenBLAS and onnxruntime choose their kernels by the features of
the emulated processor: Cortex-A72 (Pi 4) has no dot product of bytes, Cortex-A76 (Pi 5) has.

A count is no time. "At least" is what the pipelines of a Cortex-A72 need if they are always busy;
the last column assumes how many instructions a cycle are reached. Only `benchmarks/pi.sh` on a Pi
measures time.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import click

FOLDER = Path(os.environ.get("EDGEAE_EMULATED", Path(__file__).parents[1] / ".emulated"))
PROCESSORS = ("cortex-a72", "cortex-a76")
KINDS = ("integer", "branch", "load", "store", "vector", "dot product")
CLOCK = 1.5e9  # Hz, of a Raspberry Pi 4
DECODED = 3  # instructions a cycle; Arm, Cortex-A72 Software Optimization Guide, section 2.1
PIPELINES = {"branch": 1, "load": 1, "store": 1, "vector": 2}  # likewise
ASSUMED = (
    1.5,
    0.7,
)  # instructions a cycle: of kernels whose data is in the cache, of Python's that often is not
Kinds = dict[str, float]  # instructions per second of sound


@dataclass(frozen=True)
class Cost:
    """Of one work on each processor."""

    work: str
    on: dict[str, Kinds]

    def millions(self, processor: str) -> float:
        return sum(self.on[processor].values()) / 1e6

    def share(self, processor: str, *kinds: str) -> float:
        return sum(self.on[processor][kind] for kind in kinds) / sum(self.on[processor].values())

    @property
    def least_us(self) -> float:
        """Microseconds of a Cortex-A72 that is never kept waiting."""
        kinds = self.on["cortex-a72"]
        cycles = [
            sum(kinds.values()) / DECODED,
            *(kinds[kind] / width for kind, width in PIPELINES.items()),
        ]
        return max(cycles) / CLOCK * 1e6

    @property
    def assumed_us(self) -> list[float]:
        """Microseconds of a Cortex-A72 at ASSUMED instructions a cycle."""
        return [self.millions("cortex-a72") * 1e12 / CLOCK / cycle for cycle in ASSUMED]


def missing() -> str | None:
    """What there has to be and is not."""
    if not (FOLDER / "site").is_dir():
        return f"there is no arm64 Python in {FOLDER}; run scripts/install-emulator"
    if not shutil.which("gcc"):
        return "there is no gcc to compile the plugin; run apt-get install gcc"
    qemu = shutil.which("qemu-aarch64")
    usage = (
        qemu and subprocess.run([qemu, "-h"], capture_output=True, text=True, check=False).stdout
    )
    if "-plugin" not in (usage or ""):
        return (
            "there is no qemu-aarch64 that takes plugins, as the static one does not; "
            "run apt-get install qemu-user"
        )
    return None


def build(folder: Path) -> Path:
    """The plugin."""
    plugin, source = folder / "arm_counts.so", Path(__file__).with_name("arm_counts.c")
    subprocess.run(["gcc", "-shared", "-fPIC", "-O2", "-o", plugin, source], check=True)
    return plugin


def run(plugin: Path, processor: str, models: tuple[Path, ...]) -> tuple[Any, list[list[int]]]:
    """What `arm_work.py` tells, and the totals of KINDS at each mark."""
    program = [FOLDER / "arm64/usr/bin/python3", Path(__file__).with_name("arm_work.py"), *models]
    emulator = [
        "qemu-aarch64",
        "-plugin",
        plugin,
        "-cpu",
        processor,
        "-L",
        FOLDER / "roots" / processor,
    ]
    settled = {
        "PYTHONPATH": str(FOLDER / "site"),
        "PYTHONHASHSEED": "0",
        "OPENBLAS_NUM_THREADS": "1",
    }
    environment = {
        key: value for key, value in os.environ.items() if key != "OPENBLAS_CORETYPE"
    } | settled
    done = subprocess.run(
        [str(part) for part in (*emulator, *program)],
        capture_output=True,
        text=True,
        check=False,
        env=environment,
    )
    if done.returncode:
        raise click.ClickException(f"{processor}: {done.stderr.strip()[-500:]}")
    totals = [line.split()[1:] for line in done.stderr.splitlines() if line.startswith("counts ")]
    return json.loads(done.stdout), [list(map(int, row)) for row in totals]


def costs(told: Any, totals: list[list[int]]) -> dict[str, Kinds]:
    """Of three marks a work: before it, after n patches, after 2 n more."""
    found = {}
    for k, work in enumerate(told["works"]):
        marks = zip(KINDS, *totals[3 * k : 3 * k + 3], strict=True)
        found[work] = {
            kind: (last - 2 * middle + first) / told["seconds"]
            for kind, first, middle, last in marks
        }
    return found


def table(found: list[Cost]) -> str:
    """Markdown."""
    fast, slow = ASSUMED
    lines = [
        "| per second of sound | Cortex-A72, million | vector | load, store |"
        " Cortex-A76, million | dot product |"
        f" A72 at {CLOCK / 1e9:g} GHz: at least | assuming {fast} to {slow} a cycle |",
        "|---|" + "---:|" * 7,
    ]
    for c in found:
        a72, a76 = PROCESSORS
        shares = f"{c.share(a72, 'vector'):.0%} | {c.share(a72, 'load', 'store'):.0%}"
        times = "{:.2f} ms | {:.1f} to {:.1f} ms".format(
            *(us / 1000 for us in (c.least_us, *c.assumed_us))
        )
        dot = f"{c.share(a76, 'dot product'):.0%}"
        lines.append(
            f"| {c.work} | {c.millions(a72):.2f} | {shares} |"
            f" {c.millions(a76):.2f} | {dot} | {times} |"
        )
    return "\n".join(lines)


@click.command()
@click.argument("models", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@click.option(
    "--json", "target", type=click.Path(path_type=Path), help="Write the counts to a file."
)
def main(models: tuple[Path, ...], target: Path | None) -> None:
    """Count the instructions of artifacts, an int8 and a float one, on emulated processors."""
    if why := missing():
        click.echo(f"arm_counts: skipped: {why}", err=True)
        sys.exit(0)
    with tempfile.TemporaryDirectory() as folder:
        plugin = build(Path(folder))
        on = {processor: costs(*run(plugin, processor, models)) for processor in PROCESSORS}
    found = [
        Cost(work, {processor: on[processor][work] for processor in PROCESSORS})
        for work in on[PROCESSORS[0]]
    ]
    click.echo(table(found))
    if target:
        target.write_text(json.dumps([asdict(cost) for cost in found], indent=2) + "\n")


if __name__ == "__main__":
    main()
