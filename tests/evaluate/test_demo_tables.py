"""The tables at the end of the demo."""

import csv
import json
from pathlib import Path

import pytest

from edgeae.evaluate.demo_tables import ReportedAlarm, alarm_table, fault_table, read_alarms
from edgeae.runtime.monitoring.alarm import AlarmEvent, ChartName, Phase
from edgeae.runtime.outputs.lines import EventLine

ONSET = 240.0


def _write(path: Path, rows: list[dict[str, str]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0].keys())
        writer.writeheader()
        writer.writerows(rows)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """What the demo has written when everything is evaluated."""
    faults = [("a.wav", "bearing", "0.2"), ("b.wav", "bearing", "0.9"), ("c.wav", "rubbing", "0.5")]
    _write(
        tmp_path / "new-machine" / "faults.csv",
        [{"file": f"test/{file}", "fault": fault, "severity": s} for file, fault, s in faults],
    )
    scores = [("n.wav", "normal", "1"), ("a.wav", "anomaly", "0"), ("b.wav", "anomaly", "3")]
    scores.append(("c.wav", "anomaly", "2"))
    _write(
        tmp_path / "report" / "anomaly_scores.csv",
        [
            {"file": file, "label": label, "score": score, "anomaly": str(float(score) > 1.5)}
            for file, label, score in scores
        ],
    )
    return tmp_path


def test_the_table_has_the_auc_of_each_fault(folder: Path) -> None:
    _, *lines = fault_table(folder)
    assert [line.split() for line in lines] == [
        ["bearing", "2", "0.500", "1"],
        ["rubbing", "1", "1.000", "1"],
        ["(normal)", "1", "0"],
    ]


def _event(recording: str, phase: Phase, t: float, chart: ChartName | None = None) -> str:
    event = AlarmEvent(phase, t, 0.0, 3.0, [], "4 to 5 kHz: 2.0 dB louder", t - 60, chart)
    return EventLine.of(f"demo/monitored/{recording}.wav", event).to_json()


def test_the_starts_of_alarms_are_read_from_the_lines_of_run(tmp_path: Path) -> None:
    lines = [
        json.dumps({"type": "score", "source": "demo/monitored/normal.wav", "t": 10.0}),
        _event("rubbing", "burst", 250.0),
        _event("rubbing", "start", 301.0, ChartName("residual", 60.0)),
        _event("rubbing", "update", 361.0, ChartName("residual", 60.0)),
        _event("bearing", "start", 285.0),
    ]
    (tmp_path / "lines.jsonl").write_text("\n".join(lines))
    sentence = "4 to 5 kHz: 2.0 dB louder"
    assert read_alarms(tmp_path / "lines.jsonl") == {
        "normal": [],
        "rubbing": [ReportedAlarm(301.0, "chart of the residual, 1 min", sentence)],
        "bearing": [ReportedAlarm(285.0, "nearly all windows of 45 s", sentence)],
    }


def test_the_table_states_the_delay_of_the_first_alarm_after_the_onset() -> None:
    early, first, second = (ReportedAlarm(t, f"{t} s", "louder") for t in (100.0, 301.4, 500.0))
    _, *lines = alarm_table({"rubbing": [early, first, second], "bearing": [early]}, ONSET)
    assert [line.split() for line in lines] == [
        ["bearing", "no", "alarm"],
        ["rubbing", "61", "s", "301.4", "s"],
        ["louder"],
    ]


def test_a_long_sentence_is_wrapped() -> None:
    _, _, *sentence = alarm_table({"rubbing": [ReportedAlarm(300.0, "", "louder " * 30)]}, ONSET)
    assert len(sentence) > 1
    assert max(map(len, sentence)) <= 100
