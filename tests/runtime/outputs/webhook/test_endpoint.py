"""Addresses, credentials and reasons; test_webhook.py has what the answers of a server lead to."""

import base64
from urllib.error import URLError

import pytest

from edgeae.runtime.errors import ConfigError
from edgeae.runtime.outputs.sink import OutputError
from edgeae.runtime.outputs.webhook.endpoint import (
    MAX_REASON_CHARACTERS,
    Endpoint,
    _short_reason,
    authorization,
    parse_url,
)


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("", "cannot be read; give one such as"),
        ("example.org/alarms", "cannot be read"),
        ("http://", "cannot be read"),
        ("http://user:hunter2@host:port/", "cannot be read"),
        ("http://[user:hunter2@host/", "cannot be read"),
        ("http://host/hunter2\n", "cannot be read"),
        ("http://host/hunter2 2", "cannot be read"),
        ("http://höst/hunter2", "cannot be read"),
        ("ftp://user:hunter2@host/", "ftp is not known; give an address with http:// or https://"),
        ("file://host/etc/hunter2", "file is not known"),
    ],
)
def test_an_address_that_cannot_be_used_is_refused_and_not_shown(url: str, sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence) as caught:
        Endpoint(url, "", 1.0)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "token", "sentence"),
    [
        ("http://user:hunter2@host/", "hunter3", "give one of them"),
        ("http://host/", "hunter2\r\nX-Evil: 1", "no header may"),
        ("http://host/", "hünter2", "no header may"),
    ],
)
def test_a_token_that_cannot_be_used_is_refused_and_not_shown(
    url: str, token: str, sentence: str
) -> None:
    with pytest.raises(ConfigError, match=sentence) as caught:
        Endpoint(url, token, 1.0)
    assert "nter" not in str(caught.value)


def test_messages_name_scheme_and_host_alone_and_user_and_fragment_are_not_sent() -> None:
    name, address = parse_url("https://pump:hunter2@host:8443/alarms?key=1#part")
    assert name == "https://host:8443"
    assert address == "https://host:8443/alarms?key=1"


def test_a_token_is_a_bearer_and_a_user_is_basic_authorization() -> None:
    assert authorization("http://host/", "hunter2\n") == {"Authorization": "Bearer hunter2"}
    credentials = base64.b64encode(b"pump:p@ss").decode()
    assert authorization("http://pump:p%40ss@host/", "") == {
        "Authorization": f"Basic {credentials}"
    }
    assert authorization("http://host/", " ") == {}


def test_a_reason_is_short_and_printable() -> None:
    assert _short_reason("a\nb\x1b[31m") == "ab[31m"
    assert len(_short_reason("x" * 1000)) == MAX_REASON_CHARACTERS
    refused = URLError(ConnectionRefusedError(111, "Connection refused"))
    assert _short_reason(refused) == "Connection refused"


def test_no_connection_is_an_output_error_that_names_the_server() -> None:
    with pytest.raises(OutputError, match=r"^http://127\.0\.0\.1:1: Connection refused$"):
        Endpoint("http://127.0.0.1:1/secret", "", 5.0).post(b"{}")
