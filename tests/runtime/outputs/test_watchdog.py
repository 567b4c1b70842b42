"""What systemd hears, at a real datagram socket."""

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
from edgeae.runtime.outputs.watchdog import PINGS, STATUS_CHARACTERS, STATUS_SECONDS, Notify


class Manager:
    """What systemd holds: a socket, and the clock of the test."""

    def __init__(self, address: str) -> None:
        self.address, self.now = address, 100.0
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.setblocking(False)
        self.socket.bind(address.replace("@", "\0", 1))

    def heard(self) -> list[str]:
        messages = []
        while True:
            try:
                messages.append(self.socket.recv(4096).decode())
            except BlockingIOError:
                return messages

    def notify(self, **variables: str) -> Notify:
        return Notify({"NOTIFY_SOCKET": self.address, **variables}, clock=lambda: self.now)


@pytest.fixture(params=["path", "abstract"])
def manager(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Manager]:
    manager = Manager(
        str(tmp_path / "notify") if request.param == "path" else f"@edgeae-test-{os.getpid()}"
    )
    yield manager
    manager.socket.close()


def test_what_is_said_arrives_in_order(manager: Manager) -> None:
    notify = manager.notify(WATCHDOG_USEC="120000000", WATCHDOG_PID=str(os.getpid()))
    notify.status("loading")
    notify.ready()
    notify.scored()
    notify.stopping()
    notify.close()
    assert manager.heard() == ["STATUS=loading", "READY=1", "WATCHDOG=1", "STOPPING=1"]


def test_nothing_but_a_score_pings(manager: Manager) -> None:
    notify = manager.notify(WATCHDOG_USEC="1000000")
    for _ in range(100):
        manager.now += 10
        notify.ready()
        notify.status("waiting for hw:1")
        notify.stopping()
    assert "WATCHDOG=1" not in manager.heard()
    notify.close()


def test_pings_come_every_quarter_of_the_interval(manager: Manager) -> None:
    notify = manager.notify(WATCHDOG_USEC="120000000")
    pings = []
    for _ in range(600):  # a score a second
        manager.now += 1
        notify.scored()
        pings += [manager.now for message in manager.heard() if message == "WATCHDOG=1"]
    steps = {later - earlier for earlier, later in itertools.pairwise(pings)}
    assert steps == {120 / PINGS}
    notify.close()


@pytest.mark.parametrize("variables", [{}, {"WATCHDOG_USEC": "1000000", "WATCHDOG_PID": "1"}])
def test_without_a_watchdog_for_this_process_nobody_is_pinged(
    manager: Manager, variables: dict[str, str]
) -> None:
    notify = manager.notify(**variables)
    notify.scored()
    assert manager.heard() == []
    notify.close()


def test_of_texts_in_a_row_the_first_and_the_last_are_told(manager: Manager) -> None:
    notify = manager.notify()
    for number in range(5):
        notify.status(f"text {number}")
    assert manager.heard() == ["STATUS=text 0"]
    manager.now += STATUS_SECONDS
    notify.scored()
    notify.scored()
    assert manager.heard() == ["STATUS=text 4"]
    notify.close()


@settings(derandomize=True, deadline=None, max_examples=100)
@given(st.text(min_size=1))
def test_no_text_can_say_anything_else(text: str) -> None:
    manager = Manager(f"@edgeae-text-{os.getpid()}")
    notify = manager.notify()
    notify.status(text)
    notify.close()
    heard = manager.heard()
    manager.socket.close()
    assert len(heard) == bool(text.split())
    assert all(
        m.startswith("STATUS=") and "\n" not in m and len(m) <= STATUS_CHARACTERS + 7 for m in heard
    )


def test_a_full_socket_blocks_nobody_and_the_ping_is_made_up_for(manager: Manager) -> None:
    notify = manager.notify(WATCHDOG_USEC="1000000")
    for _ in range(10000):
        notify.ready()
    notify.scored()
    assert "WATCHDOG=1" not in manager.heard()
    notify.scored()
    assert manager.heard() == ["WATCHDOG=1"]
    notify.close()


def test_a_manager_that_goes_and_comes_back_is_pinged_again(tmp_path: Path) -> None:
    manager = Manager(str(tmp_path / "notify"))
    notify = manager.notify(WATCHDOG_USEC="1000000")
    manager.socket.close()
    notify.scored()  # nobody is bound to the path
    (tmp_path / "notify").unlink()
    notify.scored()  # and now it is gone
    again = Manager(manager.address)
    notify.scored()
    assert again.heard() == ["WATCHDOG=1"]
    notify.close()
    again.socket.close()


def test_outside_of_systemd_all_of_it_does_nothing() -> None:
    notify = Notify({})
    calls: list[Callable[[], None]] = [
        notify.ready,
        notify.scored,
        notify.stopping,
        notify.close,
        notify.ready,
    ]
    notify.status("held_out")
    for call in calls:
        call()


def test_children_can_neither_find_the_socket_nor_inherit_it(
    manager: Manager, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {
        "NOTIFY_SOCKET": manager.address,
        "WATCHDOG_USEC": "1",
        "WATCHDOG_PID": "1",
    }.items():
        monkeypatch.setenv(name, value)
    notify = Notify()
    program = (
        "import os; print([name for name in os.environ if name.startswith(('NOTIFY', 'WATCHDOG'))])"
    )
    child = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert child.stdout == "[]\n"
    opened = notify._socket
    assert opened is not None
    assert not os.get_inheritable(opened.fileno())
    notify.close()


@pytest.mark.parametrize("address", ["notify", "vsock:2:1234", "@", "/"])
def test_an_address_that_is_none_is_refused(address: str) -> None:
    with pytest.raises(ConfigError, match=r"NOTIFY_SOCKET=.*; unset it$"):
        Notify({"NOTIFY_SOCKET": address})


@pytest.mark.parametrize("interval", ["soon", "-5", "0", "1.5"])
def test_an_interval_that_is_none_is_refused(interval: str) -> None:
    with pytest.raises(ConfigError, match=r"WATCHDOG_USEC=.*; unset it$"):
        Notify({"WATCHDOG_USEC": interval})


def test_a_path_that_is_too_long_is_nobody() -> None:
    notify = Notify({"NOTIFY_SOCKET": "/" + "x" * 200})
    notify.ready()
    notify.close()
