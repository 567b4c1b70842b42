"""Paths that systemd reads."""

from pathlib import Path

import pytest

from edgeae.runtime.system.paths import absolute


@pytest.mark.parametrize("text", ["m/pump.onnx", "./m/pump.onnx", "m/./pump.onnx", "m//pump.onnx"])
def test_a_path_is_absolute_and_plain(
    text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert str(absolute(text)) == f"{tmp_path}/m/pump.onnx"


def test_folders_above_are_written_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    assert str(absolute("../m/pump.onnx")) == f"{tmp_path}/m/pump.onnx"
    assert str(absolute("..")) == str(tmp_path)


def test_the_folder_above_a_link_is_that_of_its_target(tmp_path: Path) -> None:
    (tmp_path / "far" / "models").mkdir(parents=True)
    (tmp_path / "near").mkdir()
    (tmp_path / "near" / "models").symlink_to(tmp_path / "far" / "models")
    assert absolute(tmp_path / "near/models/../a.onnx") == tmp_path / "far" / "a.onnx"


def test_a_link_at_the_end_is_kept(tmp_path: Path) -> None:
    (tmp_path / "work").mkdir()
    (tmp_path / "latest.onnx").symlink_to("pump-7.onnx")
    assert absolute(tmp_path / "work/../latest.onnx") == tmp_path / "latest.onnx"
