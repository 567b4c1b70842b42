"""The unit of `edgeae service` under a real systemd, which runs in namespaces of its own."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from alsa_files import configuration
from numpy.typing import NDArray
from waiting import wait_for

pytestmark = pytest.mark.services

SYSTEMD = Path("/usr/lib/systemd/systemd")
PRIVATE = Path(__file__).with_name("private-systemd")
EDGEAE = Path(sys.executable).with_name("edgeae")
NAME = "edgeae-pump-3"
UNIT = f"{NAME}.service"
# As systemd would do it after minutes.
DROP_IN = """
[Service]
Environment=ALSA_CONFIG_PATH=/etc/test/asound.conf
WatchdogSec=10
TimeoutStopSec=20
RestartSec=1
StandardError=truncate:/run/stderr
"""


class PrivateSystemd:
    """systemd as process 1 of its own namespaces."""

    def __init__(self, files: Path, empty: Path) -> None:
        self._process = subprocess.Popen(
            [PRIVATE, files, empty], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        self._init = ""
        wait_for(
            lambda: (
                self._find_init()
                and self.run("systemctl", "is-system-running") in ("running", "degraded")
            )
        )

    def run(self, *command: str) -> str:
        """The output of a command in the namespaces; empty if it fails."""
        entered = ["nsenter", "-t", self._init, "-a", *command]
        return subprocess.run(entered, capture_output=True, text=True, check=False).stdout.strip()

    def show(self, name: str) -> str:
        """A property of the unit."""
        return self.run("systemctl", "show", "-P", name, UNIT)

    def kill_main(self, number: signal.Signals) -> str:
        """Send a signal to the main process; returns its number in the namespace."""
        main = self.show("MainPID")
        self.run("kill", f"-{number.value}", main)
        return main

    def wait_for_another(self, main: str) -> None:
        """Wait until a main process other than ``main`` is ready."""
        for _ in range(4):  # a watchdog takes longer than `wait_for` waits
            try:
                wait_for(lambda: self._runs_another(main))
            except AssertionError:
                continue
            return
        pytest.fail(self.run("journalctl", "-u", UNIT, "--no-pager"))

    def _runs_another(self, main: str) -> bool:
        names = ("ActiveState", "SubState", "MainPID")
        text = self.run("systemctl", "show", *(f"--property={name}" for name in names), UNIT)
        values = dict(line.split("=", 1) for line in text.splitlines() if "=" in line)
        is_running = (values.get("ActiveState"), values.get("SubState")) == ("active", "running")
        return is_running and values.get("MainPID", "0") not in (main, "0")

    def close(self) -> None:
        self._process.kill()
        self._process.wait()

    def _find_init(self) -> bool:
        """Find process 1 of the namespaces: the child of unshare, once it is systemd."""
        task = f"/proc/{self._process.pid}/task/{self._process.pid}/children"
        for child in Path(task).read_text().split():
            if Path(f"/proc/{child}/exe").resolve().name == "systemd":
                self._init = child
                return True
        return False


@pytest.fixture
def systemd(machine: Path, sound: NDArray[np.int16], tmp_path: Path) -> Iterator[PrivateSystemd]:
    """systemd with the unit of a machine; it is not started."""
    if not SYSTEMD.exists() or not shutil.which("nsenter"):
        pytest.skip("systemd is not installed")
    if os.geteuid() != 0:
        pytest.skip("namespaces of their own need root")
    if subprocess.run(["unshare", "--mount", "--pid", "--fork", "true"], check=False).returncode:
        pytest.skip("the kernel gives no namespaces here")
    token = tmp_path / "token"
    token.write_text("a-token-that-is-long-enough")
    token.chmod(0o600)
    artifact = tmp_path / "machine.onnx"
    shutil.copy(machine, artifact)
    options = ["--device", "hw:1", "--json", "--page", "8321", "--page-token-file", str(token)]
    made = subprocess.run(
        [EDGEAE, "service", artifact, *options], capture_output=True, text=True, check=True
    )
    files = tmp_path / "files"
    units = files / "etc/systemd/system"
    (units / f"{UNIT}.d").mkdir(parents=True)
    (units / UNIT).write_text(made.stdout)
    (units / f"{UNIT}.d" / "test.conf").write_text(DROP_IN)
    (files / "etc/test").mkdir()
    (files / "etc/test/sound.raw").write_bytes(np.tile(sound, 100).tobytes())
    (files / "etc/test/asound.conf").write_text(configuration(Path("/etc/test/sound.raw")))
    (tmp_path / "empty").mkdir()
    started = PrivateSystemd(files, tmp_path / "empty")
    yield started
    started.close()


def test_a_service_listens_as_its_own_user_and_comes_back(systemd: PrivateSystemd) -> None:
    systemd.run("systemctl", "start", UNIT)
    status = systemd.run("cat", "/run/stderr")
    assert systemd.show("ActiveState") == "active", status or systemd.run("systemctl", "status")
    main = systemd.show("MainPID")
    owner = systemd.run("stat", "-c", "%u", f"/proc/{main}")
    assert int(owner) >= 61184  # of DynamicUser=
    assert systemd.run("stat", "-L", "-c", "%a", f"/var/lib/private/{NAME}") == "700"
    # The secret is a copy that the service alone reads.
    credential = f"/run/credentials/{UNIT}/page-token-file"
    assert systemd.run("cat", credential) == "a-token-that-is-long-enough"
    assert systemd.run("stat", "-c", "%a", credential).startswith("4")
    assert systemd.run("systemctl", "show", "-P", "ExecStart", UNIT).count("token") == 0
    wait_for(lambda: systemd.show("StatusText"))

    main = systemd.kill_main(signal.SIGKILL)
    systemd.wait_for_another(main)
    # A process that hangs scores nothing, so the watchdog ends it.
    main = systemd.kill_main(signal.SIGSTOP)
    systemd.wait_for_another(main)

    systemd.run("systemctl", "stop", UNIT)
    results = [systemd.show(name) for name in ("ActiveState", "Result", "ExecMainStatus")]
    assert results == ["inactive", "success", "0"], systemd.run("cat", "/run/stderr")
    assert "state.json" in systemd.run("ls", f"/var/lib/private/{NAME}")
