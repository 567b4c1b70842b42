"""What systemd receives, at a real datagram socket."""

import itertools
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeae.runtime.errors import ConfigError
from edgeae.runtime.system.watchdog import (
    MAX_STATUS_CHARACTERS,
    PINGS_PER_INTERVAL,
    STATUS_SECONDS,
    ServiceManager,
)


class Systemd:
    """The other end: a socket, and the clock of the test."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.now = 100.0  # s
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.setblocking(False)
        self.socket.bind(address.replace("@", "\0", 1))

    def messages(self) -> list[str]:
        received = []
        while True:
            try:
                received.append(self.socket.recv(4096).decode())
            except BlockingIOError:
                return received

    def start(self, **variables: str) -> ServiceManager:
        """A process of this systemd."""
        return ServiceManager({"NOTIFY_SOCKET": self.address, **variables}, clock=lambda: self.now)


@pytest.fixture(params=["path", "abstract"])
def systemd(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Systemd]:
    systemd = Systemd(
        str(tmp_path / "notify") if request.param == "path" else f"@edgeae-test-{os.getpid()}"
    )
    yield systemd
    systemd.socket.close()


def test_messages_arrive_in_order(systemd: Systemd) -> None:
    manager = systemd.start(WATCHDOG_USEC="120000000", WATCHDOG_PID=str(os.getpid()))
    manager.status("loading")
    manager.ready()
    manager.scored()
    manager.stopping()
    manager.close()
    assert systemd.messages() == ["STATUS=loading", "READY=1", "WATCHDOG=1", "STOPPING=1"]


def test_nothing_but_a_score_pings(systemd: Systemd) -> None:
    manager = systemd.start(WATCHDOG_USEC="1000000")
    for _ in range(100):
        systemd.now += 10
        manager.ready()
        manager.status("waiting for hw:1")
        manager.stopping()
    assert "WATCHDOG=1" not in systemd.messages()
    manager.close()


def test_pings_come_every_quarter_of_the_interval(systemd: Systemd) -> None:
    manager = systemd.start(WATCHDOG_USEC="120000000")
    pings = []
    for _ in range(600):  # a score a second
        systemd.now += 1
        manager.scored()
        pings += [systemd.now for message in systemd.messages() if message == "WATCHDOG=1"]
    steps = {later - earlier for earlier, later in itertools.pairwise(pings)}
    assert steps == {120 / PINGS_PER_INTERVAL}
    manager.close()


@pytest.mark.parametrize("variables", [{}, {"WATCHDOG_USEC": "1000000", "WATCHDOG_PID": "1"}])
def test_without_a_watchdog_for_this_process_nobody_is_pinged(
    systemd: Systemd, variables: dict[str, str]
) -> None:
    manager = systemd.start(**variables)
    manager.scored()
    assert systemd.messages() == []
    manager.close()


def test_of_texts_in_a_row_the_first_and_the_last_are_sent(systemd: Systemd) -> None:
    manager = systemd.start()
    for number in range(5):
        manager.status(f"text {number}")
    assert systemd.messages() == ["STATUS=text 0"]
    systemd.now += STATUS_SECONDS
    manager.scored()
    manager.scored()
    assert systemd.messages() == ["STATUS=text 4"]
    manager.close()


@settings(derandomize=True, deadline=None, max_examples=100)
@given(st.text(min_size=1))
def test_no_text_can_send_another_message(text: str) -> None:
    systemd = Systemd(f"@edgeae-text-{os.getpid()}")
    manager = systemd.start()
    manager.status(text)
    manager.close()
    received = systemd.messages()
    systemd.socket.close()
    assert len(received) == bool(text.split())
    assert all(
        m.startswith("STATUS=") and "\n" not in m and len(m) <= MAX_STATUS_CHARACTERS + 7
        for m in received
    )


def test_a_full_socket_blocks_nobody_and_the_ping_is_sent_later(systemd: Systemd) -> None:
    manager = systemd.start(WATCHDOG_USEC="1000000")
    for _ in range(10000):
        manager.ready()
    manager.scored()
    assert "WATCHDOG=1" not in systemd.messages()
    manager.scored()
    assert systemd.messages() == ["WATCHDOG=1"]
    manager.close()


def test_a_manager_that_goes_and_comes_back_is_pinged_again(tmp_path: Path) -> None:
    systemd = Systemd(str(tmp_path / "notify"))
    manager = systemd.start(WATCHDOG_USEC="1000000")
    systemd.socket.close()
    manager.scored()  # nobody is bound to the path
    (tmp_path / "notify").unlink()
    manager.scored()  # and now it is gone
    again = Systemd(systemd.address)
    manager.scored()
    assert again.messages() == ["WATCHDOG=1"]
    manager.close()
    again.socket.close()


def test_outside_of_systemd_no_method_does_anything() -> None:
    manager = ServiceManager({})
    calls: list[Callable[[], None]] = [
        manager.ready,
        manager.scored,
        manager.stopping,
        manager.close,
        manager.ready,
    ]
    manager.status("held_out")
    for call in calls:
        call()


def test_children_can_neither_find_the_socket_nor_inherit_it(
    systemd: Systemd, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {
        "NOTIFY_SOCKET": systemd.address,
        "WATCHDOG_USEC": "1",
        "WATCHDOG_PID": "1",
    }.items():
        monkeypatch.setenv(name, value)
    manager = ServiceManager()
    program = (
        "import os; print([name for name in os.environ if name.startswith(('NOTIFY', 'WATCHDOG'))])"
    )
    child = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert child.stdout == "[]\n"
    opened = manager._socket
    assert opened is not None
    assert not os.get_inheritable(opened.fileno())
    manager.close()


@pytest.mark.parametrize("address", ["notify", "vsock:2:1234", "@", "/"])
def test_a_wrong_address_is_refused(address: str) -> None:
    with pytest.raises(ConfigError, match=r"NOTIFY_SOCKET=.*; unset it$"):
        ServiceManager({"NOTIFY_SOCKET": address})


@pytest.mark.parametrize("interval", ["soon", "-5", "0", "1.5"])
def test_a_wrong_interval_is_refused(interval: str) -> None:
    with pytest.raises(ConfigError, match=r"WATCHDOG_USEC=.*; unset it$"):
        ServiceManager({"WATCHDOG_USEC": interval})


def test_a_path_that_is_too_long_is_as_no_manager() -> None:
    manager = ServiceManager({"NOTIFY_SOCKET": "/" + "x" * 200})
    manager.ready()
    manager.close()
