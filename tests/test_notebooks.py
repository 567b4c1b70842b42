"""The notebooks run from the first cell to the last, and are stored without what they printed."""

from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from edgeae.train.synth.dataset import write_dataset

NOTEBOOKS = sorted((Path(__file__).parents[1] / "notebooks").glob("*.ipynb"))
JUPYTER_FOLDERS = (
    "JUPYTER_RUNTIME_DIR",
    "JUPYTER_DATA_DIR",
    "JUPYTER_CONFIG_DIR",
    "IPYTHONDIR",
)


def read(path: Path) -> nbformat.NotebookNode:
    return nbformat.read(path, 4)  # type: ignore[no-untyped-call,no-any-return]


def code_cells(notebook: nbformat.NotebookNode) -> list[nbformat.NotebookNode]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_is_stored_without_outputs(path: Path) -> None:
    cells = code_cells(read(path))
    assert cells
    assert all(not cell.outputs and cell.execution_count is None for cell in cells)


@pytest.fixture
def kernel_files(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The files of a kernel are not written to the home."""
    for name in JUPYTER_FOLDERS:
        monkeypatch.setenv(name, str(tmp_path / name.lower()))


def _write_leaking_data(folder: Path) -> Path:
    """One machine, one of whose training recordings is also a test recording."""
    data = write_dataset(
        folder, machines=[7], train_clips=3, test_normals=2, test_anomalies=2, seconds=2.0
    )
    content = (data / "train" / "normal_id_07_00000001.wav").read_bytes()
    (data / "test" / "normal_id_07_twin.wav").write_bytes(content)
    return data


@pytest.mark.slow
@pytest.mark.usefixtures("kernel_files")
@pytest.mark.parametrize("given", [True, False], ids=["own data", "synthetic machines"])
def test_data_eda_reports_on_a_data_set(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, given: bool
) -> None:
    monkeypatch.delenv("EDGEAE_NOTEBOOK_DATA", raising=False)
    if given:
        data = _write_leaking_data(tmp_path / "data")
        monkeypatch.setenv("EDGEAE_NOTEBOOK_DATA", str(data))
    (path,) = (path for path in NOTEBOOKS if path.stem == "data_eda")
    notebook = read(path)
    NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(tmp_path)}}).execute()
    outputs = [output for cell in code_cells(notebook) for output in cell.outputs]
    printed = [output for output in outputs if output.output_type == "stream"]
    shown = [output for output in outputs if output.output_type == "display_data"]
    text = "".join(output.text for output in printed)
    pages = "".join(output.data["text/html"] for output in shown)
    verdict = "Not ready to train: fix 1 point" if given else "Ready to train: 36 recordings"
    assert verdict in text
    assert ("normal_id_07_twin.wav: the same sound in train/ and test/" in text) == given
    assert all(output.name == "stdout" for output in printed)
    assert pages.count("Log-mel spectrogram") == (3 if given else 6)
