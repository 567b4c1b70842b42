"""What the tests of training share."""

from pathlib import Path

import pytest


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The current folder is a new one: runs are written to it."""
    monkeypatch.chdir(tmp_path)
