"""Metrics as Prometheus' own programs read them."""

from dataclasses import replace
from pathlib import Path

from example_lines import event, gap, score, status
from prometheus_tools import check_with_promtool, node_exporter

from edgeae.runtime.outputs.outbox import Outbox
from edgeae.runtime.outputs.prometheus.metrics import Metrics
from edgeae.runtime.outputs.prometheus.text_file import MetricsFile
from edgeae.runtime.outputs.stdout import StandardOutput


def metrics() -> Metrics:
    """Of a process with one source and one output."""
    made = Metrics([Outbox(StandardOutput(as_json=True))])
    listening = replace(status("listening"), synced=True)
    for line in (listening, score(1.0), gap(0.5, 'a "quoted" reason'), event("start")):
        made.deliver(line)
    return made


def test_promtool_finds_nothing() -> None:
    assert check_with_promtool(metrics().text()) == ""
    assert check_with_promtool(metrics().text({"process": "pump-3"}, with_process=False)) == ""


def test_node_exporter_takes_all_series_of_two_processes(tmp_path: Path) -> None:
    folder = tmp_path / "textfile"
    folder.mkdir()
    for name in ("hall-1", "hall-2"):
        MetricsFile(folder / f"{name}.prom", metrics(), every=3600).close()
    with node_exporter(folder, tmp_path / "log") as exporter:
        text = exporter.scrape()
        assert "error" not in exporter.log
    assert "node_textfile_scrape_error 0" in text
    for name in ("hall-1", "hall-2"):
        written = (folder / f"{name}.prom").read_text().splitlines()
        series = [line.rpartition(" ")[0] for line in written if not line.startswith("#")]
        scraped = [line for line in text.splitlines() if f'process="{name}"' in line]
        assert len(scraped) == len(series) > 20
        for part in ("edgeae_clock_synced{", "edgeae_output_trouble{", "edgeae_score{"):
            assert any(line.startswith(part) for line in scraped)
    assert text.count("\nprocess_start_time_seconds ") == 1, "its own"
