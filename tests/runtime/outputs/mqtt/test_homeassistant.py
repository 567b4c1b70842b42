"""Discovery messages without a broker. What a broker gets of them: test_sink.py."""

import json
import re
from email.message import Message

import pytest
from example_lines import event
from jinja2 import Template

from edgeae.runtime.outputs.latest import Latest
from edgeae.runtime.outputs.mqtt import homeassistant
from edgeae.runtime.outputs.mqtt.homeassistant import device_id_of, discovery_message, identifier


def test_an_id_is_the_topic_or_a_digest_of_another_text() -> None:
    assert identifier("edgeae-pump-3") == "edgeae-pump-3"
    digest = identifier("edgeae-Förderpumpe")
    assert re.fullmatch(r"edgeae-[0-9a-f]{12}", digest)
    assert digest != identifier("edgeae-Ölpumpe")


def test_every_component_with_a_state_expires_without_one() -> None:
    latest = Latest("hw:1", "pump-3")
    device_id, message = discovery_message(latest, "edgeae/pump-3", "edgeae/here/availability", 10)
    assert device_id == "edgeae-pump-3"
    expiring = {
        name: component["expire_after"]
        for name, component in message["components"].items()
        if "expire_after" in component
    }
    assert expiring == dict.fromkeys(message["components"].keys() - {"alarm_event"}, 90)
    latest = Latest("hw:1", "pump-3")
    _, message = discovery_message(latest, "edgeae/pump-3", "a", 10, has_commands=True)
    for name in ("normal", "scoring"):  # Home Assistant knows it for sensors alone
        assert "expire_after" not in message["components"][name]
    assert expiring.keys() == message["components"].keys() - {"normal", "scoring", "alarm_event"}


def test_a_switch_pauses_the_scoring_and_shows_whether_it_is_paused() -> None:
    latest = Latest("hw:1", "pump-3", state="listening")
    _, message = discovery_message(latest, "edgeae/pump-3", "a", 10, has_commands=True)
    switch = message["components"]["scoring"]
    assert (switch["payload_on"], switch["payload_off"]) == ("resume", "pause")
    shown = Template(switch["value_template"])
    [_, microphone] = message["components"]["score"]["availability"]
    available = Template(microphone["value_template"])
    for paused, state, availability in ((False, "ON", "online"), (True, "OFF", "offline")):
        latest.paused = paused
        assert shown.render(value_json=vars(latest)) == switch[f"state_{state.lower()}"] == state
        assert available.render(value_json=vars(latest)) == availability


def test_topics_that_differ_have_devices_that_differ() -> None:
    bases = ["plant/a/b", "plant/a-b", "plant-a/b", "edgeae/pump-3"]
    assert len({device_id_of(base) for base in bases}) == len(bases)


def test_the_device_has_the_name_of_the_machine_or_of_the_source() -> None:
    for machine, name in (("pump-3", "pump-3"), (None, "hw:1")):
        _, message = discovery_message(Latest("hw:1", machine), "edgeae/x", "a", 10.0)
        assert message["device"]["name"] == name
        assert message["device"]["model"] == "listener"
    latest = Latest("hw:1", None, model="/home/pi/pump.onnx")
    assert discovery_message(latest, "edgeae/x", "a", 10.0)[1]["device"]["model"] == "pump.onnx"


def test_sound_that_is_not_judged_is_no_proof_that_nothing_is_wrong() -> None:
    _, message = discovery_message(Latest("hw:1", "pump-3"), "edgeae/pump-3", "a", 10)
    template = message["components"]["alarm"]["value_template"]
    assert template == (
        "{{ 'ON' if value_json.alarm else 'None' if value_json.alarm is none or "
        "value_json.health in ['silence', 'stuck', 'off'] else 'OFF' }}"
    )
    assert "off" in message["components"]["health"]["options"]


def test_an_entity_fires_for_each_event_with_its_keys_as_attributes() -> None:
    _, message = discovery_message(Latest("hw:1", "pump-3"), "edgeae/pump-3", "a", 10)
    component = message["components"]["alarm_event"]
    assert (component["platform"], component["state_topic"]) == ("event", "edgeae/pump-3/event")
    template = Template(component["value_template"])
    for line in (event("start"), event("end", duration=9.0), event("burst", kind="burst")):
        fired = json.loads(template.render(value_json=line.to_dict()))
        assert fired["event_type"] == line.phase
        assert fired["event_type"] in component["event_types"]
        assert fired["sentence"] == line.sentence


def test_home_assistant_links_to_the_page() -> None:
    _, message = discovery_message(Latest("hw:1", "pump-3"), "edgeae/pump-3", "a", 10)
    assert "configuration_url" not in message["device"]
    url = "https://pi.lan:8321/"
    _, message = discovery_message(Latest("hw:1", "pump-3"), "edgeae/pump-3", "a", 10, page_url=url)
    assert message["device"]["configuration_url"] == url


@pytest.mark.parametrize("urls", [["Homepage, https://edgeae.example/"], [], None])
def test_the_origin_names_the_project_and_not_the_page(
    urls: list[str] | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = Message()
    for url in urls or []:
        package["Project-URL"] = url
    monkeypatch.setattr(homeassistant, "metadata", lambda _: package)
    url = "https://pi.lan:8321/"
    _, message = discovery_message(Latest("hw:1", "pump-3"), "edgeae/pump-3", "a", 10, page_url=url)
    assert message["origin"].get("support_url") == ("https://edgeae.example/" if urls else None)
