"""Instructions per second of sound, from what the plugin of qemu tells."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from arm_counts import KINDS, Cost, costs, table

ARM_COUNTS = Path(__file__).parents[1] / "benchmarks" / "arm_counts.py"
MARKS = [
    [7] * 6,
    [7 + 5 + 40] * 6,
    [7 + 5 + 40 + 5 + 80] * 6,
]  # 5 for the beginning, 40 for n patches of 2 s


def test_the_beginning_of_a_work_is_not_counted() -> None:
    found = costs({"works": ["network"], "seconds": 2.0}, MARKS)
    assert found == {"network": dict.fromkeys(KINDS, 20.0)}


def test_an_a72_needs_the_time_of_its_busiest_pipeline() -> None:
    kinds = dict.fromkeys(KINDS, 1500.0)
    assert Cost("", {"cortex-a72": kinds}).least_us == pytest.approx(
        2.0
    )  # 3 of 9000 a cycle at 1.5 GHz
    assert Cost("", {"cortex-a72": kinds | {"load": 9000.0}}).least_us == pytest.approx(6.0)


def test_the_table_has_a_row_a_work() -> None:
    kinds = dict.fromkeys(KINDS, 1e6)
    lines = table(
        [Cost("network", {"cortex-a72": kinds | {"dot product": 0}, "cortex-a76": kinds})]
    ).splitlines()
    assert len({line.count("|") for line in lines}) == 1
    assert lines[2] == "| network | 5.00 | 20% | 40% | 6.00 | 17% | 1.11 ms | 2.2 to 4.8 ms |"


def test_without_the_emulator_it_is_skipped_with_a_word(tmp_path: Path) -> None:
    environment = {**os.environ, "EDGEAE_EMULATED": str(tmp_path)}
    command = [sys.executable, str(ARM_COUNTS), __file__]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr.startswith("arm_counts: skipped: ")
    assert "scripts/install-emulator" in done.stderr
