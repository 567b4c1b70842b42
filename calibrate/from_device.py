"""Sound from a capture device to calibrate on."""

import contextlib

from edgeae.runtime.audio.channel import Channel
from edgeae.runtime.audio.level_meter import LevelMeter
from edgeae.runtime.capture.blocks import Gap
from edgeae.runtime.capture.capture import check_stream, open_capture
from edgeae.runtime.capture.stream_address import shown_name
from edgeae.runtime.errors import AudioError
from edgeae.runtime.live.stream import Stream, limited, stopping
from edgeae.runtime.scoring.detector import Detector
from edgeae.runtime.scoring.window_stream import Window
from edgeae.runtime.system.arrays import Float32

from .excerpt import ExcerptBudget
from .recording import CalibrationRecording


def record_device(
    detector: Detector,
    device: str,
    duration: float,
    channel: Channel,
    wait: float = 0.0,
    budget: ExcerptBudget | None = None,
) -> list[CalibrationRecording]:
    """The windows of a device; empty if it gave no complete window.

    device: its ALSA name, or the address of a network stream.
    duration: seconds to record. A gap begins a new recording.
    wait: seconds to wait for a device that is missing or busy.
    budget: how much of the sound is kept as excerpts; by default nothing.
    """
    check_stream(device)
    name = shown_name(device)
    budget = budget or ExcerptBudget(detector, 0.0)
    recordings: list[CalibrationRecording] = []
    windows: list[Window] = []
    kept: list[Float32] = []  # blocks, no more than the budget needs
    start = 0.0
    with open_capture(
        device, wait=wait, samplerate=detector.spec.sample_rate, channels=[channel]
    ) as capture:
        samplerate = capture.samplerate
        stream = Stream(detector, samplerate)
        with stopping(capture.stop) as signals, LevelMeter(duration) as meter:
            for item in limited(capture.blocks(), round(duration * samplerate)):
                if isinstance(item, Gap):
                    stream.gap(item.frames)
                    excerpt = budget.of_blocks(kept, samplerate)
                    recordings.append(
                        CalibrationRecording(name, windows, samplerate, start, excerpt)
                    )
                    windows = []
                    kept = []
                    start = stream.t
                    continue
                windows += stream.push(item)
                if sum(map(len, kept)) < budget.seconds * samplerate:
                    kept.append(item.copy())
                meter.push(item, stream.t)
        if signals:
            raise KeyboardInterrupt
    has_windows = bool(windows) or any(recording.windows for recording in recordings)
    if stream.full or not has_windows:
        with contextlib.suppress(AudioError):  # the sound after a gap may be too short
            windows += stream.flush()
    excerpt = budget.of_blocks(kept, samplerate)
    recordings.append(CalibrationRecording(name, windows, samplerate, start, excerpt))
    return [recording for recording in recordings if recording.windows]
