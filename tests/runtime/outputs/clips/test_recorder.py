"""Clips have the exact samples around an alarm for any block size, in bounded memory."""

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
from edgeae.runtime.outputs.clips.recorder import CLIP_NAME, ClipRecorder
from edgeae.runtime.outputs.lines import ClipReference, EventLine
from edgeae.runtime.system.arrays import Float32
from edgeae.runtime.system.identity import slug

TIME = "2026-11-23T02:34:50.123+00:00"
fixed = settings(derandomize=True, deadline=None, max_examples=150)


def event(phase: str = "start", time: str = TIME) -> EventLine:
    return example_lines.event(phase, time=time, sentence="a fault", sequence=7)


def counting(start: int, n: int) -> Float32:
    """Samples whose value is their index, exact in 16 bits."""
    return (((np.arange(start, start + n) % 65536) - 32768) / 32768).astype(np.float32)


def make_recorder(
    before: float = 0.5, after: float = 1.0, machine: str | None = "pump-3"
) -> ClipRecorder:
    return ClipRecorder(Path("clips"), "hw:1 channel 2", machine, before=before, after=after)


@pytest.mark.parametrize("samplerate", [16000, 22050, 48000])
def test_a_clip_is_the_sound_before_and_after_the_start_of_an_alarm(samplerate: int) -> None:
    recorder = make_recorder()
    start = 3 * samplerate
    assert recorder.push(counting(0, start), samplerate) == []
    path = recorder.clip_path(event())
    (clip,) = recorder.push(counting(start, 2 * samplerate), samplerate)
    n_before = round(0.5 * samplerate)
    first = start - n_before
    n = n_before + samplerate
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
    recorder = make_recorder(before=ring / 100, after=0.5)
    n_samples = 0
    clips = []
    for n in before:
        clips += recorder.push(counting(n_samples, n), 100)
        n_samples += n
    start = n_samples
    path = recorder.clip_path(event())
    for n in after:
        clips += recorder.push(counting(n_samples, n), 100)
        n_samples += n
    clips += recorder.close()
    first = max(0, start - ring)
    last = min(n_samples, start + 50)
    assert (path is None) == (not before)
    samples = [clip.samples.tolist() for clip in clips]
    expected = to_int16(counting(first, last - first)).tolist()
    assert samples == ([expected] if expected and path else [])


@fixed
@given(st.lists(st.integers(-32768, 32767), min_size=1))
def test_sound_of_16_bits_is_stored_exactly(values: list[int]) -> None:
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


def test_a_gap_ends_the_clip_and_the_next_clip_starts_after_it() -> None:
    recorder = make_recorder()
    recorder.push(counting(0, 100), 100)
    recorder.clip_path(event())
    recorder.push(counting(100, 30), 100)
    (cut,) = recorder.gap()
    assert (cut.ended, cut.before_seconds, cut.after_seconds) == ("gap", 0.5, 0.3)
    assert np.array_equal(cut.samples, to_int16(counting(50, 80)))
    recorder.push(counting(5000, 20), 100)
    recorder.clip_path(event())
    (clip,) = recorder.push(counting(5020, 200), 100)
    assert (clip.before_seconds, clip.after_seconds) == (0.2, 1.0)
    assert np.array_equal(clip.samples, to_int16(counting(5000, 120)))


def test_another_sample_rate_is_a_gap() -> None:
    recorder = make_recorder()
    recorder.push(counting(0, 100), 100)
    recorder.clip_path(event())
    recorder.push(counting(100, 30), 100)
    (cut,) = recorder.push(counting(0, 10), 50)
    assert (cut.ended, cut.samplerate, len(cut.samples)) == ("gap", 100, 80)
    recorder.clip_path(event())
    (clip,) = recorder.push(counting(10, 100), 50)
    assert (clip.samplerate, clip.before_seconds) == (50, 0.2)


def test_the_end_of_the_source_ends_the_clip() -> None:
    recorder = make_recorder()
    recorder.push(counting(0, 100), 100)
    recorder.clip_path(event())
    recorder.push(counting(100, 30), 100)
    (cut,) = recorder.close()
    assert (cut.ended, len(cut.samples)) == ("stop", 80)
    assert recorder.close() == []


def test_an_alarm_during_a_clip_begins_a_new_clip_with_the_sound_before_it() -> None:
    recorder = make_recorder()
    recorder.push(counting(0, 100), 100)
    first = recorder.clip_path(event())
    recorder.push(counting(100, 30), 100)
    second = recorder.clip_path(event())
    clips = recorder.push(counting(130, 100), 100)
    assert [clip.path for clip in clips] == [first, second]
    assert [clip.ended for clip in clips] == ["alarm", "complete"]
    assert np.array_equal(clips[1].samples, to_int16(counting(80, 150)))


def test_later_lines_of_an_alarm_have_the_path_of_its_clip() -> None:
    recorder = make_recorder()
    assert recorder.clip_path(event("update")) is None  # the alarm began before the recorder
    recorder.push(counting(0, 100), 100)
    path = recorder.clip_path(event())
    recorder.push(counting(100, 300), 100)
    assert recorder.clip_path(event("update")) == recorder.clip_path(event("end")) == path


def test_a_burst_has_no_clip_not_even_that_of_the_alarm_before_it() -> None:
    recorder = make_recorder()
    recorder.push(counting(0, 400), 100)
    assert recorder.clip_path(event()) is not None
    assert recorder.clip_path(event("end")) is not None
    assert recorder.clip_path(event("burst")) is None


def test_without_sound_there_is_no_clip() -> None:
    recorder = make_recorder()
    assert recorder.clip_path(event()) is None
    assert recorder.close() == []


def test_names_have_utc_time_and_are_sortable_and_unique() -> None:
    recorder = make_recorder(machine="Pumpe Nr. 3 (Süd)")
    recorder.push(counting(0, 100), 100)
    times = [
        "2026-11-23T01:00:00.007+00:00",
        "2026-11-23T03:30:00.120+02:00",
        "2026-11-23T01:30:00.121+00:00",
    ]
    paths = [Path(recorder.clip_path(event(time=time)) or "") for time in times]
    assert [path.name[:20] for path in paths] == [
        "20261123T010000.007Z",
        "20261123T013000.120Z",
        "20261123T013000.121Z",
    ]
    assert all(CLIP_NAME.fullmatch(path.name) and path.parent == Path("clips") for path in paths)
    assert "_pumpe-nr-3-sud_" in paths[0].name
    assert len({recorder.clip_path(event()) for _ in range(50)}) == 50


@fixed
@given(st.text(), st.text())
def test_the_name_for_any_machine_and_source_is_that_of_a_clip(machine: str, source: str) -> None:
    assert CLIP_NAME.fullmatch(f"20261123T010000.007Z_{slug(machine)}_0f0f0f.flac")
    recorder = ClipRecorder(Path("clips"), source, None)
    recorder.push(counting(0, 10), 10)
    assert CLIP_NAME.fullmatch(Path(recorder.clip_path(event()) or "").name)


@pytest.mark.parametrize("block", [1, 480, 480000])
def test_memory_does_not_grow(block: int) -> None:
    recorder = make_recorder(before=1.0, after=1.0)
    samples = counting(0, block)
    recorder.push(samples, 48000)
    tracemalloc.start()
    for _ in range(max(3, min(2000, 960000 // block))):
        recorder.push(samples, 48000)
    n_bytes, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert n_bytes < 20000


@pytest.mark.parametrize(
    ("before", "after"), [(-1.0, 5.0), (5.0, -1.0), (0.0, 0.0), (100.0, 100.0), (float("nan"), 1)]
)
def test_impossible_lengths_are_refused(before: float, after: float) -> None:
    with pytest.raises(ConfigError, match=r"at most 120 s$"):
        make_recorder(before, after)
