"""The file for node_exporter."""

import errno
import os
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from example_lines import status

from edgeae.runtime.errors import ConfigError
from edgeae.runtime.outputs.prometheus.metrics import Metrics
from edgeae.runtime.outputs.prometheus.text_file import MetricsFile

LINE = status("listening", machine=None)


def wait_for(condition: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + 30
    while not (result := condition()):
        assert time.monotonic() < deadline, "it did not come true"
        time.sleep(0.01)
    return result


def test_the_file_is_written_without_any_line_and_read_whole(tmp_path: Path) -> None:
    path = tmp_path / "edgeae.prom"
    sink = MetricsFile(path, Metrics(), every=0.001)
    wait_for(path.exists)
    for _ in range(200):
        assert path.read_text().endswith("\n")
        assert "process_start_time_seconds" in path.read_text()
    sink.close()
    assert [file.name for file in tmp_path.iterdir()] == ["edgeae.prom"]


def test_the_last_file_has_the_last_line(tmp_path: Path) -> None:
    metrics = Metrics()
    sink = MetricsFile(tmp_path / "edgeae.prom", metrics, every=3600)
    metrics.deliver(LINE)
    metrics.deliver(replace(LINE, state="stopped"))
    sink.close()
    assert (
        'edgeae_listening{source="hw:1",machine=""} 0\n' in (tmp_path / "edgeae.prom").read_text()
    )


def test_a_full_disk_is_reported_until_there_is_room(tmp_path: Path) -> None:
    path = tmp_path / "edgeae.prom"
    (tmp_path / ".edgeae.prom.new").symlink_to("/dev/full")
    sink = MetricsFile(path, Metrics(), every=0.5)

    def trouble() -> OSError | None:
        try:
            sink.deliver(LINE)
        except OSError as error:
            return error
        return None

    assert wait_for(trouble).errno == errno.ENOSPC
    wait_for(path.exists)
    wait_for(lambda: trouble() is None)
    sink.close()


def test_another_name_or_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"end in \.prom"):
        MetricsFile(tmp_path / "edgeae.txt", Metrics(), every=15)
    with pytest.raises(ConfigError, match="there is no folder"):
        MetricsFile(tmp_path / "missing" / "edgeae.prom", Metrics(), every=15)


def test_other_users_may_read_the_file(tmp_path: Path) -> None:
    old = os.umask(0o022)
    MetricsFile(tmp_path / "edgeae.prom", Metrics(), every=15).close()
    os.umask(old)
    assert (tmp_path / "edgeae.prom").stat().st_mode & 0o777 == 0o644
