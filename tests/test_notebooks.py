"""The notebooks run from the first cell to the last, and are stored without what they printed."""

from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from edgeae.train.synth.dataset import write_dataset

NOTEBOOKS = sorted((Path(__file__).parents[1] / "notebooks").glob("*.ipynb"))
CODE = [
    (path, cell)
    for path in NOTEBOOKS
    for cell in nbformat.read(path, 4).cells
    if cell.cell_type == "code"
]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_is_stored_without_outputs(path):
    assert all(
        not cell.outputs and cell.execution_count is None for found, cell in CODE if found == path
    )


@pytest.fixture
def kernel_files(monkeypatch, tmp_path):
    """What a kernel writes for itself stays out of the home."""
    for name in ("JUPYTER_RUNTIME_DIR", "JUPYTER_DATA_DIR", "JUPYTER_CONFIG_DIR", "IPYTHONDIR"):
        monkeypatch.setenv(name, str(tmp_path / name.lower()))


@pytest.mark.parametrize("given", [True, False], ids=["own data", "synthetic machines"])
def test_data_eda_tells_of_a_data_set(kernel_files, monkeypatch, tmp_path, given):
    monkeypatch.delenv("EDGEAE_NOTEBOOK_DATA", raising=False)
    if given:
        counts = {"train_clips": 3, "test_normals": 2, "test_anomalies": 2, "seconds": 2.0}
        data = write_dataset(tmp_path / "data", machines=[7], **counts)
        (data / "test" / "normal_id_07_twin.wav").write_bytes(
            (data / "train/normal_id_07_00000001.wav").read_bytes()
        )
        monkeypatch.setenv("EDGEAE_NOTEBOOK_DATA", str(data))
    (path,) = (path for path in NOTEBOOKS if path.stem == "data_eda")
    notebook = nbformat.read(path, 4)
    NotebookClient(notebook, timeout=120, resources={"metadata": {"path": str(tmp_path)}}).execute()
    outputs = [
        output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs
    ]
    said = "".join(output.text for output in outputs if output.output_type == "stream")
    shown = "".join(
        output.data["text/html"] for output in outputs if output.output_type == "display_data"
    )
    assert (
        "Not ready to train: fix 1 point" if given else "Ready to train: 36 recordings"
    ) in said
    assert ("normal_id_07_twin.wav: the same sound in train/ and test/" in said) == given
    assert all(output.name == "stdout" for output in outputs if output.output_type == "stream")
    assert shown.count("Log-mel spectrogram") == (3 if given else 6)
