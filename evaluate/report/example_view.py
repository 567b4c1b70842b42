"""The examples as the page shows them: a description, the sound, three spectrograms."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from edgeae.runtime.audio.channel import Channel
from edgeae.runtime.audio.recordings import Label
from edgeae.runtime.features.mel import MelSpec

from ..pages.chart import Chart
from ..pages.spectrogram import Scale, spectrogram_chart
from ..results.recording_scores import MachineTest
from .examples import EncodedSound, Example, Excerpt, encode_sound, excerpt, worst_examples

MAX_DEVIATION = 4.0  # of the residual, at the ends of its colour scale
LOUDNESS_PERCENTILES = (1, 99.8)  # of the values, at the ends of the colour scale
TITLES: dict[Label, str] = {"anomaly": "The worst misses", "normal": "The worst false alarms"}
NO_ERRORS: dict[Label, str] = {
    "anomaly": "No fault was missed; this one is nearest to the threshold.",
    "normal": "No normal recording was above the threshold; this one is nearest.",
}


@dataclass(frozen=True)
class ExampleView:
    """One recording on the page."""

    file: str
    description: str
    sound: EncodedSound | None
    sound_remark: str
    charts: list[Chart]


@dataclass(frozen=True)
class ExampleGroup:
    """The examples with one label."""

    title: str
    remark: str
    examples: list[ExampleView]


def example_groups(tested: Mapping[str, MachineTest], channel: Channel) -> list[ExampleGroup]:
    """Return the worst misses and the worst false alarms of all machines."""
    has_thresholds = all(
        score.threshold is not None for result in tested.values() for score in result.scores
    )
    groups = []
    for label, title in TITLES.items():
        examples = worst_examples(tested, label)
        if not examples:
            continue
        remark = ""
        if not has_thresholds:
            remark = (
                "This head has no threshold; the scores are compared with the median of the "
                "machine."
            )
        elif not examples[0].wrong:
            remark = NO_ERRORS[label]
        views = [example_view(example, channel) for example in examples]
        groups.append(ExampleGroup(title, remark, views))
    return groups


def example_view(example: Example, channel: Channel) -> ExampleView:
    """Read a recording and return what the page shows of it."""
    shown = excerpt(example, channel)
    spec = example.detector.spec
    sound = None
    sound_remark = "Precomputed features: there is no sound to play."
    if shown.samples is not None:
        sound = encode_sound(shown.samples, spec.sample_rate)
        sound_remark = _sound_remark(sound, spec)
    file = example.score.file
    return ExampleView(
        file, _description(example, shown), sound, sound_remark, _charts(file, shown, spec)
    )


def _description(example: Example, shown: Excerpt) -> str:
    score = example.score
    end = shown.start + len(shown.frames) / example.detector.spec.frames_per_second
    side = "above" if example.margin > 0 else "below"
    limit = "the median of the machine"
    value = score.score
    if score.threshold is not None:
        value = score.decisive
        limit = f"the threshold {score.threshold:.2f}"
    return (
        f"{score.machine}, {score.label}: score {value:.2f}, {abs(example.margin):.2f} "
        f"{side} {limit}. Shown are seconds {shown.start:.0f} to {end:.0f}. Against the normal "
        f"sound of this machine: {shown.explanation}."
    )


def _sound_remark(sound: EncodedSound, spec: MelSpec) -> str:
    loudness = "Played as loud as recorded."
    if sound.gain_db >= 1:
        loudness = f"Played {sound.gain_db:.0f} dB louder than recorded."
    return f"{loudness} As the model gets it: mono, {spec.sample_rate / 1000:g} kHz."


def _charts(file: str, shown: Excerpt, spec: MelSpec) -> list[Chart]:
    low, high = np.percentile(shown.frames, LOUDNESS_PERCENTILES)
    loudness = Scale(float(low), max(float(high), float(low) + 1), "dB", "viridis")
    deviation = Scale(-MAX_DEVIATION, MAX_DEVIATION, "standard deviations", "RdBu_r")
    pictures = [
        ("input: log-mel", shown.frames, loudness),
        ("reconstruction", shown.reconstruction, loudness),
        ("residual: input minus reconstruction", shown.residual, deviation),
    ]
    return [
        spectrogram_chart(
            head, f"{head} of {file}, Hz over seconds", frames, spec, scale, start=shown.start
        )
        for head, frames, scale in pictures
    ]
