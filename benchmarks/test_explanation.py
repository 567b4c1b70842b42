"""The share of faults whose band is named, of machines that no choice used: about a minute."""

import csv
from itertools import chain
from pathlib import Path

import numpy as np
from figures import Record

from edgeae.calibrate.calibrate import calibrate_files
from edgeae.quantize.export import export
from edgeae.runtime import Detector
from edgeae.runtime.scoring.explain import Explainer, Explanation
from edgeae.train.config import load_config
from edgeae.train.synth.dataset import write_dataset
from edgeae.train.synth.faults import FAULTS, fault_band
from edgeae.train.synth.machine import Machine
from edgeae.train.training import train

SEED = 7
FLEET = range(3)
NEW = range(3, 11)
FULL_SEVERITY = 0.7  # a fault of at least this severity is fully developed


def _named(explanation: Explanation, band: tuple[float, float]) -> bool:
    """At least half of the first range lies in the fault's band and covers a quarter of it."""
    if not explanation.moved:
        return False
    low, high, start, end = np.log2(
        [*band, explanation.moved[0].low_hz, explanation.moved[0].high_hz]
    )
    return bool(min(end, high) - max(start, low) >= max((end - start) / 2, (high - low) / 4))


def test_the_bands_of_faults_are_named(record: Record, tmp_path: Path) -> None:
    data = write_dataset(
        tmp_path / "fleet",
        machines=FLEET,
        train_clips=40,
        test_normals=0,
        test_anomalies=0,
        seconds=10.0,
        seed=SEED,
    )
    new = write_dataset(
        tmp_path / "new",
        machines=NEW,
        train_clips=6,
        test_normals=0,
        test_anomalies=24,
        seconds=10.0,
        seed=SEED,
    )
    run = train(data, load_config("tiny"), tmp_path / "run")
    export(run, int8=True, report=print).write(run, tmp_path / "model.int8.onnx")
    fleet = Detector.load(tmp_path / "model.int8.onnx")
    right: dict[tuple[str, bool], list[bool]] = {}
    rows = list(csv.DictReader((new / "faults.csv").read_text().splitlines()))
    for machine in NEW:
        clips = sorted((new / "train").glob(f"normal_id_{machine:02d}_*"))
        detector = calibrate_files(fleet, clips, machine=f"id_{machine:02d}", report=print)
        explainer = Explainer(detector.spec, detector.head, detector.band_std)
        for row in (row for row in rows if f"_id_{machine:02d}_" in row["file"]):
            *_, window = detector.read(new / row["file"])
            if detector.result(window).anomaly:
                band = fault_band(Machine.draw(machine, SEED), row["fault"])
                kind = row["fault"], float(row["severity"]) >= FULL_SEVERITY
                right.setdefault(kind, []).append(_named(explainer.explain(window.features), band))
    for fault in FAULTS:
        for full, severity in ((True, f"from {FULL_SEVERITY}"), (False, f"below {FULL_SEVERITY}")):
            named = right.get((fault, full), [])
            record(f"band of {fault} named, severity {severity}", sum(named), f"of {len(named)}")
    together = list(chain.from_iterable(right.values()))
    record("bands named of all faults above the threshold", sum(together), f"of {len(together)}")
    assert np.mean(together) >= 0.9
