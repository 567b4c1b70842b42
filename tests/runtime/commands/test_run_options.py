"""The options of `edgeae run`: which of them fit together, and what the sources are called."""

from pathlib import Path

import pytest

from edgeae.runtime.errors import AudioError, ConfigError
from tests.runtime.commands.parsed_options import parsed_options


def test_artifacts_are_told_from_recordings_by_their_names() -> None:
    options = parsed_options("pump.onnx", "a.wav", "b.wav")
    assert options.models == [Path("pump.onnx")]
    assert options.inputs == ["a.wav", "b.wav"]
    assert not options.live
    assert not options.paced


@pytest.mark.parametrize(
    ("arguments", "live", "paced"),
    [(["a.wav"], False, False), (["-"], True, False), (["--device", "hw:1"], True, True)],
)
def test_only_a_microphone_cannot_wait(arguments: list[str], live: bool, paced: bool) -> None:
    options = parsed_options(*arguments)
    assert (options.live, options.paced) == (live, paced)


@pytest.mark.parametrize(
    ("arguments", "names"),
    [
        (["a.wav", "b.wav"], ["a.wav"]),
        (["-"], ["-"]),
        (["--device", "hw:1"], ["hw:1"]),
        (["--device", "hw:1", "--channel", "1"], ["hw:1"]),
        (["-D", "hw:1", "-D", "hw:2"], ["hw:1", "hw:2"]),
        (["--device", "hw:1", "--channels", "0,mix"], ["hw:1 channel 0", "hw:1 channel mix"]),
    ],
)
def test_each_channel_of_each_device_is_a_source(arguments: list[str], names: list[str]) -> None:
    assert parsed_options(*arguments).source_names() == names


def test_a_source_that_is_named_twice_is_refused() -> None:
    with pytest.raises(ConfigError, match="hw:1, hw:1"):
        parsed_options("-D", "hw:1", "-D", "hw:1").source_names()


def test_there_is_one_artifact_or_one_for_each_source() -> None:
    arguments = ["--device", "hw:1", "--channels", "0,1,2"]
    assert len(parsed_options("a.onnx", *arguments).source_names()) == 3
    assert len(parsed_options("a.onnx", "b.onnx", "c.onnx", *arguments).source_names()) == 3
    with pytest.raises(ConfigError, match="2 artifacts for 3 sources"):
        parsed_options("a.onnx", "b.onnx", *arguments).source_names()


@pytest.mark.parametrize(
    ("arguments", "channel", "channels"),
    [([], None, [0]), (["--channel", "2"], 2, [2]), (["--channel", "mix"], "mix", ["mix"])],
)
def test_the_channel_of_a_file_is_that_of_the_training_unless_it_is_given(
    arguments: list[str], channel: int | str | None, channels: list[int | str]
) -> None:
    options = parsed_options("a.wav", *arguments)
    assert (options.channel, options.channels) == (channel, channels)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "give exactly one of them"),
        (["a.wav", "--device", "hw:1"], "give exactly one of them"),
        (["-", "a.wav"], "give exactly one of them"),
        (["a.wav", "--duration", "3"], "--duration"),
        (["a.wav", "--resume"], "--resume"),
        (["-", "--resume", "--log", "a.jsonl"], "--resume"),
        (["a.wav", "--resume", "--log", "a.jsonl", "--track", "t.json"], "--resume"),
        (["-", "--cluster", "tcp://x:1"], "--cluster"),
        (["a.wav", "--cluster", ""], "--cluster is empty; give the address of a Dask scheduler"),
        (["a.wav", "--cluster", " "], "--cluster is empty"),
        (["a.wav", "--cluster", "tcp://x:1", "--jobs", "2"], "--cluster"),
        (["a.wav", "--cluster", "tcp://x:1", "--track", "t.json"], "--cluster"),
        (["a.wav", "--channels", "0,1"], "--channels"),
        (["-D", "hw:1", "--channels", "0,1", "--channel", "0"], "--channels"),
    ],
)
def test_options_that_do_not_fit_together_are_refused(arguments: list[str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        parsed_options(*arguments)


def test_a_channel_that_is_none_is_refused() -> None:
    with pytest.raises(AudioError, match="left"):
        parsed_options("a.wav", "--channel", "left")


def test_each_part_has_its_values() -> None:
    options = parsed_options("-", "--rate", "8000", "--format", "FLOAT_LE", "--input-channels", "2")
    assert (options.pcm.rate, options.pcm.encoding, options.pcm.input_channels) == (
        8000,
        "FLOAT_LE",
        2,
    )
    options = parsed_options("a.wav", "--jobs", "3", "--skip-bad", "--track", "t.json")
    assert (options.files.jobs, options.files.skip_bad) == (3, True)
    assert options.tracking.track == Path("t.json")
    options = parsed_options("-D", "hw:1", "--give-up", "5", "--wait-device", "2", "--json")
    assert (options.microphone.give_up, options.microphone.wait_device) == (5.0, 2.0)
    assert options.as_json


@pytest.mark.parametrize("option", ["--state", "--feedback"])
def test_learned_sound_is_kept_of_live_sound_that_is_learned(option: str, tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    assert parsed_options("--device", "hw:1", option, path).learning
    with pytest.raises(ConfigError, match=f"{option} is for a microphone or a pipe"):
        parsed_options("a.wav", option, path)
    with pytest.raises(ConfigError, match=f"{option} and --no-learn exclude each other"):
        parsed_options("-", option, path, "--no-learn")


def test_commands_over_mqtt_are_about_live_sound_that_is_learned() -> None:
    arguments = ("--mqtt", "mqtt://broker", "--mqtt-commands")
    assert parsed_options("--device", "hw:1", *arguments).outputs["mqtt_commands"]
    with pytest.raises(ConfigError, match="--mqtt-commands is for a microphone or a pipe"):
        parsed_options("a.wav", *arguments)
    with pytest.raises(ConfigError, match="--mqtt-commands and --no-learn exclude each other"):
        parsed_options("-", *arguments, "--no-learn")
