"""Artifacts to measure, and one table of all figures at the end."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import figures
import pytest
import robustness as disturbed
from figures import Row

ROWS: list[Row] = []
ROBUSTNESS: disturbed.Results = {}
T = TypeVar("T")


@pytest.fixture
def record() -> Callable[..., Row]:
    """Note a row of the table; takes what `Row` takes, and fails for a gross regression."""

    def note(*values: Any, **named: Any) -> Row:
        row = Row(*values, **named)
        ROWS.append(row)
        assert not row.is_gross_regression, figures.markdown([row])
        return row

    return note


@pytest.fixture
def built(record: Callable[..., Row]) -> Callable[..., Any]:
    """`built(what, name, make, target)` returns what `make` returns.

    If the peer is not installed, a row says so.
    """

    def built(what: str, name: str, make: Callable[[], T], target: float | None = None) -> T:
        try:
            return make()
        except ImportError:
            record(what, None, "", name, target=target)
            pytest.skip(f"the peer {name} is not installed")

    return built


@pytest.fixture(scope="session")
def robustness() -> disturbed.Results:
    """Where a data set's rows go for the table."""
    return ROBUSTNESS


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    build = Path(config.rootpath, "build")
    if ROWS:
        terminalreporter.section(f"figures of this run, one thread, {figures.processor()}")
        terminalreporter.write_line(figures.markdown(ROWS))
        _write(terminalreporter, build / "benchmarks.json", figures.as_json(ROWS))
    if ROBUSTNESS:
        terminalreporter.section("robustness: after a disturbance / calibrated again with it")
        terminalreporter.write_line(disturbed.markdown(ROBUSTNESS))
        _write(terminalreporter, build / "robustness.json", disturbed.as_json(ROBUSTNESS))


def _write(terminalreporter: pytest.TerminalReporter, path: Path, text: str) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    terminalreporter.write_line(f"written: {path}")


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> Iterator[None]:
    """Of torch and of the libraries below NumPy, whatever the environment says."""
    import torch
    from threadpoolctl import threadpool_limits

    torch.set_num_threads(1)
    with threadpool_limits(1):
        yield


@pytest.fixture(scope="session", autouse=True)
def cached_bytecode() -> None:
    """Processes that are measured start as those of users: Python keeps what it has compiled."""
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Float and int8 artifacts of the ``edge`` network, three epochs old, on synthetic machines.

    ``machine`` is the int8 one, calibrated to the first of them.
    """
    from edgeae.calibrate.calibrate import calibrate_files
    from edgeae.quantize.export import export
    from edgeae.runtime import Detector
    from edgeae.train.config import load_config
    from edgeae.train.synth.dataset import write_dataset
    from edgeae.train.training import train

    root = tmp_path_factory.mktemp("benchmarks")
    data = write_dataset(
        root / "data",
        machines=[0, 1, 2],
        train_clips=20,
        test_normals=20,
        test_anomalies=20,
        seconds=6.0,
        seed=0,
    )
    run = train(data, load_config("edge", ["training.epochs=3"]), root / "run")
    export(run, int8=True, report=print).write(run, None)
    artifacts = {"data": data, "float": run / "model.onnx", "int8": run / "model.int8.onnx"}
    clips = sorted((data / "train").glob("normal_id_00_*"))
    machine = calibrate_files(
        Detector.load(artifacts["int8"]), clips, machine="id_00", report=print
    )
    machine.artifact.write(root / "machine.onnx")
    return {**artifacts, "machine": root / "machine.onnx"}
