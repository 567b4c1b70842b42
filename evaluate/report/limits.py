"""What a detector is for and where it fails, as sentences of the model card.

`benchmarks/robustness.py` and daily use have shown these limits; README.md has the numbers.
"""

from collections.abc import Iterator

from edgeae.runtime.scoring.detector import Detector
from edgeae.runtime.scoring.threshold import MIN_CALIBRATION_WINDOWS

USES = [
    "To report that one machine with a repeating or steady sound no longer sounds as it did when "
    "it was calibrated, from one microphone at one place, so that somebody looks at it.",
    "Machines of the kind named under training data. Another kind needs a training of its own.",
]
MISUSES = [
    "Safety: the absence of an alarm proves nothing. The detector replaces no guard, no limit "
    "switch, no inspection.",
    "Naming a fault: an event says which frequencies changed, not which part is broken.",
    "Speech and people: the detector is not made to recognise them. Clips that `run --clips` keeps "
    "may contain voices all the same.",
]
MEASURED_ON = (
    "Measured with such detectors on other machines (edgeae's benchmarks of robustness), not on "
    "this one:"
)
LIMITS = [
    "A machine that is already broken while it is calibrated, and sounds the same all the time, "
    "counts as healthy.",
    "After a microphone was moved, exchanged or covered, calibrate again. A change of its gain "
    "alone, by up to 12 dB, hardly matters.",
    "Sound recorded at less than 16 kHz lacks its upper half and causes false alarms at once. "
    "Another calibration stops most of them and then finds fewer faults. Rates from 22.05 to 96 "
    "kHz change nothing.",
    "Noise, hum or another machine that was absent at the calibration causes false alarms, from 20 "
    "dB below the level of the machine on. Another calibration stops most of them, and faults "
    "below the noise stay hidden.",
    "In clipped sound fewer faults are found; `run` reports it as `clipping`.",
    "A speed or load that did not occur at the calibration causes false alarms. One that makes all "
    "of the machine evenly louder is reported as another `level`, not as an anomaly.",
    "A fault that grows over weeks is reported late or never where `run --track` follows the "
    "machine.",
]


def own_limits(detector: Detector, training_machines: object, has_licence: bool) -> Iterator[str]:
    """Yield what this artifact cannot promise.

    training_machines: the machines of the training, as the provenance has them
    has_licence: the provenance states the licence of the training data
    """
    threshold = detector.threshold
    if detector.machine is None:
        yield (
            "Not calibrated: on a machine that was not in the training, scores and threshold mean "
            "little."
        )
    elif detector.head.windows < MIN_CALIBRATION_WINDOWS:
        yield (
            f"Calibrated on {detector.head.windows} windows: the threshold is little more than a "
            f"guess."
        )
    if threshold.extrapolated:
        yield (
            f"{threshold.false_alarms} false alarms are rarer than the training sound can show. "
            f"The threshold is extrapolated with a fitted tail: false alarms may be more frequent, "
            f"and slight faults are missed."
        )
    if isinstance(training_machines, list) and len(training_machines) == 1:
        yield "Trained on one machine: how machines of the kind differ from each other is unknown."
    if not has_licence:
        yield "The licence of the training data is not stated."
