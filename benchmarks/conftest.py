"""Artifacts to measure, and one table of all figures at the end."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

RESULTS: dict[str, str] = {}


@pytest.fixture
def record() -> Callable[[str, str], None]:
    """Note one figure for the table."""
    return RESULTS.__setitem__


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    if not RESULTS:
        return
    terminalreporter.section("figures of this run")
    for name, figure in RESULTS.items():
        terminalreporter.write_line(f"{name:56} {figure}")
    path = Path(config.rootpath, "build", "benchmarks.json")
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(RESULTS, indent=2) + "\n")
    terminalreporter.write_line(f"written: {path}")


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Float and int8 artifacts of the ``edge`` network, three epochs old, on synthetic machines."""
    from edgeae.quantize.export import export
    from edgeae.train.config import load_config
    from edgeae.train.synth import write_dataset
    from edgeae.train.training import train

    root = tmp_path_factory.mktemp("benchmarks")
    counts = {"test_normals": 20, "test_anomalies": 20, "seconds": 6.0, "seed": 0}
    data = write_dataset(root / "data", machines=[0, 1, 2], train_clips=20, **counts)
    run = train(data, load_config("edge", ["training.epochs=3"]), root / "run")
    export(run, int8=True, report=print).write(run, None)
    return {"data": data, "float": run / "model.onnx", "int8": run / "model.int8.onnx"}
