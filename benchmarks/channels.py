"""Many channels on one core: CPU seconds for each second of sound, from samples to lines.

python benchmarks/channels.py MODEL [--sources 500] [--seconds 20] [--block 0.256]

Every source has its own sound, its own clock of patches (its blocks begin somewhere in the first
second) and its own state: resampler, front end, microphone meter, health, alarm, and a JSON line
for each score. All share the network of one artifact: one call infers all patches that are complete
at the same time. The same sound is scored one source at a time as well: the lines must be the same,
and the ratio is the gain of the common call.
"""

import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
import numpy as np

from edgeae.runtime.live.reporter import SourceReporter
from edgeae.runtime.live.stream import Stream
from edgeae.runtime.outputs.publisher import LinePublisher
from edgeae.runtime.scoring.detector import Detector
from edgeae.runtime.scoring.window_stream import infer_batched
from edgeae.runtime.system.arrays import Float32

Lines = list[list[str]]


class Channel:
    """One source: what hears it, and what it says."""

    def __init__(self, detector: Detector, number: int) -> None:
        self.stream, self.report = (
            Stream(detector, detector.spec.sample_rate),
            SourceReporter(detector, f"channel {number}"),
        )
        self.lines: list[str] = []

    def tell(self, windows: Any, teller: LinePublisher) -> None:
        """As `edgeae run --json` does, but for the time of day."""
        for line in self.report.lines(windows):
            published = teller.add_sequence_and_time(line, "machine", 0.1)
            self.lines.append(json.dumps({**published.to_dict(), "time": None, "seq": None}))


def heard(
    detector: Detector, sounds: Sequence[Sequence[Float32]], *, together: bool
) -> tuple[float, Lines]:
    """CPU seconds, and the lines of each source; sounds: blocks (n,) of each."""
    channels, teller = (
        [Channel(detector, number) for number in range(len(sounds))],
        LinePublisher(None, []),
    )
    began = time.process_time()
    for blocks in zip(*sounds, strict=True):
        for channel, block in zip(channels, blocks, strict=True):
            if together:
                channel.stream.add(block)
            else:
                channel.tell(channel.stream.push(block), teller)
        if together:
            for channel, windows in zip(
                channels,
                infer_batched([channel.stream.window_stream for channel in channels]),
                strict=True,
            ):
                channel.tell(windows, teller)
    return time.process_time() - began, [channel.lines for channel in channels]


def sounds_of(sources: int, seconds: float, block: float, samplerate: int) -> list[list[Float32]]:
    """Parts of one long noise of 16 bits, in blocks of ``block`` seconds.

    The first block of a part has any length up to a second.
    """
    random, size = np.random.default_rng(0), round(block * samplerate)
    long = (
        np.round(random.standard_normal(round((seconds + 60) * samplerate)) * 1500) / 2**15
    ).astype(np.float32)
    sounds = []
    for _ in range(sources):
        begin, first = random.integers(60 * samplerate), random.integers(1, samplerate)
        sound = long[begin : begin + round(seconds * samplerate)]
        sounds.append(np.split(sound, range(first, len(sound) - samplerate + first, size)))
    return sounds


def measured(detector: Detector, sources: int, seconds: float, block: float) -> dict[str, Any]:
    """CPU seconds for each second of sound of all sources; RuntimeError for lines that differ."""
    sounds = sounds_of(sources, seconds, block, detector.spec.sample_rate)
    audio = sum(map(len, sounds[0])) / detector.spec.sample_rate
    (together, lines), (alone, expected) = (
        heard(detector, sounds, together=batch) for batch in (True, False)
    )
    if lines != expected:
        raise RuntimeError("sources that are heard together do not score as each of them alone")
    figures = {"together": together / audio, "one_by_one": alone / audio}
    return {
        "sources": sources,
        "scores": sum(map(len, lines)),
        **{k: round(v, 4) for k, v in figures.items()},
    }


@click.command()
@click.argument("model", type=click.Path(path_type=Path))
@click.option("--sources", default=500, show_default=True)
@click.option("--seconds", default=20.0, show_default=True)
@click.option(
    "--block", default=0.256, show_default=True, help="Seconds of sound that come at once."
)
def main(model: Path, sources: int, seconds: float, block: float) -> None:
    """CPU seconds of one core for each second of sound of all sources."""
    found = measured(Detector.load(model), sources, seconds, block)
    click.echo(json.dumps(found))
    sys.exit(0 if found["together"] < 1 else 1)


if __name__ == "__main__":
    main()
