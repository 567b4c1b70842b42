import json
from pathlib import Path
from typing import Any

import pytest

from edgeae.runtime.commands.cli import run_command
from edgeae.runtime.errors import ArtifactError
from edgeae.runtime.model.artifact import Artifact
from edgeae.runtime.scoring.detector import Detector
from edgeae.runtime.scoring.selftest import (
    DEFAULT_SEED,
    NOISE_SECONDS,
    check,
    measure,
    seeded_noise,
)
from edgeae.runtime.tables.glossary import WORDS


@pytest.mark.parametrize("precision", ["int8", "float_"])
def test_info_as_json_shows_the_artifact_and_its_passed_self_test(
    trained: Any, precision: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path: Path = getattr(trained, precision)
    assert run_command(["info", str(path), "--json"]) == 0
    values = json.loads(capsys.readouterr().out)
    assert (values["file"], values["bytes"]) == (str(path), path.stat().st_size)
    assert (values["head"], values["machine"], values["calibration_windows"]) == (
        "gaussian",
        None,
        0,
    )
    assert values["threshold"]["false_alarms"] == "1/day"
    assert values["mel"]["n_mels"] == 128
    assert values["provenance"]["data"]["recordings"] == 48
    assert (values["quantization"] is None) == (precision == "float_")
    assert values["selftest"].startswith("self-test passed")


def test_info_prints_tables_with_titles_and_explains_their_words(
    trained: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_command(["info", str(trained.int8)]) == 0
    lines = capsys.readouterr().out.splitlines()
    titles = ["file", "machine", "threshold", "features", "network", "training", "words"]
    assert [line for line in lines if line and line[0] != " "][:-1] == titles
    assert any("self-test passed" in line for line in lines[: lines.index("machine")])
    assert f"  budget: {WORDS['budget']}" in lines
    names_of_file = [line for line in lines if not line.startswith("  name")]
    assert max(map(len, names_of_file)) <= 100


def test_a_list_in_the_provenance_is_one_line_and_what_is_missing_a_dash(
    trained: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "foreign.onnx"
    provenance = {"data": {"machines": ["a", "b"], "hours": 2}}
    Artifact.read(trained.int8).with_sections(provenance=provenance).write(path)
    assert run_command(["info", str(path)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "  machines                a, b" in lines
    assert "  parameters              -" in lines


def test_control_characters_of_a_foreign_artifact_do_not_reach_the_terminal(
    trained: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "foreign.onnx"
    provenance = {"data": {"name": "b\n\x1b]0;c"}}
    Artifact.read(trained.int8).with_sections(provenance=provenance).write(path)
    assert run_command(["info", str(path)]) == 0
    out = capsys.readouterr().out
    assert "  data                    b??]0;c\n" in out
    assert "\x1b" not in out


@pytest.mark.parametrize("key", ["energy", "score"])
def test_a_tampered_artifact_exits_with_3(
    trained: Any, tmp_path: Path, key: str, capsys: pytest.CaptureFixture[str]
) -> None:
    artifact = Artifact.read(trained.int8)
    expected = artifact.sections["selftest"]
    artifact.with_sections(selftest={**expected, key: expected[key] + 0.01}).write(
        tmp_path / "bad.onnx"
    )
    assert run_command(["info", str(tmp_path / "bad.onnx")]) == 3
    out, err = capsys.readouterr()
    assert "self-test failed" in out  # what is in the file is shown all the same
    assert err.startswith(
        f"edgeae: {tmp_path / 'bad.onnx'}: self-test failed: the score is off by 0.01"
    )


def test_a_changed_head_is_detected_by_the_self_test(trained: Any) -> None:
    artifact = Artifact.read(trained.int8)
    head = artifact.sections["head"]
    with pytest.raises(ArtifactError, match="self-test failed"):
        check(Detector(artifact.with_sections(head={**head, "mean": head["mean"] + 1})))


@pytest.mark.parametrize("selftest", [None, [], {"seed": "one"}, {"seed": DEFAULT_SEED}])
def test_an_artifact_without_a_usable_self_test_is_refused(trained: Any, selftest: Any) -> None:
    artifact = Artifact.read(trained.int8).with_sections(selftest=selftest)
    with pytest.raises(ArtifactError, match=r"carries no self-test|the self-test is damaged"):
        check(Detector(artifact))


def test_the_self_test_has_the_same_result_twice(trained: Any) -> None:
    detector = Detector.load(trained.int8)
    assert measure(detector) == measure(detector)


def test_the_noise_of_the_self_test_is_the_same_on_every_computer() -> None:
    noise = seeded_noise(DEFAULT_SEED, NOISE_SECONDS * 16000)
    first = (1664525 * DEFAULT_SEED + 1013904223) % 2**32 // 2**16 - 2**15
    assert noise[0] == pytest.approx(first * 0.1 * 3**0.5 / 2**15)
    assert float((noise.astype(float) ** 2).mean()) == pytest.approx(0.01, rel=0.02)  # -20 dBFS


def test_a_device_without_an_end_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(["info", "/dev/zero"]) == 3
    assert "it is larger than 32 MiB" in capsys.readouterr().err
