"""The seconds around an alarm: exact samples, whatever the blocks, and bounded memory."""

import tracemalloc
from dataclasses import replace
from pathlib import Path

import example_lines
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeae.runtime.audio.pcm import to_int16
from edgeae.runtime.errors import ConfigError
from edgeae.runtime.outputs.clips.recorder import NAME, Recorder
from edgeae.runtime.outputs.lines import ClipReference, EventLine
from edgeae.runtime.system.arrays import Float32
from edgeae.runtime.system.slug import slug

TIME = "2026-11-23T02:34:50.123+00:00"
fixed = settings(derandomize=True, deadline=None, max_examples=150)


def event(phase: str = "start", time: str = TIME) -> EventLine:
    return example_lines.event(phase, time=time, sentence="a fault", sequence=7)


def counting(start: int, n: int) -> Float32:
    """Samples that tell their own place, exact in 16 bits."""
    return (((np.arange(start, start + n) % 65536) - 32768) / 32768).astype(np.float32)


def recorder(before: float = 0.5, after: float = 1.0, machine: str | None = "pump-3") -> Recorder:
    return Recorder(Path("clips"), "hw:1 channel 2", machine, before=before, after=after)


@pytest.mark.parametrize("samplerate", [16000, 22050, 48000])
def test_a_clip_is_what_was_heard_before_and_after_the_start(samplerate: int) -> None:
    kept, start = recorder(), 3 * samplerate
    assert kept.hear(counting(0, start), samplerate) == []
    path = kept.event(event())
    (clip,) = kept.hear(counting(start, 2 * samplerate), samplerate)
    first, n = start - round(0.5 * samplerate), round(0.5 * samplerate) + samplerate
    assert np.array_equal(clip.samples, to_int16(counting(first, n)))
    assert (clip.path, clip.samplerate, clip.ended) == (path, samplerate, "complete")
    assert (clip.before_seconds, clip.after_seconds) == (0.5, 1.0)
    assert clip.event == replace(event(), clip=ClipReference(path))


@fixed
@given(
    st.lists(st.integers(0, 70), max_size=30),
    st.lists(st.integers(0, 70), max_size=30),
    st.integers(0, 20),
)
def test_blocks_of_any_size_give_the_same_clip(
    before: list[int], after: list[int], ring: int
) -> None:
    kept, heard, clips = recorder(before=ring / 100, after=0.5), 0, []
    for n in before:
        clips += kept.hear(counting(heard, n), 100)
        heard += n
    start = heard
    path = kept.event(event())
    for n in after:
        clips += kept.hear(counting(heard, n), 100)
        heard += n
    clips += kept.close()
    first, last = max(0, start - ring), min(heard, start + 50)
    assert (path is None) == (not before)
    samples = [clip.samples.tolist() for clip in clips]
    expected = to_int16(counting(first, last - first)).tolist()
    assert samples == ([expected] if expected and path else [])


@fixed
@given(st.lists(st.integers(-32768, 32767), min_size=1))
def test_sound_of_16_bits_comes_back_exactly(values: list[int]) -> None:
    samples = np.array(values, np.int16)
    assert np.array_equal(to_int16((samples / 32768).astype(np.float32)), samples)


def test_sound_beyond_full_scale_is_clipped_not_wrapped() -> None:
    assert to_int16(np.array([1.0, 7.0, -1.0, -7.0, 1e6], np.float32)).tolist() == [
        32767,
        32767,
        -32768,
        -32768,
        32767,
    ]


def test_a_gap_ends_the_clip_and_nothing_before_it_comes_in_the_next() -> None:
    kept = recorder()
    kept.hear(counting(0, 100), 100)
    kept.event(event())
    kept.hear(counting(100, 30), 100)
    (cut,) = kept.gap()
    assert (cut.ended, cut.before_seconds, cut.after_seconds) == ("gap", 0.5, 0.3)
    assert np.array_equal(cut.samples, to_int16(counting(50, 80)))
    kept.hear(counting(5000, 20), 100)
    kept.event(event())
    (clip,) = kept.hear(counting(5020, 200), 100)
    assert (clip.before_seconds, clip.after_seconds) == (0.2, 1.0)
    assert np.array_equal(clip.samples, to_int16(counting(5000, 120)))


def test_another_sample_rate_is_a_gap() -> None:
    kept = recorder()
    kept.hear(counting(0, 100), 100)
    kept.event(event())
    kept.hear(counting(100, 30), 100)
    (cut,) = kept.hear(counting(0, 10), 50)
    assert (cut.ended, cut.samplerate, len(cut.samples)) == ("gap", 100, 80)
    kept.event(event())
    (clip,) = kept.hear(counting(10, 100), 50)
    assert (clip.samplerate, clip.before_seconds) == (50, 0.2)


def test_the_end_keeps_what_there_is() -> None:
    kept = recorder()
    kept.hear(counting(0, 100), 100)
    kept.event(event())
    kept.hear(counting(100, 30), 100)
    (cut,) = kept.close()
    assert (cut.ended, len(cut.samples)) == ("stop", 80)
    assert kept.close() == []


def test_an_alarm_within_a_clip_begins_a_new_one_with_the_sound_before_it() -> None:
    kept = recorder()
    kept.hear(counting(0, 100), 100)
    first = kept.event(event())
    kept.hear(counting(100, 30), 100)
    second = kept.event(event())
    clips = kept.hear(counting(130, 100), 100)
    assert [clip.path for clip in clips] == [first, second]
    assert [clip.ended for clip in clips] == ["alarm", "complete"]
    assert np.array_equal(clips[1].samples, to_int16(counting(80, 150)))


def test_later_lines_of_an_alarm_name_its_clip() -> None:
    kept = recorder()
    assert kept.event(event("update")) is None  # the alarm began before the recorder
    kept.hear(counting(0, 100), 100)
    path = kept.event(event())
    kept.hear(counting(100, 300), 100)
    assert kept.event(event("update")) == kept.event(event("end")) == path


def test_without_sound_there_is_no_clip() -> None:
    kept = recorder()
    assert kept.event(event()) is None
    assert kept.close() == []


def test_names_are_utc_sortable_and_unique() -> None:
    kept = recorder(machine="Pumpe Nr. 3 (Süd)")
    kept.hear(counting(0, 100), 100)
    times = [
        "2026-11-23T01:00:00.007+00:00",
        "2026-11-23T03:30:00.120+02:00",
        "2026-11-23T01:30:00.121+00:00",
    ]
    paths = [Path(kept.event(event(time=time)) or "") for time in times]
    assert [path.name[:20] for path in paths] == [
        "20261123T010000.007Z",
        "20261123T013000.120Z",
        "20261123T013000.121Z",
    ]
    assert all(NAME.fullmatch(path.name) and path.parent == Path("clips") for path in paths)
    assert "_pumpe-nr-3-sud_" in paths[0].name
    assert len({kept.event(event()) for _ in range(50)}) == 50


@fixed
@given(st.text(), st.text())
def test_any_machine_and_source_give_a_name_that_is_known_again(machine: str, source: str) -> None:
    assert NAME.fullmatch(f"20261123T010000.007Z_{slug(machine)}_0f0f0f.flac")
    kept = Recorder(Path("clips"), source, None)
    kept.hear(counting(0, 10), 10)
    assert NAME.fullmatch(Path(kept.event(event()) or "").name)


@pytest.mark.parametrize("block", [1, 480, 480000])
def test_memory_does_not_grow(block: int) -> None:
    kept, samples = recorder(before=1.0, after=1.0), counting(0, block)
    kept.hear(samples, 48000)
    tracemalloc.start()
    for _ in range(max(3, min(2000, 960000 // block))):
        kept.hear(samples, 48000)
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert held < 20000


@pytest.mark.parametrize(
    ("before", "after"), [(-1.0, 5.0), (5.0, -1.0), (0.0, 0.0), (100.0, 100.0), (float("nan"), 1)]
)
def test_impossible_lengths_are_refused(before: float, after: float) -> None:
    with pytest.raises(ConfigError, match=r"at most 120 s$"):
        recorder(before, after)
