"""The address of the live page, for people."""

import socket

import pytest

from edgeae.runtime.errors import ConfigError
from edgeae.runtime.outputs.page_link import is_url_of_this_computer, page_link


@pytest.mark.parametrize(
    ("page", "link"),
    [
        (None, None),
        ("8321", None),
        ("127.0.0.1:8321", None),
        ("[::1]:8321", None),
        ("localhost:8321", None),
        ("0.0.0.0:0", None),
        ("192.0.2.7:8321", "http://192.0.2.7:8321/"),
        ("[2001:db8::1]:8321", "http://[2001:db8::1]:8321/"),
        ("pi.example.org:443", "http://pi.example.org:443/"),
    ],
)
def test_a_page_of_this_computer_alone_has_no_link(page: str | None, link: str | None) -> None:
    assert page_link(page, None, is_encrypted=False) == link


def test_a_page_at_all_addresses_is_opened_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "gethostname", lambda: "pi-3.lan")
    assert page_link("0.0.0.0:8321", None, is_encrypted=True) == "https://pi-3.local:8321/"
    assert page_link("[::]:8321", None, is_encrypted=True) == "https://pi-3.local:8321/"


def test_the_given_address_wins() -> None:
    url = "https://machines.example.org/pump-3/"
    assert page_link("8321", url, is_encrypted=False) == url


@pytest.mark.parametrize(
    "url", ["pi.lan:8321", "ftp://pi.lan", "https://", "http://a:b@pi.lan/", "http://[::1"]
)
def test_what_is_no_address_of_a_page_is_refused(url: str) -> None:
    with pytest.raises(ConfigError, match="--page-url: no address of a page"):
        page_link("8321", url, is_encrypted=False)


@pytest.mark.parametrize(
    ("url", "is_own"),
    [
        ("http://localhost:8321/", True),
        ("http://127.0.0.2/", True),
        ("http://[::1]:8321/", True),
        ("https://pi.lan/", False),
        ("https://192.0.2.7/", False),
        ("https://localhost.example.org/", False),
    ],
)
def test_only_loopback_is_this_computer_alone(url: str, is_own: bool) -> None:
    assert is_url_of_this_computer(url) is is_own
