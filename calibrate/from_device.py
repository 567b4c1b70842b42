"""Live sound to calibrate on."""

import contextlib

from edgeae.runtime.audio.channel import Channel
from edgeae.runtime.audio.level_meter import LevelMeter
from edgeae.runtime.capture.blocks import Gap
from edgeae.runtime.capture.capture import open_capture
from edgeae.runtime.errors import AudioError
from edgeae.runtime.live.stream import Stream, limited, stopping
from edgeae.runtime.scoring.detector import Detector

from .recording import CalibrationRecording


def listen(
    detector: Detector, device: str, duration: float, channel: Channel, wait: float = 0.0
) -> list[CalibrationRecording]:
    """``duration`` seconds of live sound; a gap begins a new recording. Empty if none gave a window.

    wait: seconds for a device that is not there yet or busy.
    """
    with open_capture(
        device, wait=wait, samplerate=detector.spec.sample_rate, channels=[channel]
    ) as capture:
        sounds = [CalibrationRecording(device, samplerate=capture.samplerate)]
        stream = Stream(detector, capture.samplerate)
        with stopping(capture.stop) as came, LevelMeter(duration) as meter:
            for item in limited(capture.blocks(), round(duration * capture.samplerate)):
                if isinstance(item, Gap):
                    stream.gap(item.frames)
                    sounds.append(
                        CalibrationRecording(device, samplerate=capture.samplerate, start=stream.t)
                    )
                    continue
                sounds[-1].windows += stream.push(item)
                meter.push(item, stream.t)
        if came:
            raise KeyboardInterrupt
    if stream.full or not any(sound.windows for sound in sounds):
        with contextlib.suppress(AudioError):  # what follows a gap may be too short
            sounds[-1].windows += stream.flush()
    return [sound for sound in sounds if sound.windows]
