"""Hostile files are refused in one line or give finite scores: no crash, no hang, no GiB of memory.

The same properties as the fuzzer's (`fuzz/`, `make fuzz`), in seconds, and what it has found.
"""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import bombs
import hostile
import numpy as np
import onnx
import pytest
import soundfile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from judge import use

from edgeae.calibrate.calibrate import calibrate_files
from edgeae.runtime.audio.recordings import audio_files
from edgeae.runtime.audio.sound_file import AudioFile
from edgeae.runtime.commands.cli import run_command
from edgeae.runtime.errors import ArtifactError, AudioError, ConfigError, EdgeaeError
from edgeae.runtime.features.log_mel_file import read_log_mel
from edgeae.runtime.features.mel import MelSpec
from edgeae.runtime.model.artifact import Artifact
from edgeae.runtime.model.protobuf import read_metadata, with_metadata
from edgeae.runtime.monitoring.charts_file import ChartsFile
from edgeae.runtime.monitoring.drift_file import DriftFile
from edgeae.runtime.scoring.calibration import extended
from edgeae.runtime.scoring.detector import Detector
from edgeae.runtime.scoring.selftest import check

GIB = 1 << 30
fixed = settings(
    derandomize=True,
    deadline=None,
    max_examples=60,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
# NumPy warns of numbers that overflow; what they become is judged here.
pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")

# Several commands in one process that may have a GiB, each one line of JSON in and out.
LIMITED = """
import contextlib, io, json, resource, sys
from edgeae.runtime.commands.cli import run_command
from edgeae.runtime.live.limits import RunLimits
from edgeae.runtime.model.network import NetworkLimits
resource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30))
limits = RunLimits(network=NetworkLimits(max_first_patch_seconds=3.0))
for line in sys.stdin:
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = run_command(json.loads(line), limits)
    print(json.dumps([code, out.getvalue(), err.getvalue()]), flush=True)
"""


@pytest.fixture(scope="module")
def machine(trained: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("hostile") / "machine.onnx"
    clips = audio_files(trained.new / "train")
    calibrate_files(
        Detector.load(trained.int8), clips, machine="id_03", report=print
    ).artifact.write(path)
    return path


@pytest.fixture(scope="module")
def content(machine: Path) -> bytes:
    return machine.read_bytes()


@pytest.fixture(scope="module")
def detector(machine: Path) -> Detector:
    return Detector.load(machine)


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("sound") / "sound.wav"
    soundfile.write(path, np.random.default_rng(0).uniform(-0.1, 0.1, 40000), 16000)
    return path


def chooser(data: st.DataObject) -> hostile.Choose:
    return lambda n: data.draw(st.integers(0, n - 1))


def changed(content: bytes, section: str, **values: Any) -> bytes:
    """The artifact with other values in a section, and the checksum of that."""
    entries = read_metadata(content, "edgeae.")
    entries[f"edgeae.{section}"] = json.dumps(
        {**json.loads(entries[f"edgeae.{section}"]), **values}
    )
    return hostile.signed(with_metadata(content, "edgeae.", {}), entries)


# --- properties -----------------------------------------------------------------------------------


@fixed
@given(data=st.data())
def test_a_hostile_artifact_is_refused_or_scores(content: bytes, data: st.DataObject) -> None:
    try:
        scores = use(hostile.artifact(content, chooser(data)))
    except EdgeaeError as error:
        assert str(error).isprintable()
    else:
        assert np.isfinite(scores).all()


@settings(fixed, max_examples=150)
@given(data=st.data())
def test_metadata_written_into_a_hostile_file_is_read_from_it(
    content: bytes, data: st.DataObject
) -> None:
    entries = {"edgeae.format": "3", "edgeae.text": 'é "\\ \n 漢'}
    try:
        model = hostile.message(content, chooser(data))
        written = with_metadata(model, "edgeae.", entries)
    except (ValueError, IndexError):
        return
    assert read_metadata(written, "edgeae.") == entries
    assert with_metadata(written, "edgeae.", {}) == with_metadata(model, "edgeae.", {})


SEEDS = [
    bombs.encoded("WAV", "PCM_16"),
    bombs.encoded("WAV", "FLOAT"),
    bombs.encoded("FLAC", "PCM_16", 2),
]
SEEDS += [bombs.encoded("OGG", "VORBIS"), bombs.shaped("(64, 128)", "<f4", bytes(64 * 512))]


@settings(fixed, max_examples=200)
@given(
    seed=st.sampled_from(range(len(SEEDS))),
    edits=st.lists(st.tuples(st.integers(0, 200), st.integers(0, 255)), max_size=4),
)
def test_a_damaged_recording_is_refused_or_scores(
    detector: Detector, seed: int, edits: list[tuple[int, int]], tmp_path: Path
) -> None:
    damaged = bytearray(SEEDS[seed])
    for at, value in edits:
        damaged[at] = value
    path = tmp_path / ("a.npy" if damaged[:6] == b"\x93NUMPY" else "a.wav")
    path.write_bytes(damaged)
    try:
        scores = [detector.result(window).score for window in detector.read(path, "mix")]
    except AudioError as error:
        assert str(error).isprintable()
    else:
        assert scores
        assert np.isfinite(scores).all()


@fixed
@given(data=st.data())
def test_a_hostile_state_is_restored_refused_or_set_aside(
    detector: Detector, tmp_path: Path, data: st.DataObject
) -> None:
    path = tmp_path / "track.json"
    path.unlink(missing_ok=True)
    DriftFile(path, detector)
    path.write_text(json.dumps(hostile.edited(json.loads(path.read_bytes()), chooser(data))))
    try:
        tracker = DriftFile(path, detector).tracker
    except ConfigError as error:
        assert str(error).isprintable()
    else:
        assert 0 <= tracker.distance < 1.001
        assert 0 <= tracker.learned_seconds < 1e12


@settings(fixed, max_examples=20)
@given(data=st.data())
def test_hostile_learned_sound_is_restored_refused_or_set_aside(
    detector: Detector, tmp_path: Path, data: st.DataObject
) -> None:
    path = tmp_path / "state.json"
    path.unlink(missing_ok=True)
    with ChartsFile(path, detector) as memory:
        for _ in range(3):
            memory.charts.sound.learn(detector.head.mean / detector.head.fleet.within_std)
    path.write_text(json.dumps(hostile.edited(json.loads(path.read_bytes()), chooser(data))))
    try:
        charts = ChartsFile(path, detector).charts
    except ConfigError as error:
        assert str(error).isprintable()
    else:
        assert 0 <= charts.sound.n_learned < 1e12
        assert all(np.isfinite(minute).all() for minute in charts.sound.minutes)


# --- bombs ----------------------------------------------------------------------------------------


def limited(commands: list[list[str]]) -> list[tuple[int, str, str]]:
    """Exit code, stdout and stderr of each command, in a process that may have a GiB."""
    lines = "".join(json.dumps(command) + "\n" for command in commands)
    done = subprocess.run(
        [sys.executable, "-c", LIMITED],
        input=lines,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return [tuple(json.loads(line)) for line in done.stdout.splitlines()]


@pytest.mark.slow
def test_artifacts_that_ask_for_much_are_refused_with_little(
    content: bytes, sound: Path, tmp_path: Path
) -> None:
    names = []
    for name, make in bombs.artifacts(content):
        (tmp_path / f"{name}.onnx").write_bytes(make())
        names.append(name)
    found = limited([["run", str(tmp_path / f"{name}.onnx"), str(sound)] for name in names])
    assert {
        name: (code, out, err.count("\n"))
        for name, (code, out, err) in zip(names, found, strict=True)
    } == dict.fromkeys(names, (3, "", 1))
    assert all(f"{name}.onnx" in err for name, (_, _, err) in zip(names, found, strict=True))


@pytest.mark.slow
def test_recordings_that_promise_much_are_refused_with_little(
    machine: Path, tmp_path: Path
) -> None:
    names = []
    for name, bomb in bombs.recordings():
        (tmp_path / name).write_bytes(bomb)
        names.append(name)
    found = limited([["run", str(machine), str(tmp_path / name)] for name in names])
    # two lines: what is wrong with the file, and that a file could not be scored
    assert {
        name: (code, out, err.count("\n"))
        for name, (code, out, err) in zip(names, found, strict=True)
    } == dict.fromkeys(names, (2, "", 2))
    assert all(name in err for name, (_, _, err) in zip(names, found, strict=True))


def test_the_real_command_refuses_a_bomb_under_a_limit(
    content: bytes, sound: Path, tmp_path: Path
) -> None:
    path = tmp_path / "bomb.onnx"
    path.write_bytes(dict(bombs.artifacts(content))["doubling"]())
    limit = f"import resource; resource.setrlimit(resource.RLIMIT_AS, ({GIB}, {GIB})); "
    program = limit + "from edgeae.runtime.commands.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", program, "run", str(path), str(sound)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (3, "", 1)


@pytest.mark.parametrize("channels", [2, 255])
def test_a_block_of_many_channels_is_short(channels: int, tmp_path: Path) -> None:
    path = tmp_path / "wide.wav"
    path.write_bytes(bombs.wav(data=bytes(2 * channels * 40000), channels=channels, rate=384000))
    with AudioFile(path, "mix") as audio:
        blocks = [len(block) for block in audio.blocks()]
    assert sum(blocks) == 40000
    assert max(blocks) * channels <= 4 << 20


# --- what the fuzzer found ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("section", "values", "expected"),
    [
        ("threshold", {"of_windows": 0.5}, "of_windows is 0.5"),
        ("threshold", {"of_windows": 1 << 40}, "of_windows is 1099511627776"),
        ("threshold", {"alarm_windows": 46}, "an alarm needs 46 of 45 windows"),
        ("threshold", {"false_alarms": 3.0}, "false_alarms is 3.0"),
        ("threshold", {"probability": 0}, "probability is 0"),
        ("threshold", {"value": True}, "value is True"),
        ("head", {"machine_weight": 1e30}, "head.machine_weight is 1e+30"),
        ("head", {"windows": -1}, "head.windows is -1"),
        ("head", {"machine": "pump\x1b[31m\n"}, "head.machine is 'pump"),
        ("head", {"machine": 3}, "head.machine is 3"),
        ("head", {"window": 1e-9, "kind": []}, "the scoring head is damaged"),
    ],
)
def test_an_impossible_value_is_refused_when_the_artifact_is_loaded(
    content: bytes, section: str, values: dict[str, Any], expected: str
) -> None:
    with pytest.raises(ArtifactError) as caught:
        Detector(Artifact.from_bytes(changed(content, section, **values)))
    assert expected in str(caught.value)
    assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    ("name", "factor"),
    [
        ("mean", 1e30),
        ("within_std", 0),
        ("within_std", -1),
        ("gain_directions", 1e30),
        ("noise_directions", 1e30),
        ("within_correlation_upper", -1),
    ],
)
def test_a_fleet_that_no_sound_has_is_refused(detector: Detector, name: str, factor: float) -> None:
    section = detector.artifact.sections["head"]
    fleet = {**section["fleet"], name: section["fleet"][name] * np.float32(factor)}
    with pytest.raises(ArtifactError, match="the scoring head is damaged"):
        detector.with_sections(head={**section, "fleet": fleet})


@pytest.mark.parametrize("std", [0.0, -1.0, 1e30])
def test_bands_that_do_not_vary_are_refused(detector: Detector, std: float) -> None:
    explain = {
        **detector.artifact.sections["explain"],
        "band_std_db": np.full(128, std, np.float32),
    }
    with pytest.raises(ArtifactError, match="its bands vary by"):
        detector.with_sections(explain=explain)


@pytest.mark.parametrize("section", ["quantization", "provenance", "selftest"])
def test_a_section_that_is_an_array_is_refused(content: bytes, section: str) -> None:
    entries = read_metadata(content, "edgeae.")
    entries[f"edgeae.{section}"] = '{"shape": [2], "float32": "AAAAAAAAAAA="}'
    with pytest.raises(ArtifactError, match=f"the section {section} is no object"):
        Artifact.from_bytes(hostile.signed(with_metadata(content, "edgeae.", {}), entries))


def test_a_self_test_of_another_kind_is_refused(detector: Detector) -> None:
    with pytest.raises(ArtifactError, match="the self-test is damaged"):
        check(detector.with_sections(selftest={"seed": np.ones(3, np.float32)}))


@pytest.mark.parametrize("marks", ["abc", np.ones(3, np.float32), np.ones((2, 99), np.float32)])
def test_damaged_marks_of_the_calibration_are_refused(detector: Detector, marks: Any) -> None:
    head = {**detector.artifact.sections["head"], "machine_marks": marks}
    with pytest.raises(ArtifactError, match=r"marks of the calibration|head\.machine_marks"):
        extended(detector.with_sections(head=head), detector.head.mean[None])


def test_a_network_of_negative_squares_gives_no_score(content: bytes) -> None:
    model = onnx.load_from_string(content)
    model.graph.node[-1].output[0] = "positive"
    model.graph.node.append(
        onnx.helper.make_node("Sub", ["positive", "statistics.v.most"], ["statistics"])
    )
    model.graph.initializer.append(
        onnx.numpy_helper.from_array(np.array(1e9, np.float32), "statistics.v.most")
    )
    with pytest.raises(ArtifactError, match="sums of squares below 0"):
        Detector(
            Artifact.from_bytes(
                hostile.signed(model.SerializeToString(), read_metadata(content, "edgeae."))
            )
        )


def test_what_float32_cannot_hold_is_not_written(detector: Detector) -> None:
    with pytest.raises(ArtifactError, match="too large for float32"):
        detector.artifact.with_sections(provenance={"a": np.array([1e300])})


def test_the_message_of_an_error_cannot_write_to_the_terminal() -> None:
    assert str(ConfigError("pump\x1b[31m\nred é")) == "pump?[31m?red é"


def test_the_name_of_a_machine_in_a_state_cannot_write_to_the_terminal(
    detector: Detector, tmp_path: Path
) -> None:
    path = tmp_path / "track.json"
    DriftFile(path, detector)
    path.write_text(json.dumps({**json.loads(path.read_bytes()), "machine": "\x1b[31m\n"}))
    with pytest.raises(ConfigError) as caught:
        DriftFile(path, detector)
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("learned", [-1.0, 1e300])
def test_a_state_that_learned_for_ever_is_damage(
    detector: Detector, tmp_path: Path, learned: float
) -> None:
    path = tmp_path / "track.json"
    DriftFile(path, detector)
    path.write_text(json.dumps({**json.loads(path.read_bytes()), "learned": learned}))
    assert DriftFile(path, detector).tracker.learned_seconds == 0


@pytest.mark.parametrize("kind", ["0f4,(", "04f2, ", "<1f, ,", "V3"])
def test_an_array_of_a_kind_that_numpy_cannot_parse_is_refused(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "a.npy"
    path.write_bytes(bombs.shaped("(1, 128)", kind, bytes(4096)))
    with pytest.raises(AudioError, match=r"a\.npy: (not a readable NumPy array|holds)"):
        read_log_mel(path, MelSpec())


def test_an_array_of_many_hours_is_refused_before_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.npy"
    path.write_bytes(bombs.shaped("(8388608, 128)", "<f2"))
    with path.open("r+b") as file:
        file.truncate(128 + (8388608 * 256))  # sparse
    with pytest.raises(AudioError, match="holds 8388608 frames; at most 262144"):
        read_log_mel(path, MelSpec())


def test_a_recording_of_days_is_refused_before_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "days.wav"
    path.write_bytes(bombs.wav(data=b"", rate=4000, bits=8, promised=0x7FFFFFFF))
    with path.open("r+b") as file:
        file.truncate(44 + 26 * 3600 * 4000)  # sparse
    with pytest.raises(AudioError, match="lasts 26 hours; at most 25"):
        AudioFile(path)


# --- checkpoints ----------------------------------------------------------------------------------


class Payload:
    """Touches a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return Path.touch, (self._path,)


@pytest.mark.parametrize("command", ["export", "train --resume"])
def test_a_malicious_checkpoint_is_refused_and_not_executed(
    trained: Any, command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import shutil

    import torch

    run, executed = tmp_path / "run", tmp_path / "executed"
    shutil.copytree(trained.run, run)
    for checkpoint in (run / "checkpoints").iterdir():
        torch.save({"state_dict": Payload(executed), "edgeae": {"format": 1}}, checkpoint)
    (run / "metrics.json").unlink()  # something is left to do
    arguments = (
        ["export", str(run)]
        if command == "export"
        else ["train", str(trained.data), "-o", str(run), "--resume"]
    )
    assert run_command(arguments) == 2
    assert not executed.exists()
    sentence = capsys.readouterr().err.splitlines()[-1]
    assert sentence.startswith("edgeae: ")
    assert "checkpoint" in sentence


def test_no_file_of_pickles_is_ever_loaded() -> None:
    for folder in ("runtime", "calibrate", "train", "quantize", "evaluate"):
        for path in (Path(__file__).parents[2] / folder).rglob("*.py"):
            text = path.read_text()
            assert text.count("torch.load(") == text.count("weights_only=True"), path
            assert "pickle.load(" not in text, path
            # What the main process itself sends to its workers, as any process pool does.
            assert "pickle.loads(" not in text or path.name == "executor.py", path
            assert "allow_pickle=True" not in text, path
            assert "yaml.load(text, Loader)" in text or "yaml.load(" not in text, (
                path
            )  # a SafeLoader
