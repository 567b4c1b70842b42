"""The tables that `edgeae demo` ends with."""

import csv
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from textwrap import wrap
from typing import Any

JsonObject = dict[str, Any]

LINE_WIDTH = 100
INDENT = " " * 14


def fault_table(folder: Path) -> list[str]:
    """Lines: of each fault the number of recordings, the AUC, and how many exceed the threshold."""
    rows = _read_csv(folder / "report" / "anomaly_scores.csv")
    faults = {
        Path(row["file"]).name: row["fault"]
        for row in _read_csv(folder / "new-machine" / "faults.csv")
    }
    normal = [row for row in rows if row["label"] == "normal"]
    lines = [f"{'fault':14}{'recordings':>11}{'AUC':>8}{'above the threshold':>22}"]
    for fault in sorted(set(faults.values())):
        faulty = [row for row in rows if faults.get(row["file"]) == fault]
        auc = _auc(normal + faulty)
        lines.append(f"{fault:14}{len(faulty):>11}{auc:>8.3f}{_n_anomalies(faulty):>22}")
    lines.append(f"{'(normal)':14}{len(normal):>11}{'':8}{_n_anomalies(normal):>22}")
    return lines


def _read_csv(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(path.read_text(encoding="utf-8").splitlines()))


def _auc(rows: list[dict[str, str]]) -> float:
    from .results.metrics import auc_of

    auc, _ = auc_of((float(row["score"]) for row in rows), (row["label"] for row in rows))
    return float("nan") if auc is None else auc


def _n_anomalies(rows: Iterable[dict[str, str]]) -> int:
    return sum(row["anomaly"] == "True" for row in rows)


@dataclass(frozen=True)
class ReportedAlarm:
    """The start of an alarm, as a line of `edgeae run --json` reports it."""

    t: float  # seconds from the start of the recording
    chart: str  # that raised it
    sentence: str

    @classmethod
    def of(cls, line: JsonObject) -> "ReportedAlarm":
        """The alarm of an event line."""
        chart = line["chart"]
        words = "nearly all windows of 45 s"
        if chart:
            words = f"chart of the {chart['view']}, {chart['scale_seconds'] / 60:.0f} min"
        return cls(line["t"], words, line["sentence"])


def read_alarms(lines: Path) -> dict[str, list[ReportedAlarm]]:
    """The alarms in each recording, by the stem of its name.

    lines: the output of `edgeae run --json`.
    """
    alarms: dict[str, list[ReportedAlarm]] = {}
    for text in lines.read_text(encoding="utf-8").splitlines():
        line = json.loads(text)
        alarms_of_recording = alarms.setdefault(Path(line["source"]).stem, [])
        if line["type"] == "event" and line["event"] == "start":
            alarms_of_recording.append(ReportedAlarm.of(line))
    return alarms


def alarm_table(alarms: Mapping[str, Sequence[ReportedAlarm]], onset_seconds: float) -> list[str]:
    """Lines: of each fault when the alarm came and what raised it, then its sentence.

    alarms: in the recording of each fault, which begins after ``onset_seconds``.
    """
    lines = [f"{'fault':14}{'alarm after':14}raised by, what was reported"]
    for fault, reported in sorted(alarms.items()):
        alarm = next((alarm for alarm in reported if alarm.t > onset_seconds), None)
        if alarm is None:
            lines.append(f"{fault:14}no alarm")
            continue
        delay = f"{alarm.t - onset_seconds:.0f} s"
        lines.append(f"{fault:14}{delay:14}{alarm.chart}")
        lines += wrap(alarm.sentence, LINE_WIDTH, initial_indent=INDENT, subsequent_indent=INDENT)
    return lines
