"""Who may read the page and who may write, by token or cookie."""

from dataclasses import replace

import pytest

from edgeae.runtime.outputs.page.access import (
    SESSION_SECONDS,
    Credentials,
    PageAccess,
    Sessions,
    client_address,
)

TOKEN = "a-token-that-is-long-enough"
NOBODY = Credentials("192.0.2.7", "", "", None)
PROGRAM = replace(NOBODY, authorization=f"Bearer {TOKEN}")
PORT = 8321


def browser(access: PageAccess, port: int = PORT) -> Credentials:
    """A browser that has logged in."""
    cookie = access.login_cookie(port).partition(";")[0]
    return replace(NOBODY, cookies=f"other=1; {cookie}", origin="http://pi.local:8321")


def test_at_an_address_of_this_computer_everybody_reads_and_the_token_writes() -> None:
    access = PageAccess(TOKEN, is_public=False)
    assert access.may_read(NOBODY, PORT)
    assert not access.may_write(NOBODY, PORT)
    assert access.may_write(PROGRAM, PORT)
    assert access.may_write(browser(access), PORT)


def test_at_any_other_address_the_token_is_needed_to_read() -> None:
    access = PageAccess(TOKEN, is_public=True)
    assert not access.may_read(NOBODY, PORT)
    assert access.may_read(PROGRAM, PORT)
    assert access.may_read(browser(access), PORT)


def test_without_a_token_nobody_writes() -> None:
    access = PageAccess(None, is_public=False)
    assert access.may_read(NOBODY, PORT)
    assert not access.may_write(PROGRAM, PORT)
    assert not access.has_token


def test_a_cookie_writes_only_for_a_page_that_names_its_origin() -> None:
    """A page at another port of this host sends the cookie, too; the server compares origins."""
    access = PageAccess(TOKEN, is_public=False)
    assert not access.may_write(replace(browser(access), origin=None), PORT)


def test_the_cookie_is_hidden_from_scripts_and_from_other_sites() -> None:
    assert PageAccess(TOKEN).login_cookie(PORT).endswith("Path=/; HttpOnly; SameSite=Strict")
    assert PageAccess(TOKEN, is_encrypted=True).login_cookie(PORT).endswith("; Secure")
    assert PageAccess(TOKEN).logout_cookie(PORT).startswith(f"edgeae-{PORT}=; Max-Age=0")


def test_each_port_of_a_computer_has_a_cookie_of_its_own() -> None:
    access = PageAccess(TOKEN)
    assert not access.is_logged_in(browser(access, port=8322), PORT)


def test_a_cookie_ends_with_its_time_and_with_its_token() -> None:
    time = 1000.0
    sessions = Sessions(TOKEN, lambda: time)
    cookie = sessions.new()
    assert sessions.is_valid(cookie)
    assert not Sessions(TOKEN + "x", lambda: time).is_valid(cookie)
    time += SESSION_SECONDS + 1
    assert not sessions.is_valid(cookie)


@pytest.mark.parametrize("value", ["", ".", "9" * 20, "99999999999.", "x.y", "99999999999.ö", "\0"])
def test_a_forged_cookie_is_refused(value: str) -> None:
    assert not Sessions(TOKEN).is_valid(value)
    cookies = replace(NOBODY, cookies=f"edgeae-{PORT}={value}", origin="http://pi.local")
    assert not PageAccess(TOKEN).is_logged_in(cookies, PORT)


def test_wrong_tokens_are_counted_and_reading_without_one_is_not() -> None:
    access = PageAccess(TOKEN)
    for _ in range(20):
        access.may_read(NOBODY, PORT)
    assert access.wait_seconds(NOBODY) == 0
    for _ in range(5):
        access.may_read(replace(NOBODY, authorization="Bearer wrong"), PORT)
    assert access.wait_seconds(NOBODY) > 0


@pytest.mark.parametrize(
    ("peer", "forwarded", "address"),
    [
        ("127.0.0.1", "203.0.113.9", "203.0.113.9"),
        ("::1", "203.0.113.9:4711", "203.0.113.9"),
        # The client itself has sent what stands in front.
        ("127.0.0.1", "198.51.100.1, 203.0.113.9", "203.0.113.9"),
        ("127.0.0.1", "[2001:db8::1]:80", "2001:db8::/64"),
        ("127.0.0.1", "2001:db8::1", "2001:db8::/64"),
        ("127.0.0.1", "", "127.0.0.1"),
        ("127.0.0.1", "unknown", "127.0.0.1"),
        ("192.0.2.7", "203.0.113.9", "192.0.2.7"),
        ("fe80::1%eth0", "", "fe80::/64"),
        ("::ffff:192.0.2.7", "", "192.0.2.7"),
        ("::ffff:127.0.0.1", "203.0.113.9", "203.0.113.9"),
    ],
)
def test_wrong_tokens_count_for_the_client_of_a_proxy(
    peer: str, forwarded: str, address: str
) -> None:
    assert client_address(peer, forwarded, has_proxy=True) == address


def test_without_a_declared_proxy_a_client_cannot_choose_its_address() -> None:
    assert client_address("127.0.0.1", "203.0.113.9", has_proxy=False) == "127.0.0.1"
