"""Addresses of network streams, and what is shown of them."""

import pytest

from edgeae.runtime.capture.stream_address import StreamAddress, is_stream, shown_name
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
        ("rtsp://u:p?ss@cam.lan/1", "rtsp://cam.lan/1"),
        ("rtsp://u:pa/x?y@cam.lan/1", "rtsp://***"),
        ("rtsp://u:pa/x#y@cam.lan/1", "rtsp://***"),
        ("rtsp://cam/s?user=admin&password=1234", "rtsp://cam/s?user=***&password=***"),
        ("http://cam.lan/s?abcdef123", "http://cam.lan/s?***"),
        ("http://cam.lan/s?abcdef123=", "http://cam.lan/s?abcdef123=***"),
        ("http://cam.lan?token=abcdef", "http://cam.lan"),
    ],
)  # fmt: skip
def test_login_and_secrets_are_not_shown(address: str, shown: str) -> None:
    assert is_stream(address)
    assert shown_name(address) == shown


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
