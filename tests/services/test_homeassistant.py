"""A real Home Assistant shows a machine without configuration, and its states.

HASS names its program, in an environment of its own: pip install homeassistant==2025.3.4
paho-mqtt==2.1.0 home-assistant-frontend==20250306.0 hassil==2.2.3 home-assistant-intents==2025.3.5
PyTurboJPEG==1.7.5 numpy, with Python 3.13. Without the last ones it starts in recovery mode.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mosquitto import MOSQUITTO, Mosquitto
from numpy.typing import NDArray
from ports import reserved_port
from waiting import wait_for

pytestmark = pytest.mark.services

HASS = os.environ.get("HASS", "")
START_SECONDS = 240.0
RUN = "from edgeae.runtime.commands.cli import main; main()"


def configure(folder: Path, port: int) -> None:
    """Write a configuration with nothing but a broker."""
    (folder / ".storage").mkdir(parents=True)
    (folder / "configuration.yaml").write_text("recorder:\n  db_url: 'sqlite://'\n")
    moment = "2026-01-01T00:00:00+00:00"
    entry = {
        "entry_id": "0" * 32,
        "domain": "mqtt",
        "title": "broker",
        "version": 1,
        "minor_version": 2,
        "data": {"broker": "127.0.0.1", "port": port, "discovery": True},
        "options": {},
        "source": "user",
        "unique_id": None,
        "disabled_by": None,
        "discovery_keys": {},
        "pref_disable_new_entities": False,
        "pref_disable_polling": False,
        "created_at": moment,
        "modified_at": moment,
    }
    stored = {
        "version": 1,
        "minor_version": 4,
        "key": "core.config_entries",
        "data": {"entries": [entry]},
    }
    (folder / ".storage/core.config_entries").write_text(json.dumps(stored))


def stored(folder: Path, name: str) -> Any:
    """The data of a file that Home Assistant keeps; {} without one."""
    file = folder / ".storage" / name
    return json.loads(file.read_text())["data"] if file.exists() else {}


def entity_names(folder: Path) -> set[str]:
    entities = stored(folder, "core.entity_registry").get("entities", [])
    return {entity["entity_id"] for entity in entities if entity["platform"] == "mqtt"}


def test_a_machine_is_a_device_with_its_states(
    machine: Path, sound: NDArray[np.int16], tmp_path: Path
) -> None:
    if not shutil.which(HASS):
        pytest.skip("HASS names no program of Home Assistant")
    if not MOSQUITTO.exists():
        pytest.skip("mosquitto is not installed")
    with reserved_port() as port:
        broker = Mosquitto(tmp_path, port)
        broker.start()
        folder = tmp_path / "hass"
        configure(folder, port)
        arguments = [str(machine), "-", "--mqtt", broker.url, "--mqtt-commands"]
        command = [sys.executable, "-c", RUN, "run", *arguments]
        with subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL
        ) as listening:
            assert listening.stdin
            listening.stdin.write(sound.tobytes())
            listening.stdin.flush()
            with subprocess.Popen(
                [HASS, "-c", folder, "--skip-pip"],
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            ) as hass:
                deadline = time.monotonic() + START_SECONDS
                while time.monotonic() < deadline and len(entity_names(folder)) < 9:
                    listening.stdin.write(sound[:16000].tobytes())  # it must not go silent
                    listening.stdin.flush()
                    time.sleep(1)
                hass.send_signal(signal.SIGTERM)
                wait_for(lambda: hass.poll() is not None)
            listening.stdin.close()
        broker.kill()
    log = folder / "home-assistant.log"
    names = entity_names(folder)
    devices = stored(folder, "core.device_registry")["devices"]
    assert [device["name"] for device in devices if device["manufacturer"]], log.read_text()
    assert "pump-3" in {device["name"] for device in devices}
    assert {"binary_sensor.pump_3_alarm", "sensor.pump_3_score"} <= names
    assert {"button.pump_3_that_was_normal", "switch.pump_3_scoring"} <= names
    states = {
        one["state"]["entity_id"]: one["state"]["state"]
        for one in stored(folder, "core.restore_state")
    }
    assert states["binary_sensor.pump_3_alarm"] == "off"
    assert states["switch.pump_3_scoring"] == "on"
    assert float(states["sensor.pump_3_score"]) < 100
