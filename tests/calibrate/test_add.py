"""`--add`: new sessions of the same machine, without the old sound."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgeae.calibrate import calibrate
from edgeae.runtime.audio.recordings import audio_files
from edgeae.runtime.commands.cli import run_command
from edgeae.runtime.errors import ArtifactError, AudioError, ConfigError
from edgeae.runtime.scoring.calibration import extended, history, threshold_for
from edgeae.runtime.scoring.detector import Detector
from edgeae.runtime.scoring.selftest import check
from edgeae.runtime.scoring.threshold import reference_for
from edgeae.runtime.system.arrays import Float32
from edgeae.train.synth.dataset import render
from edgeae.train.synth.machine import Machine
from tests.conftest import Trained

Command = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def first(fresh: Detector, clips: list[Float32]) -> Detector:
    """Calibrated on the first three recordings."""
    return calibrate(fresh, clips[:3], machine="pump-3")


@pytest.mark.parametrize("n", [1, 3, 5])
def test_mean_and_covariance_are_those_of_all_sound_at_once(
    fresh: Detector, clips: list[Float32], n: int
) -> None:
    both = calibrate(calibrate(fresh, clips[:n]), clips[n:], add=True, force=True, report=print)
    once = calibrate(fresh, clips)
    np.testing.assert_allclose(
        both.head.mean, once.head.mean, atol=1e-5
    )  # an artifact holds float32
    np.testing.assert_allclose(
        both.head.machine_factor.T @ both.head.machine_factor,
        once.head.machine_factor.T @ once.head.machine_factor,
        atol=1e-4,
    )
    assert (both.head.windows, both.head.machine_weight) == (
        once.head.windows,
        once.head.machine_weight,
    )


def test_sessions_are_remembered(first: Detector, clips: list[Float32]) -> None:
    both = calibrate(first, clips[3:], add=True)
    assert both.machine == "pump-3"
    assert [(session.windows, session.seconds) for session in history(both)] == [
        (3, 11.9)
    ] * 2  # whole frames
    assert both.artifact.head.calibrated == history(both)[-1].date
    assert check(both).startswith("self-test passed")


def test_a_calibration_without_add_forgets_the_sessions(
    first: Detector, clips: list[Float32]
) -> None:
    assert len(history(calibrate(calibrate(first, clips[3:], add=True), clips))) == 1


def test_a_session_that_strays_more_raises_the_threshold(
    first: Detector, clips: list[Float32]
) -> None:
    windows = np.concatenate(
        [first.independent(first.windows([clip], 16000)) for clip in clips[3:]]
    )
    astray = windows + 0.5 * first.head.fleet.within_std * np.random.default_rng(0).standard_normal(
        windows.shape
    )
    assert extended(first, astray).threshold.value > extended(first, windows).threshold.value + 0.1


def test_the_threshold_for_the_same_budget_is_the_fitted_one(first: Detector) -> None:
    threshold = threshold_for(first, first.threshold.false_alarms)
    assert threshold.value == pytest.approx(first.threshold.value, abs=1e-5)


def test_an_artifact_that_is_not_calibrated_has_nothing_to_add_to(
    fresh: Detector, clips: list[Float32]
) -> None:
    with pytest.raises(ConfigError, match="the artifact is not calibrated yet"):
        calibrate(fresh, clips, add=True)
    with pytest.raises(ConfigError, match="nothing to add to"):
        extended(fresh, fresh.head.mean[None])


def test_another_machine_s_name_is_refused(first: Detector, clips: list[Float32]) -> None:
    with pytest.raises(ConfigError, match=r"of the machine pump-3, not of pump-4"):
        calibrate(first, clips, machine="pump-4", add=True)


def test_sound_that_is_not_the_calibrated_one_is_refused(first: Detector) -> None:
    samples = [render(Machine.draw(4, 1), np.random.default_rng(seed), 4.0) for seed in range(3)]
    with pytest.raises(
        AudioError, match=r"not the sound that pump-3 was calibrated on: score \d\.\d, allowed is"
    ):
        calibrate(first, samples, add=True)
    with pytest.warns(UserWarning, match="not the sound"):
        assert calibrate(first, samples, add=True, force=True).head.windows == 6


def test_an_artifact_of_before_sessions_were_kept_can_be_added_to(
    first: Detector, clips: list[Float32]
) -> None:
    head = {
        key: value for key, value in first.artifact.sections["head"].items() if key != "history"
    }
    old = first.with_sections(head=head)
    assert [session.windows for session in history(calibrate(old, clips[3:], add=True))] == [
        3,
        3,
    ]


@pytest.mark.parametrize("damaged", [5, [5], [{"date": None}], "long ago"])
def test_damaged_sessions_are_an_artifact_error(
    first: Detector, clips: list[Float32], damaged: Any
) -> None:
    head = {**first.artifact.sections["head"], "history": damaged}
    with pytest.raises(ArtifactError, match="the scoring head is damaged"):
        calibrate(first.with_sections(head=head), clips[3:], add=True)


@pytest.fixture
def edgeae(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Command:
    monkeypatch.chdir(tmp_path)

    def call(*arguments: object) -> tuple[int, str, str]:
        capfd.readouterr()
        return run_command([str(argument) for argument in arguments]), *capfd.readouterr()

    return call


def test_the_command_adds_in_place_and_info_shows_both_sessions(
    edgeae: Command, trained: Trained
) -> None:
    paths = audio_files(trained.new / "train")
    edgeae("calibrate", trained.int8, *paths[:3])
    code, out, err = edgeae("calibrate", "machine.onnx", "--add", *paths[3:], "--in-place")
    assert (code, out) == (0, "machine.onnx\n")
    assert "machine id_03: learned from 6 windows of up to 4.1 s, of 2 sessions" in err
    values = json.loads(edgeae("info", "machine.onnx", "--json")[1])
    assert [session["windows"] for session in values["sessions"]] == [3, 3]
    assert values["stability"]["mean_error"] > values["stability"]["mean_error_next"]


def test_wrong_use_of_add_exits_with_2_before_listening(
    edgeae: Command, first: Detector, trained: Trained
) -> None:
    shutil.copy(trained.int8, "fresh.onnx")
    first.artifact.write("first.onnx")
    missing = ("--device", "hw:CARD=NoSuchCard,DEV=0")  # would be 4
    assert edgeae("calibrate", "fresh.onnx", "--add", *missing)[0] == 2
    code, _, err = edgeae("calibrate", "first.onnx", "--add", "--machine", "pump-4", *missing)
    assert code == 2
    assert "pump-3, not of pump-4" in err


def test_the_same_sound_is_not_learned_twice(first: Detector, clips: list[Float32]) -> None:
    with pytest.raises(
        AudioError, match=r"recording 1: was already learned; give sound of another time"
    ):
        calibrate(first, clips[1:2], add=True)


def test_sound_of_each_session_is_known_as_learned(first: Detector, clips: list[Float32]) -> None:
    both = calibrate(first, clips[3:], add=True)
    for clip in (clips[0], clips[-1]):
        with pytest.raises(AudioError, match="was already learned"):
            calibrate(both, [clip], add=True)


def test_a_session_is_compared_with_what_was_normal_before_it(
    first: Detector, clips: list[Float32]
) -> None:
    windows = np.concatenate(
        [first.independent(first.windows([clip], 16000)) for clip in clips[3:]]
    )
    normal = reference_for(first.references("gaussian"), 3).parts.mean(axis=0)
    expected = first.head.parts(windows).mean(axis=0) - normal
    excess = history(extended(first, windows))[-1].excess_over_fleet
    assert excess is not None
    np.testing.assert_allclose(excess, expected, atol=1e-5)


def test_a_session_keeps_the_budget_unless_another_is_given(
    fresh: Detector, clips: list[Float32]
) -> None:
    first = calibrate(fresh, clips[:3], false_alarms="2/month")
    assert calibrate(first, clips[3:], add=True).threshold.false_alarms == "2/month"
    other = calibrate(first, clips[3:], add=True, false_alarms="3%")
    assert other.threshold.false_alarms == "3%"
