"""`report.html`: the result of an evaluation. The verdict, then what to do, then the evidence."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from edgeae.runtime.audio.channel import Channel
from edgeae.runtime.scoring.detector import Detector
from edgeae.runtime.scoring.sensitivity_table import band_changes, sensitivity_cells
from edgeae.runtime.tables.glossary import explanation

from ..pages.chart import Chart
from ..pages.page import render_page
from ..results.alarm_metrics import FOUND_WITHIN_SECONDS
from ..results.budget_effects import budget_effects
from ..results.compare import compare_models, comparison_table, comparison_title, counterpart
from ..results.evaluation_result import BudgetAlarms, EvaluationResult
from ..results.learning_curve import MAX_TEST_RECORDINGS, LearningCurve, learning_curve
from ..results.recording_scores import MachineTest
from ..results.tables import (
    ALARMS_WORDS,
    RANKING_WORDS,
    RATES_WORDS,
    STREAM_WORDS,
    Table,
    alarms_table,
    ranking_table,
    rates_table,
    remarks,
    stream_table,
)
from .advice import advice
from .charts import (
    comparison_chart,
    delay_chart,
    learning_chart,
    precision_chart,
    roc_chart,
    scores_chart,
    sensitivity_chart,
)
from .example_view import example_groups
from .notes import notes
from .provenance import provenance, training_config
from .usability import Usability, sensitivity_sentence, usability


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
class AlarmsSection:
    """What the page shows of the alarms at a budget."""

    title: str
    rows: Table
    charts: list[Chart]
    explanation: str


@dataclass(frozen=True)
class ComparisonSection:
    """What the page shows of another model on the same recordings."""

    title: str
    rows: Table
    charts: list[Chart]


@dataclass(frozen=True)
class UsabilitySection:
    """The first screen of the page: whether the detector is usable, in a sentence and a picture."""

    sentence: str
    charts: list[Chart]
    sensitivity: str | None  # a sentence
    rows: Table  # of the smallest changes; empty if the artifact does not state them


def usability_of(evaluation: Evaluation) -> Usability:
    """Return whether the detector is usable."""
    alarms = evaluation.result.mean_budget_alarms
    return usability(
        [test.stream for test in judged_machines(evaluation).values() if test.stream],
        evaluation.detector,
        alarms.budget if alarms else None,
        is_calibrated=bool(evaluation.calibration_clips or evaluation.detector.machine),
    )


def judged_machines(evaluation: Evaluation) -> Mapping[str, MachineTest]:
    """The machines that the artifact is for: its own if it has one and the test holds it."""
    machine = evaluation.detector.machine
    if evaluation.calibration_clips or machine is None or machine not in evaluation.tested:
        return evaluation.tested
    return {machine: evaluation.tested[machine]}


def _usability(evaluation: Evaluation) -> UsabilitySection:
    judged = judged_machines(evaluation)
    streams = [test.stream for test in judged.values() if test.stream]
    delays = [fault.delay for stream in streams for fault in stream.faults]
    charts: list[Chart] = []
    if evaluation.result.mean_budget_alarms and delays:
        name = "all machines" if len(judged) > 1 else next(iter(judged))
        charts.append(delay_chart(name, delays))
    # With calibration clips each machine has another calibration than the artifact.
    head = evaluation.detector.artifact.head
    sections = () if evaluation.calibration_clips else head.sensitivity
    changes = band_changes(sections)
    if changes:
        charts.append(sensitivity_chart(changes))
    return UsabilitySection(
        usability_of(evaluation).sentence,
        charts,
        sensitivity_sentence(sections),
        sensitivity_cells(sections),
    )


def ranking_sentence(result: EvaluationResult) -> str:
    """Return how well the scores separate faults from normal sound, in one sentence."""
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
    curve = _curve(evaluation, report)
    page = render_page(
        "edgeae.evaluate.report",
        "evaluation.html",
        title="edgeae evaluation",
        usability=_usability(evaluation),
        ranking_sentence=ranking_sentence(result),
        ranking_words=explanation(*RANKING_WORDS, max_fpr=result.max_fpr),
        rates_words=explanation(*RATES_WORDS),
        stream_words=explanation(*STREAM_WORDS),
        alarms_words=explanation(*ALARMS_WORDS),
        setup=_setup(evaluation),
        notes=notes(evaluation.tested, evaluation.calibration_clips, evaluation.detector.machine),
        advice=advice(
            result,
            evaluation.calibration_clips,
            evaluation.detector.machine,
            budget_effects(evaluation.tested),
            curve,
        ),
        ranking=ranking_table(result),
        remarks=remarks(result),
        machine_charts=[_machine_charts(evaluation, machine) for machine in evaluation.tested],
        rates=rates_table(result),
        stream=stream_table(result),
        alarms=_alarms(evaluation),
        example_groups=example_groups(evaluation.tested, evaluation.channel),
        learning=_learning(evaluation, curve),
        comparison=_comparison(evaluation),
        counterpart=counterpart(evaluation.model),
        provenance=provenance(
            evaluation.model, evaluation.data, evaluation.detector, evaluation.tested
        ),
        training_config=training_config(evaluation.detector),
    )
    path.write_text(page, encoding="utf-8")


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


def _alarms(evaluation: Evaluation) -> AlarmsSection | None:
    """Only where a budget was given."""
    result = evaluation.result
    rows = alarms_table(result)
    if rows is None or result.mean_budget_alarms is None:
        return None
    charts = [
        delay_chart(machine, metrics.budget_alarms.delays_s)
        for machine, metrics in result.machines.items()
        if metrics.budget_alarms and metrics.budget_alarms.delays_s
    ]
    budget = result.mean_budget_alarms.budget
    title = f"How soon a fault is reported, with a budget of {budget} false alarms"
    return AlarmsSection(title, rows, charts, alarms_sentence(result.mean_budget_alarms))


def alarms_sentence(alarms: BudgetAlarms) -> str:
    """Return what the alarms mean, in words that need no other."""
    count = "no" if not alarms.false_alarms else str(alarms.false_alarms)
    noun = "alarm" if alarms.false_alarms == 1 else "alarms"
    quiet = (
        f"{count} false {noun} in {alarms.normal_hours:.1f} hours of normal sound, whose "
        f"recordings are played several times"
    )
    n_faults = len(alarms.delays_s)
    if not n_faults:
        return f"There were {quiet}; the recordings hold no fault to report."
    last = max(FOUND_WITHIN_SECONDS)
    n_found = sum(delay is not None for delay in alarms.delays_s)
    half = ""
    if alarms.median_delay_s is not None:
        half = f" (half of all within {alarms.median_delay_s:.0f} seconds)"
    return (
        f"{n_found} of {n_faults} faults were reported within {last // 60} minutes after they "
        f"began{half}, with {quiet}."
    )


def _curve(evaluation: Evaluation, report: Callable[[str], None]) -> LearningCurve | None:
    """Only where machines are calibrated on clips: else no training recordings are read."""
    if not evaluation.calibration_clips:
        return None
    return learning_curve(evaluation.tested, evaluation.data, evaluation.channel, report)


def _learning(evaluation: Evaluation, curve: LearningCurve | None) -> LearningSection | None:
    clips = evaluation.calibration_clips
    auc = evaluation.result.mean.auc.value
    if not clips or curve is None or auc is None:
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
