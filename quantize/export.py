"""From a training run to artifacts: the float network and its int8 form, each with its own head.

checkpoint -> torch -> ONNX -> rewrite (exact) -> model.onnx
                                   |
                                   +-> equalize -> quantize (ranges of all training recordings)
                                           -> model.int8.onnx
"""

import platform
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import version
from pathlib import Path

import numpy as np
import onnx

from edgeae.runtime.audio.batch import read_each
from edgeae.runtime.audio.recordings import scan
from edgeae.runtime.audio.sound_file import samplerate_of
from edgeae.runtime.errors import AudioError, ConfigError
from edgeae.runtime.features.log_mel_file import read_log_mel
from edgeae.runtime.model.artifact import Artifact
from edgeae.runtime.model.network import Network
from edgeae.runtime.model.sections import ExplainSection, QuantizationSection
from edgeae.runtime.scoring.detector import Detector
from edgeae.runtime.scoring.pipeline import Pipeline
from edgeae.runtime.scoring.selftest import measure
from edgeae.runtime.system.arrays import Float32
from edgeae.runtime.system.progress import Step, no_step
from edgeae.runtime.system.spread import evenly_spread
from edgeae.train.checkpoint_network import load_best
from edgeae.train.config import Config
from edgeae.train.run_folder import (
    DataRecord,
    data_folder_of,
    data_record,
    metrics_record,
    validation_files,
)

from .equalize import equalize
from .integer_residual import input_range
from .layer_error import MAX_RECORDINGS
from .qdq import quantize
from .ranges import DEFAULT_HEADROOM, measure_ranges
from .rewriting.conv_transpose import rewrite
from .rewriting.fold_batchnorm import fold
from .statistics_output import with_statistics
from .torch_to_onnx import check_parity, identity_matrix, to_onnx
from .training_set import TrainingSet, read_training_set
from .verify import assert_integer, assert_same

PACKAGES = ("edgeae", "torch", "onnx", "onnxruntime", "numpy")


@dataclass(frozen=True)
class Export:
    """The artifacts of one run, and the recordings they were fitted on."""

    float_: Artifact
    int8: Artifact | None
    training_set: TrainingSet
    model: onnx.ModelProto  # the float network that became the int8 one
    # (n_frames, n_mels) dB of normal recordings that nothing was fitted on, see `read_test_normals`
    test_normals: list[Float32]
    identity: Float32 | None = None  # the matrix of the identity embedding

    def write(self, run: Path, output: Path | None) -> Path:
        """Write the artifact that was asked for to ``output``; returns its path.

        Without ``output``, write model.onnx and model.int8.onnx into the folder of the run.
        """
        if output:
            artifact = self.int8 or self.float_
            artifact.write(output)
            return output
        home = run.parent.parent if run.suffix == ".ckpt" else run
        self.float_.write(home / "model.onnx")
        if self.int8 is None:
            return home / "model.onnx"
        self.int8.write(home / "model.int8.onnx")
        return home / "model.int8.onnx"


def export(
    run: Path,
    *,
    int8: bool,
    data: Path | None = None,
    window: float | None = None,
    false_alarms: str = "1/day",
    licence: str = "not stated",
    reduce_range: bool = False,
    skip_bad: bool = False,
    report: Callable[[str], None],
    step: Step = no_step,
) -> Export:
    """The artifacts of the best checkpoint of ``run``, or of a checkpoint file.

    int8: make the int8 artifact as well.
    data: the training data set, by default the one the run was trained on.
    window: the decision window in seconds, by default as configured, and no longer than the
        recordings.
    false_alarms: the budget, such as ``1/day``.
    licence: of the recordings, for the artifact's provenance.
    reduce_range: see `edgeae.quantize.qdq.quantize`.
    skip_bad: continue without recordings that cannot be read.
    report, step: receive sentences for the user, and the name of each step.

    Raises ConfigError for a missing run or missing data, ArtifactError where ONNX does not compute
    what torch does.
    """
    checkpoint, network, config = load_best(run, report)
    home = checkpoint.parent.parent
    folder = data or data_folder_of(home)
    step("reading the training recordings")
    training_set = read_training_set(
        folder,
        config,
        report,
        skip_bad=skip_bad or config.data.skip_bad,
        held_out=validation_files(home, folder),
    )
    step("writing the network as ONNX")
    exported = to_onnx(network, config)
    model = rewrite(exported)
    identity = identity_matrix(network)
    assert_same(exported, model)
    patches = training_set.patches(config.model.patch_frames)
    check_parity(network, model, config, patches[0])
    fit = partial(
        fit_artifact,
        config=config,
        explain=ExplainSection.of(config.mel, network.mean.numpy(), network.std.numpy()),
        training_set=training_set,
        provenance=provenance(home, checkpoint, config, licence, training_set),
        window=_decision_window(window, training_set, config, report),
        false_alarms=false_alarms,
    )
    step("fitting the head on the float network")
    float_artifact = fit(with_statistics(model, identity=identity))
    if not int8:
        return Export(float_artifact, None, training_set, model, [])
    step("measuring ranges, quantizing")
    equalized, quantized = _quantize(exported, patches, reduce_range, identity)
    assert_same(model, equalized, inside=False)
    quantization = _quantization_section(quantized, len(patches), reduce_range)
    step("fitting the head on the int8 network")
    int8_artifact = fit(quantized, quantization=quantization, exact=float_artifact)
    test_normals = read_test_normals(folder, config, report)
    return Export(float_artifact, int8_artifact, training_set, equalized, test_normals, identity)


def _decision_window(
    asked: float | None,
    training_set: TrainingSet,
    config: Config,
    report: Callable[[str], None],
) -> float:
    """The decision window in seconds: as asked or configured, no longer than most recordings."""
    max_seconds = asked or config.scoring.window
    window = training_set.window(max_seconds, config)
    if window < max_seconds:
        report(
            f"most training recordings hold {window:.1f} s: "
            f"the decision window is that, not {max_seconds:g} s"
        )
    return window


def _quantize(
    exported: onnx.ModelProto,
    patches: Sequence[Float32],
    reduce_range: bool,
    identity: Float32 | None,
) -> tuple[onnx.ModelProto, onnx.ModelProto]:
    """The float network with equalized channels, and the int8 network that it becomes."""
    folded = fold(exported)
    ranges = measure_ranges(folded, patches)
    equalized = rewrite(equalize(folded, ranges, DEFAULT_HEADROOM))
    quantized = quantize(
        equalized,
        patches,
        headroom=DEFAULT_HEADROOM,
        reduce_range=reduce_range,
        identity=identity,
    )
    assert_integer(quantized.SerializeToString())
    return equalized, quantized


def _quantization_section(
    quantized: onnx.ModelProto, n_recordings: int, reduce_range: bool
) -> QuantizationSection:
    """The section ``quantization`` of an int8 artifact."""
    low_db, high_db = input_range(quantized)
    return QuantizationSection(
        low_db.astype(np.float64),
        high_db.astype(np.float64),
        weights="int8 per channel",
        activations="uint8",
        reduce_range=reduce_range,
        ranges="min-max",
        clips=n_recordings,
        headroom=DEFAULT_HEADROOM,
    )


def read_test_normals(data: Path, config: Config, report: Callable[[str], None]) -> list[Float32]:
    """Log-mel (n_frames, n_mels) dB of at most 40 normal test recordings, evenly spread.

    No range was measured on them. Empty for a data set without a test.
    """
    read = partial(read_log_mel, spec=config.mel, channel=config.data.channel)
    try:
        normals = [recording for recording in scan(data, "test") if recording.label == "normal"]
        paths = [recording.path for recording in evenly_spread(normals, MAX_RECORDINGS)]
        pairs = read_each(paths, read, report, skip_bad=True)
    except (ConfigError, AudioError):
        return []
    return [frames for _, frames in pairs if len(frames) >= config.model.patch_frames]


def provenance(
    run: Path, checkpoint: Path, config: Config, licence: str, training_set: TrainingSet
) -> dict[str, object]:
    """The section ``provenance`` of an artifact: where it comes from, in plain values."""
    n_frames = sum(map(len, training_set.frames))
    hours = n_frames / config.mel.frames_per_second / 3600
    recordings = training_set.recordings
    data = data_record(run) or DataRecord(folder="")
    metrics = metrics_record(run)
    versions = {name: version(name) for name in PACKAGES}
    return {
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "checkpoint": checkpoint.name,
        "config": _without_folders(config).to_dict(),
        "data": {
            "name": Path(data.folder).name,
            "fingerprint": data.fingerprint,
            "recordings": len(data.recordings),
            "machines": sorted({recording.machine for recording in recordings}),
            "hours": round(hours, 4),
            "samplerates": sorted({samplerate_of(item.path) for item in recordings} - {0}),
            "licence": licence,
        },
        "metrics": {
            key: getattr(metrics, key, None)
            for key in ("val_loss", "epochs", "parameters", "macs_per_second")
        },
        "versions": {"python": platform.python_version(), **versions},
    }


def _without_folders(config: Config) -> Config:
    """A configuration that names no folder of this computer: artifacts are passed on."""
    names = tuple(Path(name).name for name in config.data.background)
    return replace(config, data=replace(config.data, background=names, cache=None))


def fit_artifact(
    model: onnx.ModelProto,
    *,
    config: Config,
    explain: ExplainSection,
    training_set: TrainingSet,
    provenance: Mapping[str, object],
    window: float,
    false_alarms: str,
    quantization: QuantizationSection | None = None,
    exact: Artifact | None = None,
) -> Artifact:
    """The artifact of a network: head, threshold and self-test come from its own outputs.

    explain, provenance, quantization: sections of the artifact.
    exact: the artifact of the float network that became this int8 network.
    """
    artifact = Artifact.build(
        model.SerializeToString(),
        config.mel,
        explain=explain,
        provenance=provenance,
        quantization=quantization,
    )
    pipeline = Pipeline(config.mel, Network(artifact), window)
    float_pipeline = Pipeline(config.mel, Network(exact), window) if exact else None
    fleet = training_set.fit(pipeline, config.scoring.head, false_alarms, float_pipeline)
    fitted = artifact.with_sections(head=fleet.head, threshold=fleet.threshold)
    return fitted.with_sections(selftest=measure(Detector(fitted)))
