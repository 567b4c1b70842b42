"""The token of the page, and attempts to guess it."""

from pathlib import Path

import pytest

from edgeae.runtime.errors import ConfigError
from edgeae.runtime.outputs.page.token import AttemptLimits, TokenGuard, read_token

TOKEN = "kX2-a_token-of-some-length"


@pytest.fixture(autouse=True)
def no_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("EDGEAE_PAGE_TOKEN", raising=False)


def test_the_token_is_the_first_line_of_a_file(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text(f" {TOKEN}\r\nof the page in hall 2\n")
    assert read_token(file) == TOKEN


def test_without_a_file_the_token_is_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    assert read_token(None) is None
    monkeypatch.setenv("EDGEAE_PAGE_TOKEN", TOKEN)
    assert read_token(None) == TOKEN


@pytest.mark.parametrize("text", ["", "\n", "short", "a" * 15, "ö" * 20, "a" * 10 + "\0" * 10])
def test_a_token_that_can_be_guessed_or_not_sent_is_refused(
    text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "token"
    file.write_text(text)
    with pytest.raises(ConfigError, match=r"--page-token-file .*16 letters.*secrets") as refusal:
        read_token(file)
    assert "short" not in str(refusal.value)
    if "\0" not in text:
        monkeypatch.setenv("EDGEAE_PAGE_TOKEN", text)
        with pytest.raises(ConfigError, match=r"^\$EDGEAE_PAGE_TOKEN: a token has 16"):
            read_token(None)


@pytest.mark.parametrize("name", ["missing", "."])
def test_a_file_that_cannot_be_read_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"--page-token-file .*cannot be read"):
        read_token(tmp_path / name)


class _Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_an_address_waits_after_too_many_wrong_tokens() -> None:
    clock = _Clock()
    guard = TokenGuard(TOKEN, AttemptLimits(max_wrong=2, period_seconds=60.0), clock)
    assert not guard.accepts("::1", "x")
    assert guard.wait_seconds("::1") == 0
    clock.now += 10
    assert not guard.accepts("::1", "x")
    assert guard.wait_seconds("::1") == 50
    assert guard.wait_seconds("::2") == 0, "another address does not wait"
    clock.now += 51
    assert guard.wait_seconds("::1") == 0


def test_right_tokens_do_not_count() -> None:
    guard = TokenGuard(TOKEN, AttemptLimits(max_wrong=2))
    assert all(guard.accepts("::1", TOKEN) for _ in range(10))
    assert guard.wait_seconds("::1") == 0


def test_many_addresses_use_a_limited_memory_and_wait_together() -> None:
    guard = TokenGuard(TOKEN, AttemptLimits(max_wrong=2, max_addresses=3))
    for number in range(100):
        guard.accepts(f"10.0.0.{number}", "x")
    assert len(guard._wrong_times) <= 4
    assert guard.wait_seconds("10.0.1.1") > 0
    assert guard.wait_seconds("10.0.0.1") == 0
