"""The artifact: what is written is read, and what is foreign, damaged or hostile is refused."""

import base64
import errno
import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from edgeae.runtime.errors import ArtifactError, ConfigError, EdgeaeError
from edgeae.runtime.features.mel import MelSpec
from edgeae.runtime.model import artifact as module
from edgeae.runtime.model.artifact import FORMAT, SECTIONS, Artifact
from edgeae.runtime.model.protobuf import read_metadata, with_metadata
from edgeae.runtime.scoring.detector import Detector

SOUND = np.random.default_rng(0).uniform(-0.1, 0.1, 40000).astype(np.float32)
fixed = settings(derandomize=True, deadline=None, max_examples=80)
scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
values = st.recursive(
    scalars
    | st.fixed_dictionaries({"shape": scalars | st.lists(scalars, max_size=3), "float32": scalars}),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=6,
)


class Content(bytes):
    """The bytes of a file, told briefly by Hypothesis."""

    def __repr__(self) -> str:
        return f"<{len(self)} bytes>"


@pytest.fixture(scope="module")
def content(trained: Any) -> bytes:
    return Content(trained.int8.read_bytes())


@pytest.fixture(scope="module")
def artifact(content: bytes) -> Artifact:
    return Artifact.from_bytes(content)


def refusal(content: bytes) -> str:
    with pytest.raises(ArtifactError) as caught:
        Artifact.from_bytes(content)
    assert "\n" not in str(caught.value)
    assert caught.value.exit_code == 3
    return str(caught.value)


def with_entry(content: bytes, name: str, text: str) -> bytes:
    """The file with another text as one of its entries, and the checksum of that."""
    entries = {**read_metadata(content, "edgeae."), f"edgeae.{name}": text}
    if name in SECTIONS:
        entries["edgeae.sha256"] = module.digest(content, entries)
    return with_metadata(content, "edgeae.", entries)


def edited(content: bytes, change: Callable[[onnx.ModelProto], object]) -> bytes:
    model = onnx.load_from_string(content)
    change(model)
    return bytes(model.SerializeToString())


# --- what is written is read --------------------------------------------------------------------


def test_an_artifact_is_read_as_it_was_written(artifact: Artifact, tmp_path: Path) -> None:
    artifact.write(tmp_path / "a.onnx")
    found = Artifact.read(tmp_path / "a.onnx")
    assert found.mel == artifact.mel
    np.testing.assert_equal(found.sections, artifact.sections)
    assert found.network_bytes() == artifact.network_bytes()


def test_writing_again_gives_the_same_bytes(content: bytes) -> None:
    once = Artifact.from_bytes(content).to_bytes()
    assert Artifact.from_bytes(once).to_bytes() == once


def test_a_written_artifact_is_a_valid_onnx_model(artifact: Artifact) -> None:
    onnx.checker.check_model(onnx.load_from_string(artifact.to_bytes()), full_check=True)


def test_onnxruntime_reads_the_same_metadata(artifact: Artifact) -> None:
    written = artifact.to_bytes()
    session = onnxruntime.InferenceSession(written, providers=["CPUExecutionProvider"])
    found = session.get_modelmeta().custom_metadata_map
    assert found == read_metadata(written, "edgeae.")
    assert set(found) == {f"edgeae.{name}" for name in ("format", "sha256", *SECTIONS)}
    assert json.loads(found["edgeae.mel"]) == artifact.mel.to_dict()


def test_other_sections_do_not_change_the_network(artifact: Artifact) -> None:
    changed = artifact.with_sections(provenance={"note": "new"}, threshold=None)
    assert changed.network_bytes() == artifact.network_bytes()
    assert changed.sections["provenance"] == {"note": "new"}
    np.testing.assert_equal(changed.sections["head"], artifact.sections["head"])


def test_changing_sections_leaves_the_old_artifact_alone(artifact: Artifact) -> None:
    before = artifact.to_bytes()
    artifact.with_sections(provenance=None)
    assert artifact.to_bytes() == before


@fixed
@given(
    array=npst.arrays(
        np.float32,
        npst.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=5),
        elements=st.floats(allow_nan=False, allow_infinity=False, width=32),
    )
)
def test_arrays_survive_the_file(artifact: Artifact, array: NDArray[Any]) -> None:
    changed = artifact.with_sections(provenance={"nested": [{"array": array}]})
    for found in (changed, Artifact.from_bytes(changed.to_bytes())):
        read = found.sections["provenance"]["nested"][0]["array"]
        np.testing.assert_array_equal(read, array)
        assert (read.dtype, read.shape) == (np.float32, array.shape)


@pytest.mark.parametrize(
    "array", [np.arange(6.0).reshape(2, 3).T, np.arange(6, dtype=">f4"), np.arange(6)[::2]]
)
def test_arrays_of_any_layout_are_stored_as_float32(
    artifact: Artifact, array: NDArray[Any]
) -> None:
    read = artifact.with_sections(provenance=array).sections["provenance"]
    np.testing.assert_array_equal(read, array)
    assert read.dtype == np.float32


def test_numpy_scalars_become_plain_values(artifact: Artifact) -> None:
    given_values = {"a": np.float64(0.5), "b": np.int64(3), "c": np.bool_(True), "d": (1, 2)}
    found = artifact.with_sections(provenance=given_values).sections["provenance"]
    assert found == {"a": 0.5, "b": 3, "c": True, "d": [1, 2]}
    assert [type(found[key]) for key in "abc"] == [float, int, bool]


def test_a_new_artifact_has_every_section(artifact: Artifact) -> None:
    built = Artifact.build(artifact.network_bytes(), MelSpec(), explain={"a": 1})
    assert Artifact.from_bytes(built.to_bytes()).sections == {
        **dict.fromkeys(SECTIONS[1:]),
        "explain": {"a": 1},
    }


# --- writing is atomic --------------------------------------------------------------------------


def test_writing_replaces_a_file(artifact: Artifact, tmp_path: Path) -> None:
    path = tmp_path / "a.onnx"
    path.write_bytes(b"old")
    artifact.write(path)
    assert path.read_bytes() == artifact.to_bytes()
    assert path.stat().st_mode & 0o777 == 0o644
    assert list(tmp_path.iterdir()) == [path]


def test_a_full_disk_leaves_the_old_file(
    artifact: Artifact, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    path = tmp_path / "a.onnx"
    path.write_bytes(b"old")
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(
        ConfigError, match=r"a\.onnx: cannot be written \(No space left on device\)"
    ):
        artifact.write(path)
    assert {found: found.read_bytes() for found in tmp_path.iterdir()} == {path: b"old"}


def test_an_interruption_leaves_the_old_file(
    artifact: Artifact, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(_: int) -> None:
        raise KeyboardInterrupt

    path = tmp_path / "a.onnx"
    path.write_bytes(b"old")
    monkeypatch.setattr(os, "fsync", interrupted)
    with pytest.raises(KeyboardInterrupt):
        artifact.write(path)
    assert {found: found.read_bytes() for found in tmp_path.iterdir()} == {path: b"old"}


@pytest.mark.parametrize("name", ["missing/a.onnx", "folder"])
def test_a_place_that_cannot_be_written_is_named(
    name: str, artifact: Artifact, tmp_path: Path
) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(ConfigError, match=f"{name}: cannot be written"):
        artifact.write(tmp_path / name)
    assert [found.name for found in tmp_path.iterdir()] == ["folder"]


# --- foreign, too new, hostile ------------------------------------------------------------------


def test_a_foreign_onnx_file_is_refused(artifact: Artifact) -> None:
    assert refusal(artifact.network_bytes()) == "it has no edgeae metadata"


@pytest.mark.parametrize("version", [str(FORMAT + 1), "999", "", "1.0", "one", "-1", "2\n\x1b[31m"])
def test_another_format_is_refused(content: bytes, version: str) -> None:
    assert f"it has the format {version!r}, this edgeae reads {FORMAT}" in refusal(
        with_entry(content, "format", version)
    )


@pytest.mark.parametrize("name", SECTIONS)
def test_a_missing_section_is_refused_by_name(content: bytes, name: str) -> None:
    entries = read_metadata(content, "edgeae.")
    del entries[f"edgeae.{name}"]
    assert f"edgeae.{name}" in refusal(with_metadata(content, "edgeae.", entries))


def test_a_refused_file_is_named_in_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "cat.onnx"
    path.write_bytes(b"GIF89a and so on")
    with pytest.raises(ArtifactError) as caught:
        Artifact.read(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: not a usable edgeae artifact: it ")
    assert message.endswith("; copy or export it again")
    assert "\n" not in message


@pytest.mark.parametrize("name", ["missing.onnx", "."])
def test_a_file_that_cannot_be_read_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="cannot be read") as caught:
        Artifact.read(tmp_path / name)
    assert caught.value.exit_code == 3


def test_an_empty_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "empty.onnx"
    path.touch()
    with pytest.raises(ArtifactError, match="it has no edgeae metadata"):
        Artifact.read(path)


def test_a_huge_file_is_refused_unread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "huge.onnx"
    with path.open("wb") as file:
        file.truncate(module.MAX_BYTES + 1)  # sparse
    monkeypatch.setattr(Path, "read_bytes", lambda _: pytest.fail("it was read"))
    with pytest.raises(ArtifactError, match="larger than 32 MiB"):
        Artifact.read(path)


def external(model: onnx.ModelProto) -> None:
    tensor = model.graph.initializer[0]
    onnx.external_data_helper.set_external_data(tensor, "/etc/passwd")
    tensor.ClearField("raw_data")


def huge(model: onnx.ModelProto) -> None:
    model.graph.initializer[0].dims[:] = [1 << 20, 1 << 20]


def control_flow(model: onnx.ModelProto) -> None:
    body = helper.make_graph([], "body", [], [])
    model.graph.node.append(
        helper.make_node("If", ["c"], ["d"], then_branch=body, else_branch=body)
    )


def constant_of_shape(model: onnx.ModelProto) -> None:
    model.graph.initializer.append(numpy_helper.from_array(np.array([1 << 40], np.int64), "s"))
    model.graph.node.append(helper.make_node("ConstantOfShape", ["s"], ["big"]))


def local_function(model: onnx.ModelProto) -> None:
    model.functions.append(helper.make_function("", "F", ["a"], ["a"], [], []))


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (external, "outside of the file"),
        (huge, "holds a tensor of"),
        (control_flow, "control flow"),
        (constant_of_shape, "'ConstantOfShape'"),
        (local_function, "functions of its own"),
        (lambda model: setattr(model.graph.node[0], "op_type", "NonZero"), "'NonZero'"),
        (lambda model: setattr(model.graph.node[0], "domain", "evil"), "domain 'evil'"),
        (lambda model: model.ClearField("graph"), "no network"),
    ],
)
def test_a_hostile_network_is_refused_before_a_session_is_made(
    content: bytes, change: Callable[[onnx.ModelProto], object], expected: str
) -> None:
    assert expected in refusal(edited(content, change))


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_an_array_with_something_that_is_no_number_is_refused(
    content: bytes, artifact: Artifact, value: float
) -> None:
    mean = artifact.sections["head"]["mean"].copy()
    mean[5] = value
    packed = {
        "shape": [len(mean)],
        "float32": base64.b64encode(mean.astype("<f4").tobytes()).decode(),
    }
    head = {**json.loads(read_metadata(content, "edgeae.")["edgeae.head"]), "mean": packed}
    assert "not numbers" in refusal(with_entry(content, "head", json.dumps(head)))


@pytest.mark.parametrize(
    "text", ["NaN", "Infinity", "1e999", "[1, -Infinity]", '{"a": {"b": NaN}}']
)
def test_a_value_that_is_no_number_is_refused(content: bytes, text: str) -> None:
    assert "not a number" in refusal(with_entry(content, "threshold", text))


@pytest.mark.parametrize(
    ("shape", "data"),
    [
        ([3], "AAAA"),
        ([2], "AAAAAA=="),
        ([1], "!!!!!!=="),
        ([1], 5),
        ([10**30], "AAAAAA=="),
        ([1.0], "AAAAAA=="),
        ("1", "AAAAAA=="),
        ([[1]], "AAAAAA=="),
        ({"a": 1}, "AAAAAA=="),
    ],
)
def test_a_damaged_array_is_refused(content: bytes, shape: Any, data: Any) -> None:
    assert "damaged" in refusal(
        with_entry(content, "explain", json.dumps({"shape": shape, "float32": data}))
    )


@pytest.mark.parametrize("text", ["", "{", "[" * 100000, '{"a": 1}}', "\x00", "1" * 5000])
def test_a_section_that_is_no_json_is_refused(content: bytes, text: str) -> None:
    assert "damaged" in refusal(with_entry(content, "provenance", text))


def test_an_impossible_mel_spec_is_refused(content: bytes) -> None:
    message = refusal(with_entry(content, "mel", json.dumps({**MelSpec().to_dict(), "hop": 0})))
    assert "hop is 0" in message


# --- damaged ------------------------------------------------------------------------------------


@fixed
@given(data=st.data())
def test_a_truncated_artifact_is_refused(content: bytes, data: st.DataObject) -> None:
    refusal(content[: data.draw(st.integers(0, len(content) - 1))])


@fixed
@given(
    data=st.binary(max_size=300),
    start=st.sampled_from(
        [b"", b"\x08\x08", b"\x3a\x10", b"\x72\x12\x0a\x0dedgeae.format\x12\x011"]
    ),
)
def test_random_bytes_are_refused(data: bytes, start: bytes) -> None:
    refusal(start + data)


@pytest.fixture(scope="module")
def structure(content: bytes) -> NDArray[np.intp]:
    """Positions outside of long weights and arrays, where a wrong byte changes what the file is."""
    model, mask = onnx.load_from_string(content), np.ones(len(content), bool)
    weights = [tensor.raw_data for tensor in model.graph.initializer]
    for part in (*weights, *(entry.value.encode()[300:] for entry in model.metadata_props)):
        if len(part) > 256:
            start = content.index(part)
            mask[start : start + len(part)] = False
    return np.flatnonzero(mask)


@settings(derandomize=True, deadline=None, max_examples=250)
@given(data=st.data())
def test_a_damaged_artifact_is_refused_or_scores(
    content: bytes, structure: NDArray[np.intp], data: st.DataObject
) -> None:
    damaged = bytearray(content)
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(
            st.integers(0, len(structure) - 1).map(structure.item)
            | st.integers(0, len(content) - 1)
        )
        damaged[at] = data.draw(st.integers(0, 255))
    try:
        detector = Detector(Artifact.from_bytes(bytes(damaged)))
        detector.score(SOUND, 16000)
    except EdgeaeError as error:
        assert "\n" not in str(error)


@settings(derandomize=True, deadline=None, max_examples=40)
@given(section=st.sampled_from(["format", *SECTIONS]), value=values)
def test_a_section_of_another_type_is_an_artifact_error_or_unused(
    content: bytes, section: str, value: Any
) -> None:
    try:
        Detector(Artifact.from_bytes(with_entry(content, section, json.dumps(value))))
    except ArtifactError as error:
        assert "\n" not in str(error)


PARTS = (
    "mel.sample_rate mel.hop mel.n_mels mel.f_max mel.scale head.kind head.exponent head.mean "
    "head.machine_factor head.machine_weight head.windows head.fleet head.fleet.within_std "
    "head.fleet.windows head.fleet.within_correlation_upper head.fleet.views head.window "
    "head.references "
    "head.machine threshold.value threshold.false_alarms threshold.probability "
    "threshold.alarm_windows threshold.unknown"
).split()


@settings(derandomize=True, deadline=None, max_examples=150)
@given(part=st.sampled_from(PARTS), value=values)
def test_a_part_of_another_type_is_an_artifact_error_or_scores(
    content: bytes, part: str, value: Any
) -> None:
    section, *keys, last = part.split(".")
    changed = json.loads(read_metadata(content, "edgeae.")[f"edgeae.{section}"])
    inner = changed
    for key in keys:
        inner = inner[key]
    inner[last] = value
    try:
        detector = Detector(Artifact.from_bytes(with_entry(content, section, json.dumps(changed))))
    except ArtifactError as error:
        assert "\n" not in str(error)
    else:
        assert np.isfinite(detector.score(SOUND, 16000))


# --- the network --------------------------------------------------------------------------------


def test_a_refused_network_says_nothing_on_stdout(
    content: bytes, capfd: pytest.CaptureFixture[str]
) -> None:
    unreadable = content.replace(
        b"log_mel", b"\xf8og_mel"
    )  # no UTF-8: onnxruntime's fallback would print
    with pytest.raises(ArtifactError):
        Detector(Artifact.from_bytes(unreadable))
    assert capfd.readouterr() == ("", "")


def test_a_refused_network_cannot_write_to_the_terminal(content: bytes) -> None:
    hostile = edited(
        content, lambda model: model.graph.node[0].input.__setitem__(0, "\x1b[31m\nred")
    )
    with pytest.raises(ArtifactError) as caught:
        Detector(Artifact.from_bytes(with_entry(hostile, "provenance", "null")))
    assert "red" in str(caught.value)
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("part", range(8))
def test_one_damaged_bit_is_found_wherever_it_is(content: bytes, part: int) -> None:
    rng = np.random.default_rng(part)
    for at in rng.integers(part * len(content) // 8, (part + 1) * len(content) // 8, 25):
        damaged = bytearray(content)
        damaged[at] ^= 1 << int(rng.integers(8))
        refusal(bytes(damaged))


def reshaped(*dims: int | str) -> onnx.ModelProto:
    """x -> x for that shape."""
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, dims) for name in "xy"]
    graph = helper.make_graph([helper.make_node("Identity", ["x"], ["y"])], "g", ends[:1], ends[1:])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


@pytest.mark.parametrize(
    "dims", [("n", 32, 64), ("n", 32), ("n", "frames", 128), ("n", 0, 128), ("n", 32, 128, 1)]
)
def test_a_network_of_another_shape_is_refused(
    artifact: Artifact, dims: tuple[int | str, ...]
) -> None:
    with pytest.raises(
        ArtifactError, match=r"the network takes .*; allowed is \(n_patches, frames, 128\)"
    ):
        Detector(replace(artifact, model=reshaped(*dims).SerializeToString()))


def test_a_network_without_statistics_is_refused(artifact: Artifact) -> None:
    with pytest.raises(ArtifactError, match="needed are residual and statistics"):
        Detector(replace(artifact, model=reshaped("n", 32, 128).SerializeToString()))


def test_statistics_of_another_shape_are_refused(artifact: Artifact) -> None:
    model = reshaped("n", 32, 128)
    for name in ("residual", "statistics"):
        model.graph.node.append(helper.make_node("Identity", ["x"], [name]))
        model.graph.output.append(
            helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", 32, 128])
        )
    with pytest.raises(ArtifactError, match="the network gives float32"):
        Detector(replace(artifact, model=model.SerializeToString())).score(SOUND, 16000)


@pytest.mark.parametrize(
    "change", [{"input_low_db": None}, {"input_high_db": np.zeros(3)}, {"input_low_db": "quiet"}]
)
def test_an_int8_network_without_its_range_is_refused(
    artifact: Artifact, change: dict[str, Any]
) -> None:
    how = {**artifact.sections["quantization"], **change}
    with pytest.raises(ArtifactError, match="the input range of the int8 network"):
        Detector(artifact.with_sections(quantization=how))
