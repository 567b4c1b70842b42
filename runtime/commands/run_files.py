"""`edgeae run FILES`: recordings."""

from contextlib import ExitStack

import click

from ..errors import AudioError
from ..live.limits import RunLimits
from ..live.verdict import unjudged_recordings
from ..offline.cluster import cluster_workers
from ..offline.files import expand, score_files
from ..offline.resume import ResumeLog, log_files
from ..outputs.lifecycle import Outputs
from ..scoring.detector import Detector
from ..system.process_pool import jobs_for
from .run_options import RunOptions
from .tracks import open_tracks


def score_recordings(options: RunOptions, detector: Detector, limits: RunLimits) -> bool:
    """Score recordings as wholes; True if any was anomalous.

    AudioError at the end if some could not be read, unless --skip-bad allows it.
    """
    files = options.files
    with ExitStack() as stack:
        [track] = open_tracks(stack, options, [detector], limits.drift)
        outputs = stack.enter_context(
            Outputs(
                options.outputs,
                as_json=options.as_json,
                live=False,
                paced=False,
                limits=limits.outputs,
            )
        )
        paths = expand(options.inputs, files.recursive, _report)
        resume_log = None
        if files.resume and files.log:
            resume_log = ResumeLog(log_files(files.log), detector)
        workers = None
        if files.cluster:
            workers = stack.enter_context(cluster_workers(files.cluster))
        scored = score_files(
            detector,
            paths,
            detector.channel if options.channel is None else options.channel,
            outputs.publisher,
            track,
            jobs=files.jobs or jobs_for(paths),
            workers=workers,
            learns=not options.learning.no_learn,
            resume_log=resume_log,
        )
    n_unreadable = scored.n_unreadable
    allowed = files.skip_bad and n_unreadable < len(paths)
    if n_unreadable and not allowed:
        raise AudioError(
            f"{n_unreadable} of the files could not be scored (named above); "
            "repair them or pass --skip-bad"
        )
    message = unjudged_recordings(scored.verdicts)
    if message:
        _report(message)
    return any(verdict.any_anomaly for verdict in scored.verdicts)


def _report(message: str) -> None:
    click.echo(f"edgeae: {message}", err=True)
