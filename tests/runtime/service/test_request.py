"""What the arguments of `edgeae run` need from the system."""

from pathlib import Path

import pytest

from edgeae.runtime.commands.run import run
from edgeae.runtime.errors import ConfigError
from edgeae.runtime.service.request import GivenValue, Request
from edgeae.runtime.service.unit import ANYBODY, LOCALHOST


def parse(*arguments: str) -> Request:
    return Request.parse(["machine.onnx", "--device", "hw:1", *arguments], run)


def test_values_of_a_kind_are_listed_with_their_option() -> None:
    request = parse("--webhook", "http://192.0.2.1/alarms")
    assert list(request.given("url")) == [
        GivenValue("--webhook", "http://192.0.2.1/alarms", from_config=False)
    ]


def test_only_an_output_of_its_own_keeps_the_lines() -> None:
    assert not parse("--json").keeps_lines
    assert parse("--webhook", "http://192.0.2.1/alarms").keeps_lines


def test_an_input_file_becomes_absolute_in_both_spellings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "ca.pem").touch()
    separate = parse("--mqtt", "mqtts://192.0.2.1", "--mqtt-ca", "ca.pem")
    joined = parse("--mqtt", "mqtts://192.0.2.1", "--mqtt-ca=ca.pem")
    assert separate.absolute_arguments()[-2:] == ["--mqtt-ca", str(tmp_path / "ca.pem")]
    assert joined.absolute_arguments()[-1] == f"--mqtt-ca={tmp_path / 'ca.pem'}"
    assert list(separate.inputs()) == [tmp_path / "ca.pem"]


def test_a_file_in_the_state_folder_needs_no_further_folder(tmp_path: Path) -> None:
    assert list(parse("--log", "log.jsonl").writable(tmp_path, None)) == []


def test_a_folder_outside_of_the_state_folder_is_written_to(tmp_path: Path) -> None:
    request = parse("--log", str(tmp_path / "log.jsonl"))
    assert list(request.writable(Path("/var/lib/edgeae-x"), "root")) == [tmp_path]


def test_a_folder_that_others_may_not_write_to_is_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    request = parse("--log", str(tmp_path / "log.jsonl"))
    with pytest.raises(ConfigError, match=r"may not write to .*; give --user"):
        list(request.writable(Path("/var/lib/edgeae-x"), None))


def test_a_missing_folder_is_refused(tmp_path: Path) -> None:
    request = parse("--log", str(tmp_path / "none" / "log.jsonl"))
    with pytest.raises(ConfigError, match=r"there is no folder .*none; create it first"):
        list(request.writable(Path("/var/lib/edgeae-x"), "root"))


@pytest.mark.parametrize(
    ("arguments", "peers"),
    [
        ([], []),
        (["--webhook", "http://192.0.2.1/alarms"], ["192.0.2.1"]),
        (["--webhook", "https://example.org/alarms"], [ANYBODY]),
        (["--metrics", "127.0.0.1:9100"], [LOCALHOST]),
        (["--metrics", "192.0.2.1:9100"], [ANYBODY]),
    ],
)
def test_peers_are_those_that_the_options_name(arguments: list[str], peers: list[str]) -> None:
    assert list(parse(*arguments).peers()) == peers


def test_notification_services_may_be_anywhere(tmp_path: Path) -> None:
    (tmp_path / "addresses").touch()
    request = parse("--notify-file", str(tmp_path / "addresses"))
    assert list(request.peers()) == [ANYBODY]
    assert [secret.name for secret in request.credentials()] == ["notify-file"]


def test_a_password_in_a_url_is_refused() -> None:
    with pytest.raises(ConfigError, match="can read a password in a unit"):
        list(parse("--mqtt", "mqtt://user:secret@192.0.2.1").peers())


def test_a_program_that_a_service_cannot_find_is_refused() -> None:
    with pytest.raises(ConfigError, match="no-such-program is no program"):
        list(parse("--on-event", "no-such-program").inputs())


def test_files_that_a_command_names_by_absolute_path_are_read(tmp_path: Path) -> None:
    script = tmp_path / "script"
    script.touch()
    assert list(parse("--on-event", f"/bin/sh {script}").inputs()) == [Path("/bin/sh"), script]
