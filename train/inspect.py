"""`edgeae inspect`: what a data set holds, and what to mend before training on it."""

import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import click
import numpy as np

from edgeae.runtime.audio import AudioFile, Channel, level_dbfs, parse_channel, read_log_mel
from edgeae.runtime.errors import AudioError, ConfigError
from edgeae.runtime.mel import MelSpec
from edgeae.runtime.recordings import Recording, Split, scan

SPLITS: tuple[Split, ...] = ("train", "test")
SILENT = -80.0  # dBFS
CLIPPED = 0.999  # of full scale
CLIPPED_SHARE = 1e-4


@dataclass(frozen=True)
class Facts:
    """One recording. Levels are None for precomputed features."""

    file: str
    split: str
    machine: str
    label: str
    samplerate: int | None
    channels_or_bands: int
    seconds: float
    level_dbfs: float | None
    clipped_share: float | None
    sha256: str


def facts_of(recording: Recording, split: str, channel: Channel) -> Facts:
    """Read one recording; AudioError if it cannot be used."""
    path, spec = recording.path, MelSpec()
    content = hashlib.sha256(path.read_bytes()).hexdigest()
    common = {"file": str(path), "split": split, "machine": recording.machine, "label": recording.label}
    if path.suffix.lower() == ".npy":
        frames = read_log_mel(path, spec)
        seconds = len(frames) / spec.frames_per_second
        return Facts(**common, samplerate=None, channels_or_bands=spec.n_mels, seconds=round(seconds, 3),
                     level_dbfs=None, clipped_share=None, sha256=content)  # fmt: skip
    with AudioFile(path, channel) as audio:
        samples = np.concatenate(list(audio.blocks()))
        return Facts(**common, samplerate=audio.samplerate, channels_or_bands=audio.channels,
                     seconds=round(len(samples) / audio.samplerate, 3), level_dbfs=level_dbfs(samples),
                     clipped_share=float(np.mean(np.abs(samples) >= CLIPPED)), sha256=content)  # fmt: skip


def problems(facts: list[Facts]) -> Iterator[str]:
    """What to mend, one sentence each."""
    by_content = defaultdict(list)
    for fact in facts:
        by_content[fact.sha256].append(fact)
        if fact.level_dbfs is not None and fact.level_dbfs < SILENT:
            yield f"{fact.file}: silent ({fact.level_dbfs} dBFS); remove it"
        if (fact.clipped_share or 0) > CLIPPED_SHARE:
            yield f"{fact.file}: {100 * (fact.clipped_share or 0):.2f} % of the samples are clipped; lower the gain"
    for same in by_content.values():
        if len(same) > 1:
            leak = "; training recordings must not be tested on" if len({f.split for f in same}) > 1 else ""
            yield f"{', '.join(fact.file for fact in same)}: the same content{leak}"
    for name in ("samplerate", "channels_or_bands"):
        kinds = Counter(getattr(fact, name) for fact in facts)
        if len(kinds) > 1:
            found = ", ".join(f"{count} with {kind}" for kind, count in kinds.most_common())
            yield f"recordings differ in {name}: {found}; another microphone can look like a fault"


def read_all(data: Path, channel: Channel) -> tuple[list[Facts], list[str]]:
    """Facts of every readable recording, and a sentence for each other one."""
    facts, bad = [], []
    for split in SPLITS:
        try:
            recordings = scan(data, split)
        except ConfigError as error:
            bad.append(str(error))
            continue
        for recording in recordings:
            try:
                facts.append(facts_of(recording, split, channel))
            except AudioError as error:
                bad.append(str(error))
    if not facts:
        raise ConfigError(bad[0])
    return facts, bad


def table(facts: list[Facts]) -> str:
    """A row for each machine, split and label."""
    groups: dict[tuple[str, str, str], list[Facts]] = defaultdict(list)
    for fact in facts:
        groups[fact.machine, fact.split, fact.label].append(fact)
    lines = [f"{'machine':14}{'split':8}{'label':9}{'files':>6}{'minutes':>9}{'seconds each':>15}{'dBFS':>16}"]
    for (machine, split, label), found in sorted(groups.items()):
        seconds = [fact.seconds for fact in found]
        levels = [fact.level_dbfs for fact in found if fact.level_dbfs is not None]
        lines.append(
            f"{machine:14}{split:8}{label:9}{len(found):>6}{sum(seconds) / 60:>9.1f}"
            f"{_span(seconds):>15}{_span(levels):>16}"
        )
    return "\n".join(lines)


def _span(values: Iterable[float]) -> str:
    known = list(values)
    return f"{min(known):.1f} to {max(known):.1f}" if known else "-"


@click.command()
@click.argument("data", default="data", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
@click.option("--channel", default="0", help="Channel counted from 0, or 'mix'.  [default: 0]")
def inspect(data: Path, as_json: bool, channel: str) -> None:
    """Counts, durations, levels, clipping, silence, duplicates and leakage of a data set.

    \b
    edgeae inspect DATA
    """
    facts, bad = read_all(data, parse_channel(channel))
    found = [*bad, *problems(facts)]
    if as_json:
        values: dict[str, Any] = {"recordings": [asdict(fact) for fact in facts], "problems": found}
        click.echo(json.dumps(values))
        return
    click.echo(table(facts))
    click.echo("\n".join(found) if found else "nothing to mend was found")
