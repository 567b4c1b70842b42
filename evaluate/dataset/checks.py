"""What to fix in a data set before training on it, the most serious first."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from statistics import median

import numpy as np

from edgeae.runtime.audio.other_channel import CHECK_MICROPHONE
from edgeae.runtime.monitoring.normal_level import is_plain_noise, normal_level_of_recordings

from .band_levels import BAND_CENTRES_HZ, INSPECTION_SPEC
from .duplicates import Duplicates
from .findings import Finding, finding_about
from .recording_stats import MIN_LEVEL_DBFS, RecordingStats
from .survey import GROUPS, SPLITS, Survey

MAX_CLIPPED_SHARE = 1e-4  # of the samples, as in `calibrate`
MAX_BAD_SHARE = 0.05  # of a second: digital zeros or stuck samples, as in `run`
PATCH_FRAMES = 32  # of the presets
MAX_LEVEL_DIFFERENCE_DB = 15.0  # from the median of a machine's normal recordings
MAX_DEAD_DBFS = -60.0  # of the noise of a converter; of louder even noise a leak may be the cause
MAX_SHIFTED_SHARE = 0.25  # of the bands whose test median lies outside the training

# Kind of a finding, and what its check looks for.
KINDS = {
    "labels": "the same sound under two labels or machines",
    "leakage": "the same sound in train/ and test/",
    "near leakage": "nearly the same sound in train/ and test/",
    "silence": f"below {MIN_LEVEL_DBFS:g} dBFS",
    "off": "the machine is off or the microphone is dead, as `run` recognises it",
    "clipping": (
        f"more than {100 * MAX_CLIPPED_SHARE:g} % of the samples at full scale, "
        "or a flat top below it"
    ),
    "stuck": "samples that stand still or repeat themselves",
    "interruptions": f"digital zeros for {100 * MAX_BAD_SHARE:g} % of a second",
    "duration": "too short for a patch of the network",
    "sample rate": "not the rate of the others, or below 16 kHz",
    "channels": "not the number of channels of the others",
    "bandwidth": "nothing above some frequency between 0.5 and 6 kHz",
    "level": f"normal recordings {MAX_LEVEL_DIFFERENCE_DB:g} dB from most of their machine",
    "copies": "the same sound twice in train/ or in test/",
    "near copies": "nearly the same sound twice in train/ or in test/",
    "shift": "normal sound in test/ unlike that in train/",
    "absence": "machines without recordings to train on or to test with",
}

Recordings = Sequence[RecordingStats]


def findings(survey: Survey) -> list[Finding]:
    """What all checks find, in the order of seriousness.

    Files that cannot be used at all are in ``survey.refused``.
    """
    recordings = survey.recordings
    audible = [recording for recording in recordings if not _is_silent(recording)]
    duplicates = Duplicates.among(audible)
    return [
        *duplicates.conflicting_labels(),
        *duplicates.leaks(),
        *_silence(recordings),
        *_off(survey, audible),
        *_dead_microphones(survey, audible),
        *_clipping(audible),
        *_stuck(audible),
        *_interruptions(audible),
        *_duration(recordings),
        *_sample_rates(recordings),
        *_low_sample_rates(recordings),
        *_channels(recordings),
        *_bandwidths(audible),
        *_levels(audible),
        *duplicates.repetitions(),
        *_shifts(survey),
        *_missing_recordings(survey),
    ]


def _is_silent(recording: RecordingStats) -> bool:
    return recording.level_dbfs is not None and recording.level_dbfs < MIN_LEVEL_DBFS


def _silence(recordings: Recordings) -> Iterator[Finding]:
    yield from finding_about(
        "silence",
        f"silent (below {MIN_LEVEL_DBFS:g} dBFS)",
        CHECK_MICROPHONE,
        [item for item in recordings if _is_silent(item) and item.other_channel is None],
    )
    others = sorted({item.other_channel for item in recordings if item.other_channel is not None})
    for other in others:
        with_other = [item for item in recordings if item.other_channel == other]
        yield from finding_about(
            "silence",
            f"silent (below {MIN_LEVEL_DBFS:g} dBFS), but channel {other} is not",
            f"give --channel {other}",
            [item for item in with_other if _is_silent(item)],
        )
        yield from finding_about(
            "off",
            f"even noise, as of a converter without a microphone, but channel {other} has sound",
            f"give --channel {other}",
            [item for item in with_other if not _is_silent(item)],
        )


def _dead_microphones(survey: Survey, recordings: Recordings) -> Iterator[Finding]:
    """Quiet, even noise, also where all recordings of a machine are so."""
    yield from finding_about(
        "off",
        f"even noise below {MAX_DEAD_DBFS:g} dBFS, as of a converter without a microphone",
        "remove it, and check the microphone",
        [
            item
            for item in recordings
            if item.other_channel is None
            and item.level_dbfs is not None
            and item.level_dbfs < MAX_DEAD_DBFS
            and item.file in survey.spectra
            and is_plain_noise(INSPECTION_SPEC, survey.spectra[item.file])
        ],
    )


def _off(survey: Survey, recordings: Recordings) -> Iterator[Finding]:
    """Recordings that `run` would not judge, beside the normal ones of their machine."""
    off = []
    below_db = [0.0]
    for machine in survey.machines:
        of_machine = [
            recording
            for recording in recordings
            if recording.machine == machine and recording.file in survey.spectra
        ]
        normal = [
            survey.spectra[recording.file]
            for recording in of_machine
            if recording.label == "normal"
        ]
        if not normal:
            continue
        level = normal_level_of_recordings(INSPECTION_SPEC, np.array(normal))
        for recording in of_machine:
            spectrum = survey.spectra[recording.file]
            if level.is_off(spectrum):
                off.append(recording)
                below_db.append(level.below_db(spectrum))
    up_to = "up to " if len(off) > 1 else ""
    yield from finding_about(
        "off",
        "the machine is off or the microphone is dead: "
        f"{up_to}{max(below_db):.0f} dB below the machine's normal recordings",
        "remove it, and check the microphone",
        off,
    )


def _clipping(recordings: Recordings) -> Iterator[Finding]:
    clipped = [
        recording for recording in recordings if (recording.clipped_share or 0) > MAX_CLIPPED_SHARE
    ]
    highest = 100 * max((recording.clipped_share or 0 for recording in clipped), default=0)
    up_to = "up to " if len(clipped) > 1 else ""
    yield from finding_about(
        "clipping",
        f"{up_to}{highest:.2g} % of the samples are clipped",
        "lower the gain and record again",
        clipped,
    )


def _stuck(recordings: Recordings) -> Iterator[Finding]:
    yield from finding_about(
        "stuck",
        "the samples stand still, or a short stretch repeats itself",
        "a driver or a file made this, not the machine: remove it",
        [recording for recording in recordings if (recording.stuck_share or 0) > MAX_BAD_SHARE],
    )


def _interruptions(recordings: Recordings) -> Iterator[Finding]:
    yield from finding_about(
        "interruptions",
        "interrupted by digital zeros",
        "cut them off, or record without losses",
        [recording for recording in recordings if (recording.silent_share or 0) > MAX_BAD_SHARE],
    )


def _duration(recordings: Recordings) -> Iterator[Finding]:
    spec = INSPECTION_SPEC
    patch_seconds = (spec.n_fft + (PATCH_FRAMES - 1) * spec.hop) / spec.sample_rate
    yield from finding_about(
        "duration",
        f"shorter than a patch ({patch_seconds:.2f} s)",
        "record longer: training refuses it",
        [recording for recording in recordings if recording.frames < PATCH_FRAMES],
    )


def _sample_rates(recordings: Recordings) -> Iterator[Finding]:
    values = [(recording, recording.samplerate) for recording in recordings]
    yield from _minority(values, "sample rate", "samplerate", "Hz")


def _channels(recordings: Recordings) -> Iterator[Finding]:
    values = [(recording, recording.channels) for recording in recordings]
    yield from _minority(values, "channels", "channels", "channels")


def _minority(
    values: Sequence[tuple[RecordingStats, int | None]], kind: str, name: str, unit: str
) -> Iterator[Finding]:
    """The recordings whose value is not the most frequent one; None is a file of features."""
    counts = Counter(value for _, value in values).most_common()
    most_frequent = counts[0][0]
    description = ", ".join(
        f"{count} with features" if value is None else f"{count} with {value} {unit}"
        for value, count in counts
    )
    yield from finding_about(
        kind,
        f"recordings differ in {name} ({description})",
        "another microphone can look like a fault: record all alike",
        [recording for recording, value in values if value != most_frequent],
    )


def _low_sample_rates(recordings: Recordings) -> Iterator[Finding]:
    min_rate = INSPECTION_SPEC.sample_rate
    low = [
        recording
        for recording in recordings
        if recording.samplerate is not None and recording.samplerate < min_rate
    ]
    yield from finding_about(
        "sample rate",
        f"recorded at less than {min_rate / 1000:g} kHz, so that the upper bands are empty",
        f"record at {min_rate / 1000:g} kHz or more",
        low,
    )


def _bandwidths(recordings: Recordings) -> Iterator[Finding]:
    limited = [recording for recording in recordings if recording.bandwidth_hz is not None]
    if not limited:
        return
    edges = sorted(recording.bandwidth_hz or 0 for recording in limited)
    ends = dict.fromkeys((edges[0], edges[-1]))  # one end if both are equal
    limits = " to ".join(f"{edge / 1000:.1f}" for edge in ends)
    yield from finding_about(
        "bandwidth",
        f"there is nothing above {limits} kHz",
        "record without low-pass or lossy coding, or all through the one that the device will have",
        limited,
    )


def _levels(recordings: Recordings) -> Iterator[Finding]:
    """Normal recordings whose level is far from most of their machine."""
    levels = defaultdict(list)
    for recording in recordings:
        if recording.label == "normal" and recording.level_dbfs is not None:
            levels[recording.machine].append((recording, recording.level_dbfs))
    unusual = []
    for machine_levels in levels.values():
        usual = median(level for _, level in machine_levels)
        unusual += [
            recording
            for recording, level in machine_levels
            if abs(level - usual) > MAX_LEVEL_DIFFERENCE_DB
        ]
    yield from finding_about(
        "level",
        f"normal, but more than {MAX_LEVEL_DIFFERENCE_DB:g} dB louder or quieter than most of its "
        "machine",
        "was it off, or the gain another? remove it, or record more like it",
        unusual,
    )


def _shifts(survey: Survey) -> Iterator[Finding]:
    """Machines whose normal sound in the test is unlike that in the training."""
    for machine in survey.machines:
        train, test = (survey.levels.get((machine, split, "normal")) for split in SPLITS)
        if train is None or test is None or not (train.counts.any() and test.counts.any()):
            continue  # there is none, or all of it is too short
        middle = test.quantile(0.5)
        outside = (middle < train.quantile(0.05)) | (middle > train.quantile(0.95))
        if outside.mean() > MAX_SHIFTED_SHARE:
            low, high = BAND_CENTRES_HZ[outside][[0, -1]]
            yield from finding_about(
                "shift",
                f"normal sound of {machine} in test/ is not that in train/ "
                f"(between {low:.0f} and {high:.0f} Hz)",
                "another place, load or gain: train on that, too, or expect false alarms",
                survey.of(machine, "test", "normal"),
            )


def _missing_recordings(survey: Survey) -> Iterator[Finding]:
    """What the data set, or a machine, has no recordings of."""
    splits = {recording.split for recording in survey.recordings}
    if "train" not in splits:
        yield Finding(
            "absence", "there is no recording in train/", "put normal ones there to train on"
        )
    if "test" not in splits:
        yield Finding(
            "absence",
            "there is no recording in test/",
            "training needs none, `edgeae evaluate` does",
            hinders=False,
        )
    if len(splits) == len(SPLITS):
        for machine in survey.machines:
            yield from _missing_of_machine(survey, machine)


def _missing_of_machine(survey: Survey, machine: str) -> Iterator[Finding]:
    train, normal, anomalous = (survey.of(machine, *group) for group in GROUPS)
    if not train:
        yield Finding(
            "absence",
            f"no recording of {machine} in train/",
            "add normal ones to train on, or at least to calibrate with",
            hinders=False,
        )
    if bool(normal) != bool(anomalous):
        missing = "anomalous" if normal else "normal"
        yield Finding(
            "absence",
            f"no {missing} recording of {machine} in test/",
            "without them this machine has no AUC",
            hinders=False,
        )
