"""`--webhook` and its options."""

from pathlib import Path

import pytest
from opened_output import opened_output, options_of, sink_names

from edgeae.runtime.outputs.webhook.declaration import OUTPUT
from edgeae.runtime.outputs.webhook.endpoint import TOKEN_VARIABLE

NOBODY = "http://127.0.0.1:9/"


@pytest.fixture(autouse=True)
def _no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("EDGEAE_WEBHOOK", raising=False)
    monkeypatch.delenv(TOKEN_VARIABLE, raising=False)


def test_without_a_url_nothing_opens() -> None:
    with opened_output(OUTPUT, "--webhook-limit", "3") as opened:
        assert opened is None


def test_the_url_can_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGEAE_WEBHOOK", NOBODY)
    with opened_output(OUTPUT) as opened:
        assert sink_names(opened) == ["webhook"]


def test_lines_wait_in_the_folder_that_is_named(tmp_path: Path) -> None:
    spool = tmp_path / "spool"
    with opened_output(OUTPUT, "--webhook", NOBODY, "--webhook-spool", str(spool)) as opened:
        assert sink_names(opened) == ["webhook"]
        assert spool.is_dir()


def test_a_service_need_not_log_the_lines_that_are_posted() -> None:
    options = options_of(OUTPUT)
    assert options["webhook"].keeps_lines
    assert options["webhook"].value_kind == "url"
    assert options["webhook_spool"].value_kind == "output-folder"
