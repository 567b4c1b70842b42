"""`--page`: the page of live sound."""

import os
from pathlib import Path

import pytest
from opened_output import opened_output

from edgeae.runtime.errors import ConfigError
from edgeae.runtime.outputs.page.declaration import OUTPUT, PageOptions, history_path
from edgeae.runtime.scoring.detector import Detector


def test_without_an_address_nothing_opens() -> None:
    with opened_output(OUTPUT) as opened:
        assert opened is None


def test_recordings_have_no_page() -> None:
    with (
        pytest.raises(ConfigError, match="--page shows a microphone or a pipe"),
        opened_output(OUTPUT, "--page", "127.0.0.1:0", live=False),
    ):
        pass


def test_a_token_without_a_page_is_refused(tmp_path: Path) -> None:
    arguments = ("--page-token-file", str(tmp_path / "token"))
    with pytest.raises(ConfigError, match="give --page"), opened_output(OUTPUT, *arguments):
        pass


def test_a_token_that_is_too_short_is_refused(tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("short")
    arguments = ("--page", "127.0.0.1:0", "--page-token-file", str(token))
    with pytest.raises(ConfigError, match="16 letters"), opened_output(OUTPUT, *arguments):
        pass


def test_the_page_taps_the_windows_of_each_source(machine: Path) -> None:
    with opened_output(OUTPUT, "--page", "127.0.0.1:0") as opened:
        assert opened and opened.make_tap
        tap = opened.make_tap("hw:1", Detector.load(machine), machine)
        assert not tap.wants_sound
        outbox, of_days = opened.outboxes
        assert outbox.drain(20)
        assert outbox.delivered == 1  # the calibration of the source
        assert of_days.sink.name == "history"


def test_a_proxy_without_a_token_is_refused() -> None:
    arguments = ("--page", "127.0.0.1:0", "--page-url", "https://pi.lan/")
    with (
        pytest.raises(ConfigError, match=r"--page-url https://pi.lan/: .*needs a token"),
        opened_output(OUTPUT, *arguments),
    ):
        pass


@pytest.mark.parametrize("option", ["--page-cert", "--page-key", "--page-history"])
def test_an_option_of_the_page_without_a_page_is_refused(tmp_path: Path, option: str) -> None:
    arguments = (option, str(tmp_path / "file"))
    with pytest.raises(ConfigError, match="give --page, too"), opened_output(OUTPUT, *arguments):
        pass


def test_a_certificate_needs_its_key(tmp_path: Path) -> None:
    arguments = ("--page", "127.0.0.1:0", "--page-cert", str(tmp_path / "cert"))
    with pytest.raises(ConfigError, match="belong together"), opened_output(OUTPUT, *arguments):
        pass


def test_the_history_is_beside_the_learned_sound_or_the_log(tmp_path: Path) -> None:
    def path(**given: Path) -> Path | None:
        values = dict.fromkeys(("page_history", "state", "log")) | given
        others = (None, None, None, None, None)
        return history_path(
            PageOptions(*others, values["page_history"], 1.0, 1.0, values["state"], values["log"])
        )

    assert path() is None
    assert path(log=tmp_path / "a.jsonl") == tmp_path / "a-history.sqlite3"
    both = {"state": tmp_path / "s.json", "log": tmp_path / "a.jsonl"}
    assert path(**both) == tmp_path / "s-history.sqlite3"
    assert path(state=tmp_path) == tmp_path / "history.sqlite3"
    assert path(page_history=tmp_path / "own", **both) == tmp_path / "own"


def test_beside_a_log_that_is_no_file_the_history_is_in_memory(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for log in (Path("/dev/stdout"), Path("/dev/fd/1"), Path("/proc/self/fd/1"), pipe):
        none = (None, None, None, None, None, None)
        assert history_path(PageOptions(*none, 1.0, 1.0, None, log)) is None


def test_a_history_of_another_process_is_refused(tmp_path: Path) -> None:
    arguments = ("--page", "127.0.0.1:0", "--page-history", str(tmp_path / "h.sqlite3"))
    with opened_output(OUTPUT, *arguments) as opened:
        assert opened
        with pytest.raises(ConfigError, match="another process"), opened_output(OUTPUT, *arguments):
            pass
