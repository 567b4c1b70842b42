"""`--metrics` and `--metrics-file`."""

from pathlib import Path

import pytest
from opened_output import opened_output, sink_names

from edgeae.runtime.errors import ConfigError
from edgeae.runtime.outputs.prometheus.declaration import OUTPUT


def test_without_a_place_nothing_opens() -> None:
    with opened_output(OUTPUT) as opened:
        assert opened is None


def test_a_file_has_a_sink_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / "edgeae.prom"
    with opened_output(OUTPUT, "--metrics-file", str(path)) as opened:
        assert opened
        assert sink_names(opened) == ["metrics", "metrics-file"]
        assert opened.closes_last
        assert opened.close is None
    assert "edgeae_" in path.read_text()


def test_a_port_is_closed_at_the_end() -> None:
    with opened_output(OUTPUT, "--metrics", "127.0.0.1:0") as opened:
        assert opened
        assert sink_names(opened) == ["metrics"]
        assert opened.close


@pytest.mark.parametrize("arguments", [("--metrics", ""), ("--metrics-file", "numbers.txt")])
def test_a_place_that_cannot_work_is_refused(arguments: tuple[str, str]) -> None:
    with pytest.raises(ConfigError), opened_output(OUTPUT, *arguments):
        pass
