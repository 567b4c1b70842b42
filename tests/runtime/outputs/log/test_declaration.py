"""`--log` and its options."""

from pathlib import Path

import pytest
from example_lines import score
from opened_output import opened_output, sink_names

from edgeae.runtime.errors import ConfigError
from edgeae.runtime.outputs.log.declaration import OUTPUT


def test_without_a_path_nothing_opens() -> None:
    with opened_output(OUTPUT, "--log-files", "2") as opened:
        assert opened is None


def test_lines_are_appended_to_the_file(tmp_path: Path) -> None:
    path = tmp_path / "lines.jsonl"
    with opened_output(OUTPUT, "--log", str(path)) as opened:
        assert opened
        assert sink_names(opened) == ["log"]
        opened.outboxes[0].put(score(1.0))
    assert path.read_text() == score(1.0).to_json() + "\n"


def test_size_and_number_of_the_files_are_those_of_the_options(tmp_path: Path) -> None:
    path = tmp_path / "lines.jsonl"
    arguments = ("--log", str(path), "--log-megabytes", "0.0003", "--log-files", "2")
    with opened_output(OUTPUT, *arguments) as opened:
        assert opened
        for value in range(5):
            opened.outboxes[0].put(score(float(value)))
    assert len(list(tmp_path.glob("lines.jsonl*"))) == 2
    assert max(file.stat().st_size for file in tmp_path.glob("lines.jsonl*")) <= 2 * 300


def test_a_missing_folder_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "missing" / "lines.jsonl"
    with pytest.raises(ConfigError), opened_output(OUTPUT, "--log", str(path)):
        pass
