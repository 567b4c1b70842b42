import json
from pathlib import Path
from typing import Any

import pytest

from edgeae.runtime.commands import bench
from edgeae.runtime.commands.cli import run_command
from edgeae.runtime.errors import ArtifactError

KEYS = ["frontend_us_per_s", "inference_us_per_s", "total_us_per_s", "rtf", "rss_mib", "startup_s"]
SHORT = bench.BenchLimits(sound_seconds=3, repeats=2)


def test_bench_as_json_has_the_agreed_keys_and_positive_numbers(
    trained: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_command(["bench", str(trained.int8), "--json"], SHORT) == 0
    values = json.loads(capsys.readouterr().out)
    assert list(values)[: len(KEYS)] == KEYS
    assert all(value > 0 for value in values.values())


def test_bench_prints_a_table_with_units_and_one_sentence(
    trained: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_command(["bench", str(trained.int8)], SHORT) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith(f"{trained.int8}: scoring takes ")
    assert lines[2].split("  ")[0] == "step" and "ms per second of sound" in lines[2]
    assert [line[:9] for line in lines[3:6]] == ["front end", "network  ", "all steps"]
    assert all(line.endswith("%") for line in lines[3:6])
    assert any("MiB" in line for line in lines)
    assert max(map(len, lines[1:])) <= 100


def test_the_memory_is_that_of_the_measured_process_alone(trained: Any) -> None:
    ballast = bytearray(512 << 20)
    ballast[::4096] = b"x" * len(ballast[::4096])  # every page is touched
    _, mib = bench._measure_process(trained.int8, 128)
    assert 20 < mib < 400


def test_a_model_that_does_not_run_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="`edgeae run` fails: edgeae: "):
        bench._measure_process(tmp_path / "missing.onnx", 128)
