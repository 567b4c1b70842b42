"""Time limits and lengths of a live run, in one place so that a test can shorten them."""

from dataclasses import dataclass, field

from ..capture.microphone import MicrophoneLimits
from ..capture.queue import QueueLimits
from ..model.network import NetworkLimits
from ..monitoring.charts_file import ChartsFileLimits
from ..monitoring.drift import DriftLimits
from ..outputs.declaration import OutputLimits
from .pipe_route import PipeLimits


@dataclass(frozen=True)
class RunLimits:
    """Limits of `edgeae run`; `edgeae.runtime.commands.cli.main(limits)` starts it with others."""

    network: NetworkLimits = field(default_factory=NetworkLimits)
    microphone: MicrophoneLimits = field(default_factory=MicrophoneLimits)
    queue: QueueLimits = field(default_factory=QueueLimits)
    pipe: PipeLimits = field(default_factory=PipeLimits)
    drift: DriftLimits = field(default_factory=DriftLimits)
    charts_file: ChartsFileLimits = field(default_factory=ChartsFileLimits)
    outputs: OutputLimits = field(default_factory=OutputLimits)
