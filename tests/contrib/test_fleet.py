"""Alert rules and dashboard of a fleet, as Prometheus' own programs read them."""

import json
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from itertools import combinations
from pathlib import Path
from threading import Thread
from typing import IO, Any
from urllib.error import URLError
from urllib.parse import urlencode
from urllib.request import urlopen

import numpy as np
import pytest
import soundfile
from example_lines import event, gap, score, status
from ports import reserved_port
from prometheus_tools import find_program
from waiting import wait_for

from edgeae.calibrate.calibrate import calibrate_files
from edgeae.runtime.outputs.outbox import Outbox
from edgeae.runtime.outputs.prometheus.metrics import Metrics
from edgeae.runtime.outputs.stdout import StandardOutput
from edgeae.runtime.scoring.detector import Detector
from tests.conftest import Trained

CONTRIB = Path(__file__).parents[2] / "contrib"
RULES = CONTRIB / "prometheus" / "alerts.yml"
RULE_TESTS = CONTRIB / "prometheus" / "tests.yml"
CONFIGURATION = CONTRIB / "prometheus" / "prometheus.yml"
DASHBOARD = json.loads((CONTRIB / "grafana" / "edgeae.json").read_text())
# What Prometheus and node_exporter add.
OTHER_METRICS = {"up", "node_textfile_mtime_seconds"}
RUN = "from edgeae.runtime.commands.cli import main; main()"


def promtool(*arguments: object) -> str:
    """What promtool prints; fails if it finds something."""
    command = [find_program("promtool"), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def variables() -> dict[str, str]:
    """The value "All" of each variable of the dashboard, and those that Grafana adds."""
    listed = DASHBOARD["templating"]["list"]
    values = {one["name"]: one["allValue"] for one in listed if "allValue" in one}
    return values | {"__rate_interval": "1m"}


def expressions() -> list[str]:
    """All queries of the dashboard, as they are when everything is selected."""
    queries = [target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"]]
    queries += [one["expr"] for one in DASHBOARD["annotations"]["list"]]
    return [re.sub(r"\$(\w+)", lambda name: variables()[name[1]], query) for query in queries]


def names_in(text: str) -> set[str]:
    """The metrics that a query or a file of rules names."""
    return set(re.findall(r"\b(?:edgeae|process|node)_\w+|\bup\b", text))


def exported_names() -> set[str]:
    """The metrics that edgeae exports."""
    metrics = Metrics([Outbox(StandardOutput(as_json=True))])
    for line in (status("listening"), score(1.0), gap(0.5), event("start")):
        metrics.deliver(line)
    return set(re.findall(r"^# TYPE (\S+)", metrics.text(), re.M))


def test_the_alert_rules_pass_their_tests() -> None:
    assert "SUCCESS" in promtool("check", "rules", RULES)
    assert "SUCCESS" in promtool("test", "rules", RULE_TESTS)


def test_each_alert_rule_has_a_test() -> None:
    names = re.findall(r"- alert: (\w+)", RULES.read_text())
    assert len(names) >= 9
    for name in names:
        tests = RULE_TESTS.read_text().split(f"alertname: {name}\n")[1:]
        assert any("exp_alerts" in test.split("alertname:")[0] for test in tests), name


def test_the_example_of_a_configuration_is_valid() -> None:
    assert "SUCCESS" in promtool("check", "config", CONFIGURATION)


def test_rules_and_dashboard_name_metrics_that_edgeae_exports() -> None:
    rules = re.findall(r"expr: (.*)", RULES.read_text())
    for text in [*rules, *expressions()]:
        assert names_in(text), text
        assert names_in(text) <= exported_names() | OTHER_METRICS, text


def test_prometheus_reads_each_query_of_the_dashboard(tmp_path: Path) -> None:
    rules = [
        {"record": f"edgeae:query_{number}", "expr": query}
        for number, query in enumerate(expressions())
    ]
    groups = {"groups": [{"name": "dashboard", "rules": rules}]}
    file = tmp_path / "queries.yml"
    file.write_text(json.dumps(groups))  # which is YAML, too
    assert f"{len(rules)} rules found" in promtool("check", "rules", file)


def test_each_variable_of_the_dashboard_exists() -> None:
    used = set(re.findall(r"\$\{?(\w+)", json.dumps(DASHBOARD))) - {"__all"}
    listed = {one["name"] for one in DASHBOARD["templating"]["list"]}
    assert used - {"__rate_interval"} == listed
    for one in DASHBOARD["templating"]["list"]:
        if one["type"] == "query":
            assert names_in(one["query"]["query"]) <= exported_names()


def test_the_panels_have_names_and_places_of_their_own() -> None:
    panels = DASHBOARD["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    assert len({panel["title"] for panel in panels}) == len(panels)
    for one, other in combinations((panel["gridPos"] for panel in panels), 2):
        is_beside = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
        is_above = one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]
        assert is_beside or is_above
        assert one["x"] + one["w"] <= 24


class Prometheus:
    """A running Prometheus."""

    def __init__(self, port: int) -> None:
        self._url = f"http://127.0.0.1:{port}/api/v1"

    def get(self, path: str, **parameters: str) -> Any:
        url = f"{self._url}/{path}?{urlencode(parameters)}"
        with urlopen(url, timeout=30) as answer:
            return json.load(answer)["data"]

    def query(self, expression: str) -> list[Any]:
        """The series of an expression now."""
        result: list[Any] = self.get("query", query=expression)["result"]
        return result

    def machines(self, expression: str) -> set[str]:
        return {series["metric"].get("machine", "") for series in self.query(expression)}

    def answers(self) -> bool:
        try:
            self.query("vector(1)")
        except (URLError, ConnectionError):
            return False
        return True


@contextmanager
def prometheus(folder: Path, ports: Sequence[int]) -> Iterator[Prometheus]:
    """A Prometheus with the example configuration, which scrapes these ports each second."""
    program = find_program("prometheus")
    text = CONFIGURATION.read_text().replace("alerts.yml", str(RULES)).replace("15s", "1s")
    for number, port in enumerate(ports, 1):
        text = text.replace(f"pi-{number}.lan:9464", f"127.0.0.1:{port}")
    text = text.replace("pi-3.lan:9100", "127.0.0.1:1")  # nobody answers
    (folder / "prometheus.yml").write_text(text)
    with reserved_port() as port, (folder / "log").open("wb") as log:
        command = [
            program,
            f"--config.file={folder / 'prometheus.yml'}",
            f"--storage.tsdb.path={folder / 'data'}",
            f"--web.listen-address=127.0.0.1:{port}",
        ]
        with subprocess.Popen(command, stdout=log, stderr=log) as process:
            server = Prometheus(port)
            try:
                wait_for(server.answers)
                yield server
            finally:
                process.kill()


@contextmanager
def monitored(artifact: Path, sound: bytes, port: int) -> Iterator[subprocess.Popen[bytes]]:
    """A process of edgeae that gets this sound, 16 bits, again and again."""
    command = [sys.executable, "-c", RUN, "run", str(artifact), "-", "--metrics", str(port)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        pipe = process.stdin
        assert pipe
        feeder = Thread(target=_feed, args=(pipe, sound), daemon=True)
        feeder.start()
        try:
            yield process
        finally:
            process.kill()
            feeder.join()


def _feed(pipe: IO[bytes], sound: bytes) -> None:
    with suppress(BrokenPipeError):  # the process is killed
        while True:
            pipe.write(sound)
            pipe.flush()
            time.sleep(1)


@pytest.mark.slow
def test_prometheus_monitors_two_processes_of_edgeae(trained: Trained, tmp_path: Path) -> None:
    recordings = sorted((trained.new / "train").glob("*.wav"))
    sound = np.concatenate([soundfile.read(path, dtype="int16")[0] for path in recordings])
    names = ("pump-3", "fan-2")
    for name in names:
        detector = Detector.load(trained.int8)
        machine = calibrate_files(detector, recordings, machine=name, report=print)
        machine.artifact.write(tmp_path / f"{name}.onnx")
    with ExitStack() as stack:
        ports = [stack.enter_context(reserved_port()) for _ in names]
        server = stack.enter_context(prometheus(tmp_path, ports))
        processes = [
            stack.enter_context(monitored(tmp_path / f"{name}.onnx", sound.tobytes(), port))
            for name, port in zip(names, ports, strict=True)
        ]
        wait_for(lambda: server.machines("edgeae_score") == set(names))
        for query in expressions():
            assert server.query(query) is not None
        by_machine = [query for query in expressions() if query.startswith("edgeae_")]
        for query in by_machine:
            assert server.machines(query) == set(names), query
        sites = {
            (series["metric"]["line"], series["metric"]["machine"])
            for series in server.query('edgeae_score{site="north"}')
        }
        assert sites == {("pumps", "pump-3"), ("fans", "fan-2")}
        groups = server.get("rules")["groups"]
        assert groups
        wait_for(lambda: _health_of_rules(server) == {"ok"})
        processes[0].kill()
        wait_for(lambda: server.query('up{job="edgeae", line="pumps"} == 0'))
        wait_for(lambda: _alerts(server, "EdgeaeDown") == ["pumps"])


def _health_of_rules(server: Prometheus) -> set[str]:
    return {rule["health"] for group in server.get("rules")["groups"] for rule in group["rules"]}


def _alerts(server: Prometheus, name: str) -> list[str]:
    """The lines of the machines that a rule reports, or waits to report."""
    alerts = [each["labels"] for each in server.get("alerts")["alerts"]]
    return [labels["line"] for labels in alerts if labels["alertname"] == name]
