"""From a training run to artifacts: the float network, its int8 form, heads fitted on the outputs of each.

checkpoint -> torch -> ONNX -> rewrite (exact) -> model.onnx
                                   |
                                   +-> equalize channels -> quantize (ranges of all training clips) -> model.int8.onnx
"""

import io
import platform
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import onnx

from edgeae.runtime.audio.batch import read_each
from edgeae.runtime.audio.recordings import scan
from edgeae.runtime.audio.sound_file import samplerate_of
from edgeae.runtime.errors import ArtifactError, AudioError, ConfigError
from edgeae.runtime.features.log_mel_file import read_log_mel
from edgeae.runtime.model.artifact import Artifact
from edgeae.runtime.model.network import Network
from edgeae.runtime.model.sections import explain_section
from edgeae.runtime.scoring.detector import Detector
from edgeae.runtime.scoring.pipeline import Pipeline
from edgeae.runtime.scoring.selftest import measure
from edgeae.runtime.system.arrays import Float32
from edgeae.runtime.system.progress import Step, no_step
from edgeae.train.config import Config
from edgeae.train.lightning_module import load_network
from edgeae.train.networks import Autoencoder
from edgeae.train.run_folder import (
    best_checkpoint,
    data_folder_of,
    data_record,
    metrics_record,
    validation_files,
)

from .conv_transpose import rewrite
from .equalize import equalize
from .fold_batchnorm import fold
from .layer_error import CLIPS
from .qdq import input_range, quantize
from .ranges import measure_ranges
from .statistics_output import with_statistics
from .training_set import TrainingSet, evenly_spread, read_training_set
from .verify import assert_integer, assert_same

OPSET = 17
PARITY = 1e-4  # standard deviations, worst difference between torch and ONNX
HEADROOM = 1.5  # of the int8 ranges beyond the extremes of the training clips
PACKAGES = ("edgeae", "torch", "onnx", "onnxruntime", "numpy")


@dataclass(frozen=True)
class Export:
    """What one run gave: artifacts, and the sound they were fitted on."""

    float_: Artifact
    int8: Artifact | None
    sound: TrainingSet
    model: onnx.ModelProto  # the float network that became the int8 one
    held_out: list[
        Float32
    ]  # (n_frames, n_mels) dB of normal recordings that nothing was fitted on, see `held_out`

    def write(self, run: Path, output: Path | None) -> Path:
        """Write the artifact asked for to ``output``, or model.onnx and model.int8.onnx into the run's folder."""
        wanted = self.int8 or self.float_
        if output:
            wanted.write(output)
            return output
        home = run.parent.parent if run.suffix == ".ckpt" else run
        self.float_.write(home / "model.onnx")
        if self.int8:
            self.int8.write(home / "model.int8.onnx")
        return home / ("model.int8.onnx" if self.int8 else "model.onnx")


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

    data: the training data set, by default the one the run was trained on. window: seconds, by
    default as configured, and no longer than the recordings. Raises ConfigError for a missing run
    or data, ArtifactError where ONNX does not compute what torch does.
    """
    checkpoint = run if run.suffix == ".ckpt" else best_checkpoint(run)
    network, config = load_network(checkpoint)
    home = checkpoint.parent.parent
    folder = data or data_folder_of(home)
    step("reading the training recordings")
    sound = read_training_set(
        folder,
        config,
        report,
        skip_bad=skip_bad or config.data.skip_bad,
        held_out=validation_files(home, folder),
    )
    step("writing the network as ONNX")
    exported = to_onnx(network, config)
    model = rewrite(exported)
    assert_same(exported, model)
    patches = sound.patches(config.model.patch_frames)
    check_parity(network, model, config, patches[0])
    origin = provenance(home, checkpoint, config, licence, sound)
    asked = window or config.scoring.window
    held = sound.window(asked, config)
    if held < asked:
        report(
            f"most training recordings hold {held:.1f} s: the decision window is that, not {asked:g} s"
        )
    explain = explain_section(config.mel, network.std.numpy())
    fit = partial(
        fit_artifact,
        explain=explain,
        sound=sound,
        origin=origin,
        window=held,
        false_alarms=false_alarms,
    )
    step("fitting the head on the float network")
    float_artifact = fit(with_statistics(model), config)
    if not int8:
        return Export(float_artifact, None, sound, model, [])
    step("measuring ranges, quantizing")
    folded = fold(exported)
    evened = rewrite(equalize(folded, measure_ranges(folded, patches), HEADROOM))
    assert_same(model, evened, inside=False)
    quantized = quantize(evened, patches, headroom=HEADROOM, reduce_range=reduce_range)
    assert_integer(quantized.SerializeToString())
    how = {
        "weights": "int8 per channel",
        "activations": "uint8",
        "ranges": "min-max",
        "headroom": HEADROOM,
    }
    how |= {"clips": len(patches), "reduce_range": reduce_range}
    how["input_low_db"], how["input_high_db"] = input_range(quantized)
    step("fitting the head on the int8 network")
    int8_artifact = fit(quantized, config, quantization=how)
    return Export(float_artifact, int8_artifact, sound, evened, held_out(folder, config, report))


def held_out(data: Path, config: Config, report: Callable[[str], None]) -> list[Float32]:
    """Log-mel (n_frames, n_mels) dB of at most 40 normal test recordings, evenly spread: what set no range.

    Empty for a data set that is only there to train on.
    """
    try:
        normal = [recording for recording in scan(data, "test") if recording.label == "normal"]
        read = partial(read_log_mel, spec=config.mel, channel=config.data.channel)
        found = read_each(
            [recording.path for recording in evenly_spread(normal, CLIPS)],
            read,
            report,
            skip_bad=True,
        )
    except (ConfigError, AudioError):
        return []
    return [frames for _, frames in found if len(frames) >= config.model.patch_frames]


def to_onnx(network: Autoencoder, config: Config) -> onnx.ModelProto:
    """The network as torch writes it: (n_patches, frames, n_mels) dB -> residual of the same shape."""
    import torch

    example = torch.zeros(2, config.model.patch_frames, config.mel.n_mels)
    buffer: Any = io.BytesIO()
    with warnings.catch_warnings():
        # The TorchScript exporter needs no further package; it announces its age.
        warnings.simplefilter("ignore", DeprecationWarning)
        torch.onnx.export(
            network.eval(),
            (example,),
            buffer,
            dynamo=False,
            opset_version=OPSET,
            input_names=["log_mel"],
            output_names=["residual"],
            dynamic_axes={"log_mel": {0: "n_patches"}, "residual": {0: "n_patches"}},
        )
    model = onnx.load_from_string(buffer.getvalue())
    for node in model.graph.node:
        node.name = _module(node.name)
        for names in (node.input, node.output):
            names[:] = [_module(name) for name in names]
    return model


def _module(name: str) -> str:
    """What torch calls a layer or what it gives, by the name of its module: /body/body.3/Conv_output_0 -> body.3."""
    return name.split("/")[2] if name.startswith("/body/body.") else name


def check_parity(
    network: Autoencoder, model: onnx.ModelProto, config: Config, patches: Float32
) -> float:
    """Worst difference between torch and ONNX on ``patches`` (n, frames, n_mels); ArtifactError beyond 1e-4."""
    import torch

    with torch.inference_mode():
        expected = network(torch.from_numpy(patches)).numpy()
    found = Network(
        Artifact.build(with_statistics(model).SerializeToString(), config.mel)
    ).residual(patches)
    worst = float(np.abs(found - expected).max())
    if not worst <= PARITY:
        raise ArtifactError(
            f"the ONNX network differs from torch by {worst:.1e} standard deviations; {PARITY} is allowed"
        )
    return worst


def provenance(
    run: Path, checkpoint: Path, config: Config, licence: str, sound: TrainingSet
) -> dict[str, Any]:
    """Where the artifact comes from, in plain values."""
    seconds = sum(map(len, sound.frames)) / config.mel.frames_per_second
    data = data_record(run)
    metrics = metrics_record(run)
    return {
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "checkpoint": checkpoint.name,
        "config": config.to_dict(),
        "data": {
            "name": Path(data.get("folder", "")).name,
            "fingerprint": data.get("fingerprint"),
            "recordings": len(data.get("recordings", [])),
            "machines": sorted({recording.machine for recording in sound.recordings}),
            "hours": round(seconds / 3600, 4),
            "samplerates": sorted(
                {samplerate_of(recording.path) for recording in sound.recordings} - {0}
            ),
            "licence": licence,
        },
        "metrics": {
            key: metrics.get(key) for key in ("val_loss", "epochs", "parameters", "macs_per_second")
        },
        "versions": {
            "python": platform.python_version(),
            **{name: version(name) for name in PACKAGES},
        },
    }


def fit_artifact(
    model: onnx.ModelProto,
    config: Config,
    *,
    explain: dict[str, Any],
    sound: TrainingSet,
    origin: dict[str, Any],
    window: float,
    false_alarms: str,
    quantization: dict[str, Any] | None = None,
) -> Artifact:
    """The artifact of a network: head, threshold and self-test come from its own outputs."""
    artifact = Artifact.build(
        model.SerializeToString(),
        config.mel,
        explain=explain,
        provenance=origin,
        quantization=quantization,
    )
    pipeline = Pipeline(config.mel, Network(artifact), window)
    fitted = artifact.with_sections(**sound.fit(pipeline, config.scoring.head, false_alarms))
    return fitted.with_sections(selftest=measure(Detector(fitted)))
