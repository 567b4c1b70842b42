"""A model card in Markdown: what an artifact is, where it comes from and where it fails.

The form is that of Mitchell et al., "Model Cards for Model Reporting", FAT* 2019. Everything but
the results is read from the artifact, and the same artifact gives the same card.
"""

import shlex
from pathlib import Path

from edgeae.runtime.scoring.calibration import history
from edgeae.runtime.scoring.detector import Detector
from edgeae.runtime.tables.artifact_text import origin

from ..results.tables import Table, alarms_table, ranking_table, rates_table, stream_table
from . import artifact_facts
from .limits import LIMITS, MEASURED_ON, MISUSES, USES, own_limits
from .markdown import UNKNOWN, environment, escape
from .saved_results import read_results


def render_card(detector: Detector, path: Path, results_path: Path | None = None) -> str:
    """Return the card of an artifact.

    path: file of the artifact
    results_path: file of what `edgeae evaluate --json` printed

    Raises ArtifactError for a calibration whose sessions are damaged, ConfigError for a results
    file that holds no results.
    """
    results = read_results(results_path) if results_path else None
    tables: list[Table] = []
    if results:
        streams = alarms_table(results) or stream_table(results)
        tables = [ranking_table(results), rates_table(results), streams]
    licence = origin(detector, "data", "licence")
    training_machines = origin(detector, "data", "machines")
    template = environment("edgeae.evaluate.report").get_template("model_card.md")
    return template.render(
        machine=detector.machine,
        model=origin(detector, "config", "model", "name"),
        patch_seconds=f"{artifact_facts.patch_seconds(detector):.2f}",
        window_seconds=f"{detector.window:g}",
        uses=USES,
        misuses=MISUSES,
        training_data=artifact_facts.training_data(detector),
        features=artifact_facts.features(detector),
        network=artifact_facts.network(detector),
        quantization=artifact_facts.quantization(detector),
        sessions=history(detector),
        stability=artifact_facts.stability(detector),
        threshold=artifact_facts.threshold(detector),
        support=detector.threshold.support(),
        results=results,
        tables=tables,
        own_limits=list(own_limits(detector, training_machines, escape(licence) != UNKNOWN)),
        measured_on=MEASURED_ON,
        limits=LIMITS,
        file=shlex.quote(path.name),
        versions=artifact_facts.versions(detector, path),
    )
