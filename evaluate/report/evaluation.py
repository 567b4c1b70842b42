"""`report.html`: the result of an evaluation. The verdict, then what to do, then the evidence."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from edgeae.runtime.audio.channel import Channel
from edgeae.runtime.scoring.detector import Detector

from ..pages.chart import Chart
from ..pages.page import render_page
from ..results.compare import compare_models, comparison_table, comparison_title, counterpart
from ..results.evaluation_result import EvaluationResult
from ..results.learning_curve import MAX_TEST_RECORDINGS, learning_curve
from ..results.recording_scores import MachineTest
from ..results.tables import Table, ranking_table, rates_table, remarks, stream_table
from .advice import advice
from .charts import comparison_chart, learning_chart, precision_chart, roc_chart, scores_chart
from .example_view import example_groups
from .provenance import provenance, training_config


@dataclass(frozen=True)
class Evaluation:
    """What was evaluated, and the results."""

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


@dataclass(frozen=True)
class LearningSection:
    """What the page shows of the learning curve."""

    chart: Chart
    explanation: str


@dataclass(frozen=True)
class ComparisonSection:
    """What the page shows of another model on the same recordings."""

    title: str
    rows: Table
    charts: list[Chart]


def verdict(result: EvaluationResult) -> str:
    """Return the evaluation in one sentence."""
    mean = result.mean.auc.value
    baseline = result.mean.no_network_auc
    worst = result.worst
    if mean is None or baseline is None or worst.auc is None:
        return (
            "No machine has both normal and anomalous test recordings, so nothing can be said "
            "about detection."
        )
    return (
        f"Of 100 pairs of a normal and an anomalous recording, {100 * mean:.1f} are ranked "
        f"correctly on average (AUC {mean:.3f}), {100 * worst.auc:.1f} on the worst machine "
        f"({worst.machine}); without a network {100 * baseline:.1f} are."
    )


def write_report(path: Path, evaluation: Evaluation, report: Callable[[str], None]) -> None:
    """Write the page.

    report: gets a sentence for each training clip that cannot be read.
    """
    result = evaluation.result
    page = render_page(
        "edgeae.evaluate.report",
        "evaluation.html",
        title="edgeae evaluation",
        verdict=verdict(result),
        setup=_setup(evaluation),
        advice=advice(result, evaluation.calibration_clips, evaluation.detector.machine),
        ranking=ranking_table(result),
        remarks=remarks(result),
        machine_charts=[_machine_charts(evaluation, machine) for machine in evaluation.tested],
        rates=rates_table(result),
        stream=stream_table(result),
        example_groups=example_groups(evaluation.tested, evaluation.channel),
        learning=_learning(evaluation, report),
        comparison=_comparison(evaluation),
        counterpart=counterpart(evaluation.model),
        provenance=provenance(
            evaluation.model, evaluation.data, evaluation.detector, evaluation.tested
        ),
        training_config=training_config(evaluation.detector),
    )
    path.write_text(page, encoding="utf-8", errors="replace")  # names may be any bytes


def _setup(evaluation: Evaluation) -> str:
    clips = evaluation.calibration_clips
    if clips:
        noun = "clip" if clips == 1 else "clips"
        calibration = f"each machine calibrated on {clips} {noun}"
    else:
        calibration = "as it is in the artifact"
    return (
        f"{evaluation.model} on {evaluation.data}: head {evaluation.result.head}, "
        f"{calibration}; windows of {evaluation.detector.window:g} s."
    )


def _machine_charts(evaluation: Evaluation, machine: str) -> list[Chart]:
    tested = evaluation.tested[machine]
    charts = [scores_chart(machine, tested)]
    if evaluation.result.machines[machine].ranking.auc.value is not None:
        charts = [roc_chart(machine, tested), precision_chart(machine, tested), *charts]
    return charts


def _learning(evaluation: Evaluation, report: Callable[[str], None]) -> LearningSection | None:
    """Only where machines are calibrated on clips: else no training recordings are read."""
    clips = evaluation.calibration_clips
    if not clips:
        return None
    curve = learning_curve(evaluation.tested, evaluation.data, evaluation.channel, report)
    auc = evaluation.result.mean.auc.value
    if curve is None or auc is None:
        return None
    machines = "" if curve.n_machines == 1 else f", mean of {curve.n_machines} machines"
    explanation = (
        f"The line is the median of five random choices of that many training clips{machines}; the "
        f"area goes from the worst choice to the best. Each machine is tested on its first "
        f"{MAX_TEST_RECORDINGS} recordings of each label, where there are more."
    )
    if clips <= curve.n_clips[-1]:
        explanation += f" The ring is this evaluation: the first {clips} by name."
    return LearningSection(learning_chart(curve, clips, auc), explanation)


def _comparison(evaluation: Evaluation) -> ComparisonSection | None:
    if evaluation.other is None:
        return None
    path, other = evaluation.other
    comparisons = compare_models(evaluation.tested, other)
    return ComparisonSection(
        comparison_title(evaluation.model, path),
        comparison_table(comparisons, evaluation.model.name, path.name),
        [comparison_chart(machine, pair) for machine, pair in comparisons.items()],
    )
