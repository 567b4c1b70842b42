"""Calibration from Python."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgeae.calibrate import calibrate
from edgeae.calibrate.calibrate import calibrate_files
from edgeae.runtime.audio.recordings import audio_files
from edgeae.runtime.errors import ArtifactError, AudioError, ConfigError
from edgeae.runtime.model.artifact import Artifact
from edgeae.runtime.scoring.calibration import calibrated
from edgeae.runtime.scoring.detector import Detector
from edgeae.runtime.scoring.selftest import check
from edgeae.runtime.system.arrays import Float32
from tests.conftest import Trained


def untimed(detector: Detector) -> bytes:
    """The artifact without the time of its calibration."""
    section = {**detector.artifact.sections["head"], "calibrated": None, "history": []}
    return detector.artifact.with_sections(head=section).to_bytes()


def test_a_calibrated_machine_scores_lower_than_before(
    fresh: Detector, trained: Trained, clips: list[Float32]
) -> None:
    own = calibrate(fresh, clips)
    normals = [path for path in audio_files(trained.new / "test") if "normal" in path.name]
    before, after = (
        np.mean([detector.mean_score(list(detector.read(path))) for path in normals])
        for detector in (fresh, own)
    )
    assert after < before


def test_the_network_is_untouched(fresh: Detector, clips: list[Float32]) -> None:
    assert calibrate(fresh, clips).artifact.network_bytes() == fresh.artifact.network_bytes()


def test_everything_but_head_threshold_and_the_self_test_s_score_is_untouched(
    fresh: Detector, clips: list[Float32]
) -> None:
    before = fresh.artifact.sections
    after = calibrate(fresh, clips).artifact.sections
    assert {name for name in before if str(before[name]) != str(after[name])} == {
        "head",
        "threshold",
        "selftest",
    }
    assert {k for k in before["selftest"] if before["selftest"][k] != after["selftest"][k]} == {
        "score"
    }
    np.testing.assert_equal(after["head"]["fleet"], before["head"]["fleet"])
    np.testing.assert_equal(after["head"]["references"], before["head"]["references"])


@pytest.mark.parametrize("precision", ["int8", "float_"])
def test_the_self_test_passes_after_calibration(
    trained: Trained, precision: str, clips: list[Float32]
) -> None:
    own = calibrate(Detector.load(getattr(trained, precision)), clips)
    assert check(own).startswith("self-test passed")
    assert check(Detector(Artifact.from_bytes(own.artifact.to_bytes()))).startswith(
        "self-test passed"
    )


def test_calibration_does_not_hide_that_a_device_computes_otherwise(
    fresh: Detector, clips: list[Float32]
) -> None:
    expected = fresh.artifact.sections["selftest"]
    elsewhere = fresh.with_sections(selftest={**expected, "energy": expected["energy"] + 0.1})
    with pytest.raises(ArtifactError, match="self-test failed"):
        check(calibrate(elsewhere, clips))


def test_a_second_calibration_leaves_nothing_of_the_first(
    fresh: Detector, clips: list[Float32]
) -> None:
    other = calibrate(fresh, [clip[::-1] * 3 for clip in clips], machine="other")
    again = calibrate(other, clips, machine="mine")
    assert untimed(again) == untimed(calibrate(fresh, clips, machine="mine"))


def test_the_budget_stays_unless_another_is_asked_for(
    fresh: Detector, clips: list[Float32]
) -> None:
    weekly = calibrate(fresh, clips, false_alarms="1/week")
    assert weekly.threshold.false_alarms == "1/week"
    assert calibrate(weekly, clips).threshold.false_alarms == "1/week"
    assert weekly.threshold.value > calibrate(fresh, clips, false_alarms="20%").threshold.value


def test_a_bad_budget_is_refused(fresh: Detector, clips: list[Float32]) -> None:
    with pytest.raises(ConfigError, match="1/fortnight"):
        calibrate(fresh, clips, false_alarms="1/fortnight")


def test_one_recording_is_enough(fresh: Detector, clips: list[Float32]) -> None:
    own = calibrate(fresh, clips[:1])
    assert own.head.windows == 1
    assert np.isfinite(own.score(clips[1], 16000))


def test_windows_of_a_long_recording_do_not_overlap(fresh: Detector, clips: list[Float32]) -> None:
    assert calibrate(fresh, [np.concatenate(clips)]).head.windows == 5  # 24 s in windows of 4.1 s


def test_short_windows_are_not_learned_beside_full_ones(
    fresh: Detector, clips: list[Float32]
) -> None:
    long = np.concatenate(clips)
    own = calibrate(fresh, [long, clips[0][:24000]], force=True, report=print)
    alone = calibrate(fresh, [long], force=True, report=print)
    np.testing.assert_array_equal(own.head.mean, alone.head.mean)
    np.testing.assert_array_equal(own.head.machine_factor, alone.head.machine_factor)
    assert own.head.windows == alone.head.windows == 5


def test_short_windows_are_learned_where_there_are_no_others(
    fresh: Detector, clips: list[Float32]
) -> None:
    short = [clip[:24000] for clip in clips]
    assert calibrate(fresh, short, force=True, report=print).head.windows == 6


def test_another_sample_rate_is_resampled(fresh: Detector, clips: list[Float32]) -> None:
    import soxr

    resampled = [soxr.resample(clip, 16000, 48000) for clip in clips]
    own = calibrate(fresh, clips)
    again = calibrate(fresh, resampled, 48000)
    below_7_khz = slice(1, 1 + 118)
    np.testing.assert_allclose(again.head.mean[below_7_khz], own.head.mean[below_7_khz], atol=0.2)


def test_files_calibrate_as_their_samples(
    fresh: Detector, trained: Trained, clips: list[Float32]
) -> None:
    from_files = calibrate_files(
        fresh, audio_files(trained.new / "train"), machine="id_03", report=print
    )
    assert untimed(from_files) == untimed(calibrate(fresh, clips, machine="id_03"))


@pytest.mark.parametrize("sound", [np.zeros(64000, np.float32), np.full(64000, 1e-6, np.float32)])
def test_silence_is_refused_in_one_sentence(fresh: Detector, sound: Float32) -> None:
    with pytest.raises(AudioError) as error:
        calibrate(fresh, [sound] * 3)
    assert "the sound is silent (-120 dBFS, at least -90 is needed)" in str(error.value)


@pytest.mark.parametrize(
    ("sound", "reason"),
    [
        (np.ones(8000, np.float32), "0.50 s of sound"),
        (np.full(64000, np.nan, np.float32), "not numbers"),
    ],
)
def test_sound_that_gives_no_window_is_refused(
    fresh: Detector, sound: Float32, reason: str
) -> None:
    with pytest.raises(AudioError, match=reason):
        calibrate(fresh, [sound])


def test_no_window_at_all_is_refused(fresh: Detector) -> None:
    with pytest.raises(ConfigError, match="at least one window"):
        calibrated(fresh, np.empty((0, len(fresh.head.mean))))


def bad_file(folder: Path) -> Path:
    path = folder / "bad.wav"
    path.write_bytes(b"no sound")
    return path


def test_a_bad_file_fails_the_whole_and_is_named(
    fresh: Detector, trained: Trained, tmp_path: Path
) -> None:
    messages: list[str] = []
    paths = [*audio_files(trained.new / "train"), bad_file(tmp_path)]
    with pytest.raises(AudioError, match="1 of 7 recordings cannot be used"):
        calibrate_files(fresh, paths, report=messages.append)
    assert messages[0].startswith(f"{tmp_path / 'bad.wav'}: ")


def test_a_bad_file_can_be_skipped(fresh: Detector, trained: Trained, tmp_path: Path) -> None:
    paths = audio_files(trained.new / "train")
    ignore = list[str]().append
    skipped = calibrate_files(fresh, [bad_file(tmp_path), *paths], skip_bad=True, report=ignore)
    assert untimed(skipped) == untimed(calibrate_files(fresh, paths, report=ignore))


@pytest.mark.parametrize("interrupt", ["fsync", "replace"])
def test_a_write_that_is_interrupted_leaves_the_old_file(
    fresh: Detector,
    clips: list[Float32],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    interrupt: str,
) -> None:
    def fail(*_: object) -> None:
        raise KeyboardInterrupt

    target = tmp_path / "machine.onnx"
    target.write_bytes(b"the old file")
    place: Any = {
        "fsync": "edgeae.runtime.system.files.os.fsync",
        "replace": "pathlib.Path.replace",
    }[interrupt]
    monkeypatch.setattr(place, fail)
    with pytest.raises(KeyboardInterrupt):
        calibrate(fresh, clips).artifact.write(target)
    monkeypatch.undo()
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [
        ("machine.onnx", b"the old file")
    ]
