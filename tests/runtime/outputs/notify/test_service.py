"""Real Apprise sends to a server over real HTTP."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

from edgeae.runtime.errors import ConfigError
from edgeae.runtime.outputs.notify import service
from edgeae.runtime.outputs.notify.message import Message
from edgeae.runtime.outputs.notify.service import MAX_SERVICES, open_services, read_addresses
from edgeae.runtime.outputs.sink import OutputError

from .conftest import Ntfy

ALARM = Message("ALARM pump-3", "2 to 3 kHz: 6.0 dB louder.", "failure")


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    path = tmp_path / "20260101T120000.000Z_pump-3_aaaaaa.flac"
    soundfile.write(path, np.random.default_rng(1).normal(0, 0.1, 32000), 16000)
    return path


def test_a_service_receives_the_title_and_the_sentence(ntfy: Ntfy) -> None:
    [ntfy_service] = open_services([ntfy.url()])
    ntfy_service.send(ALARM, with_files=True)
    [received] = ntfy.received
    assert (received.topic, received.title) == ("pump-topic", "ALARM pump-3")
    assert received.text == "2 to 3 kHz: 6.0 dB louder."


def test_a_service_that_takes_files_receives_picture_and_clip(ntfy: Ntfy, clip: Path) -> None:
    [ntfy_service] = open_services([ntfy.url()])
    ntfy_service.send(Message(ALARM.title, ALARM.body, "failure", clip), with_files=True)
    picture, sound = ntfy.received
    assert (picture.title, picture.text) == ("ALARM pump-3", "2 to 3 kHz: 6.0 dB louder.")
    assert picture.file_name == f"{clip.stem}.png"
    assert picture.content.startswith(b"\x89PNG")
    assert (sound.file_name, sound.content) == (clip.name, clip.read_bytes())


def test_a_clip_that_is_gone_is_left_out(ntfy: Ntfy, tmp_path: Path) -> None:
    [ntfy_service] = open_services([ntfy.url()])
    message = Message(ALARM.title, ALARM.body, "failure", tmp_path / "gone.flac")
    ntfy_service.send(message, with_files=True)
    assert len(ntfy.received) == 1


def test_a_failure_names_no_part_of_the_address(
    ntfy: Ntfy, capfd: pytest.CaptureFixture[str]
) -> None:
    ntfy.refuse = 9
    [ntfy_service] = open_services([ntfy.url("operator:s3cr3t-word@")])
    with pytest.raises(OutputError, match=r"^ntfy \(address 1\): .*500") as refusal:
        ntfy_service.send(ALARM, with_files=True)
    assert ntfy.authorization[0].startswith("Basic ")
    for part in ("s3cr3t-word", "operator", "pump-topic"):
        assert part not in str(refusal.value)
    assert capfd.readouterr() == ("", "")


def test_a_server_that_is_down_is_a_failure() -> None:
    [closed] = open_services(["ntfy://127.0.0.1:9/topic"])
    with pytest.raises(OutputError, match=r"^ntfy \(address 1\)"):
        closed.send(ALARM, with_files=False)


def test_addresses_stand_in_a_file_or_in_the_environment(tmp_path: Path) -> None:
    file = tmp_path / "addresses"
    file.write_text("# of hall 2\nntfy://a/b\n\n  mailto://u:p@example.org?to=a b\n")
    assert read_addresses(file, "ntfy://other") == [
        "ntfy://a/b",
        "mailto://u:p@example.org?to=a b",
    ]
    assert read_addresses(None, "ntfy://a/b ntfy://c/d") == ["ntfy://a/b", "ntfy://c/d"]
    with pytest.raises(ConfigError, match=r"--notify-file .*cannot be read"):
        read_addresses(tmp_path / "missing", None)


def test_an_address_that_apprise_does_not_know_is_refused_without_being_shown() -> None:
    with pytest.raises(ConfigError, match=r"address 2 \(nonsense://\.\.\.\)") as refusal:
        open_services(["ntfy://127.0.0.1/topic", "nonsense://s3cr3t-word"])
    assert "s3cr3t" not in str(refusal.value)


def test_no_address_and_too_many_are_refused() -> None:
    with pytest.raises(ConfigError, match="holds no address"):
        open_services([])
    with pytest.raises(ConfigError, match=f"at most {MAX_SERVICES}"):
        open_services(["ntfy://127.0.0.1/topic"] * (MAX_SERVICES + 1))


def test_without_the_extra_a_sentence_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"need apprise: pip install 'edgeae\[notify\]'"):
        open_services(["ntfy://127.0.0.1/topic"])
