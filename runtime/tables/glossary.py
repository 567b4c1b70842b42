"""The words of the tables that commands print, each explained in one line."""

import textwrap
from collections.abc import Iterable

from ..errors import printable

LINE_WIDTH = 100

WORDS = {
    "score": "how far a window is from normal (ln of a distance); higher means less normal",
    "threshold": "a window with a higher score is an anomaly; it follows from the budget",
    "budget": "how many false alarms you accept; a rarer budget misses more faults",
    "false alarm": "an alarm in normal sound",
    "window": "the stretch of sound that gets one score",
    "extrapolated": "the budget is rarer than the sound of the training can show: an estimate",
    "AUC": "share of the pairs of a normal and a faulty recording in which the faulty one has the "
    "higher score: 1 is perfect, 0.5 is chance",
    "pAUC": "the same where at most {percent:g} % of the normal recordings count as faulty "
    "(max_fpr={max_fpr:g}): 1 is perfect, 0.5 is chance",
    "(95 %)": "the range in which the value lies with 95 % confidence; more recordings make it "
    "narrower",
    "no network": "the same statistics of the sound scored without the network",
    "difference": "AUC with the network minus AUC without it",
    "alone": "one group of features without the others",
    "false alarms": "share of normal recordings with a window above the threshold",
    "precision": "share of faulty recordings among those above the threshold",
    "recall": "share of faulty recordings above the threshold, each judged by itself",
    "F1": "one number for precision and recall; 1 is perfect",
    "as a stream": "the recordings are joined and scored as `edgeae run` scores a microphone",
    "normal h": "hours of normal sound that were played",
    "alarms": "alarms that started in it: all of them are false",
    "false": "alarms that started in it: false alarms",
    "a day": "false alarms a day at this rate; few hours of sound leave a wide range",
    "in alarm": "share of the normal sound during which an alarm was on",
    "faults": "faults that were played, in several orders",
    "delay": "seconds from the start of a fault until the alarm; median: half of them are faster",
    "never": "share of the faults that raised no alarm within five minutes",
    "in 1 min": "share of the faults that raised an alarm within this time",
    "median s": "seconds within which half of all faults raised an alarm; -: fewer did",
    "split": "train: to learn normal sound from; test: to measure what is detected",
    "label": "normal, or anomaly for the sound of a fault, which only test may contain",
    "seconds each": "duration of the shortest and of the longest recording",
    "dBFS": "level of the quietest and of the loudest recording: 0 is full scale, -50 to -10 good",
    "Hz": "sample rate of the recordings",
}


def explained(*words: str, max_fpr: float = 0.1) -> str:
    """Lines that explain the words, indented, for below a table.

    max_fpr: highest false positive rate of the pAUC
    """
    return "\n".join(line for word in words for line in _wrapped(_entry(word, max_fpr)))


def explanation(*words: str, max_fpr: float = 0.1) -> str:
    """The same as one paragraph."""
    return " ".join(f"{_entry(word, max_fpr)}." for word in words)


def _entry(word: str, max_fpr: float) -> str:
    meaning = WORDS[word].format(percent=100 * max_fpr, max_fpr=max_fpr)
    return f"{word}: {meaning}"


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(
        text, LINE_WIDTH, initial_indent="  ", subsequent_indent="    ", break_on_hyphens=False
    )


def facts_text(title: str, facts: Iterable[tuple[str, object]], name_width: int) -> list[str]:
    """Lines of a table with two columns below a title; long values are wrapped.

    facts: names and values; a value may be of a foreign file, and None is a dash.
    name_width: characters of the first column
    """
    lines = [title]
    for name, value in facts:
        text = printable("-" if value is None else str(value))
        label = f"  {name:{name_width}}"
        lines += textwrap.wrap(
            text,
            LINE_WIDTH,
            initial_indent=label,
            subsequent_indent=" " * len(label),
            break_on_hyphens=False,
        ) or [label.rstrip()]
    return lines
