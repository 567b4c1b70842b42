"""Against a real mosquitto that is killed and started again."""

import getpass
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion

from edgeae.runtime.errors import ConfigError
from edgeae.runtime.monitoring.states import WORSE
from edgeae.runtime.outputs.latest import SOURCES
from edgeae.runtime.outputs.mqtt.broker import Broker, default_client
from edgeae.runtime.outputs.mqtt.sink import Mqtt
from edgeae.runtime.outputs.outbox import Line, Outbox, OutputError

MOSQUITTO = Path("/usr/sbin/mosquitto")
LIMIT = 30.0  # seconds for what takes about one
STATE, EVENT = "edgeae/pump-3/state", "edgeae/pump-3/event"
CONFIG = "homeassistant/device/edgeae-pump-3/config"
AVAILABILITY = "edgeae/here/availability"


def wait_for(condition: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + LIMIT
    while not (result := condition()):
        assert time.monotonic() < deadline, "it did not come true"
        time.sleep(0.01)
    return result


class Mosquitto:
    def __init__(self, folder: Path) -> None:
        self._configuration = folder / "mosquitto.conf"
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.configure("allow_anonymous true")
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"mqtt://127.0.0.1:{self.port}"

    def configure(self, *lines: str) -> None:
        # An unlimited number in flight keeps the order also between QoS 0 and 1.
        first = (
            f"user {getpass.getuser()}",
            "max_inflight_messages 0",
            f"listener {self.port} 127.0.0.1",
        )
        self._configuration.write_text("\n".join([*first, *lines, ""]))

    def start(self) -> None:
        self._process = subprocess.Popen(
            [MOSQUITTO, "-c", self._configuration], stderr=subprocess.DEVNULL
        )
        wait_for(self._listens)

    def _listens(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def kill(self) -> None:
        if self._process:
            self._process.kill()
            self._process.wait()
            self._process = None


@pytest.fixture
def mosquitto(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Mosquitto]:
    if not MOSQUITTO.exists():
        pytest.fail("these tests need mosquitto: run scripts/install-system-packages --tests")
    monkeypatch.delenv("EDGEAE_MQTT_PASSWORD", raising=False)
    broker = Mosquitto(tmp_path)
    yield broker
    broker.kill()


class Subscriber:
    """What a client hears that subscribes to everything now: (topic, payload, retained)."""

    def __init__(
        self, broker: Mosquitto, user: str | None = None, password: str | None = None
    ) -> None:
        self.heard: list[tuple[str, bytes, bool]] = []
        self.client = Client(CallbackAPIVersion.VERSION2)
        self.client.username_pw_set(user, password)
        subscribed: list[int] = []
        self.client.on_message = lambda c, d, message: self.heard.append(
            (message.topic, message.payload, message.retain)
        )
        self.client.on_connect = lambda *arguments: self.client.subscribe("#", qos=1)
        self.client.on_subscribe = lambda *arguments: subscribed.append(1)
        self.client.connect("127.0.0.1", broker.port)
        self.client.loop_start()
        wait_for(lambda: subscribed)

    def payloads(self, topic: str) -> list[bytes]:
        return [payload for name, payload, _ in self.heard if name == topic]

    def last(self, topic: str) -> Any:
        """The newest JSON, or {}."""
        payloads = self.payloads(topic)
        return json.loads(payloads[-1]) if payloads else {}


Subscribe = Callable[..., Subscriber]
Make = Callable[..., Mqtt]


@pytest.fixture
def subscribe(mosquitto: Mosquitto) -> Iterator[Subscribe]:
    subscribers: list[Subscriber] = []

    def make(*credentials: str) -> Subscriber:
        subscribers.append(Subscriber(mosquitto, *credentials))
        return subscribers[-1]

    yield make
    for subscriber in subscribers:
        subscriber.client.disconnect()
        subscriber.client.loop_stop()


@pytest.fixture
def make(mosquitto: Mosquitto) -> Iterator[Make]:
    sinks: list[Mqtt] = []

    def made(url: str | None = None, **options: Any) -> Mqtt:
        sinks.append(Mqtt(url or mosquitto.url, **{"client_id": "here", **options}))
        return sinks[-1]

    yield made
    for sink in sinks:
        sink.close()


def line(
    kind: str, *, seq: int = 0, machine: str | None = "pump-3", source: str = "hw:1", **values: Any
) -> Line:
    stamp = {
        "t": float(seq),
        "time": f"2026-01-01T00:00:{seq % 60:02d}.000+00:00",
        "seq": seq,
        "synced": True,
    }
    return {"type": kind, **stamp, "source": source, "machine": machine, **values}


def score(value: float = 1.0, *, health: str = "ok", **values: Any) -> Line:
    scored = {
        "score": value,
        "threshold": 2.0,
        "anomaly": value > 2,
        "level_dbfs": -30.0,
        "out_of_range": 0.0,
    }
    return line("score", **scored, health=health, age=0.1, **values)


def event(phase: str = "start", **values: Any) -> Line:
    told = {
        "duration": 0.0,
        "peak": 3.0,
        "bands": [],
        "sentence": f"1 to 2 kHz: louder, {phase}",
        "cause": "machine",
    }
    return line("event", event=phase, **told, **values)


def listening(**values: Any) -> Line:
    return line(
        "status", state="listening", model="/home/pi/pump-3.onnx", samplerate=48000, **values
    )


def connected(sink: Mqtt) -> None:
    """Until lines are taken."""

    def taken() -> bool:
        try:
            sink.deliver(listening())
        except OutputError:
            return False
        return True

    wait_for(taken)


def test_a_late_subscriber_is_told_the_state_as_it_is(
    mosquitto: Mosquitto, make: Make, subscribe: Subscribe
) -> None:
    mosquitto.start()
    sink = make()
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
    wait_for(lambda: (AVAILABILITY, b"online", True) in late.heard)
    assert not late.payloads(EVENT)


def test_states_are_sparing_and_changes_are_told_at_once(
    mosquitto: Mosquitto, make: Make, subscribe: Subscribe
) -> None:
    mosquitto.start()
    sink, subscriber = make(every=3600.0), subscribe()
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
        line("gap", frames=1, seconds=0.1, reason="overrun"),
        score(health="silence"),
        line("status", state="lost"),
    ],
    ids=["gap", "silence", "lost"],
)
def test_an_alarm_lasts_until_its_end_is_told(
    mosquitto: Mosquitto, make: Make, subscribe: Subscribe, other: Line
) -> None:
    mosquitto.start()
    sink, subscriber = make(every=0), subscribe()
    connected(sink)
    sink.deliver(event())
    wait_for(lambda: subscriber.last(STATE).get("alarm"))
    sink.deliver(other)
    sink.deliver(score(9.0))
    wait_for(lambda: subscriber.last(STATE)["score"] == 9.0)
    assert subscriber.last(STATE)["alarm"]
    sink.deliver(event("end"))
    wait_for(lambda: not subscriber.last(STATE)["alarm"])


def test_events_of_an_outage_arrive_in_order_and_the_state_is_right_again(
    mosquitto: Mosquitto, make: Make, subscribe: Subscribe
) -> None:
    mosquitto.start()
    sink = make()
    connected(sink)
    sink.deliver(score(1.0))
    mosquitto.kill()
    refused = []
    for seq in range(50):
        for said in (event("update", seq=seq), score(3.0, seq=seq)):
            try:
                sink.deliver(said)
            except OutputError as error:
                refused.append(str(error))
    assert refused
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


def test_the_oldest_events_are_lost_and_counted_where_too_many_wait(
    mosquitto: Mosquitto, make: Make, subscribe: Subscribe
) -> None:
    sink = make(events=5)
    for seq in range(8):
        with pytest.raises(OutputError, match="cannot be reached"):
            sink.deliver(event("update", seq=seq))
    assert sink.lost == 3
    mosquitto.start()
    subscriber = subscribe()
    wait_for(lambda: len(subscriber.payloads(EVENT)) == 5)
    assert [json.loads(payload)["seq"] for payload in subscriber.payloads(EVENT)] == [3, 4, 5, 6, 7]


def test_without_a_broker_lines_flow_and_the_end_is_soon(mosquitto: Mosquitto) -> None:
    outbox = Outbox(Mqtt(mosquitto.url))
    for seq in range(500):
        outbox.put(score(seq=seq))
    assert outbox.drain(LIMIT)
    assert outbox.failed == 500
    assert outbox.dropped == 0
    assert outbox.trouble
    assert "(Connection refused)" in outbox.trouble
    outbox.close(LIMIT)
    assert not outbox._thread.is_alive()


def test_a_broker_that_accepts_and_never_answers_is_trouble_and_the_end_is_soon(
    mosquitto: Mosquitto,
) -> None:
    with socket.socket() as mute:
        mute.bind(("127.0.0.1", mosquitto.port))
        mute.listen()
        outbox = Outbox(Mqtt(mosquitto.url))
        outbox.put(event())
        outbox.put(score())
        assert outbox.drain(LIMIT)
        assert outbox.trouble == f"the MQTT broker 127.0.0.1:{mosquitto.port} does not answer"
        outbox.close(LIMIT)
        assert not outbox._thread.is_alive()


PUBLISHER = """
import sys, time
from edgeae.runtime.outputs.mqtt.sink import Mqtt
sink = Mqtt(sys.argv[1], client_id="here")
time.sleep(600)
"""


def test_the_broker_tells_that_a_killed_process_is_gone(
    mosquitto: Mosquitto, subscribe: Subscribe
) -> None:
    mosquitto.start()
    subscriber = subscribe()
    with subprocess.Popen([sys.executable, "-c", PUBLISHER, mosquitto.url]) as process:
        wait_for(lambda: subscriber.payloads(AVAILABILITY) == [b"online"])
        os.kill(process.pid, signal.SIGKILL)
        wait_for(lambda: subscriber.payloads(AVAILABILITY) == [b"online", b"offline"])
    late = subscribe()
    wait_for(lambda: (AVAILABILITY, b"offline", True) in late.heard)


def test_the_end_is_told_after_all_that_came_before(
    mosquitto: Mosquitto, subscribe: Subscribe
) -> None:
    mosquitto.start()
    subscriber = subscribe()
    outbox = Outbox(Mqtt(mosquitto.url, client_id="here"))
    for seq in range(100):
        outbox.put(event("update", seq=seq))
    outbox.put(line("status", state="stopped", windows=5))
    outbox.close(LIMIT)
    wait_for(lambda: b"offline" in subscriber.payloads(AVAILABILITY))
    assert [json.loads(payload)["seq"] for payload in subscriber.payloads(EVENT)] == list(
        range(100)
    )
    assert subscriber.last(STATE)["state"] == "stopped"
    assert subscriber.heard[-1][:2] == (AVAILABILITY, b"offline")


def test_home_assistant_is_told_one_device_for_each_source(
    mosquitto: Mosquitto, make: Make, subscribe: Subscribe
) -> None:
    mosquitto.start()
    make().deliver(listening())
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
    assert components["health"]["options"] == list(WORSE)
    assert components["level"]["unit_of_measurement"] == "dBFS"
    assert {"score", "event", "listening"} < set(components)
    assert len({component["unique_id"] for component in components.values()}) == len(components)
    assert {entry["topic"] for entry in components["alarm"]["availability"]} == {
        AVAILABILITY,
        STATE,
    }


def test_templates_for_home_assistant_read_keys_that_the_state_has(
    mosquitto: Mosquitto, make: Make, subscribe: Subscribe
) -> None:
    mosquitto.start()
    make().deliver(listening())
    subscriber = subscribe()
    config, state = (
        wait_for(lambda: subscriber.last(CONFIG)),
        wait_for(lambda: subscriber.last(STATE)),
    )
    templates = [component["value_template"] for component in config["components"].values()]
    keys = {text.split("value_json.")[1].split()[0] for text in templates}
    assert len(keys) == len(templates)
    assert keys <= set(state)


def test_home_assistant_is_told_again_when_it_starts(
    mosquitto: Mosquitto, make: Make, subscribe: Subscribe
) -> None:
    mosquitto.start()
    sink, subscriber = make(), subscribe()
    connected(sink)
    wait_for(lambda: subscriber.payloads(CONFIG))
    before = len(subscriber.payloads(CONFIG))
    subscriber.client.publish("homeassistant/status", "offline")
    subscriber.client.publish("homeassistant/status", "online")
    wait_for(lambda: len(subscriber.payloads(CONFIG)) == before + 1)


def test_discovery_can_be_left_out(mosquitto: Mosquitto, make: Make, subscribe: Subscribe) -> None:
    mosquitto.start()
    make(discovery=None).deliver(listening())
    subscriber = subscribe()
    wait_for(lambda: subscriber.last(STATE))
    assert not [topic for topic, *_ in subscriber.heard if topic.startswith("homeassistant")]


def test_gaps_and_the_troubles_of_other_outputs_are_published(
    mosquitto: Mosquitto, make: Make, subscribe: Subscribe
) -> None:
    mosquitto.start()
    sink, subscriber = make(), subscribe()
    connected(sink)
    sink.deliver(line("gap", frames=480, seconds=0.01, reason="overrun"))
    sink.deliver(
        line("status", state="degraded", output="webhook", sentence="no route", source="webhook")
    )
    wait_for(lambda: subscriber.last("edgeae/here/status").get("output") == "webhook")
    assert subscriber.last("edgeae/pump-3/status")["reason"] == "overrun"


def test_sources_of_one_machine_have_topics_of_their_own_and_their_number_is_bounded(
    mosquitto: Mosquitto, make: Make, subscribe: Subscribe
) -> None:
    mosquitto.start()
    sink = make()
    sink.deliver(listening(source="hw:1 channel 0"))
    sink.deliver(listening(source="hw:1 channel 1"))
    sink.deliver(listening(source="hw:CARD=Mic,DEV=0", machine=None))
    for number in range(3, SOURCES):
        sink.deliver(score(machine=f"m{number}"))
    with pytest.raises(OutputError, match=f"first {SOURCES} sources only"):
        sink.deliver(score(machine="one more"))
    subscriber = subscribe()
    topics = {
        f"edgeae/{name}/state"
        for name in ("pump-3", "pump-3-hw-1-channel-1-1", "hw-CARD-Mic-DEV-0")
    }
    wait_for(lambda: topics <= {topic for topic, *_ in subscriber.heard})


def test_a_wrong_password_is_told_and_the_right_one_works(
    mosquitto: Mosquitto,
    make: Make,
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
    wrong = make(url)
    with pytest.raises(
        OutputError, match=r"refuses the connection .*EDGEAE_MQTT_PASSWORD"
    ) as refusal:
        wrong.deliver(score())
    assert "wrong-one" not in str(refusal.value)
    monkeypatch.setenv("EDGEAE_MQTT_PASSWORD", "right")
    make(url, client_id="other").deliver(score())
    subscriber = subscribe("pi", "right")
    wait_for(lambda: subscriber.last(STATE))


# paho leaves the socket of a failed handshake to the garbage collector.
@pytest.mark.filterwarnings(
    "ignore:Exception ignored in. <ssl.SSLSocket:pytest.PytestUnraisableExceptionWarning"
)
def test_tls_is_checked_against_the_given_authority(
    mosquitto: Mosquitto, make: Make, tmp_path: Path
) -> None:
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost"
    names = ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", certificate]
    subprocess.run([*command.split(), *names], check=True, capture_output=True)
    mosquitto.configure("allow_anonymous true", f"certfile {certificate}", f"keyfile {key}")
    mosquitto.start()
    url = mosquitto.url.replace("mqtt:", "mqtts:")
    with pytest.raises(OutputError, match=r"cannot be reached .*self.signed certificate"):
        make(url).deliver(score())
    make(url, client_id="other", ca=certificate).deliver(score())
    with pytest.raises(ConfigError, match="no certificates in PEM form"):
        make(url, ca=key)


def test_two_processes_with_one_client_id_are_told_so(mosquitto: Mosquitto, make: Make) -> None:
    mosquitto.start()
    first, second = make(), make()

    def told(sink: Mqtt) -> bool:
        try:
            sink.deliver(score())
        except OutputError as error:
            return "does another process use the client id here" in str(error)
        return False

    wait_for(lambda: told(first) or told(second))


@pytest.mark.parametrize(
    ("url", "broker"),
    [
        ("mqtt://broker", Broker("broker", 1883, False, None, "edgeae")),
        ("mqtts://pi@broker/", Broker("broker", 8883, True, "pi", "edgeae")),
        (
            "mqtt://pi%40home@[::1]:1884/plant/hall-2/",
            Broker("::1", 1884, False, "pi@home", "plant/hall-2"),
        ),
    ],
)
def test_urls(url: str, broker: Broker) -> None:
    assert Broker.parse(url) == broker


@pytest.mark.parametrize(
    "url", ["mqtt://pi:s3cret@broker", "mqtt://pi:s3/c#r@et@broker:1883/x", "pi:s3cret@broker"]
)
def test_a_password_in_the_url_is_refused_and_not_shown(url: str) -> None:
    with pytest.raises(ConfigError, match=r"\$EDGEAE_MQTT_PASSWORD") as refusal:
        Mqtt(url)
    assert "s3" not in str(refusal.value)
    assert "***@" in str(refusal.value)


@pytest.mark.parametrize(
    "url",
    [
        *(
            "broker",
            "http://broker",
            "http://broker:80",
            "mqtt://",
            "mqtt://broker:99999",
            "mqtt://broker:x",
        ),
        *(
            "mqtt://broker/a?b",
            "mqtt://[::1",
            "mqtt://broker/a//b",
            "mqtt://broker/$SYS",
            "mqtt://broker/%23",
        ),
        *("mqtt://" + "a" * 70, "mqtt://b/\udc80"),
    ],
)
def test_what_is_no_mqtt_url_is_refused_in_one_sentence(url: str) -> None:
    with pytest.raises(ConfigError, match=r"mqtt://|topics cannot start with"):
        Mqtt(url)


def test_a_password_without_a_user_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGEAE_MQTT_PASSWORD", "s3cret")
    with pytest.raises(ConfigError, match="names no user"):
        Mqtt("mqtt://broker")


def test_without_paho_it_is_told_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "paho.mqtt.client", None)
    with pytest.raises(ConfigError, match=r"pip install 'edgeae\[mqtt\]'"):
        Mqtt("mqtt://broker")


def test_the_client_id_is_stable_and_differs_by_prefix() -> None:
    assert default_client("edgeae") == default_client("edgeae") != default_client("hall-2")
