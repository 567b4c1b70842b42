"""Which artifact a command works on."""

import os
from pathlib import Path

import pytest

from edgeae.runtime.errors import ArtifactError, ConfigError
from edgeae.runtime.model.find import (
    default_model,
    named_or_default,
    names_artifact,
    split_model,
    split_models,
)

LATEST = Path("runs/latest")


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("EDGEAE_MODEL", raising=False)


def make(path: Path, modified: float = 0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    os.utime(path, (modified, modified))


def test_the_environment_comes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    make(Path("model.int8.onnx"))
    monkeypatch.setenv("EDGEAE_MODEL", "/srv/fan.onnx")
    assert default_model() == Path("/srv/fan.onnx")


def test_an_empty_environment_counts_as_none(monkeypatch: pytest.MonkeyPatch) -> None:
    make(Path("model.int8.onnx"))
    monkeypatch.setenv("EDGEAE_MODEL", "")
    assert default_model() == Path("model.int8.onnx")


def test_the_calibrated_artifact_comes_before_the_exported_one() -> None:
    make(Path("model.int8.onnx"), modified=2)
    make(Path("machine.onnx"), modified=1)
    assert default_model() == Path("machine.onnx")


def test_a_newer_artifact_that_is_passed_over_is_reported(
    capsys: pytest.CaptureFixture[str],
) -> None:
    make(Path("machine.onnx"), modified=5)
    make(LATEST / "model.int8.onnx", modified=4)
    assert named_or_default(None) == Path("machine.onnx")
    assert capsys.readouterr().err == ""
    make(LATEST / "model.int8.onnx", modified=6)
    assert named_or_default(None) == Path("machine.onnx")
    assert capsys.readouterr().err == (
        "edgeae: machine.onnx is used; runs/latest/model.int8.onnx is newer, name it to use it\n"
    )


def test_nothing_is_reported_where_the_artifact_was_chosen(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    make(Path("machine.onnx"), modified=1)
    make(Path("model.int8.onnx"), modified=2)
    assert named_or_default(Path("fan.onnx")) == Path("fan.onnx")
    monkeypatch.setenv("EDGEAE_MODEL", "machine.onnx")
    assert named_or_default(None) == Path("machine.onnx")
    assert capsys.readouterr().err == ""


def test_a_variable_that_names_no_file_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    make(Path("pump-3.onnx"))
    monkeypatch.setenv("EDGEAE_MODEL", "pump-33.onnx")
    with pytest.raises(
        ArtifactError,
        match=r"^EDGEAE_MODEL names pump-33\.onnx, which does not exist; did you mean pump-3\.onnx",
    ):
        split_models(("a.wav",))


def test_the_working_folder_comes_before_the_last_run() -> None:
    make(Path("model.int8.onnx"), modified=1)
    make(LATEST / "model.onnx", modified=2)
    assert default_model() == Path("model.int8.onnx")


def test_the_newest_of_the_last_run_comes_last() -> None:
    make(LATEST / "model.int8.onnx", modified=2)
    make(LATEST / "model.onnx", modified=1)
    assert default_model() == LATEST / "model.int8.onnx"
    make(LATEST / "model.onnx", modified=3)
    assert default_model() == LATEST / "model.onnx"


def test_the_last_run_may_be_a_link() -> None:
    make(Path("runs/edge-1/model.onnx"))
    LATEST.symlink_to("edge-1")
    assert default_model() == LATEST / "model.onnx"


def test_no_artifact_says_how_to_get_one() -> None:
    with pytest.raises(
        ArtifactError, match=r"^no artifact: name one .* EDGEAE_MODEL, or make one"
    ) as caught:
        default_model()
    assert caught.value.exit_code == 3


def test_the_argument_that_ends_in_onnx_is_the_artifact() -> None:
    assert split_model(("a.wav", "fan.onnx", "b.wav")) == (Path("fan.onnx"), ["a.wav", "b.wav"])


def test_without_one_the_default_is_taken() -> None:
    make(Path("model.int8.onnx"))
    assert split_model(("a.wav",)) == (Path("model.int8.onnx"), ["a.wav"])


def test_a_named_artifact_needs_no_default() -> None:
    assert split_model(("fan.onnx",)) == (Path("fan.onnx"), [])


def test_two_artifacts_are_refused_by_name() -> None:
    with pytest.raises(ConfigError, match=r"two artifacts were named, a\.onnx and b\.onnx"):
        split_model(("a.onnx", "b.onnx"))


@pytest.mark.parametrize("default", [True, False])
def test_a_mistyped_artifact_is_reported_and_no_other_one_is_used(default: bool) -> None:
    if default:
        make(Path("model.int8.onnx"))
    make(Path("pump-3.onnx"))
    with pytest.raises(
        ConfigError,
        match=r"^pump-3\.onx: there is no such file or folder, .* \.onnx; "
        r"did you mean pump-3\.onnx\?$",
    ):
        split_models(("pump-3.onx", "a.wav"))


def test_a_missing_recording_is_left_to_the_command() -> None:
    make(Path("model.int8.onnx"))
    assert split_models(("a.wav", "-")) == ([Path("model.int8.onnx")], ["a.wav", "-"])


@pytest.mark.parametrize("name", ["fan.onnx", "FAN.ONNX"])
def test_the_case_of_the_ending_does_not_matter(name: str) -> None:
    assert names_artifact(name)
    assert split_model((name,)) == (Path(name), [])
