"""The order in which test processes get their work."""

from pathlib import Path

from long_files import LONG_FILES, SPLIT_FILES

ROOT = Path(__file__).parents[1]


def test_the_long_files_exist() -> None:
    assert not [name for name in (*LONG_FILES, *SPLIT_FILES) if not (ROOT / name).is_file()]
