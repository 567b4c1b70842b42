"""Ports of addresses."""

import pytest

from edgeae.runtime.errors import ConfigError
from edgeae.runtime.tcp_port import check_port


@pytest.mark.parametrize(
    "address",
    [
        "mqtt://host:65536",
        "https://a:b@host:99999/x?y#z",
        "host:70000",
        "[::1]:66000",
        "rtsp://h:0",
    ],
)
def test_a_port_that_tcp_does_not_have_is_named_with_what_is_allowed(address: str) -> None:
    with pytest.raises(ConfigError, match=r"^--mqtt: the port is \d+; allowed is 1 to 65535$"):
        check_port(address, "--mqtt")


@pytest.mark.parametrize(
    "address",
    ["mqtt://host:65535", "host:1", "host", "", "mqtt://user:99999@host", "http://user:123456789"],
)
def test_other_addresses_are_left_to_the_caller(address: str) -> None:
    check_port(address, "--mqtt")


def test_a_server_may_choose_its_port() -> None:
    check_port("127.0.0.1:0", "--page", min_port=0)
