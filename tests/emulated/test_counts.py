"""Counted instructions: a Raspberry Pi 5 uses dot products of bytes, a Raspberry Pi 4 has none."""

from pathlib import Path
from typing import Any

import pytest
from arm_counts import KINDS, build, costs, missing, run

from tests.emulated.conftest import emulated

pytestmark = [*emulated, pytest.mark.skipif(missing() is not None, reason=str(missing()))]


def test_dot_products_save_instructions(trained: Any, tmp_path: Path) -> None:
    plugin = build(tmp_path)
    a72, a76 = (costs(*run(plugin, name, (trained.int8,))) for name in ("cortex-a72", "cortex-a76"))
    assert {kinds["dot product"] for kinds in a72.values()} == {0.0}
    assert a76["int8: onnxruntime"]["dot product"] > 0
    assert sum(a76["int8: onnxruntime"].values()) < 0.8 * sum(a72["int8: onnxruntime"].values())
    assert all(kinds[kind] > 0 for kinds in a72.values() for kind in KINDS if kind != "dot product")
