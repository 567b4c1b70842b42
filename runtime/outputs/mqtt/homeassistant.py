"""What Home Assistant, from 2024.11 on, has to be told to show a source as a device (MQTT device discovery).

    homeassistant/device/edgeae-pump-3/config   {"device": ..., "origin": ..., "components": {"alarm": ..., ...}}

Each component reads its value from the one retained state of the source. Alarm, score, level and health become
unavailable when the process is gone (last will), when its microphone is, or when no state came for a while:
nothing shows a value that nobody measures any more.
"""

import hashlib
import re
from importlib.metadata import version
from pathlib import Path
from typing import Any

from ...monitoring.states import SOUND_STATES
from ..latest import Latest

LONGEST_STATE = 255  # characters that Home Assistant takes for a state


def identifier(text: str) -> str:
    """``text`` if Home Assistant takes it as an id, else a digest of it."""
    if re.fullmatch(r"[A-Za-z0-9_-]+", text):
        return text
    return f"edgeae-{hashlib.sha256(text.encode()).hexdigest()[:12]}"


def device(
    latest: Latest, base: str, availability: str, every: float
) -> tuple[str, dict[str, Any]]:
    """(id, discovery payload) of the source whose topics are ``base``/state and so on.

    availability: topic of the process with ``online`` or ``offline``; every: seconds between states, at most.
    """
    key = identifier(base.replace("/", "-"))
    components = {
        name: {"unique_id": f"{key}_{name}", **values} for name, values in _components(base).items()
    }
    process = {"topic": availability}
    microphone = {
        "topic": f"{base}/state",
        "value_template": "{{ 'online' if value_json.state == 'listening' else 'offline' }}",
    }
    for name in ("alarm", "score", "level", "health"):
        components[name] |= {
            "availability": [process, microphone],
            "expire_after": round(3 * every) + 60,
        }
    return key, {
        "device": {
            "identifiers": [key],
            "name": latest.machine or latest.source,
            "manufacturer": "edgeae",
            "model": Path(latest.model).name if latest.model else "listener",
            "sw_version": version("edgeae"),
        },
        "origin": {"name": "edgeae", "sw_version": version("edgeae")},
        "state_topic": f"{base}/state",
        "availability": [process],
        "availability_mode": "all",
        "components": components,
    }


def _components(base: str) -> dict[str, dict[str, Any]]:
    return {
        "alarm": {
            "platform": "binary_sensor",
            "name": "Alarm",
            "device_class": "problem",
            # None is what Home Assistant takes for unknown.
            "value_template": "{{ 'None' if value_json.alarm is none else 'ON' if value_json.alarm else 'OFF' }}",
        },
        "score": {
            "platform": "sensor",
            "name": "Score",
            "state_class": "measurement",
            "suggested_display_precision": 2,
            "value_template": "{{ value_json.score }}",
        },
        "level": {
            "platform": "sensor",
            "name": "Level",
            "state_class": "measurement",
            "unit_of_measurement": "dBFS",  # no device class of Home Assistant takes this unit
            "suggested_display_precision": 1,
            "value_template": "{{ value_json.level_dbfs }}",
        },
        "health": {
            "platform": "sensor",
            "name": "Health",
            "device_class": "enum",
            "options": list(SOUND_STATES),
            "entity_category": "diagnostic",
            "value_template": "{{ value_json.health }}",
        },
        "event": {
            "platform": "sensor",
            "name": "Last event",
            "value_template": f"{{{{ (value_json.last_event or 'none')[:{LONGEST_STATE}] }}}}",
            "json_attributes_topic": f"{base}/event",
        },
        "listening": {
            "platform": "binary_sensor",
            "name": "Listening",
            "device_class": "running",
            "entity_category": "diagnostic",
            "value_template": "{{ 'ON' if value_json.state == 'listening' else 'OFF' }}",
        },
    }
