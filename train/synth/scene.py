"""One recording of a machine: its sound, its room and its microphone, with or without a fault."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgeae.runtime.errors import ConfigError

from .faults import Fault
from .machine import (
    Array,
    Machine,
    Rotation,
    healthy_sound,
    microphone_response,
    room_sound,
    rotate,
)

Samples = NDArray[np.float32]

MIN_SAMPLERATE_HZ = 16000  # the resonance of a bearing needs it
MIN_CLIP_SECONDS = 0.1
GROWTH_SECONDS = 2.0  # from the first sound of a fault to its severity


@dataclass(frozen=True)
class Scene:
    """A machine at a speed and load, in a room, and the microphone at its place."""

    machine: Machine
    rotation: Rotation
    sound: Array  # (n,) of the healthy machine and the room
    response: Array  # (n // 2 + 1,) amplitude response of the microphone

    @classmethod
    def draw(
        cls,
        machine: Machine,
        rng: np.random.Generator,
        seconds: float,
        samplerate: int = MIN_SAMPLERATE_HZ,
    ) -> "Scene":
        """A random scene; ConfigError for too few seconds or too low a sample rate."""
        if seconds < MIN_CLIP_SECONDS or samplerate < MIN_SAMPLERATE_HZ:
            raise ConfigError(
                f"synth: {seconds} s at {samplerate} Hz; "
                f"allowed is from {MIN_CLIP_SECONDS} s at {MIN_SAMPLERATE_HZ} Hz"
            )
        n = round(seconds * samplerate)
        rotation = rotate(machine, rng, n, samplerate)
        sound = healthy_sound(machine, rotation, rng)
        room = room_sound(rng, n, samplerate)
        response = microphone_response(rng, n, samplerate)
        return cls(machine, rotation, sound + room, response)

    def record(self, fault_sound: Array | None = None) -> Samples:
        """(n,) samples, full scale 1; fault_sound: (n,) what a fault adds."""
        sound = self.sound if fault_sound is None else self.sound + fault_sound
        recorded = np.fft.irfft(self.response * np.fft.rfft(sound), len(sound))
        return (10 ** (self.machine.level / 20) * recorded).astype(np.float32)

    def record_onset(self, fault: Fault, onset_seconds: float, rng: np.random.Generator) -> Samples:
        """(n,) samples of the same sound with a fault that begins after ``onset_seconds``.

        The machine keeps turning: the two parts are one stream without a joint.
        """
        start = round(onset_seconds * self.rotation.samplerate)
        rotation = self.rotation.since(start)
        growth = np.arange(rotation.phase.size) / (GROWTH_SECONDS * rotation.samplerate)
        fault_sound = np.zeros_like(self.sound)
        fault_sound[start:] = np.minimum(growth, 1) * fault.sound(self.machine, rotation, rng)
        return self.record(fault_sound)
