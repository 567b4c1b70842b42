"""`report.html`: what an evaluation found. The verdict first, then what to do, then the proof."""

import html
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from edgeae.runtime.audio.channel import Channel
from edgeae.runtime.audio.recordings import Label
from edgeae.runtime.scoring.detector import Detector

from ..results.compare import compare_models, comparison_table, comparison_title, counterpart
from ..results.evaluation_result import EvaluationResult
from ..results.learning_curve import MAX_TEST_RECORDINGS, learning_curve
from ..results.recording_scores import MachineTest
from ..results.tables import ranking_table, rates_table, remarks, stream_table
from .advice import advice
from .charts import (
    example_html,
    learning_chart,
    paired_chart,
    precision_chart,
    roc_chart,
    scores_chart,
)
from .examples import worst
from .html import charts, facts, figure, listed, page, paragraph, table

PACKAGES = ("edgeae", "numpy", "onnxruntime", "scikit-learn")


@dataclass(frozen=True)
class Evaluation:
    """What was evaluated, and what came out."""

    model: Path
    data: Path
    detector: Detector  # before any calibration
    tested: Mapping[str, MachineTest]
    result: EvaluationResult
    calibration_clips: int | None
    channel: Channel
    other: tuple[Path, Mapping[str, MachineTest]] | None = (
        None  # another model on the same recordings
    )


def verdict(result: EvaluationResult) -> str:
    """The evaluation in one sentence."""
    mean = result.mean.auc.value
    baseline = result.mean.no_network_auc
    worst_ = result.worst
    if mean is None or baseline is None or worst_.auc is None:
        return "No machine has both normal and anomalous test recordings, so nothing can be said about detection."
    return (
        f"Of 100 pairs of a normal and an anomalous recording, {100 * mean:.1f} are ranked rightly on average "
        f"(AUC {mean:.3f}), {100 * worst_.auc:.1f} on the worst machine ({worst_.machine}); "
        f"without a network it would be {100 * baseline:.1f}."
    )


def write_report(path: Path, evaluation: Evaluation, report: Callable[[str], None]) -> None:
    """Write the page; it needs no network to be read. ``report`` hears of training clips that cannot be read."""
    proof = [*_ranking(evaluation), *_threshold(evaluation), *_examples(evaluation)]
    proof += [*_learning(evaluation, report), *_other(evaluation), *_provenance(evaluation)]
    body = "".join([*_verdict(evaluation), *proof])
    path.write_text(
        page("edgeae evaluation", body), encoding="utf-8", errors="replace"
    )  # names may be any bytes


def _verdict(evaluation: Evaluation) -> Iterator[str]:
    result = evaluation.result
    detector = evaluation.detector
    yield "<h1>Evaluation</h1>\n"
    yield paragraph(verdict(result), "verdict")
    yield paragraph(
        f"{evaluation.model} on {evaluation.data}: {_how(evaluation)}; windows of {detector.window:g} s.",
        "soft",
    )
    yield "<h2>What to do next</h2>\n"
    yield listed(advice(result, evaluation.calibration_clips, detector.machine))


def _how(evaluation: Evaluation) -> str:
    clips, head = evaluation.calibration_clips, evaluation.result.head
    if clips:
        return (
            f"head {head}, each machine calibrated on {clips} {'clip' if clips == 1 else 'clips'}"
        )
    return f"head {head}, as it stands in the artifact"


def _ranking(evaluation: Evaluation) -> Iterator[str]:
    result = evaluation.result
    yield "<h2>How well faults are told from normal sound</h2>\n"
    yield table(ranking_table(result), "AUC of each machine")
    yield paragraph(" ".join(remarks(result)))
    yield paragraph(
        "In parentheses and shaded: 95 % intervals, from 1000 resamples of the recordings of each label; along a curve "
        "they hold point by point. They are left out where a label has fewer than five recordings, or every resample "
        "gives the same. Dashed: the same windows scored without the network; grey: chance.",
        "soft",
    )
    for machine, found in evaluation.tested.items():
        both = result.machines[machine].ranking.auc.value is not None
        curves = [roc_chart(machine, found), precision_chart(machine, found)] if both else []
        yield charts(map(figure, [*curves, scores_chart(machine, found)]))


def _threshold(evaluation: Evaluation) -> Iterator[str]:
    yield "<h2>What the threshold makes of it</h2>\n"
    yield table(rates_table(evaluation.result), "Recordings above the threshold")
    yield table(stream_table(evaluation.result), "The recordings heard as a stream")


def _examples(evaluation: Evaluation) -> Iterator[str]:
    judged = all(
        score.threshold is not None
        for found in evaluation.tested.values()
        for score in found.scores
    )
    titles: dict[Label, str] = {"anomaly": "The worst misses", "normal": "The worst false alarms"}
    none: dict[Label, str] = {
        "anomaly": "No fault was missed",
        "normal": "No normal recording was above the threshold",
    }
    yield "<h2>What was missed, and what rang for nothing</h2>\n"
    yield paragraph(
        "The residual is what the network does not know, in standard deviations of the training sound: red is louder "
        "than it expects, blue quieter. The highest bands, to which it is deaf, are left empty.",
        "soft",
    )
    for label, name in titles.items():
        found = worst(evaluation.tested, label)
        if found:
            yield f"<h3>{name}</h3>\n"
            if not judged:
                yield paragraph(
                    "This head has no threshold; scores are compared with the median of the machine."
                )
            elif not found[0].wrong:
                yield paragraph(f"{none[label]}; this one came nearest to it.")
            yield from (example_html(example, evaluation.channel) for example in found)


def _learning(evaluation: Evaluation, report: Callable[[str], None]) -> Iterator[str]:
    """Only where machines are calibrated on clips: no other evaluation looks at the training recordings."""
    clips = evaluation.calibration_clips
    auc = evaluation.result.mean.auc.value
    found = (
        learning_curve(evaluation.tested, evaluation.data, evaluation.channel, report)
        if clips
        else None
    )
    if not clips or not found or auc is None:
        return
    yield "<h2>How many clips a calibration needs</h2>\n"
    yield charts([figure(learning_chart(found, clips, auc))])
    ring = (
        f"The ring is this evaluation: the first {clips} by name."
        if clips <= found.n_clips[-1]
        else ""
    )
    of = "" if found.n_machines == 1 else f", mean of {found.n_machines} machines"
    yield paragraph(
        f"Median of five random choices of so many training clips{of}; shaded from the worst choice to the best; "
        f"tested on the first {MAX_TEST_RECORDINGS} recordings of each label of a machine, where there are more. {ring}",
        "soft",
    )


def _other(evaluation: Evaluation) -> Iterator[str]:
    if evaluation.other is None:
        if beside := counterpart(evaluation.model):
            yield "<h2>Float and int8</h2>\n"
            yield listed(
                [
                    f"To compare with the file beside it, add `--against {beside}`; it takes as long again."
                ]
            )
        return
    path, other = evaluation.other
    found = compare_models(evaluation.tested, other)
    yield f"<h2>{comparison_title(evaluation.model, path)}</h2>\n"
    yield table(comparison_table(found, evaluation.model.name, path.name), "AUC of both models")
    yield charts(figure(paired_chart(m, pair)) for m, pair in found.items())
    yield paragraph("Both models scored the same recordings; on the line they agree.", "soft")


def _provenance(evaluation: Evaluation) -> Iterator[str]:
    yield "<h2>Where it comes from</h2>\n"
    origin = _object(evaluation.detector.artifact.sections.get("provenance"))
    data = _object(origin.get("data"))
    recordings = sum(len(found.scores) for found in evaluation.tested.values())
    pairs = {
        "model": str(evaluation.model),
        "made": origin.get("created"),
        "made with": _versions(_object(origin.get("versions"))),
        "trained on": data and f"{data.get('name')}, {data.get('recordings')} recordings",
        "fingerprint of that data": data.get("fingerprint"),
        "licence of that data": data.get("licence"),
        "tested on": f"{evaluation.data}, {recordings} recordings of {', '.join(evaluation.tested)}",
        "tested with": _versions({name: version(name) for name in PACKAGES}),
        "threshold": _support(evaluation),
    }
    yield facts(((key, str(value)) for key, value in pairs.items() if value), "Provenance")
    if "config" in origin:
        text = html.escape(json.dumps(origin["config"], indent=1, default=str))
        yield f"<details><summary>Configuration of the training</summary><pre tabindex=0>{text}</pre></details>\n"


def _object(section: Any) -> dict[str, Any]:
    """A part of an artifact that may be missing, or written by another program."""
    return section if isinstance(section, dict) else {}


def _versions(found: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {number}" for name, number in found.items())


def _support(evaluation: Evaluation) -> str:
    return next(iter(evaluation.tested.values())).detector.threshold.support()
