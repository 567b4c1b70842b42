"""`edgeae run --device` and `edgeae run -`: live sound."""

import math
import signal
import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from threading import Condition

import click

from ..capture.capture import check_stream
from ..capture.microphone import Microphone
from ..capture.names import resolve
from ..capture.queue import CaptureQueue
from ..errors import AudioError, ConfigError, DeviceError
from ..live.feedback import FeedbackFile, handle_feedback
from ..live.limits import RunLimits
from ..live.listen import DeviceRoute, listen
from ..live.pipe_route import PipeLimits, PipeRoute
from ..live.source import Source
from ..live.stdin import Pipe
from ..live.stream import stopping
from ..live.verdict import unjudged_source
from ..outputs.feedback import FeedbackQueue
from ..outputs.lifecycle import Outputs
from ..scoring.detector import Detector
from ..system.identity import SourceIdentity
from .run_options import RunOptions
from .tracks import open_memories, open_tracks


def score_live(
    options: RunOptions, detectors: Sequence[Detector], limits: RunLimits
) -> tuple[bool, bool]:
    """Score live sound until its end or a signal; (any anomaly, interrupted by SIGINT).

    detectors: one for each source. AudioError if there was too little sound for a score.
    """
    with ExitStack() as stack:
        pipe = None if options.paced else _pipe(options, limits.pipe)
        signals = stack.enter_context(stopping(pipe.stop if pipe else None))
        tracks = open_tracks(stack, options, detectors, limits.drift)
        memories = open_memories(stack, options, detectors, limits.charts_file)
        feedback_path = options.learning.feedback
        feedback_file = FeedbackFile(feedback_path) if feedback_path else None
        if feedback_file:
            stack.callback(feedback_file.close)
        feedback = FeedbackQueue()
        names = options.source_names()
        outputs = stack.enter_context(
            Outputs(
                options.outputs,
                as_json=options.as_json,
                live=True,
                paced=options.paced,
                limits=limits.outputs,
                feedback=None if options.learning.no_learn else feedback,
                sources=[
                    SourceIdentity(name, detector.machine)
                    for name, detector in zip(names, detectors, strict=True)
                ],
            )
        )
        models = options.models * (len(names) // len(options.models))
        sources = [
            Source(
                name,
                detector,
                outputs,
                model=model,
                duration=options.duration,
                track=track,
                memory=memory,
                learns=not options.learning.no_learn,
            )
            for name, detector, model, track, memory in zip(
                names, detectors, models, tracks, memories, strict=True
            )
        ]

        def tick() -> None:
            outputs.tick()
            handle_feedback(sources, feedback_file, feedback)

        if pipe:
            PipeRoute(pipe, sources[0], tick, limits.pipe).run()
        else:
            score_microphones(options, sources, outputs, signals, limits, tick)
        if not signals and not any(source.n_windows for source in sources):
            raise AudioError(str(sources[0].too_short))
    for source in sources:
        message = unjudged_source(source.name, source.verdict)
        if message:
            click.echo(f"edgeae: {message}", err=True)
    any_anomaly = any(source.verdict.any_anomaly for source in sources)
    return any_anomaly, signal.SIGINT in signals


def _pipe(options: RunOptions, limits: PipeLimits) -> Pipe:
    # Python has no stdin if the descriptor is closed, as by `<&-`.
    if sys.stdin is None:
        raise ConfigError(
            "standard input is closed; pipe sound into `edgeae run -`, or name files or --device"
        )
    pcm = options.pcm
    return Pipe(
        pcm.encoding,
        pcm.input_channels,
        pcm.rate,
        options.channels[0],
        check_seconds=limits.check_seconds,
    )


def _stop_all(routes: Sequence[DeviceRoute]) -> None:
    """Each device takes up to a second to stop; all of them take it at the same time."""
    for route in routes:
        route.microphone.stop()


def score_microphones(
    options: RunOptions,
    sources: Sequence[Source],
    outputs: Outputs,
    signals: Sequence[int],
    limits: RunLimits,
    tick: Callable[[], None],
) -> None:
    """Score what the microphones deliver until all sources are done or a signal came.

    sources: one for each channel of each device, in their order.
    tick: called about once a second.
    """
    microphone_options = options.microphone
    for device in microphone_options.device:
        check_stream(device)
        # A missing device may be connected later; a name that no device can have is refused.
        with suppress(DeviceError):
            resolve(device)
    data_ready = Condition()
    remaining_sources = iter(sources)
    routes: list[DeviceRoute] = []
    with ExitStack() as stack:
        for device in microphone_options.device:
            microphone = Microphone(
                device,
                CaptureQueue(data_ready, limits.queue),
                samplerate=sources[0].samplerate,
                channels=options.channels,
                limits=limits.microphone,
            )
            channels = [(channel, next(remaining_sources)) for channel in options.channels]
            routes.append(DeviceRoute(microphone, channels))
            stack.callback(routes[-1].finish)
        stack.callback(_stop_all, routes)
        stack.callback(outputs.notify.stopping)
        outputs.notify.ready()
        give_up = microphone_options.give_up
        listen(
            routes,
            data_ready,
            lambda: bool(signals),
            tick,
            wait=microphone_options.wait_device,
            give_up=math.inf if give_up is None else give_up,
        )
