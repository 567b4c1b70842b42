"""What to mend in a data set before training on it, the gravest first."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from itertools import chain
from statistics import median

from .duplicates import Copies
from .findings import Finding, point
from .fingerprint import CENTRES, SPEC
from .recording_stats import Facts
from .survey import GROUPS, SPLITS, Survey

SILENT = -80.0  # dBFS
CLIPPED = 1e-4  # share of the samples, as `calibrate` has it
INTERRUPTED = 0.05  # share of a second, as `run` has it
PATCH = 32  # frames, of the presets
LEVEL = 15.0  # dB from the median of a machine's normal recordings
SHIFTED = 0.25  # share of the bands in which the test is not where the training is

# Kind of a finding, and what is looked for.
KINDS = {
    "labels": "the same sound under two labels or machines",
    "leakage": "the same sound in train/ and test/",
    "near leakage": "nearly the same sound in train/ and test/",
    "silence": f"below {SILENT:g} dBFS",
    "clipping": f"more than {100 * CLIPPED:g} % of the samples at full scale, or a flat top below it",
    "stuck": "samples that stand still or repeat themselves",
    "interruptions": f"digital zeros for {100 * INTERRUPTED:g} % of a second",
    "duration": "too short for a patch of the network",
    "sample rate": "not the rate of the others, or below 16 kHz",
    "channels": "not the number of channels of the others",
    "bandwidth": "nothing above some frequency between 0.5 and 6 kHz",
    "level": f"normal recordings {LEVEL:g} dB from most of their machine",
    "copies": "the same sound twice in train/ or in test/",
    "near copies": "nearly the same sound twice in train/ or in test/",
    "shift": "normal sound in test/ unlike that in train/",
    "absence": "machines without recordings to train on or to test with",
}


def findings(survey: Survey) -> list[Finding]:
    """All points. What cannot be used at all is in ``survey.refused``."""
    facts = survey.recordings
    heard = [fact for fact in facts if not _silent(fact)]
    found = Copies.among(heard)
    return list(
        chain(
            found.contradictions(), found.leaks(), _silence(facts), _clipping(heard), _stuck(heard),
            _interrupted(heard), _short(facts), _rates(facts), _low_rates(facts), _channels(facts), _bandwidths(heard),
            _levels(heard), found.repetitions(), _shifted(survey), _missing(survey),
        )
    )  # fmt: skip


def verdict(survey: Survey, points: Sequence[Finding]) -> str:
    """The data set in one sentence."""
    minutes = sum(fact.seconds for fact in survey.recordings) / 60
    size = f"{_count(len(survey.recordings), 'recording')} of {_count(len(survey.machines), 'machine')}"
    mend = [found for found in points if found.hinders]
    if not mend and not survey.refused:
        heard = [fact.seconds for fact in survey.recordings if fact.split == "train"]
        learned = (
            f"{_count(len(heard), 'recording')} ({sum(heard) / 60:.1f} minutes) of them to train on"
        )
        return f"Ready to train: {size}, {minutes:.1f} minutes, {learned}, and nothing to mend was found."
    concerned = {file for found in mend for together in found.files for file in together}
    parts = [f"{_count(len(survey.refused), 'file')} that cannot be used"] if survey.refused else []
    parts += [f"{_count(len(mend), 'point')} in {_count(len(concerned), 'file')}"] if mend else []
    return f"Not ready to train: mend {' and '.join(parts)}; {size}, {minutes:.1f} minutes, could be read."


def _count(n: int, noun: str) -> str:
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"


def _silent(fact: Facts) -> bool:
    return fact.level_dbfs is not None and fact.level_dbfs < SILENT


def _silence(facts: Sequence[Facts]) -> Iterator[Finding]:
    what = f"silent (below {SILENT:g} dBFS)"
    yield from point("silence", what, "remove it, and check the microphone", filter(_silent, facts))


def _clipping(facts: Sequence[Facts]) -> Iterator[Finding]:
    found = [fact for fact in facts if (fact.clipped_share or 0) > CLIPPED]
    most = 100 * max((fact.clipped_share or 0 for fact in found), default=0)
    share = f"{'up to ' if len(found) > 1 else ''}{most:.2g} % of the samples are clipped"
    yield from point("clipping", share, "lower the gain and record again", found)


def _stuck(facts: Sequence[Facts]) -> Iterator[Finding]:
    found = [fact for fact in facts if (fact.stuck_share or 0) > INTERRUPTED]
    what = "the samples stand still, or a short stretch repeats itself"
    yield from point(
        "stuck", what, "a driver or a file made this, not the machine: remove it", found
    )


def _interrupted(facts: Sequence[Facts]) -> Iterator[Finding]:
    found = [fact for fact in facts if (fact.silent_share or 0) > INTERRUPTED]
    yield from point(
        "interruptions",
        "interrupted by digital zeros",
        "cut them off, or record without losses",
        found,
    )


def _short(facts: Sequence[Facts]) -> Iterator[Finding]:
    least = (SPEC.n_fft + (PATCH - 1) * SPEC.hop) / SPEC.sample_rate
    found = [fact for fact in facts if fact.frames < PATCH]
    yield from point(
        "duration",
        f"shorter than a patch ({least:.2f} s)",
        "record longer: training refuses it",
        found,
    )


def _rates(facts: Sequence[Facts]) -> Iterator[Finding]:
    yield from _unusual(
        [(fact, fact.samplerate) for fact in facts], "sample rate", "samplerate", "Hz"
    )


def _channels(facts: Sequence[Facts]) -> Iterator[Finding]:
    yield from _unusual(
        [(fact, fact.channels) for fact in facts], "channels", "channels", "channels"
    )


def _unusual(
    values: Sequence[tuple[Facts, int | None]], kind: str, name: str, unit: str
) -> Iterator[Finding]:
    """The recordings that are not as most are."""
    kinds = Counter(value for _, value in values).most_common()
    others = [fact for fact, value in values if value != kinds[0][0]]
    found = ", ".join(
        f"{count} with {'features' if value is None else f'{value} {unit}'}"
        for value, count in kinds
    )
    what = f"recordings differ in {name} ({found})"
    yield from point(
        kind, what, "another microphone can look like a fault: record all alike", others
    )


def _low_rates(facts: Sequence[Facts]) -> Iterator[Finding]:
    found = [
        fact for fact in facts if fact.samplerate is not None and fact.samplerate < SPEC.sample_rate
    ]
    what = (
        f"recorded at less than {SPEC.sample_rate / 1000:g} kHz, so that the upper bands are empty"
    )
    yield from point(
        "sample rate", what, f"record at {SPEC.sample_rate / 1000:g} kHz or more", found
    )


def _bandwidths(facts: Sequence[Facts]) -> Iterator[Finding]:
    found = [fact for fact in facts if fact.bandwidth_hz is not None]
    edges = sorted(fact.bandwidth_hz or 0 for fact in found)
    advice = (
        "record without low-pass or lossy coding, or all through the one that the device will have"
    )
    where = (
        " to ".join(f"{edge / 1000:.1f}" for edge in dict.fromkeys((edges[0], edges[-1])))
        if edges
        else ""
    )
    yield from point("bandwidth", f"there is nothing above {where} kHz", advice, found)


def _levels(facts: Sequence[Facts]) -> Iterator[Finding]:
    """Normal recordings far from what is usual for their machine."""
    normal = defaultdict(list)
    for fact in facts:
        if fact.label == "normal" and fact.level_dbfs is not None:
            normal[fact.machine].append((fact, fact.level_dbfs))
    usual = {machine: median(level for _, level in found) for machine, found in normal.items()}
    found = [
        fact
        for machine, mine in normal.items()
        for fact, level in mine
        if abs(level - usual[machine]) > LEVEL
    ]
    what = f"normal, but more than {LEVEL:g} dB louder or quieter than most of its machine"
    yield from point(
        "level", what, "was it off, or the gain another? remove it, or record more like it", found
    )


def _shifted(survey: Survey) -> Iterator[Finding]:
    """Machines whose normal sound in the test is not that of the training."""
    for machine in survey.machines:
        train, test = (survey.levels.get((machine, split, "normal")) for split in ("train", "test"))
        if train is None or test is None or not (train.counts.any() and test.counts.any()):
            continue  # there is none, or all of it is too short
        middle = test.quantile(0.5)
        outside = (middle < train.quantile(0.05)) | (middle > train.quantile(0.95))
        if outside.mean() > SHIFTED:
            low, high = CENTRES[outside][[0, -1]]
            what = f"normal sound of {machine} in test/ is not that in train/ (between {low:.0f} and {high:.0f} Hz)"
            advice = "another place, load or gain: train on that, too, or expect false alarms"
            yield from point("shift", what, advice, survey.of(machine, "test", "normal"))


def _missing(survey: Survey) -> Iterator[Finding]:
    """What the data set, or a machine, has no recordings of."""
    trained, tested = (sum(fact.split == split for fact in survey.recordings) for split in SPLITS)
    if not trained:
        yield Finding(
            "absence", "there is no recording in train/", "put normal ones there to train on"
        )
    if not tested:
        what = "there is no recording in test/"
        yield Finding("absence", what, "training needs none, `edgeae evaluate` does", hinders=False)
    for machine in survey.machines if trained and tested else ():
        train, normal, anomaly = (survey.of(machine, *group) for group in GROUPS)
        if not train:
            what = f"no recording of {machine} in train/"
            yield Finding(
                "absence",
                what,
                "add normal ones to train on, or at least to calibrate with",
                hinders=False,
            )
        if bool(normal) != bool(anomaly):
            what = f"no {'anomalous' if normal else 'normal'} recording of {machine} in test/"
            yield Finding("absence", what, "without, no AUC can be told of it", hinders=False)
