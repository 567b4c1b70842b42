"""The messages that make Home Assistant show a source as a device (MQTT device discovery).

    topic      homeassistant/device/edgeae-pump-3/config
    payload    {"device": ..., "origin": ..., "components": {"alarm": ..., ...}}

It needs Home Assistant 2024.11 or newer. Each component reads its value from the one retained state
of the source. All become unavailable when the process is gone (last will) or no state came for a
while, and alarm, score, level and health also when its microphone is gone: Home Assistant shows no
value that is not measured any more.
"""

import hashlib
import re
from importlib.metadata import metadata, version
from pathlib import Path
from typing import Any

from ...monitoring.states import SOUND_STATES, UNJUDGED_STATES
from ..latest import Latest
from .broker import DEFAULT_PREFIX

DEFAULT_DISCOVERY = "homeassistant"  # prefix of the topics
MAX_STATE_CHARACTERS = 255  # of Home Assistant
# Platforms whose values do not expire; those of a switch cannot.
WITHOUT_STATE = ("button", "event", "switch")
NORMAL = "normal"  # a command: a person calls the sound normal
PAUSE = "pause"  # a command: the sound is not scored until RESUME
RESUME = "resume"
COMMANDS = (NORMAL, PAUSE, RESUME)


def identifier(text: str) -> str:
    """``text`` itself if Home Assistant accepts it as an id, else a digest of it."""
    if re.fullmatch(r"[A-Za-z0-9_-]+", text):
        return text
    return f"edgeae-{hashlib.sha256(text.encode()).hexdigest()[:12]}"


def device_id_of(base: str) -> str:
    """The id of the device whose topics begin with ``base``; different ones stay different."""
    device_id = identifier(base.replace("/", "-"))
    if base.rpartition("/")[0] != DEFAULT_PREFIX:
        # plant/a/b, plant/a-b and plant-a/b are three devices.
        device_id += f"-{hashlib.sha256(base.encode()).hexdigest()[:6]}"
    return device_id


def expire_seconds(every: float) -> int:
    """Seconds after which a state is too old. every: maximum seconds between two."""
    return round(3 * every) + 60


def discovery_message(
    latest: Latest,
    base: str,
    availability_topic: str,
    every: float,
    *,
    name: str | None = None,
    has_commands: bool = False,
    page_url: str | None = None,
) -> tuple[str, dict[str, Any]]:
    """(device id, payload) of the discovery message of a source.

    base: its topics are ``base``/state and so on.
    availability_topic: the topic of the process, with ``online`` or ``offline``.
    every: maximum seconds between two states.
    name: of the device, for people; None: that of the machine, or of the source.
    has_commands: whether the source receives COMMANDS.
    page_url: of the live page; Home Assistant shows a link to it.
    """
    device_id = device_id_of(base)
    described = _components(base)
    if has_commands:
        described |= _controls(base)
    components = {
        component: {"unique_id": f"{device_id}_{component}", **values}
        for component, values in described.items()
    }
    process = {"topic": availability_topic}
    microphone = {
        "topic": f"{base}/state",
        "value_template": (
            "{{ 'online' if value_json.state == 'listening' and not value_json.paused "
            "else 'offline' }}"
        ),
    }
    for component in ("alarm", "score", "level", "health"):
        components[component]["availability"] = [process, microphone]
    for values in components.values():
        if values["platform"] not in WITHOUT_STATE:
            values["expire_after"] = expire_seconds(every)
    return device_id, {
        "device": {
            "identifiers": [device_id],
            "name": name or latest.machine or latest.source,
            "manufacturer": "edgeae",
            "model": Path(latest.model).name if latest.model else "listener",
            "sw_version": version("edgeae"),
            **_given("configuration_url", page_url),
        },
        "origin": {
            "name": "edgeae",
            "sw_version": version("edgeae"),
            **_given("support_url", _support_url()),
        },
        "state_topic": f"{base}/state",
        "availability": [process],
        "availability_mode": "all",
        "components": components,
    }


def _given(key: str, value: str | None) -> dict[str, str]:
    """The key with its value; nothing without a value."""
    return {} if value is None else {key: value}


def _support_url() -> str | None:
    """The project's address in the metadata of the package; None if it has none."""
    urls = metadata("edgeae").get_all("Project-URL") or []
    return next((url.partition(",")[2].strip() for url in urls), None)


def _components(base: str) -> dict[str, dict[str, Any]]:
    return {
        "alarm": {
            "platform": "binary_sensor",
            "name": "Alarm",
            "device_class": "problem",
            # Home Assistant reads the text None as unknown: sound that is not judged is not normal.
            "value_template": (
                "{{ 'ON' if value_json.alarm else 'None' if value_json.alarm is none or "
                f"value_json.health in {list(UNJUDGED_STATES)} else 'OFF' }}}}"
            ),
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
            "unit_of_measurement": "dBFS",  # no device class has this unit
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
            "value_template": (
                f"{{{{ (value_json.last_event or 'none')[:{MAX_STATE_CHARACTERS}] }}}}"
            ),
            "json_attributes_topic": f"{base}/event",
        },
        # An entity for automations: it fires for each event line, with its keys as attributes.
        "alarm_event": {
            "platform": "event",
            "name": "Alarm event",
            "event_types": ["start", "update", "end", "burst"],
            "state_topic": f"{base}/event",
            "value_template": "{{ dict(value_json, event_type=value_json.event) | tojson }}",
        },
        "listening": {
            "platform": "binary_sensor",
            "name": "Listening",
            "device_class": "running",
            "entity_category": "diagnostic",
            "value_template": "{{ 'ON' if value_json.state == 'listening' else 'OFF' }}",
        },
    }


def _controls(base: str) -> dict[str, dict[str, Any]]:
    return {
        "normal": {
            "platform": "button",
            "name": "That was normal",
            "icon": "mdi:check",
            "command_topic": f"{base}/command",
            "payload_press": NORMAL,
        },
        "scoring": {
            "platform": "switch",
            "name": "Scoring",
            "icon": "mdi:ear-hearing",
            "command_topic": f"{base}/command",
            "payload_on": RESUME,
            "payload_off": PAUSE,
            "state_on": "ON",
            "state_off": "OFF",
            "value_template": "{{ 'OFF' if value_json.paused else 'ON' }}",
        },
    }
