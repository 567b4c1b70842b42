"""Label, machine, split and domain of a recording, read from its path.

The name of the file and the names of its folders are evidence alike:

    train/normal_00.wav, Normal (1).wav, anomaly-4.wav         label
    normal_id_03_00000012.wav, id_03/normal/00000012.wav       label and machine
    id_00/abnormal/00000000.wav, test/faulty/3.wav             label from a folder
    section_00_source_test_anomaly_0001_vel_6V.wav             all four

A name is read as words, whatever the case and the separators, also where digits are glued on. A
word for an anomaly outweighs a word for normal beside it (``abnormal_speed_normal.wav``). Where
folder and name contradict each other, `Reading.conflict` says so, and nobody should guess.
"""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Label = Literal["normal", "anomaly"]
SplitName = Literal["train", "test"]
Domain = Literal["source", "target"]

DEFAULT_MACHINE = "default"
MAX_FOLDERS = 3  # above a file that belongs to no data set, whose names are read
MAX_FOLDER_WORDS = 3  # of a folder that is named after a label; a longer name is a title

# Words that state a judgement. The name of a fault alone, such as "bearing", states none.
ANOMALY_WORDS = frozenset(
    """
    anomaly anomalies anomalous anomal anom anoms anomalie anomalien anomalia anomalias anomalo
    abnormal abnormals abnormality abnormalities abnormally abnorm anormal anormale anormales
    unnormal nonnormal notnormal fault faults faulty faulted faultily defect defects defective
    defected defekt defekte defecto defekter defaut malfunction malfunctions malfunctioning
    """.split()
)
NORMAL_WORDS = frozenset(
    """
    normal normals normales normale nominal undamaged faultless faultfree defectless nonanomalous
    nonfaulty nonanomaly fehlerfrei
    """.split()
)
# These are labels in everyday words. They may also describe a file: bad.wav, normal_id_03_broken.
PLAIN_ANOMALY_WORDS = frozenset(
    """
    broken broke bad damage damages damaged failure failures fail fails failed failing falla fallo
    error errors erroneous outlier outliers unhealthy ng nok nio ko notok nogood kaputt
    """.split()
)
PLAIN_NORMAL_WORDS = frozenset("ok okay good healthy intact sain".split())
# In a longer word these are unambiguous too; "normal" is not, as in "normalized".
ANOMALY_PARTS = ("anomal", "abnormal", "anormal", "faulty", "defective", "malfunction")
ANOMALY_IDEOGRAMS = ("异常", "異常", "故障", "不良", "不正常", "非正常")
NORMAL_IDEOGRAMS = ("正常",)
NEGATIONS = frozenset("not non un ab nicht".split())  # before any label
NEGATIONS_OF_ANOMALY = frozenset("no without zero kein keine ohne sans".split())
SUFFIX_NEGATIONS = frozenset("free less frei".split())  # as in "fault-free"
# A label before one of these is the topic of a project: anomaly detection.
TOPICS = frozenset(
    """
    detection detections detector detectors detect detecting diagnosis diagnostic diagnostics
    recognition monitoring monitor classification classifier prediction project study analysis
    benchmark challenge localization localisation isolation
    """.split()
)
SPLIT_WORDS: dict[str, SplitName] = {
    "train": "train",
    "training": "train",
    "trainset": "train",
    "traindata": "train",
    "test": "test",
    "testing": "test",
    "testset": "test",
    "testdata": "test",
}
DOMAINS: dict[str, Domain] = {"source": "source", "target": "target"}
# Words that may stand in the name of a folder beside a split or a label.
NEUTRAL_WORDS = frozenset(
    """
    data dataset set domain sound sounds audio audios recording recordings record records wav wavs
    flac flacs file files clip clips sample samples class label id section machine db only
    """.split()
)
# A folder with one of these has a sentence for a name.
FUNCTION_WORDS = frozenset(
    """
    a an the is are was were be in on at of for to from that this when with and or as by than then
    """.split()
)

_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])")
_WORD = re.compile(r"[^\W\d_]+|\d+")
_MACHINE = re.compile(r"(?<![^\W_])(id|section)[\W_]*([0-9]+)(?![^\W_])", re.IGNORECASE)
# As DCASE 2020 names recordings: the label has its place.
_LABEL_AND_MACHINE = re.compile(r"(normal|anomaly)_(?:id|section)_[0-9]+", re.IGNORECASE)
# As DCASE names recordings since 2021: domain, split and label in this order.
_DCASE = re.compile(
    r"(?<![^\W_])(source|target)[\W_]+(train|test)(?=[\W_]|$)(?:[\W_]+(?:normal|anomaly))?",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Reading:
    """What the path of a recording says; None where it says nothing."""

    label: Label | None
    machine: str  # id_03, section_00 or default
    split: SplitName | None
    domain: Domain | None
    evidence: tuple[str, ...]  # such as "folder abnormal: anomaly"
    conflict: str | None  # in what folder and name contradict each other

    def explain(self) -> str:
        """``folder abnormal: anomaly, name id_00_3: machine id_00``, or that there is nothing."""
        return ", ".join(self.evidence) or "the path says nothing"


@dataclass(frozen=True)
class _Place:
    """A name in the path, and what it says."""

    kind: Literal["name", "folder"]
    text: str
    label: Label | None = None
    is_exact: bool = True  # nothing but the label
    machine: str | None = None
    split: SplitName | None = None
    domain: Domain | None = None

    def __str__(self) -> str:
        return f"{self.kind} {self.text}"


def read_name(path: Path, data: Path | None = None) -> Reading:
    """What the path of a recording says about it. Never raises.

    path: of the file.
    data: the folder of the data set; the folders below it are read. None: the file belongs to
        none, and the last three folders are read.
    """
    name = _read_file_name(path.stem)
    folders = [_read_folder(text) for text in _folder_names(path, data)]
    labelled = _labelled_folders(folders)
    labels = [place for place in (*labelled, name) if place.label]
    splits = [place for place in (*folders, name) if place.split]
    domains = [place for place in (*folders, name) if place.domain]
    conflict = (
        _conflict([(str(place), place.label) for place in labels])
        or _conflict([(str(place), place.split) for place in splits])
        or _conflict([(str(place), place.domain) for place in domains])
    )
    above = [] if data is None else [_read_folder(_absolute(data).name)]
    machines = [place for place in (name, *reversed(folders), *above) if place.machine]
    return Reading(
        label=None if not labels else labels[-1].label,
        machine=DEFAULT_MACHINE if not machines else str(machines[0].machine),
        split=None if not splits else splits[-1].split,
        domain=None if not domains else domains[-1].domain,
        evidence=(
            *(f"{place}: {place.label}" for place in labels),
            *(f"{place}: machine {place.machine}" for place in machines[:1]),
            *(f"{place}: {place.split}" for place in splits),
            *(f"{place}: {place.domain} domain" for place in domains),
        ),
        conflict=conflict,
    )


def split_of_folder(name: str) -> SplitName | None:
    """The split that a folder is named after, as in ``Train`` or ``source_test``; else None."""
    words = [word for word in words_of(name) if not word.isdecimal()]
    splits = {SPLIT_WORDS[word] for word in words if word in SPLIT_WORDS}
    if len(splits) != 1 or any(not _is_neutral(word) for word in words):
        return None
    return splits.pop()


def label_of_folder(name: str) -> Label | None:
    """The label that a folder is named after, as in ``Faulty`` or ``id_00_normal``; else None."""
    return _read_folder(name).label


def is_label_word(word: str) -> bool:
    """Whether a word of a name states a label; word: as `words_of` returns it."""
    return _label_of_word(word) is not None


def words_of(name: str) -> list[str]:
    """The words and numbers of a name in lower case; a word without a meaning is split at capitals.

    >>> words_of("PumpNormal-03 (1)")
    ['pump', 'normal', '03', '1']
    """
    words: list[str] = []
    for run in _WORD.findall(unicodedata.normalize("NFKC", name)):
        if _label_of_word(run.casefold()):
            words.append(run.casefold())
        else:
            words += [part.casefold() for part in _CAMEL.split(run)]
    return words


def _absolute(path: Path) -> Path:
    """The path from the root; as it is where the working folder is gone."""
    try:
        return path.absolute()
    except OSError:
        return path


def _folder_names(path: Path, data: Path | None) -> list[str]:
    """The names of the folders of a file that are read, the outermost first."""
    if data is not None:
        try:
            return list(path.parent.relative_to(data).parts)
        except ValueError:
            pass
    return [part for part in _absolute(path).parts[1:-1] if part != ".."][-MAX_FOLDERS:]


def _read_file_name(stem: str) -> _Place:
    words = words_of(stem)
    dcase = _DCASE.search(stem)
    is_about_the_file = len(words) == 1 or _LABEL_AND_MACHINE.match(stem)
    if is_about_the_file:
        words = [word for word in words if word not in PLAIN_ANOMALY_WORDS | PLAIN_NORMAL_WORDS]
    return _Place(
        kind="name",
        text=stem,
        label=_label_of_words(words),
        machine=_machine_in(stem),
        split=SPLIT_WORDS[dcase[2].lower()] if dcase else None,
        domain=DOMAINS[dcase[1].lower()] if dcase else None,
    )


def _read_folder(name: str) -> _Place:
    words = [word for word in words_of(name) if not word.isdecimal()]
    content = [word for word in words if not _is_neutral(word)]
    is_title = len(content) > MAX_FOLDER_WORDS or any(word in FUNCTION_WORDS for word in content)
    label = None if is_title else _label_of_words(words)
    domains = {DOMAINS[word] for word in words if word in DOMAINS}
    is_of_data_set = all(_is_neutral(word) or _label_of_word(word) for word in words)
    return _Place(
        kind="folder",
        text=name,
        label=label,
        is_exact=len(content) == 1,
        machine=_machine_in(name),
        split=split_of_folder(name),
        domain=domains.pop() if len(domains) == 1 and is_of_data_set else None,
    )


def _labelled_folders(folders: Sequence[_Place]) -> list[_Place]:
    """The folders whose label counts: those named after nothing else, where there are such."""
    labelled = [place for place in folders if place.label]
    return [place for place in labelled if place.is_exact] or labelled


def _conflict(statements: Sequence[tuple[str, str | None]]) -> str | None:
    """``folder abnormal says anomaly, name speed_normal_00 says normal``; None if they agree."""
    first_place, first = statements[0] if statements else ("", None)
    for place, value in statements[1:]:
        if value != first:
            return f"{first_place} says {first}, {place} says {value}"
    return None


def _is_neutral(word: str) -> bool:
    return word in NEUTRAL_WORDS or word in SPLIT_WORDS or word in DOMAINS


def _machine_in(name: str) -> str | None:
    match = _MACHINE.search(_CAMEL.sub("_", unicodedata.normalize("NFKC", name)))
    return f"{match[1].lower()}_{match[2]}" if match else None


def _label_of_words(words: Sequence[str]) -> Label | None:
    """The label that some words state together: anomaly, if any of them states it."""
    labels: set[Label] = set()
    for before, word, after in zip(["", *words], words, [*words[1:], ""], strict=False):
        label = _label_of_word(word)
        if label is None or after in TOPICS:
            continue
        is_negated = before in NEGATIONS
        if label == "anomaly":
            is_negated = is_negated or before in NEGATIONS_OF_ANOMALY or after in SUFFIX_NEGATIONS
        labels.add(_opposite(label) if is_negated else label)
    if "anomaly" in labels:
        return "anomaly"
    return "normal" if labels else None


def _opposite(label: Label) -> Label:
    return "normal" if label == "anomaly" else "anomaly"


def _label_of_word(word: str) -> Label | None:
    if word in NORMAL_WORDS or word in PLAIN_NORMAL_WORDS:
        return "normal"
    if (
        word in ANOMALY_WORDS
        or word in PLAIN_ANOMALY_WORDS
        or any(part in word for part in ANOMALY_PARTS)
    ):
        return "anomaly"
    if word.isascii():
        return None
    plain = "".join(
        letter for letter in unicodedata.normalize("NFD", word) if not unicodedata.combining(letter)
    )
    if plain != word and plain.isascii():
        return _label_of_word(plain)
    if any(part in word for part in ANOMALY_IDEOGRAMS):
        return "anomaly"
    return "normal" if any(part in word for part in NORMAL_IDEOGRAMS) else None
