"""Discovery messages without a broker. What a broker gets of them: test_sink.py."""

import re

from edgeae.runtime.outputs.latest import Latest
from edgeae.runtime.outputs.mqtt.homeassistant import discovery_message, identifier


def test_an_id_is_the_topic_or_a_digest_of_another_text() -> None:
    assert identifier("edgeae-pump-3") == "edgeae-pump-3"
    digest = identifier("edgeae-Förderpumpe")
    assert re.fullmatch(r"edgeae-[0-9a-f]{12}", digest)
    assert digest != identifier("edgeae-Ölpumpe")


def test_only_measured_components_expire_without_a_state() -> None:
    latest = Latest("hw:1", "pump-3")
    device_id, message = discovery_message(latest, "edgeae/pump-3", "edgeae/here/availability", 10)
    assert device_id == "edgeae-pump-3"
    expiring = {
        name: component["expire_after"]
        for name, component in message["components"].items()
        if "expire_after" in component
    }
    assert expiring == {"alarm": 90, "score": 90, "level": 90, "health": 90}


def test_the_device_has_the_name_of_the_machine_or_of_the_source() -> None:
    for machine, name in (("pump-3", "pump-3"), (None, "hw:1")):
        _, message = discovery_message(Latest("hw:1", machine), "edgeae/x", "a", 10.0)
        assert message["device"]["name"] == name
        assert message["device"]["model"] == "listener"
    latest = Latest("hw:1", None, model="/home/pi/pump.onnx")
    assert discovery_message(latest, "edgeae/x", "a", 10.0)[1]["device"]["model"] == "pump.onnx"
