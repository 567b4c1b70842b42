"""Names that were hardly meant as they were typed."""

from pathlib import Path

from edgeae.runtime.system.similar_files import advice_for_missing, similar_files


def test_the_most_similar_names_of_the_folder_are_found(tmp_path: Path) -> None:
    for name in ("pump-3.onnx", "pump-4.onnx", "fan.onnx", "notes.txt"):
        (tmp_path / name).touch()
    assert similar_files(tmp_path / "pump-3.onx")[0] == tmp_path / "pump-3.onnx"
    assert tmp_path / "notes.txt" not in similar_files(tmp_path / "pump-3.onx")


def test_a_folder_that_does_not_exist_has_none(tmp_path: Path) -> None:
    assert similar_files(tmp_path / "nowhere/pump-3.onnx") == []


def test_the_advice_names_a_similar_file_if_there_is_one(tmp_path: Path) -> None:
    missing = tmp_path / "pump-3.onx"
    assert advice_for_missing(missing, "check the name") == "check the name"
    (tmp_path / "pump-3.onnx").touch()
    assert (
        advice_for_missing(missing, "check the name") == f"did you mean {tmp_path / 'pump-3.onnx'}?"
    )
