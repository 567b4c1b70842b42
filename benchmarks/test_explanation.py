"""Which share of the faults of machines that nothing was chosen on has its band named: about two minutes."""

import csv
from itertools import chain

import numpy as np

from edgeae.calibrate.calibrate import calibrate_files
from edgeae.quantize.export import export
from edgeae.runtime import Detector
from edgeae.runtime.scoring.explain import Explainer
from edgeae.train.config import load_config
from edgeae.train.run import train
from edgeae.train.synth.dataset import FAULTS, Machine, fault_band, write_dataset

SEED, FLEET, NEW, FULL = (
    7,
    range(3),
    range(3, 11),
    0.7,
)  # a fault of at least `FULL` severity is fully developed


def _named(found, band: tuple[float, float]) -> bool:
    """Half of the first range lies in the band of the fault and covers a quarter of it at least, in octaves."""
    if not found.moved:
        return False
    low, high, start, end = np.log2([*band, found.moved[0].low_hz, found.moved[0].high_hz])
    return bool(min(end, high) - max(start, low) >= max((end - start) / 2, (high - low) / 4))


def test_the_bands_of_faults_are_named(record, tmp_path):
    counts = {"seconds": 10.0, "seed": SEED}
    data = write_dataset(
        tmp_path / "fleet",
        machines=FLEET,
        train_clips=40,
        test_normals=0,
        test_anomalies=0,
        **counts,
    )
    new = write_dataset(
        tmp_path / "new", machines=NEW, train_clips=6, test_normals=0, test_anomalies=40, **counts
    )
    run = train(data, load_config("tiny"), tmp_path / "run")
    export(run, int8=True, report=print).write(run, tmp_path / "model.int8.onnx")
    fleet, right = Detector.load(tmp_path / "model.int8.onnx"), {}
    faults = list(csv.DictReader((new / "faults.csv").read_text().splitlines()))
    for machine in NEW:
        clips = sorted((new / "train").glob(f"normal_id_{machine:02d}_*"))
        detector = calibrate_files(fleet, clips, machine=f"id_{machine:02d}", report=print)
        explainer = Explainer(detector.spec, detector.head, detector.band_std)
        for fault in (fault for fault in faults if f"_id_{machine:02d}_" in fault["file"]):
            *_, window = detector.read(new / fault["file"])
            if detector.result(window).anomaly:
                band = fault_band(Machine.draw(machine, SEED), fault["fault"])
                kind = fault["fault"], float(fault["severity"]) >= FULL
                right.setdefault(kind, []).append(_named(explainer.explain(window.features), band))
    for fault in FAULTS:
        for full, severity in ((True, f"from {FULL}"), (False, f"below {FULL}")):
            named = right.get((fault, full), [])
            record(f"band of {fault} named, severity {severity}", sum(named), f"of {len(named)}")
    together = list(chain.from_iterable(right.values()))
    record("bands named of all faults above the threshold", sum(together), f"of {len(together)}")
    assert np.mean(together) >= 0.9
