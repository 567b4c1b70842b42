"""What a detector is for and where it fails, as the model card tells it.

The limits are what `benchmarks/robustness.py` and daily use have shown; README.md has the figures.
"""

from collections.abc import Iterator
from typing import Any

from edgeae.runtime.scoring.detector import Detector
from edgeae.runtime.scoring.threshold import FEWEST_CALIBRATION

from .markdown import UNKNOWN, text

KINDS = {
    "gaussian": "distance of the sound's statistics, and of what the network leaves of them, from the machine's normal",
    "mse": "logarithm of the mean squared residual",
    "no_network": "distance of the sound's statistics from the machine's normal, without the network",
}
USES = [
    "To hear that one machine with a repeating or steady sound no longer sounds as it did when it was calibrated, from "
    "one microphone at one place, and to have somebody look at it.",
    "Machines of the kind that stands under training data. Another kind needs a training of its own.",
]
MISUSES = [
    "Safety: an alarm that does not come proves nothing. It replaces no guard, no limit switch, no inspection.",
    "Naming a fault: an event says which frequencies moved, not which part is broken.",
    "Speech and people: it is not made to hear them. Clips that `run --clips` keeps may hold voices all the same.",
]
MEASURED = "Of such detectors, measured on other machines (edgeae's benchmarks of robustness), not on this one:"
LIMITS = [
    "A machine that is broken while it is calibrated, and sounds the same all the time, passes for a healthy one.",
    "A microphone that was moved, exchanged or covered: calibrate again. A change of its gain alone, by up to 12 dB, "
    "hardly matters.",
    "Sound recorded at less than 16 kHz lacks its upper half and raises false alarms at once; calibrating again stops "
    "most of them and finds fewer faults. Rates from 22.05 to 96 kHz change nothing.",
    "Noise, hum or another machine that was not there at calibration raises false alarms, from 20 dB below the "
    "machine's own level on; calibrating again stops most of them, and faults below the noise stay hidden.",
    "Clipped sound finds fewer faults; `run` tells it as `clipping`.",
    "Another speed or load than any at calibration raises false alarms; one that makes all of the machine evenly "
    "louder is told as another `level`, not as an anomaly.",
    "A fault that grows over weeks is told late or never where `run --track` follows the machine.",
]


def own_limits(detector: Detector, machines: Any, licence: Any) -> Iterator[str]:
    """What this very artifact cannot promise; machines and licence: of its training, as its provenance has them."""
    rule = detector.threshold
    if detector.machine is None:
        yield "Not calibrated: on a machine that was not in the training, scores and threshold mean little."
    elif detector.head.windows < FEWEST_CALIBRATION:
        yield f"Calibrated on {detector.head.windows} windows: the threshold is little more than a guess."
    if rule.extrapolated:
        yield (
            f"{text(rule.false_alarms)} false alarms are rarer than the training sound can show. The threshold is read "
            f"off a fitted tail: it may ring more often, and it is deaf to slight faults."
        )
    if isinstance(machines, list) and len(machines) == 1:
        yield "Trained on one machine: how machines of the kind differ from each other is unknown."
    if text(licence) == UNKNOWN:
        yield "The licence of the training data is not stated."
