"""Addresses of network streams, and what is shown of them."""

import os
from unittest.mock import patch
from urllib.parse import unquote

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from edgeae.runtime.capture.stream_address import (
    StreamAddress,
    has_written_secrets,
    is_stream,
    shown_name,
)
from edgeae.runtime.errors import ConfigError


@pytest.mark.parametrize("name", ["hw:1", "usb:0d8c:013c", "card:rtsp", "file:///a.wav", "-", ""])
def test_names_of_devices_are_no_streams(name: str) -> None:
    assert not is_stream(name)
    assert shown_name(name) == name


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("rtsp://viewer:s3cret@cam.lan/1", "rtsp://cam.lan/1"),
        ("RTSP://cam.lan:8554/live?channel=2&subtype=0", "RTSP://cam.lan:8554/live?channel=2&subtype=0"),
        ("http://cam.lan/a?token=abcdef&channel=1", "http://cam.lan/a?token=***&channel=1"),
        ("https://token@cam.lan/a#part", "https://cam.lan/a"),
        ("rtsp://u:p@ss/w@cam.lan/1", "rtsp://***"),
        ("rtsp://u:p?ss@cam.lan/1", "rtsp://***"),
        ("http://cam?token=a@b/c", "http://***"),
        ("rtsp://viewer:s3cret/1", "rtsp://***/1"),
        ("rtsp://u:pa/x?y@cam.lan/1", "rtsp://***"),
        ("rtsp://u:pa/x#y@cam.lan/1", "rtsp://***"),
        ("rtsp://cam/s?user=admin&password=1234", "rtsp://cam/s?user=***&password=***"),
        ("http://cam.lan/s?abcdef123", "http://cam.lan/s?***"),
        ("http://cam.lan/s?abcdef123=", "http://cam.lan/s?***"),
        ("http://cam.lan?token=abcdef", "http://cam.lan?token=***"),
        ("http://cam.lan?token=abc/def", "http://cam.lan?token=***"),
        ("http://cam.lan#abc/def", "http://cam.lan"),
        ("http://cam.lan/s?U0VDUkVU==", "http://cam.lan/s?***"),
        ("http://cam.lan/s?token=a&secret=1", "http://cam.lan/s?token=***&***"),
        ("rtsp://cam/user=me&password=abc&channel=1", "rtsp://cam/user=***&password=***&channel=1"),
        ("rtsps://nvr:7441/$TOKEN?x", "rtsps://nvr:7441/$TOKEN?***"),
    ],
)  # fmt: skip
def test_login_and_secrets_are_not_shown(address: str, shown: str) -> None:
    assert is_stream(address)
    assert shown_name(address) == shown


def test_an_address_of_another_kind_is_shown_without_its_login() -> None:
    assert shown_name("rtmp://viewer:s3cret@cam.lan/1") == "rtmp://cam.lan/1"
    with pytest.raises(ConfigError, match=r"rtmp://cam.lan/1: no address of a stream"):
        StreamAddress.parse("rtmp://viewer:s3cret@cam.lan/1")


def test_variables_of_the_environment_stand_for_the_login(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CAMERA_PASSWORD", "it's p@ss/word")
    address = StreamAddress.parse("rtsp://viewer:$CAMERA_PASSWORD@cam.lan/1")
    assert address.url == "rtsp://viewer:it%27s%20p%40ss%2Fword@cam.lan/1"
    assert address.name == "rtsp://cam.lan/1"
    assert "'" not in address.url
    for message in (
        f"cannot open {address.url}",
        "user viewer, it's p@ss/word",
        "it%27s%20p%40ss%2Fword",
    ):
        masked = address.masked(message)
        assert "***" in masked
        assert "p@ss" not in masked and "p%40ss" not in masked and "viewer" not in masked


def test_a_variable_that_is_not_set_is_named() -> None:
    with pytest.raises(
        ConfigError, match=r"cam\.lan/1: the variable \$NO_SUCH_PASSWORD is not set"
    ):
        StreamAddress.parse("rtsp://viewer:${NO_SUCH_PASSWORD}@cam.lan/1")


@pytest.mark.parametrize(
    "address", ["rtsp://", "rtsp:///path", "http://[::1", "rtsp://a b/1", "rtsp://a/\n"]
)
def test_what_is_no_address_is_refused(address: str) -> None:
    with pytest.raises(ConfigError, match="no address of a stream; write rtsp://"):
        StreamAddress.parse(address)


def test_an_address_without_a_login_has_no_secret() -> None:
    assert StreamAddress.parse("http://radio.lan/pump?channel=1").secrets == ()


@pytest.mark.parametrize("query", ["user=admin&password=1234", "1234", "a=1&1234"])
def test_every_secret_of_a_query_is_masked(query: str) -> None:
    address = StreamAddress.parse(f"rtsp://cam.lan/s?{query}")
    assert "1234" not in address.masked(f"cannot open /s?{query}: 1234 is wrong")


@pytest.mark.parametrize(
    "address", ["rtsp://u:p@ss/w@cam.lan/1", "rtsp://u:12?ss@cam.lan/1", "rtsp://cam/a#b@c"]
)
def test_an_at_sign_behind_the_host_is_refused(address: str) -> None:
    with pytest.raises(ConfigError, match=r"rtsp://\*\*\*: an @ stands behind the host; write / "):
        StreamAddress.parse(address)


def test_variables_stand_for_a_query_and_a_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CAMERA_TOKEN", "ab=/c&")
    address = StreamAddress.parse("https://cam.lan/$CAMERA_TOKEN/1?token=${CAMERA_TOKEN}&channel=1")
    assert address.url == "https://cam.lan/ab%3D%2Fc%26/1?token=ab%3D%2Fc%26&channel=1"
    assert address.name == "https://cam.lan/$CAMERA_TOKEN/1?token=***&channel=1"
    assert address.masked("ab=/c& or ab%3D%2Fc%26") == "*** or ***"


def test_a_long_address_is_refused() -> None:
    with pytest.raises(ConfigError, match="and 4000 are allowed") as refusal:
        StreamAddress.parse(f"rtsp://cam/{'a' * 4000}")
    assert len(str(refusal.value)) < 400


CORE = "SECRET"  # it is marked, so that it is found wherever it gets to
PLAIN = st.text("abcz019-_.~", max_size=6)
AROUND = st.text("abz019/?#@:&=%'+;!~*,{}", max_size=4)
SECRETS = st.one_of(
    st.builds("{}{}{}".format, AROUND, st.just(CORE), AROUND),
    st.sampled_from([f"{CORE}=", f"{CORE}==", f"abc/{CORE}", f"$X-{CORE}", f"${{X}}{CORE}"]),
)
HOSTS = st.sampled_from(["cam", "cam.lan:8554", "192.0.2.7", "[fe80::1]:80"])
PLACES = [
    "{scheme}://user:{secret}@{host}/{path}",
    "{scheme}://{secret}:pw@{host}/{path}",
    "{scheme}://{secret}@{host}/{path}?channel=1",
    "{scheme}://{secret}@{host}",
    "{scheme}://user:{secret}@{host}?{path}",
    "{scheme}://:{secret}@{host}/{path}",
    "{scheme}://{host}/{path}?token={secret}",
    "{scheme}://{host}/{path}?{secret}",
    "{scheme}://{host}?{secret}",
    "{scheme}://{host}?token={secret}",
    "{scheme}://{host}/{path}?channel={secret}&subtype=0",
    "{scheme}://{host}/{path}?a=1&{secret}&b=2",
    "{scheme}://{host}/{path}?token=${{X}}{secret}",
    "{scheme}://{host}#{secret}",
    "{scheme}://{host}/{path}#{secret}",
    "{scheme}://{host}/{path}?channel=1#{secret}",
    "{scheme}://{host}/user=me&password={secret}/{path}",
]
ADDRESSES = st.builds(
    str.format,
    st.sampled_from(PLACES),
    scheme=st.sampled_from(["rtsp", "RTSPS", "http", "https"]),
    secret=SECRETS,
    host=HOSTS,
    path=PLAIN,
)


@settings(deadline=None, max_examples=1000)
@given(ADDRESSES)
@example("http://cam?token=abc/SECRET")
@example("rtsp://cam/1?SECRET=")
@example("rtsp://${X}SECRET@cam/1")
def test_a_secret_gets_nowhere(text: str) -> None:
    assert CORE not in shown_name(text)
    with patch.dict(os.environ, X="value of X"):
        try:
            is_allowed_in_a_unit = not has_written_secrets(text)
            address = StreamAddress.parse(text)
        except ConfigError as error:
            assert CORE not in str(error)
            return
    assert not is_allowed_in_a_unit
    assert CORE not in address.name
    target = address.url.rpartition("@")[2].partition("/")[2]
    for word in (text, address.url, target, *address.secrets):
        for form in (word, unquote(word)):
            assert CORE not in address.masked(f"Impossible to open '{form}': {form}")
