"""Artifacts to measure, and one table of all figures at the end."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from robustness import Results, as_json, markdown

RESULTS: dict[str, str] = {}
ROBUSTNESS: Results = {}


@pytest.fixture
def record() -> Callable[[str, str], None]:
    """Note one figure for the table."""
    return RESULTS.__setitem__


@pytest.fixture(scope="session")
def robustness() -> Results:
    """Where a data set's rows go for the table."""
    return ROBUSTNESS


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    build = Path(config.rootpath, "build")
    if RESULTS:
        terminalreporter.section("figures of this run")
        for name, figure in RESULTS.items():
            terminalreporter.write_line(f"{name:56} {figure}")
        _write(terminalreporter, build / "benchmarks.json", json.dumps(RESULTS, indent=2) + "\n")
    if ROBUSTNESS:
        terminalreporter.section("robustness: after a disturbance / calibrated again with it")
        terminalreporter.write_line(markdown(ROBUSTNESS))
        _write(terminalreporter, build / "robustness.json", as_json(ROBUSTNESS))


def _write(terminalreporter: pytest.TerminalReporter, path: Path, text: str) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
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
