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
        assert "edgeae_build_info" in path.read_text()
    sink.close()
    assert [file.name for file in tmp_path.iterdir()] == ["edgeae.prom"]


def test_the_last_file_has_the_last_line(tmp_path: Path) -> None:
    metrics = Metrics()
    sink = MetricsFile(tmp_path / "edgeae.prom", metrics, every=3600)
    metrics.deliver(LINE)
    metrics.deliver(replace(LINE, state="stopped"))
    sink.close()
    assert (
        'edgeae_listening{source="hw:1",machine="",process="edgeae"} 0\n'
        in (tmp_path / "edgeae.prom").read_text()
    )


def test_a_full_disk_is_reported_until_there_is_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "edgeae.prom"
    rename = Path.replace
    attempts: list[Path] = []

    def full_at_first(source: Path, target: Path) -> Path:
        attempts.append(target)
        if len(attempts) <= 2:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return rename(source, target)

    monkeypatch.setattr(Path, "replace", full_at_first)
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


def test_the_numbers_of_the_process_are_left_to_node_exporter(tmp_path: Path) -> None:
    MetricsFile(tmp_path / "pump-3.prom", Metrics(), every=15).close()
    samples = [
        line
        for line in (tmp_path / "pump-3.prom").read_text().splitlines()
        if not line.startswith("#")
    ]
    assert samples
    assert all(line.startswith("edgeae_") for line in samples)
    assert all('process="pump-3"' in line for line in samples)


def test_a_file_that_another_process_writes_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "edgeae.prom"
    first = MetricsFile(path, Metrics(), every=15)
    with pytest.raises(ConfigError, match="another process uses it; name another file"):
        MetricsFile(path, Metrics(), every=15)
    first.close()
    MetricsFile(path, Metrics(), every=15).close()


def test_a_link_in_a_folder_of_many_users_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "victim").write_text("precious")
    for name in (".edgeae.prom.new", "edgeae.prom"):
        (tmp_path / name).symlink_to("victim")
    MetricsFile(tmp_path / "edgeae.prom", Metrics(), every=15).close()
    assert (tmp_path / "victim").read_text() == "precious"


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
