"""Files of the kernel, which may disappear at any time."""

from pathlib import Path

from edgeae.runtime.system.kernel import PROCFS, list_files, read_text


def test_the_text_of_a_file_has_no_line_end(tmp_path: Path) -> None:
    (tmp_path / "model").write_bytes(b"Raspberry Pi 4\0\n")
    assert read_text(tmp_path / "model") == "Raspberry Pi 4"


def test_a_file_that_is_missing_or_a_folder_has_no_text(tmp_path: Path) -> None:
    assert read_text(tmp_path / "missing") == ""
    assert read_text(tmp_path) == ""


def test_bytes_that_are_no_text_are_replaced(tmp_path: Path) -> None:
    (tmp_path / "id").write_bytes(b"USB\xff")
    assert read_text(tmp_path / "id") == "USB\ufffd"


def test_files_are_listed_by_pattern_and_a_missing_folder_is_empty(tmp_path: Path) -> None:
    for name in ("card0", "card1", "pcmC0D0c"):
        (tmp_path / name).touch()
    assert {path.name for path in list_files(tmp_path, "card*")} == {"card0", "card1"}
    assert list_files(tmp_path / "missing", "*") == []


def test_this_kernel_says_how_long_it_runs() -> None:
    assert float(read_text(PROCFS / "uptime").split()[0]) > 0
