"""`--page`: the page of live sound."""

from pathlib import Path

import pytest
from opened_output import opened_output

from edgeae.runtime.errors import ConfigError
from edgeae.runtime.outputs.page.declaration import OUTPUT
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
        [outbox] = opened.outboxes
        assert outbox.drain(20)
        assert outbox.delivered == 1  # the calibration of the source
