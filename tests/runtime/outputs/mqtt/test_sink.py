"""States, events and discovery at a real mosquitto that is killed and started again."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import example_lines
import pytest
from example_lines import gap, status
from mosquitto import Message, Mosquitto, Subscriber
from waiting import WAIT_SECONDS, wait_for

from edgeae.runtime.monitoring.states import SOUND_STATES
from edgeae.runtime.outputs.feedback import FeedbackQueue, NormalMessage, PauseMessage
from edgeae.runtime.outputs.latest import MAX_SOURCES
from edgeae.runtime.outputs.lines import EventLine, RunLine, ScoreLine, StatusLine
from edgeae.runtime.outputs.mqtt.client import MqttLimits
from edgeae.runtime.outputs.mqtt.sink import Mqtt
from edgeae.runtime.outputs.outbox import Outbox
from edgeae.runtime.outputs.sink import OutputError
from edgeae.runtime.system.identity import SourceIdentity

STATE = "edgeae/pump-3/state"
EVENT = "edgeae/pump-3/event"
CONFIG = "homeassistant/device/edgeae-pump-3/config"
AVAILABILITY = "edgeae/here/availability"


Subscribe = Callable[..., Subscriber]
MakeSink = Callable[..., Mqtt]


@pytest.fixture
def make_sink(mosquitto: Mosquitto) -> Iterator[MakeSink]:
    sinks: list[Mqtt] = []

    def made(url: str | None = None, **options: Any) -> Mqtt:
        sinks.append(Mqtt(url or mosquitto.url, **{"client_id": "here", **options}))
        return sinks[-1]

    yield made
    for sink in sinks:
        sink.close()


def time(seq: int) -> str:
    return f"2026-01-01T00:00:{seq % 60:02d}.000+00:00"


def score(value: float = 1.0, *, seq: int = 0, **fields: Any) -> ScoreLine:
    values = {"time": time(seq), "threshold": 2.0, "level_dbfs": -30.0, "age": 0.1, **fields}
    return example_lines.score(value, sequence=seq, **values)


def event(phase: str = "start", *, seq: int = 0) -> EventLine:
    sentence = f"1 to 2 kHz: louder, {phase}"
    return example_lines.event(phase, time=time(seq), sequence=seq, sentence=sentence)


def listening(source: str = "hw:1", machine: str | None = "pump-3") -> StatusLine:
    return status(
        "listening", source, machine=machine, model="/home/pi/pump-3.onnx", samplerate=48000
    )


def connected(sink: Mqtt) -> None:
    """Until lines are taken and all subscriptions are acknowledged."""

    def taken() -> bool:
        try:
            sink.deliver(listening())
        except OutputError:
            return False
        return True

    wait_for(taken)
    wait_for(lambda: not sink._connection._requests)


def test_a_late_subscriber_receives_the_present_state(
    mosquitto: Mosquitto, make_sink: MakeSink, subscribe: Subscribe
) -> None:
    mosquitto.start()
    sink = make_sink()
    for said in (listening(), score(1.0), score(3.0, seq=1), event(seq=1)):
        sink.deliver(said)
    early = subscribe()
    wait_for(lambda: early.last(STATE).get("alarm"))
    late = subscribe()
    state = wait_for(lambda: late.last(STATE))
    wanted = {
        "machine": "pump-3",
        "source": "hw:1",
        "state": "listening",
        "score": 3.0,
        "threshold": 2.0,
    }
    wanted |= {"anomaly": True, "alarm": True, "level_dbfs": -30.0, "health": "ok"}
    wanted |= {"last_event": "1 to 2 kHz: louder, start", "time": "2026-01-01T00:00:01.000+00:00"}
    assert wanted.items() <= state.items()
    wait_for(lambda: Message(AVAILABILITY, b"online", retained=True) in late.messages)
    assert not late.payloads(EVENT)


def test_states_are_published_seldom_and_changes_at_once(
    mosquitto: Mosquitto, make_sink: MakeSink, subscribe: Subscribe
) -> None:
    mosquitto.start()
    sink, subscriber = make_sink(every=3600.0), subscribe()
    connected(sink)
    for second in range(20):
        sink.deliver(score(1.0, seq=second))
    sink.deliver(score(1.5, health="clipping", seq=20))
    sink.deliver(event(seq=21))
    sink.deliver(score(1.6, health="clipping", seq=22))
    sink.deliver(event("end", seq=23))
    wait_for(lambda: len(subscriber.payloads(EVENT)) == 2)
    states = [json.loads(payload) for payload in subscriber.payloads(STATE)]
    told = [
        (state["score"], state["health"], state["alarm"]) for state in states if state["health"]
    ]
    assert told == [
        (1.0, "ok", False),
        (1.5, "clipping", False),
        (1.5, "clipping", True),
        (1.6, "clipping", False),
    ]


@pytest.mark.parametrize(
    "other",
    [
        gap(0.1, "overrun", frames=1),
        score(health="silence"),
        status("lost"),
    ],
    ids=["gap", "silence", "lost"],
)
def test_an_alarm_lasts_until_its_end_is_published(
    mosquitto: Mosquitto, make_sink: MakeSink, subscribe: Subscribe, other: RunLine
) -> None:
    mosquitto.start()
    sink, subscriber = make_sink(every=0), subscribe()
    connected(sink)
    sink.deliver(event())
    wait_for(lambda: subscriber.last(STATE).get("alarm"))
    sink.deliver(other)
    sink.deliver(score(9.0))
    wait_for(lambda: subscriber.last(STATE)["score"] == 9.0)
    assert subscriber.last(STATE)["alarm"]
    sink.deliver(event("end"))
    wait_for(lambda: not subscriber.last(STATE)["alarm"])


def test_events_of_an_outage_arrive_in_order_and_then_the_present_state(
    mosquitto: Mosquitto, make_sink: MakeSink, subscribe: Subscribe
) -> None:
    mosquitto.start()
    sink = make_sink()
    connected(sink)
    sink.deliver(score(1.0))
    mosquitto.kill()
    refused = []
    for seq in range(50):
        if seq == 25:  # those before may be written to the broken connection
            wait_for(lambda: sink._connection.trouble is not None)
        for said in (event("update", seq=seq), score(3.0, seq=seq)):
            try:
                sink.deliver(said)
            except OutputError as error:
                refused.append(str(error))
    assert len(refused) >= 50
    assert all("cannot be reached" in message or "was lost" in message for message in refused)
    mosquitto.start()
    subscriber = subscribe()
    wait_for(lambda: len(set(subscriber.payloads(EVENT))) == 50)
    seqs = [json.loads(payload)["seq"] for payload in subscriber.payloads(EVENT)]
    assert list(dict.fromkeys(seqs)) == list(range(50)), "at least once, in order"
    connected(sink)
    wait_for(lambda: subscriber.last(STATE).get("score") == 3.0)
    wait_for(lambda: subscriber.payloads(AVAILABILITY) == [b"online"])
    wait_for(lambda: subscriber.last(CONFIG))
    assert sink.lost == 0


def test_the_oldest_events_are_lost_and_counted_if_too_many_wait(
    mosquitto: Mosquitto, make_sink: MakeSink, subscribe: Subscribe
) -> None:
    sink = make_sink(limits=MqttLimits(max_waiting_events=5))
    for seq in range(8):
        with pytest.raises(OutputError, match="cannot be reached"):
            sink.deliver(event("update", seq=seq))
    assert sink.lost == 3
    mosquitto.start()
    subscriber = subscribe()
    wait_for(lambda: len(subscriber.payloads(EVENT)) == 5)
    assert [json.loads(payload)["seq"] for payload in subscriber.payloads(EVENT)] == [3, 4, 5, 6, 7]


def test_without_a_broker_lines_do_not_wait_and_the_end_is_quick(mosquitto: Mosquitto) -> None:
    outbox = Outbox(Mqtt(mosquitto.url))
    for seq in range(500):
        outbox.put(score(seq=seq))
    assert outbox.drain(WAIT_SECONDS)
    assert outbox.failed == 500
    assert outbox.dropped == 0
    assert outbox.trouble
    assert "(Connection refused)" in outbox.trouble
    outbox.close(WAIT_SECONDS)
    assert not outbox._thread.is_alive()


def test_a_broker_that_never_answers_is_reported_and_the_end_is_quick(
    mosquitto: Mosquitto,
) -> None:
    with socket.socket() as mute:
        mute.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        mute.bind(("127.0.0.1", mosquitto.port))
        mute.listen()
        limits = MqttLimits(first_connection_seconds=0.5)
        outbox = Outbox(Mqtt(mosquitto.url, limits=limits))
        outbox.put(event())
        outbox.put(score())
        assert outbox.drain(WAIT_SECONDS)
        assert outbox.trouble == f"the MQTT broker 127.0.0.1:{mosquitto.port} does not answer"
        outbox.close(WAIT_SECONDS)
        assert not outbox._thread.is_alive()


PUBLISHER = """
import sys, time
from edgeae.runtime.outputs.mqtt.sink import Mqtt
from edgeae.runtime.outputs.mqtt.client import MqttLimits
limits = MqttLimits(keep_alive_seconds=1)
sink = Mqtt(sys.argv[1], client_id="here", limits=limits)
time.sleep(600)
"""


def test_the_broker_publishes_that_a_killed_process_is_gone(
    mosquitto: Mosquitto, subscribe: Subscribe
) -> None:
    mosquitto.start()
    subscriber = subscribe()
    with subprocess.Popen([sys.executable, "-c", PUBLISHER, mosquitto.url]) as process:
        wait_for(lambda: subscriber.payloads(AVAILABILITY) == [b"online"])
        os.kill(process.pid, signal.SIGKILL)
        wait_for(lambda: subscriber.payloads(AVAILABILITY) == [b"online", b"offline"])
    late = subscribe()
    wait_for(lambda: Message(AVAILABILITY, b"offline", retained=True) in late.messages)


def test_the_end_is_published_after_all_earlier_lines(
    mosquitto: Mosquitto, subscribe: Subscribe
) -> None:
    mosquitto.start()
    subscriber = subscribe()
    outbox = Outbox(Mqtt(mosquitto.url, client_id="here"))
    for seq in range(100):
        outbox.put(event("update", seq=seq))
    outbox.put(status("stopped", windows=5))
    outbox.close(WAIT_SECONDS)
    wait_for(lambda: b"offline" in subscriber.payloads(AVAILABILITY))
    assert [json.loads(payload)["seq"] for payload in subscriber.payloads(EVENT)] == list(
        range(100)
    )
    assert subscriber.last(STATE)["state"] == "stopped"
    assert subscriber.messages[-1].topic == AVAILABILITY
    assert subscriber.messages[-1].payload == b"offline"


def test_home_assistant_receives_one_device_for_each_source(
    mosquitto: Mosquitto, make_sink: MakeSink, subscribe: Subscribe
) -> None:
    mosquitto.start()
    make_sink().deliver(listening())
    subscriber = subscribe()
    config = wait_for(lambda: subscriber.last(CONFIG))
    assert config["device"]["name"] == "pump-3"
    assert config["device"]["model"] == "pump-3.onnx"
    assert config["device"]["sw_version"] == config["origin"]["sw_version"]
    assert config["origin"]["name"] == "edgeae"
    assert config["state_topic"] == STATE
    assert config["availability_mode"] == "all"
    components = config["components"]
    assert (
        components["alarm"].items()
        >= {"platform": "binary_sensor", "device_class": "problem"}.items()
    )
    assert components["health"]["options"] == list(SOUND_STATES)
    assert components["level"]["unit_of_measurement"] == "dBFS"
    assert {"score", "event", "listening", "alarm_event"} < set(components)
    assert len({component["unique_id"] for component in components.values()}) == len(components)
    assert {entry["topic"] for entry in components["alarm"]["availability"]} == {
        AVAILABILITY,
        STATE,
    }


COMMAND = "edgeae/pump-3/command"


def test_a_person_calls_the_sound_normal_by_the_button_of_home_assistant(
    mosquitto: Mosquitto, make_sink: MakeSink, subscribe: Subscribe
) -> None:
    mosquitto.start()
    queue = FeedbackQueue()
    sink = make_sink(feedback=queue)
    sink.deliver(listening())
    sink.deliver(listening("hw:2", "fan-2"))
    subscriber = subscribe()
    button = wait_for(lambda: subscriber.last(CONFIG))["components"]["normal"]
    assert (button["platform"], button["name"]) == ("button", "That was normal")
    assert button["command_topic"] == COMMAND
    connected(sink)
    subscriber.client.publish(COMMAND, button["payload_press"])
    assert wait_for(queue.pop_all) == [NormalMessage("hw:1", "mqtt")]


def test_a_person_pauses_the_scoring_by_the_switch_of_home_assistant(
    mosquitto: Mosquitto, make_sink: MakeSink, subscribe: Subscribe
) -> None:
    mosquitto.start()
    queue = FeedbackQueue()
    sink = make_sink(feedback=queue, every=0.1)
    sink.deliver(listening())
    subscriber = subscribe()
    switch = wait_for(lambda: subscriber.last(CONFIG))["components"]["scoring"]
    assert (switch["platform"], switch["command_topic"]) == ("switch", COMMAND)
    connected(sink)
    for payload, is_paused in ((switch["payload_off"], True), (switch["payload_on"], False)):
        subscriber.client.publish(COMMAND, payload)
        assert wait_for(queue.pop_all) == [PauseMessage("hw:1", "mqtt", is_paused)]
    sink.deliver(status("paused"))
    wait_for(lambda: subscriber.last(STATE)["paused"] is True)
    n_states = len(subscriber.payloads(STATE))
    wait_for(lambda: len(subscriber.payloads(STATE)) > n_states)  # it must not expire
    sink.deliver(status("resumed"))
    wait_for(lambda: subscriber.last(STATE)["paused"] is False)


def test_other_commands_are_ignored_and_reported_once(
    mosquitto: Mosquitto,
    make_sink: MakeSink,
    subscribe: Subscribe,
    capsys: pytest.CaptureFixture[str],
) -> None:
    mosquitto.start()
    queue = FeedbackQueue()
    sink = make_sink(feedback=queue)
    subscriber = subscribe()
    subscriber.client.publish(COMMAND, "normal", retain=True)
    wait_for(lambda: subscriber.payloads(COMMAND))
    connected(sink)
    for payload in ("NORMAL!\x1b[31m", "x" * 1000, "", "normal\n"):
        subscriber.client.publish(COMMAND, payload)
    assert wait_for(queue.pop_all) == [NormalMessage("hw:1", "mqtt")]
    message = capsys.readouterr().err
    assert message.count("is no command about hw:1; the commands are ") == 1
    assert message.isascii() and "\x1b" not in message


def test_without_the_option_there_is_no_command(
    mosquitto: Mosquitto, make_sink: MakeSink, subscribe: Subscribe
) -> None:
    mosquitto.start()
    sink, subscriber = make_sink(), subscribe()
    connected(sink)
    config = wait_for(lambda: subscriber.last(CONFIG))
    assert "normal" not in config["components"]
    assert [topic for topic in sink._connection._handlers if "command" in topic] == []


def test_templates_for_home_assistant_read_keys_that_the_state_has(
    mosquitto: Mosquitto, make_sink: MakeSink, subscribe: Subscribe
) -> None:
    mosquitto.start()
    make_sink().deliver(listening())
    subscriber = subscribe()
    config, state = (
        wait_for(lambda: subscriber.last(CONFIG)),
        wait_for(lambda: subscriber.last(STATE)),
    )
    components = config["components"].values()
    of_state = [one for one in components if one["platform"] != "event"]
    templates = [component["value_template"] for component in of_state]
    keys = {text.split("value_json.")[1].split()[0] for text in templates}
    assert len(keys) == len(templates)
    assert keys <= set(state)


def test_home_assistant_receives_the_devices_again_when_it_starts(
    mosquitto: Mosquitto, make_sink: MakeSink, subscribe: Subscribe
) -> None:
    mosquitto.start()
    sink, subscriber = make_sink(), subscribe()
    connected(sink)
    wait_for(lambda: subscriber.payloads(CONFIG))
    before = len(subscriber.payloads(CONFIG))
    subscriber.client.publish("homeassistant/status", "offline")
    subscriber.client.publish("homeassistant/status", "online")
    wait_for(lambda: len(subscriber.payloads(CONFIG)) == before + 1)


def test_discovery_can_be_left_out(
    mosquitto: Mosquitto, make_sink: MakeSink, subscribe: Subscribe
) -> None:
    mosquitto.start()
    make_sink(discovery=None).deliver(listening())
    subscriber = subscribe()
    wait_for(lambda: subscriber.last(STATE))
    assert not [m for m in subscriber.messages if m.topic.startswith("homeassistant")]


def test_gaps_and_the_troubles_of_other_outputs_are_published(
    mosquitto: Mosquitto, make_sink: MakeSink, subscribe: Subscribe
) -> None:
    mosquitto.start()
    sink, subscriber = make_sink(), subscribe()
    connected(sink)
    sink.deliver(gap(0.01, "overrun", frames=480))
    sink.deliver(status("degraded", output="webhook", sentence="no route", source="webhook"))
    wait_for(lambda: subscriber.last("edgeae/here/status").get("output") == "webhook")
    assert subscriber.last("edgeae/pump-3/status")["reason"] == "overrun"


def test_sources_of_one_machine_have_topics_of_their_own_and_their_number_is_bounded(
    mosquitto: Mosquitto, make_sink: MakeSink, subscribe: Subscribe
) -> None:
    mosquitto.start()
    sink = make_sink()
    sink.deliver(listening(source="hw:1 channel 0"))
    sink.deliver(listening(source="hw:1 channel 1"))
    sink.deliver(listening(source="hw:CARD=Mic,DEV=0", machine=None))
    for number in range(3, MAX_SOURCES):
        sink.deliver(score(machine=f"m{number}"))
    with pytest.raises(OutputError, match=f"first {MAX_SOURCES} sources only"):
        sink.deliver(score(machine="one more"))
    subscriber = subscribe()
    topics = {
        f"edgeae/{name}/state" for name in ("pump-3", "pump-3-hw-1-channel-1", "hw-CARD-Mic-DEV-0")
    }
    wait_for(lambda: topics <= {message.topic for message in subscriber.messages})


MICROPHONES = [SourceIdentity(f"hw:{number}", "id_00") for number in range(8)]


def test_microphones_of_one_artifact_are_devices_of_their_own_in_any_order(
    mosquitto: Mosquitto, make_sink: MakeSink, subscribe: Subscribe
) -> None:
    mosquitto.start()
    subscriber = subscribe()

    def names(sources: list[SourceIdentity]) -> dict[str, str]:
        """Of the devices, by topic of their state."""
        sink = make_sink(sources=sources)
        for one in sources:
            sink.deliver(listening(one.source, one.machine))
        sink.deliver(event())
        wait_for(lambda: subscriber.payloads(EVENT))
        sink.close()
        configs = [json.loads(m.payload) for m in subscriber.messages if "/config" in m.topic]
        subscriber.messages.clear()
        assert len({config["device"]["identifiers"][0] for config in configs}) == len(sources) + 1
        return {config["state_topic"]: config["device"]["name"] for config in configs}

    forward = names(MICROPHONES)
    assert forward["edgeae/id_00-hw-2/state"] == "id_00 (hw:2)"
    assert names(MICROPHONES[::-1]) == forward


def test_what_an_earlier_process_retained_of_sources_that_are_gone_is_deleted(
    mosquitto: Mosquitto, make_sink: MakeSink, subscribe: Subscribe
) -> None:
    mosquitto.start()
    early = subscribe()
    for topic in ("edgeae/pump-9/state", "elsewhere/pump-9/state"):
        early.client.publish(topic, '{"client": "another"}', retain=True)
    first = make_sink(sources=MICROPHONES)
    for one in MICROPHONES:
        first.deliver(listening(one.source, one.machine))
    gone = {"edgeae/id_00-hw-7/state", "homeassistant/device/edgeae-id_00-hw-7/config"}
    wait_for(lambda: gone <= {message.topic for message in early.messages})
    first.close()
    second = make_sink(sources=MICROPHONES[:7])
    for one in MICROPHONES[:7]:
        second.deliver(listening(one.source, one.machine))
    wait_for(lambda: all(early.payloads(topic)[-1] == b"" for topic in gone))
    late = subscribe()
    wait_for(lambda: late.payloads("edgeae/id_00-hw-6/state"))
    topics = {message.topic for message in late.messages}
    assert not topics & gone
    assert {"edgeae/id_00-hw-0/state", "edgeae/pump-9/state", "elsewhere/pump-9/state"} <= topics


def test_a_device_of_home_assistant_is_deleted_when_discovery_is_turned_off(
    mosquitto: Mosquitto, make_sink: MakeSink, subscribe: Subscribe
) -> None:
    mosquitto.start()
    first = make_sink(sources=MICROPHONES[:1])
    first.deliver(listening(MICROPHONES[0].source, MICROPHONES[0].machine))
    early = subscribe()
    wait_for(lambda: [m.topic for m in early.messages if m.topic.endswith("/config")])
    topic = next(m.topic for m in early.messages if m.topic.endswith("/config"))
    first.close()
    make_sink(sources=MICROPHONES[:1], discovery=None)
    wait_for(lambda: early.payloads(topic)[-1] == b"")


def test_the_event_entity_receives_the_events(
    mosquitto: Mosquitto, make_sink: MakeSink, subscribe: Subscribe
) -> None:
    mosquitto.start()
    sink, subscriber = make_sink(page_url="https://pi.lan:8321/"), subscribe()
    connected(sink)
    config = wait_for(lambda: subscriber.last(CONFIG))
    assert config["device"]["configuration_url"] == "https://pi.lan:8321/"
    component = config["components"]["alarm_event"]
    sink.deliver(event("start"))
    line = wait_for(lambda: subscriber.last(component["state_topic"]))
    assert line["event"] in component["event_types"]


def test_another_computer_with_the_same_machine_is_reported_while_it_publishes(
    mosquitto: Mosquitto, make_sink: MakeSink
) -> None:
    mosquitto.start()
    mine, other = make_sink(), make_sink(client_id="there")
    connected(mine)
    assert mine.trouble is None
    wait_for(lambda: not mine._connection._requests)
    connected(other)
    trouble = wait_for(lambda: mine.trouble)
    assert trouble
    assert trouble.startswith(
        "another edgeae, the client there, publishes on edgeae/pump-3, too; give one of the two"
    )
    mine._rivals._seconds = 0.0
    assert mine.trouble is None


def test_the_state_of_a_lost_microphone_does_not_expire(
    mosquitto: Mosquitto, make_sink: MakeSink, subscribe: Subscribe
) -> None:
    mosquitto.start()
    sink, subscriber = make_sink(every=0.1), subscribe()
    connected(sink)
    sink.deliver(status("lost"))
    wait_for(lambda: subscriber.last(STATE).get("state") == "lost")
    n_states = len(subscriber.payloads(STATE))
    wait_for(lambda: len(subscriber.payloads(STATE)) > n_states)


def test_a_wrong_password_is_reported_and_the_right_one_works(
    mosquitto: Mosquitto,
    make_sink: MakeSink,
    subscribe: Subscribe,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    passwords = tmp_path / "passwords"
    subprocess.run(
        ["mosquitto_passwd", "-b", "-c", passwords, "pi", "right"], check=True, capture_output=True
    )
    mosquitto.configure("allow_anonymous false", f"password_file {passwords}")
    mosquitto.start()
    url = mosquitto.url.replace("://", "://pi@")
    monkeypatch.setenv("EDGEAE_MQTT_PASSWORD", "wrong-one")
    wrong = make_sink(url)
    with pytest.raises(
        OutputError, match=r"refuses the connection .*EDGEAE_MQTT_PASSWORD"
    ) as refusal:
        wrong.deliver(score())
    assert "wrong-one" not in str(refusal.value)
    monkeypatch.setenv("EDGEAE_MQTT_PASSWORD", "right")
    make_sink(url, client_id="other").deliver(score())
    subscriber = subscribe("pi", "right")
    wait_for(lambda: subscriber.last(STATE))


def test_two_processes_with_one_client_id_are_reported(
    mosquitto: Mosquitto, make_sink: MakeSink
) -> None:
    mosquitto.start()
    first, second = make_sink(), make_sink()

    def told(sink: Mqtt) -> bool:
        try:
            sink.deliver(score())
        except OutputError as error:
            return "does another process use the client id here" in str(error)
        return False

    wait_for(lambda: told(first) or told(second))
