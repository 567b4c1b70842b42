"""No secret gets onto a page that is pasted into a report."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeae.runtime.doctor.masking import MASK, masked, masked_variable

ANY = st.text(max_size=30)
NAMES = st.sampled_from(
    ["PASSWORD", "MQTT_PASS", "TOKEN", "API_KEY", "secret", "Credentials", "BASIC_AUTH", "PWD"]
)


@given(NAMES, ANY)
def test_a_variable_that_is_named_like_a_secret_is_gone(name: str, value: str) -> None:
    assert masked_variable(f"EDGEAE_{name}", value) == MASK


@given(ANY, ANY, st.sampled_from(["mqtt://", "https://", "", "mqtts://broker://"]))
def test_a_login_before_a_host_is_gone_whatever_its_characters(
    user: str, password: str, scheme: str
) -> None:
    shown = masked_variable(
        "EDGEAE_BROKER", f"{scheme}{user}:hunter2{password}@broker.example:1883/topic"
    )
    assert "hunter2" not in shown


@given(ANY, NAMES, st.sampled_from(["=", ": ", " = "]), ANY)
def test_what_is_assigned_to_a_secret_in_a_value_is_gone(
    before: str, name: str, sign: str, after: str
) -> None:
    assert "hunter2" not in masked_variable(
        "EDGEAE_OPTIONS", f"{before} {name}{sign}hunter2{after}"
    )


@given(ANY, ANY, ANY)
def test_a_login_in_a_sentence_is_gone(before: str, password: str, after: str) -> None:
    text = f"{before} cannot reach mqtt://bob:hunter2{password}@broker: refused {after}"
    assert "hunter2" not in masked(text, home="", host="")


def test_the_host_of_a_login_stays() -> None:
    shown = masked_variable("EDGEAE_BROKER", "mqtt://bob:p@ss/word@broker.example:1883/topic")
    assert shown == "mqtt://***@broker.example:1883/topic"


@pytest.mark.parametrize(
    "value", ["/srv/fan.onnx", "1", "hw:CARD=Device,DEV=0", "usb:0d8c:013c", "mqtt://broker:1883"]
)
def test_what_is_no_secret_is_shown(value: str) -> None:
    assert masked_variable("EDGEAE_MODEL", value) == value


def test_a_value_cannot_write_lines_of_its_own() -> None:
    assert masked_variable("EDGEAE_MODEL", "a\nok  artifact  fine") == "a ok artifact fine"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("/home/alice/m.onnx", "~/m.onnx"),
        ("/home/bob/m.onnx of HOME", "~/m.onnx of HOME"),
        ("in /home/alice, and", "in ~, and"),
        ("/srv/home/x", "/srv/home/x"),
        ("on greenhouse-7: yes", "on HOST: yes"),
        ("greenhouse-7.lan", "HOST"),
        ("usb:0d8c:013c:AB12CD is", "usb:0d8c:013c:*** is"),
        ("usb:0d8c:013c:A B,1 is", "usb:0d8c:013c:***,1 is"),
        ("usb:0d8c:013c:unknown: there", "usb:0d8c:013c:*** there"),
        ("usb:0d8c:013c: there are 1", "usb:0d8c:013c: there are 1"),
        ("microphone AB12CD", "microphone ***"),
    ],
)
def test_home_host_and_serial_numbers_are_masked(text: str, expected: str) -> None:
    assert (
        masked(text, home="/home/alice", host="greenhouse-7.lan", serials=["AB12CD", "A B", "1"])
        == expected
    )


@pytest.mark.parametrize("host", ["", "localhost", "raspberrypi", "edgeae"])
def test_a_host_name_that_says_nothing_stays(host: str) -> None:
    assert (
        masked("edgeae on raspberrypi / localhost", home="/", host=host)
        == "edgeae on raspberrypi / localhost"
    )
