"""What a disturbance after calibration costs, and what calibrating again with it gives back.

    python benchmarks/robustness.py [--calibration-clips N] [--background FOLDER] [-o FILE.json]
        MODEL DATA

Each machine of DATA is calibrated on its first training recordings by name and tested on its test
recordings: undisturbed (before), disturbed (after), and disturbed with a calibration on recordings
that are disturbed alike (recalibrated). The table gives means over the machines of DATA, the JSON
each machine.
"""

import json
import zlib
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import click
import numpy as np
from disturbances import Disturbance, Normal, background, disturbances, read_recording

from edgeae.evaluate.results.metrics import auc_of
from edgeae.runtime import ConfigError, Detector, EdgeaeError
from edgeae.runtime.audio.recordings import Recording, by_machine, by_name, scan
from edgeae.runtime.scoring.calibration import calibrated
from edgeae.runtime.scoring.selftest import load_checked
from edgeae.runtime.scoring.window_stream import Window

FALSE_ALARMS = "1%"  # asked for
CALIBRATION_CLIPS = 10
SEED = 0

Windows = list[list[Window]]  # of each recording


@dataclass(frozen=True)
class Figures:
    """How the test recordings of a machine were judged."""

    auc: float
    no_network_auc: float  # of the input's statistics alone
    false_alarm_rate: float  # share of normal recordings above the threshold
    detection_rate: float  # share of anomalous recordings above it


@dataclass(frozen=True)
class Row:
    """One disturbance."""

    before: Figures
    after: Figures
    recalibrated: Figures


Rows = dict[str, Row | None]  # by disturbance; None where it has no meaning for the recordings
Results = dict[str, dict[str, Rows]]  # by data set, by machine


class Machine:
    """A machine to calibrate and to test, its recordings read once."""

    def __init__(
        self, detector: Detector, train: list[Recording], test: list[Recording], clips: int
    ) -> None:
        if len(train) < clips:
            raise ConfigError(
                f"{test[0].machine} has {len(train)} training recordings; {clips} are asked for"
            )
        first = by_name(train)[:clips]
        self.detector = detector
        self.anomalous = np.array([recording.label == "anomaly" for recording in test])
        self._parts = [
            [(r.path, read_recording(r.path, detector.channel)) for r in part]
            for part in (first, test)
        ]
        self._normal = Normal.of([recording for _, recording in self._parts[0]])

    def windows(self, disturb: Disturbance) -> list[Windows] | None:
        """Of the calibration and of the test recordings."""
        disturbed = [
            [disturb(recording, self._normal, self._random(path)) for path, recording in part]
            for part in self._parts
        ]
        possible = [
            [recording for recording in part if recording is not None] for part in disturbed
        ]
        if [len(part) for part in possible] != [len(part) for part in disturbed]:
            return None
        return [[recording.windows(self.detector) for recording in part] for part in possible]

    def rows(self, disturbances: dict[str, Disturbance]) -> Rows:
        """The row of each disturbance, None where it has no meaning for these recordings."""
        undisturbed = self.windows(lambda recording, *_: recording)
        assert undisturbed is not None
        calibration, test = undisturbed
        detector = self._calibrated(calibration)
        before = self._judged(detector, test)
        rows: dict[str, Row | None] = {}
        for name, disturb in disturbances.items():
            disturbed = self.windows(disturb)
            if disturbed is None:
                rows[name] = None
                continue
            calibration, test = disturbed
            after = self._judged(detector, test)
            recalibrated = self._judged(self._calibrated(calibration), test)
            rows[name] = Row(before, after, recalibrated)
        return rows

    def _random(self, path: Path) -> np.random.Generator:
        """The same for every disturbance of a recording."""
        return np.random.default_rng(
            [SEED, zlib.crc32(path.name.encode()), path.parent.name == "train"]
        )

    def _calibrated(self, recordings: Windows) -> Detector:
        windows = [self.detector.independent(windows) for windows in recordings]
        return calibrated(self.detector, np.concatenate(windows), false_alarms=FALSE_ALARMS)

    def _judged(self, detector: Detector, recordings: Windows) -> Figures:
        scores = np.array([detector.mean_score(windows) for windows in recordings])
        without_network = detector.with_kind("no_network")
        above = scores > detector.threshold.value
        return Figures(
            auc=self._auc(scores),
            no_network_auc=self._auc(without_network.mean_score(w) for w in recordings),
            false_alarm_rate=float(above[~self.anomalous].mean()),
            detection_rate=float(above[self.anomalous].mean()),
        )

    def _auc(self, scores: Iterable[float]) -> float:
        auc, _ = auc_of(scores, np.where(self.anomalous, "anomaly", "normal"))
        assert auc is not None  # the test holds both labels
        return auc


def measure(
    model: Path, data: Path, clips: int, disturbances: dict[str, Disturbance]
) -> dict[str, Rows]:
    """The rows of each machine of ``data`` whose test holds both labels; ConfigError if none."""
    detector = load_checked(model)
    train = by_machine(scan(data, "train"))
    tests = by_machine(scan(data, "test"))
    both = {machine: test for machine, test in tests.items() if len({r.label for r in test}) == 2}
    if not both:
        raise ConfigError(
            f"{data}: no machine has normal and anomalous test recordings; an AUC needs both"
        )
    return {
        machine: Machine(detector, train.get(machine, []), test, clips).rows(disturbances)
        for machine, test in both.items()
    }


def mean(machines: dict[str, Rows], name: str) -> Row | None:
    """A disturbance over all machines."""
    rows = [rows[name] for rows in machines.values()]
    if None in rows:
        return None

    def figures(when: str) -> Figures:
        of_each = [asdict(getattr(row, when)) for row in rows]
        return Figures(
            **{key: float(np.mean([figures[key] for figures in of_each])) for key in of_each[0]}
        )

    return Row(*(figures(field.name) for field in fields(Row)))


def markdown(results: Results) -> str:
    """A table with two columns a data set."""
    names = list(next(iter(next(iter(results.values())).values())))
    means = {name: [mean(machines, name) for machines in results.values()] for name in names}
    heads = [f"{data}: AUC | false alarms, %" for data in results]
    undisturbed = [
        _cells(next(row for rows in means.values() if (row := rows[k])), "before")
        for k in range(len(heads))
    ]
    lines = [f"| after / recalibrated | {' | '.join(heads)} |", f"|---|{'---|---|' * len(heads)}"]
    lines.append(f"| undisturbed | {' | '.join(undisturbed)} |")
    cells = {
        name: [_cells(row, "after", "recalibrated") for row in rows] for name, rows in means.items()
    }
    return "\n".join(lines + [f"| {name} | {' | '.join(found)} |" for name, found in cells.items()])


def _cells(row: Row | None, *whens: str) -> str:
    if row is None:
        return "- | -"
    figures = [getattr(row, when) for when in whens]
    aucs = " / ".join(f"{f.auc:.3f}".removeprefix("0") for f in figures)
    return f"{aucs} | {' / '.join(f'{100 * f.false_alarm_rate:.0f}' for f in figures)}"


def as_json(results: Results) -> str:
    """Data set, machine, disturbance, when: figures."""
    plain = {
        data: {
            machine: {name: asdict(row) if row else None for name, row in rows.items()}
            for machine, rows in machines.items()
        }
        for data, machines in results.items()
    }
    return json.dumps(plain, indent=2) + "\n"


def noises(folder: Path | None) -> dict[str, Disturbance]:
    """All disturbances, with the recordings of ``folder`` as a background where it is given."""
    return disturbances({folder.resolve().name: background(folder)} if folder else {})


@click.command()
@click.argument("model", type=click.Path(exists=True, path_type=Path))
@click.argument("data", type=click.Path(exists=True, path_type=Path))
@click.option(
    "--calibration-clips",
    "clips",
    type=click.IntRange(1),
    default=CALIBRATION_CLIPS,
    show_default=True,
)
@click.option(
    "--background",
    "folder",
    type=click.Path(exists=True, path_type=Path),
    help="Sound of another machine.",
)
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), help="Every machine's figures as JSON."
)
def main(model: Path, data: Path, clips: int, folder: Path | None, output: Path | None) -> None:
    """How robust MODEL is on DATA, as a Markdown table."""
    try:
        results = {data.resolve().name: measure(model, data, clips, noises(folder))}
    except EdgeaeError as error:
        raise click.ClickException(str(error)) from error
    click.echo(markdown(results))
    if output:
        output.write_text(as_json(results))


if __name__ == "__main__":
    main()
