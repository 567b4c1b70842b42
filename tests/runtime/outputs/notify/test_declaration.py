"""`--notify-file`: services from a file or from the environment."""

import subprocess
import sys
from pathlib import Path

import pytest
from opened_output import opened_output, sink_names

from edgeae.runtime.errors import ConfigError
from edgeae.runtime.outputs.notify.declaration import OUTPUT, URLS_VARIABLE

ADDRESS = "ntfy://127.0.0.1:9/topic"


@pytest.fixture(autouse=True)
def no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (URLS_VARIABLE, "EDGEAE_NOTIFY_FILE"):
        monkeypatch.delenv(name, raising=False)


def test_without_addresses_nothing_opens() -> None:
    with opened_output(OUTPUT) as opened:
        assert opened is None


def test_addresses_come_from_a_file_or_from_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "addresses"
    file.write_text(ADDRESS)
    with opened_output(OUTPUT, "--notify-file", str(file)) as opened:
        assert sink_names(opened) == ["notify"]
    monkeypatch.setenv(URLS_VARIABLE, ADDRESS)
    with opened_output(OUTPUT) as opened:
        assert sink_names(opened) == ["notify"]
    with opened_output(OUTPUT, live=False) as opened:
        assert opened is None, "recordings notify nobody"


def test_recordings_with_a_file_of_addresses_are_refused(tmp_path: Path) -> None:
    with (
        pytest.raises(ConfigError, match="--fail-on-anomaly"),
        opened_output(OUTPUT, "--notify-file", str(tmp_path / "a"), live=False),
    ):
        pass


def test_apprise_is_imported_only_if_there_are_addresses() -> None:
    program = """
import sys
from edgeae.runtime.outputs.registry import outputs
outputs()
assert "apprise" not in sys.modules
assert "requests" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", program], check=True)
