"""`edgeae run`: score recordings, raw PCM from a pipe, or microphones."""

from pathlib import Path
from typing import Any

import click

from ..errors import EXIT_INTERRUPTED
from ..live.limits import RunLimits
from ..outputs.registry import output_options
from ..scoring.detector import Detector
from ..scoring.selftest import load_all
from .run_files import score_recordings
from .run_live import score_live
from .run_options import RunOptions, run_options

EXIT_ANOMALY = 1


@click.command()
@click.argument("arguments", nargs=-1, type=click.Path(), metavar="[MODEL]... [FILES... | -]")
@run_options
@output_options
@click.pass_obj
def run(limits: RunLimits | None, /, arguments: tuple[str, ...], **values: Any) -> int:
    """Score recordings, stdin (-: raw PCM, WAV or FLAC) or microphones: one score a second.

    MODEL is an artifact (.onnx); by default $EDGEAE_MODEL, else ./machine.onnx, which calibrate
    writes, else ./model.int8.onnx, else the newest in runs/latest.
    Several devices or channels take one artifact for all, or one for each, in their order.

    \b
    edgeae run machine.onnx --device hw:1 --json
    edgeae run machine.onnx --device hw:1 --json --track machine-track.json
    edgeae run pump.onnx fan.onnx --device hw:1 --channels 0,1 --json
    edgeae run machine.onnx recordings/*.wav --fail-on-anomaly
    edgeae run machine.onnx recordings/ --log scores.jsonl --resume
    edgeae run --config pump-3.toml
    arecord -D hw:1 -f S16_LE -r 16000 -t raw | edgeae run machine.onnx -
    """
    limits = limits or RunLimits()
    options = RunOptions.of(arguments, values)
    n_sources = len(options.source_names())
    detectors = load_all(options.models, limits.network) * (n_sources // len(options.models))
    for path, detector in zip(options.models, detectors, strict=False):
        _warn_uncalibrated(path, detector)
    interrupted = False
    if options.live:
        any_anomaly, interrupted = score_live(options, detectors, limits)
    else:
        any_anomaly = score_recordings(options, detectors[0], limits)
    if interrupted:
        return EXIT_INTERRUPTED
    return EXIT_ANOMALY if any_anomaly and options.fail_on_anomaly else 0


def _warn_uncalibrated(model: Path, detector: Detector) -> None:
    if detector.machine is None:
        click.echo(
            f"edgeae: {model} is not calibrated to a machine; "
            "run `edgeae calibrate` on a minute of its normal sound",
            err=True,
        )
