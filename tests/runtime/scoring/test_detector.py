"""One path for files and streams: however sound arrives, the scores are the same."""

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import soxr
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeae.runtime.audio.level import level_dbfs
from edgeae.runtime.errors import ArtifactError, AudioError
from edgeae.runtime.features.mel import log_mel
from edgeae.runtime.model.artifact import Artifact
from edgeae.runtime.model.network import (
    Network,
    NetworkLimits,
    PatchStatistics,
    statistics_of,
)
from edgeae.runtime.model.sections import MASKED_BAND_STD_DB
from edgeae.runtime.scoring.detector import Detector, Result
from edgeae.runtime.scoring.window_features import window_features
from edgeae.runtime.scoring.window_stream import Window, WindowStream, infer_batched
from edgeae.runtime.system.arrays import Float32

PATCH, HOP = 32, 512  # frames, samples
STEP = PATCH * HOP  # samples from one window to the next
RATES = (16000, 44100)
SOUND = {
    rate: (np.random.default_rng(rate).standard_normal(int(6 * rate)) * 0.1).astype(np.float32)
    for rate in RATES
}
PRECISIONS = ("int8", "float")

Detectors = dict[str, Detector]


@pytest.fixture(scope="module")
def detectors(trained: Any) -> Detectors:
    """The int8 and the float artifact with windows of three patches (3.07 s)."""
    loaded = {"int8": Detector.load(trained.int8), "float": Detector.load(trained.float_)}
    return {
        precision: detector.with_sections(
            head={**detector.artifact.sections["head"], "window": 3.0}
        )
        for precision, detector in loaded.items()
    }


def told(results: list[Result]) -> list[tuple[float, float, float | None]]:
    return [(result.t, result.score, result.level_dbfs) for result in results]


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("precision", PRECISIONS)
@given(cuts=st.lists(st.integers(0, 6 * 16000), max_size=12).map(sorted))
@settings(derandomize=True, deadline=None, max_examples=12)
def test_a_stream_scores_as_the_whole_however_it_is_cut(
    detectors: Detectors, precision: str, rate: int, cuts: list[int]
) -> None:
    detector, sound = detectors[precision], SOUND[rate]
    whole = told(list(detector.stream([sound], rate)))
    assert told(list(detector.stream(np.split(sound, cuts), rate))) == whole


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("batch", [1, 2, 5])
def test_the_batch_size_does_not_matter(detectors: Detectors, precision: str, batch: int) -> None:
    artifact = detectors[precision].artifact
    batched = Detector(artifact, Network(artifact, NetworkLimits(max_batch_patches=batch)))
    whole = told(list(detectors[precision].stream([SOUND[16000]])))
    assert told(list(batched.stream([SOUND[16000]]))) == whole


def samples_of(frames: int) -> int:
    return (frames - 1) * HOP + 1024


@pytest.mark.parametrize(
    ("frames", "ends"),
    [
        (32, [32]),  # one patch, shorter than the window
        (50, [50]),
        (96, [96]),  # exactly one window
        (97, [96, 97]),
        (128, [96, 128]),  # no leftover
        (160, [96, 128, 160]),
        (175, [96, 128, 160, 175]),
    ],
)
def test_a_window_ends_with_every_patch_and_with_the_recording(
    detectors: Detectors, frames: int, ends: list[int]
) -> None:
    results = list(detectors["int8"].stream([SOUND[16000][: samples_of(frames)]]))
    assert [result.t for result in results] == [round(end * HOP / 16000, 3) for end in ends]


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("frames", [50, 96, 128, 175])
def test_the_last_window_ends_with_a_patch_that_may_overlap(
    detectors: Detectors, precision: str, frames: int
) -> None:
    detector, sound = detectors[precision], SOUND[16000][: samples_of(frames)]
    x = log_mel(sound)
    whole = frames // PATCH * PATCH
    patches = [*x[:whole].reshape(-1, PATCH, 128), *([x[-PATCH:]] if frames > whole else [])]
    statistics = detector.network(np.array(patches[-3:]))
    last = list(detector.stream([sound]))[-1]
    [features] = window_features(statistics, PATCH, len(statistics))
    np.testing.assert_array_equal(last.window.features, features)


@pytest.mark.parametrize("precision", PRECISIONS)
def test_the_network_sums_its_input_and_its_residual(detectors: Detectors, precision: str) -> None:
    detector = detectors[precision]
    patches = log_mel(SOUND[16000])[: 5 * PATCH].reshape(5, PATCH, 128)
    std, quantization = detector.band_std, detector.artifact.sections["quantization"]
    found = detector.network(patches).sums
    residual = statistics_of(np.zeros_like(patches), detector.network.residual(patches)).sums
    np.testing.assert_allclose(found[..., 128:], residual[..., 128:], rtol=1e-5, atol=1e-5)
    expected = np.stack([np.square(np.diff(part / std, axis=0)).sum(axis=0) for part in patches])
    rounding = 0 if quantization is None else 1 / 64  # z is a whole number of at most 1/32
    np.testing.assert_allclose(
        np.sqrt(found[:, 2, :128]), np.sqrt(expected), atol=1e-3 + 2 * rounding * np.sqrt(31)
    )


def test_what_int8_cannot_express_is_told(detectors: Detectors) -> None:
    network, quantization = (
        detectors["int8"].network,
        detectors["int8"].artifact.sections["quantization"],
    )
    low, high = quantization["input_low_db"], quantization["input_high_db"]
    patches = np.broadcast_to((low + high) / 2, (2, PATCH, 128)).astype(np.float32)
    patches[1, :8] = high + 0.1
    patches[1, 8:16] = low - 0.1
    heard = float((detectors["int8"].band_std < MASKED_BAND_STD_DB).mean())
    np.testing.assert_allclose(network.out_of_range(patches), [0, 0.5 * heard])
    assert not detectors["float"].network.out_of_range(patches).any()


def test_a_louder_sound_is_reported_as_out_of_range(detectors: Detectors) -> None:
    quiet, loud = (list(detectors["int8"].stream([SOUND[16000] * gain])) for gain in (0.1, 9.0))
    assert loud[-1].out_of_range > 0.2 > quiet[-1].out_of_range


@pytest.mark.parametrize(
    ("seconds", "told_seconds"), [(0.0, "0.00 s"), (0.5, "0.50 s"), (1.0559, "1.05 s")]
)
def test_a_recording_shorter_than_a_patch_is_refused_with_its_length(
    detectors: Detectors, seconds: float, told_seconds: str
) -> None:
    with pytest.raises(
        AudioError, match=f"only {told_seconds} of sound; at least 1.06 s is needed"
    ):
        detectors["int8"].score(SOUND[16000][: int(seconds * 16000)], 16000)


def test_a_short_file_is_named(detectors: Detectors, tmp_path: Path) -> None:
    path = tmp_path / "short.wav"
    soundfile.write(path, SOUND[16000][:8000], 16000)
    with pytest.raises(AudioError) as error:
        list(detectors["int8"].read(path))
    assert str(error.value).startswith(f"{path}: only 0.50 s")


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1e30])
@pytest.mark.parametrize("rate", RATES)
def test_samples_that_are_no_sound_give_no_score(
    detectors: Detectors, rate: int, bad: float
) -> None:
    sound = SOUND[rate].copy()
    sound[len(sound) // 2] = bad
    with pytest.raises(AudioError, match="the sound holds samples"):
        detectors["int8"].score(sound, rate)


@pytest.mark.parametrize(
    ("samples", "rate", "expected"),
    [
        ([0.1, 0.2], 16000, "samples are a list, [0.1, 0.2]; give a NumPy array (n,)"),
        ("pump.wav", 16000, "samples are a str, 'pump.wav'; give"),
        (Path("pump.wav"), 16000, "samples are a PosixPath, PosixPath('pump.wav'); give"),
        (None, 16000, "samples are a NoneType, None; give"),
        ([0.1] * 9999, 16000, "...; give a NumPy array"),
        (np.zeros((2, 99), np.float32), 16000, "samples are float32 of shape (2, 99)"),
        (np.zeros(99, np.int16), 16000, "samples are int16 of shape (99,)"),
        (np.zeros(99, np.float32), "16000", "the sample rate is a str, '16000'; give a number"),
        (np.zeros(99, np.float32), None, "the sample rate is a NoneType, None; give a number"),
        (np.zeros(99, np.float32), True, "the sample rate is a bool, True; give a number"),
        (np.zeros(99, np.float32), 16, "the sample rate is 16 Hz; allowed is 4000 to 384000"),
        (np.zeros(99, np.float32), float("nan"), "the sample rate is nan Hz; allowed is"),
        (np.full(99, 16384.0), 16000, "the sound holds samples of up to 16384 where full scale is"),
        (np.full(99, 3.0), 16000, "as of integers of 16 bits that were stored as floating point"),
        (np.full(99, 900.5), 16000, "divide them by 32768"),
    ],
)
def test_what_is_no_sound_is_named(
    detectors: Detectors, samples: Any, rate: Any, expected: str
) -> None:
    with pytest.raises(AudioError) as caught:
        detectors["int8"].score(samples, rate)
    assert expected in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("precision", PRECISIONS)
def test_a_log_mel_array_scores_as_the_wav_it_was_made_from(
    detectors: Detectors, precision: str, tmp_path: Path
) -> None:
    wav, npy = tmp_path / "sound.wav", tmp_path / "sound.npy"
    soundfile.write(wav, SOUND[16000], 16000, "PCM_16")
    np.save(npy, log_mel(soundfile.read(wav, dtype="float32")[0]))
    detector = detectors[precision]
    of_wav, of_npy = (list(map(detector.result, detector.read(path))) for path in (wav, npy))
    assert [(r.t, r.score) for r in of_npy] == [(r.t, r.score) for r in of_wav]
    assert {result.level_dbfs for result in of_npy} == {None}


def test_a_file_scores_as_its_samples(detectors: Detectors, tmp_path: Path) -> None:
    path = tmp_path / "sound.flac"
    soundfile.write(path, SOUND[44100], 44100, "PCM_24")
    samples, rate = soundfile.read(path, dtype="float32")
    detector = detectors["int8"]
    assert told(list(map(detector.result, detector.read(path)))) == told(
        list(detector.stream([samples], rate))
    )


@pytest.mark.parametrize("precision", PRECISIONS)
@given(
    before=st.integers(0, len(SOUND[16000])),
    lost=st.integers(0, 400),
    cuts=st.lists(st.integers(0, 60000), max_size=4),
)
@settings(derandomize=True, deadline=None, max_examples=10)
def test_after_a_gap_everything_is_as_in_a_new_stream_that_starts_later(
    detectors: Detectors, precision: str, before: int, lost: int, cuts: list[int]
) -> None:
    spec, network_, window = (
        detectors[precision].spec,
        detectors[precision].network,
        detectors[precision].window,
    )
    sound, start = SOUND[16000][:60000], (before // HOP + lost) * HOP  # samples

    def heard(stream: WindowStream, blocks: list[Float32]) -> list[Any]:
        return [found for block in blocks for found in stream.push(block)] + stream.flush()

    interrupted, fresh = WindowStream(spec, network_, window), WindowStream(spec, network_, window)
    interrupted.push(SOUND[16000][:before])
    interrupted.reset(start)
    after, expected = heard(interrupted, np.split(sound, sorted(cuts))), heard(fresh, [sound])
    assert len(after) == len(expected)
    for found, new in zip(after, expected, strict=True):
        assert found.end == pytest.approx(
            new.end + start / 16000, abs=0.0011
        )  # told in milliseconds
        assert found.level == new.level
        np.testing.assert_array_equal(found.features, new.features)


def test_the_score_of_a_recording_is_the_mean_of_its_windows(detectors: Detectors) -> None:
    results = list(detectors["int8"].stream([SOUND[16000]]))
    assert detectors["int8"].score(SOUND[16000], 16000) == pytest.approx(
        np.mean([r.score for r in results]), abs=1e-6
    )


def test_an_array_at_48_khz_scores_as_the_one_it_was_resampled_from(detectors: Detectors) -> None:
    smooth = soxr.resample(SOUND[44100], 44100, 48000)
    at_16k = soxr.resample(smooth, 48000, 16000, quality="HQ")
    assert detectors["int8"].score(smooth, 48000) == pytest.approx(
        detectors["int8"].score(at_16k, 16000), abs=1e-3
    )


def test_float64_samples_are_taken(detectors: Detectors) -> None:
    sound = SOUND[16000]
    assert detectors["int8"].score(sound.astype(np.float64), 16000) == detectors["int8"].score(
        sound, 16000
    )


def test_a_level_is_that_of_the_second_before_the_window_s_end(detectors: Detectors) -> None:
    results = list(detectors["int8"].stream([SOUND[16000]]))
    whole = (len(SOUND[16000]) // STEP) * STEP
    expected = [level_dbfs(part) for part in SOUND[16000][:whole].reshape(-1, STEP)]
    assert [result.level_dbfs for result in results[:3]] == expected[2:5]


@pytest.mark.parametrize("samples", [STEP * 2, STEP * 4, STEP * 4 + 100, samples_of(96)])
def test_every_window_of_sound_has_a_level(detectors: Detectors, samples: int) -> None:
    results = list(detectors["int8"].stream([SOUND[16000][:samples]]))
    assert all(result.level_dbfs == pytest.approx(-20, abs=0.5) for result in results)


def test_a_result_is_an_anomaly_above_the_threshold(detectors: Detectors) -> None:
    detector = detectors["int8"]
    score = detector.score(SOUND[16000][: 3 * STEP + 512], 16000)
    for limit, anomaly in ((score - 0.1, True), (score + 0.1, False)):
        values = {**asdict(detector.threshold), "value": limit}
        [result] = detector.with_sections(threshold=values).stream([SOUND[16000][: 3 * STEP + 512]])
        assert result.anomaly is anomaly
        assert result.threshold == pytest.approx(limit)


def test_independent_windows_do_not_overlap(detectors: Detectors) -> None:
    detector, sound = (
        detectors["int8"],
        np.tile(SOUND[16000], 2)[: 7 * STEP + 512],
    )  # 7 patches: windows end at 3 to 7
    windows = list(detector.windows([sound], 16000))
    expected = [windows[0].features, windows[3].features]  # patches 0-2 and 3-5
    np.testing.assert_array_equal(detector.independent(windows), expected)


@pytest.mark.parametrize("precision", PRECISIONS)
def test_a_loaded_detector_scores_as_the_one_that_was_written(
    detectors: Detectors, precision: str, tmp_path: Path
) -> None:
    detectors[precision].artifact.write(tmp_path / "again.onnx")
    again = Detector.load(tmp_path / "again.onnx")
    assert told(list(again.stream([SOUND[16000]]))) == told(
        list(detectors[precision].stream([SOUND[16000]]))
    )


Change = Callable[[dict[str, Any]], dict[str, Any]]


@pytest.mark.parametrize(
    "change",
    [
        lambda sections: {"head": None},
        lambda sections: {"threshold": None},
        lambda sections: {"head": {**sections["head"], "window": None}},
        lambda sections: {"head": {**sections["head"], "window": 0}},
        lambda sections: {"head": {**sections["head"], "window": 1e12}},
        lambda sections: {"head": {k: v for k, v in sections["head"].items() if k != "window"}},
        lambda sections: {"threshold": {**sections["threshold"], "value": "high"}},
    ],
)
def test_an_artifact_without_a_usable_head_or_threshold_is_refused(
    trained: Any, change: Change
) -> None:
    artifact = Artifact.read(trained.int8)
    with pytest.raises(ArtifactError):
        Detector(artifact.with_sections(**change(artifact.sections)))


@pytest.mark.parametrize("references", [None, {}, {"gaussian": []}, {"gaussian": [{"windows": 0}]}])
def test_references_that_are_missing_or_damaged_are_an_artifact_error(
    detectors: Detectors, references: Any
) -> None:
    section = {**detectors["int8"].artifact.sections["head"], "references": references}
    with pytest.raises(ArtifactError, match=r"no reference scores for gaussian|head\.references"):
        detectors["int8"].with_sections(head=section).references("gaussian")


@pytest.mark.parametrize("sound", [np.zeros(32000, np.int16), np.zeros((32000, 2), np.float32)])
def test_integer_or_stereo_samples_are_refused(detectors: Detectors, sound: Any) -> None:
    with pytest.raises(AudioError, match="float with full scale 1 and of one channel"):
        detectors["int8"].score(sound, 16000)


def test_windows_taken_as_independent_do_not_overlap(detectors: Detectors) -> None:
    detector = detectors["int8"]
    windows = list(detector.windows([np.tile(SOUND[16000], 3)], 16000))
    length = detector.window_frames / detector.spec.frames_per_second
    kept = detector.independent(windows)
    ends = [
        window.end
        for window in windows
        if any(np.array_equal(window.features, row) for row in kept)
    ]
    assert len(ends) == len(kept) >= 2
    assert np.diff(ends).min() >= length - 2e-3


@pytest.mark.parametrize("precision", PRECISIONS)
def test_many_listeners_hear_together_what_each_hears_alone(
    detectors: Detectors, precision: str
) -> None:
    """Of two detectors that share a network, with sound that completes patches at other times."""
    detector = detectors[precision]
    other = detector.with_sections(head={**detector.artifact.sections["head"], "window": 2.0})
    owners, sounds = (
        (detector, detector, other, other),
        [SOUND[16000][start:] for start in (0, 5000, 11000, 40000)],
    )
    alone = [owner.window_stream().push(sound) for owner, sound in zip(owners, sounds, strict=True)]
    streams, together = (
        [owner.window_stream() for owner in owners],
        [list[Window]() for _ in owners],
    )
    for start in range(0, 96000, 4000):
        for stream, sound in zip(streams, sounds, strict=True):
            stream.push_pending(sound[start : start + 4000])
        for windows, new in zip(together, infer_batched(streams), strict=True):
            windows.extend(new)
    for found, expected in zip(together, alone, strict=True):
        assert [(w.end, w.level, w.out_of_range) for w in found] == [
            (w.end, w.level, w.out_of_range) for w in expected
        ]
        np.testing.assert_array_equal([w.features for w in found], [w.features for w in expected])


def test_a_network_sees_the_patches_of_its_listeners_in_one_call(detectors: Detectors) -> None:
    sizes = []

    class Counted:
        patch_frames = PATCH
        n_identity = 0

        def __call__(self, patches: Float32) -> PatchStatistics:
            sizes.append(len(patches))
            return detectors["int8"].network(patches)

        residual = detectors["int8"].network.residual
        out_of_range = detectors["int8"].network.out_of_range

    network_ = Counted()
    streams = [WindowStream(detectors["int8"].spec, network_, 3.0) for _ in range(5)]
    for stream in streams[1:]:
        stream.push_pending(SOUND[16000][: samples_of(2 * PATCH)])
    assert infer_batched(streams) == [[]] * 5
    assert sizes == [8]
