"""What the reader of an evaluation must know before the numbers: one sentence each."""

from collections.abc import Collection, Iterator, Mapping

from edgeae.runtime.audio.recordings import DEFAULT_MACHINE

from ..results.recording_scores import MachineTest, RecordingScore

MAX_NAMES = 3  # of recordings in a sentence


def notes(
    tests: Mapping[str, MachineTest], calibration_clips: int | None, machine: str | None
) -> list[str]:
    """Return sentences about what the numbers do not show.

    tests: of each machine
    machine: that the artifact is calibrated to; None for none
    """
    sentences = [note for name, test in tests.items() for note in _about_judgement(name, test)]
    sentences += _about_calibration(tests)
    if machine is not None and not calibration_clips:
        sentences += _about_machines(machine, tests.keys())
    return sentences


def _about_machines(machine: str, tested: Collection[str]) -> Iterator[str]:
    """Of an artifact of one machine that is tested on others; a single one may have no name."""
    others = sorted(set(tested) - {machine})
    if not others or (len(tested) == 1 and DEFAULT_MACHINE in (machine, others[0])):
        return
    start = f"The artifact is calibrated to {machine}, but the test holds {', '.join(others)}"
    if machine in tested:
        yield (
            f"{start}, too: scores and alarms of another machine say nothing about {machine}. "
            f"Calibrate each machine with `--calibration-clips 10`, or evaluate the recordings of "
            f"{machine} alone."
        )
    else:
        yield (
            f"{start}: unless this is the same machine under another name, calibrate each machine "
            f"with `--calibration-clips 10`."
        )


def _about_calibration(tests: Mapping[str, MachineTest]) -> Iterator[str]:
    """About alarms that are not measured after a calibration on the training recordings."""
    machines = [name for name, test in tests.items() if test.stream_calibration]
    if machines:
        yield (
            f"The network was trained on the calibration recordings of {', '.join(machines)}: they "
            f"score too low, and a device calibrated on them can raise false alarms. The alarms "
            f"are therefore measured after a calibration on the first minute of normal test "
            f"recordings, which the streams do not contain. The scores and thresholds of single "
            f"recordings are those after the calibration on the training recordings."
        )


def _about_judgement(machine: str, test: MachineTest) -> Iterator[str]:
    """About sound that `run` does not judge, such as silence."""
    unjudged = [score for score in test.scores if score.not_judged]
    partly = [score for score in test.scores if score.windows_not_judged and not score.not_judged]
    if unjudged:
        n_faulty = sum(score.label == "anomaly" for score in unjudged)
        yield (
            f"{len(unjudged)} of {len(test.scores)} recordings of {machine} were not judged, "
            f"because they hold no usable sound ({_names(unjudged)}). As in `edgeae run`, they "
            f"raise no alarm: {n_faulty} of them are faults and count as missed."
        )
    if partly:
        yield (
            f"{len(partly)} of {len(test.scores)} recordings of {machine} were judged in part: "
            f"some of their sound is silent or stuck ({_names(partly)})."
        )
    if test.stream and test.stream.n_not_judged:
        yield (
            f"In the streams of {machine}, {test.stream.n_not_judged} windows were not judged; "
            f"no alarm can start in them."
        )


def _names(scores: list[RecordingScore]) -> str:
    names = [score.file for score in scores[:MAX_NAMES]]
    n_more = len(scores) - len(names)
    return ", ".join(names) + (f" and {n_more} more" if n_more else "")
