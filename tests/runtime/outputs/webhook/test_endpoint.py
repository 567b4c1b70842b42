"""Addresses, credentials and reasons; test_webhook.py has what the answers of a server lead to."""

import base64
import time
from email.message import Message
from email.utils import formatdate
from urllib.error import URLError

import pytest

from edgeae.runtime.errors import ConfigError
from edgeae.runtime.outputs.sink import OutputError
from edgeae.runtime.outputs.webhook.endpoint import (
    MAX_REASON_CHARACTERS,
    MAX_RETRY_SECONDS,
    Endpoint,
    _short_reason,
    authorization,
    parse_url,
    retry_seconds,
)


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("", "cannot be read; give one such as"),
        ("example.org/alarms", "cannot be read"),
        ("http://", "cannot be read"),
        ("http://user:hunter2@host:port/", "cannot be read"),
        ("http://[user:hunter2@host/", "cannot be read"),
        ("http://user:hunter2@host:65536/", "--webhook: the port is 65536; allowed is 1 to 65535"),
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


def headers_of(**values: str) -> Message:
    headers = Message()
    for name, value in values.items():
        headers[name.replace("_", "-")] = value
    return headers


@pytest.mark.parametrize(
    ("retry_after", "date", "seconds"),
    [
        ("", "", 0),
        ("120", "", 120),
        (" 7 ", "", 7),
        ("99999", "", MAX_RETRY_SECONDS),
        ("-5", "", 0),
        ("1.5", "", 0),
        ("soon", "", 0),
        ("\u0665", "", 0),
        ("Fri, 31 Dec 1999 23:59:59 GMT", "Fri, 31 Dec 1999 23:59:09 GMT", 50),
        ("Friday, 31-Dec-99 23:59:59 GMT", "Fri, 31 Dec 1999 23:58:59 GMT", 60),
        ("Fri Dec 31 23:59:59 1999", "Fri, 31 Dec 1999 23:59:29 GMT", 30),
        ("Fri, 31 Dec 1999 23:59:59 +0000", "Fri, 31 Dec 1999 23:59:29 GMT", 30),
        ("Fri, 31 Dec 1999 23:59:59 GMT", "Sat, 01 Jan 2000 23:59:09 GMT", 0),
        ("Sat, 01 Jan 2000 23:59:59 GMT", "Fri, 31 Dec 1999 23:59:09 GMT", MAX_RETRY_SECONDS),
        ("Fri, 31 Dec 1999 23:59:59 GMT", "", 0),
        ("Fri, 99 Dec 1999 23:59:59 GMT", "", 0),
        ("Fri, 31 Dec 99999 23:59:59 GMT", "", 0),
    ],
)
def test_the_pause_that_a_server_asks_for_is_seconds_or_a_date(
    retry_after: str, date: str, seconds: float
) -> None:
    headers = headers_of(Retry_After=retry_after, Date=date)
    assert retry_seconds(headers) == seconds


def test_a_date_of_a_server_that_states_no_time_is_compared_with_our_clock() -> None:
    headers = headers_of(Retry_After=formatdate(time.time() + 100, usegmt=True))
    assert 90 < retry_seconds(headers) <= 100
