"""Names of devices that stay, looked up in a tree as the kernel makes it."""

import shutil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeae.runtime.capture.names import is_numbered, lasting_name, names_of, resolve
from edgeae.runtime.errors import ConfigError, DeviceError
from tests.runtime.capture.fakes import USB_MICROPHONE, Kernel, write

LONG = "C-Media USB PnP Sound Device at usb-0000:00:14.0-1.2, full speed"


@pytest.fixture
def kernel(tmp_path: Path) -> Kernel:
    """Card 0 is of the board and only plays, card 1 a microphone behind a hub."""
    made = Kernel(tmp_path)
    made.plug(0, "vc4hdmi", pcms="D0p")
    made.plug(1, "Device", "1-1.2", "D0c D0p", **USB_MICROPHONE)
    made.title(0, "vc4hdmi", "vc4-hdmi", "vc4-hdmi")
    made.title(1, "Device", "USB PnP Sound Device", LONG)
    return made


@pytest.mark.parametrize(
    "name",
    [
        "usb:0d8c:013c",
        "usb:0D8C:013C",
        "usb:0d8c:013c:AB12",
        "usb-path:1-1.2",
        "card:Device",
        "card:USB PnP Sound Device",
        f"card:{LONG}",
    ],
)
def test_every_stable_name_means_the_card_and_may_name_its_device(
    kernel: Kernel, name: str
) -> None:
    assert kernel.resolve(name) == "hw:CARD=Device,DEV=0"
    assert kernel.resolve(f"{name},2") == "hw:CARD=Device,DEV=2"


@pytest.mark.parametrize(
    "name", ["hw:1", "hw:CARD=Device,DEV=0", "plughw:1,0", "default", "usbstream:0", "sysdefault"]
)
def test_names_of_alsa_pass_unchanged(kernel: Kernel, name: str) -> None:
    assert kernel.resolve(name) == name


@given(
    st.text(max_size=30).filter(lambda name: not name.startswith(("usb:", "usb-path:", "card:")))
)
def test_whatever_else_is_given_is_alsa_s(name: str) -> None:
    assert resolve(name) == name


@given(st.sampled_from(["usb:", "usb-path:", "card:"]), st.text(max_size=30))
def test_a_stable_name_that_nothing_has_is_one_of_two_errors(kind: str, rest: str) -> None:
    with pytest.raises((ConfigError, DeviceError)):
        resolve(kind + rest, sysfs=Path("/nonexistent"), procfs=Path("/nonexistent"))


def test_a_replugged_microphone_is_found_under_its_new_number_and_port(kernel: Kernel) -> None:
    kernel.unplug(1)
    with pytest.raises(DeviceError, match="there is no capture device usb:0d8c:013c:AB12"):
        kernel.resolve("usb:0d8c:013c:AB12")
    kernel.plug(4, "Device_1", "2-3", **USB_MICROPHONE)
    assert kernel.resolve("usb:0d8c:013c:AB12") == "hw:CARD=Device_1,DEV=0"
    assert kernel.resolve("usb-path:2-3") == "hw:CARD=Device_1,DEV=0"
    with pytest.raises(
        DeviceError, match=r"usb-path:1-1\.2: there are usb:0d8c:013c:AB12 \(Device_1\)"
    ):
        kernel.resolve("usb-path:1-1.2")


def test_two_alike_are_told_apart_by_their_ports(tmp_path: Path) -> None:
    kernel = Kernel(tmp_path)
    kernel.plug(1, "Device", "1-1", idVendor="0d8c", idProduct="013c")
    kernel.plug(2, "Device_1", "1-2", idVendor="0d8c", idProduct="013c")
    with pytest.raises(DeviceError) as caught:
        kernel.resolve("usb:0d8c:013c")
    assert str(caught.value) == (
        "usb:0d8c:013c is more than one device: choose usb-path:1-1 (Device, card Device) "
        "or usb-path:1-2 (Device_1, card Device_1)"
    )
    assert kernel.resolve("usb-path:1-2") == "hw:CARD=Device_1,DEV=0"


def test_a_serial_number_tells_two_alike_apart(kernel: Kernel) -> None:
    kernel.plug(2, "Device_1", "1-2", **{**USB_MICROPHONE, "serial": "CD34"})
    assert kernel.resolve("usb:0d8c:013c:CD34") == "hw:CARD=Device_1,DEV=0"
    with pytest.raises(DeviceError, match=r"usb-path:1-1\.2 .* or usb-path:1-2 "):
        kernel.resolve("usb:0d8c:013c")


@pytest.mark.parametrize("serial", ["A:B", "A,B", "A,7", "with space", "ä", "0"])
def test_any_serial_number_can_be_named(kernel: Kernel, serial: str) -> None:
    kernel.plug(2, "Odd", "1-2", idVendor="1234", idProduct="abcd", serial=serial)
    assert kernel.resolve(f"usb:1234:abcd:{serial}") == "hw:CARD=Odd,DEV=0"
    assert kernel.resolve(f"usb:1234:abcd:{serial},3") == "hw:CARD=Odd,DEV=3"


def test_the_first_device_that_captures_is_meant(kernel: Kernel) -> None:
    kernel.plug(2, "Mixer", "1-3", "D0p D1c D2c", idVendor="1235", idProduct="8211")
    assert kernel.resolve("usb:1235:8211") == "hw:CARD=Mixer,DEV=1"


def test_a_headset_s_second_card_that_only_plays_is_not_meant(kernel: Kernel) -> None:
    kernel.plug(2, "Device_1", "1-4", "D0p", idVendor="0d8c", idProduct="013c")
    assert kernel.resolve("usb:0d8c:013c") == "hw:CARD=Device,DEV=0"


@pytest.mark.parametrize(
    "name",
    ["usb:", "usb:0d8c", "usb:d8c:13c", "usb:0d8c:013x", "usb-path:1", "usb-path:a-1", "card:"],
)
def test_a_name_that_nothing_can_have_says_its_form(kernel: Kernel, name: str) -> None:
    with pytest.raises(ConfigError, match=r"give usb:VID:PID\[:SERIAL\] .* or card:NAME"):
        kernel.resolve(name)


def test_nothing_plugged_in_is_said(tmp_path: Path) -> None:
    with pytest.raises(
        DeviceError, match="card:Device: this computer shows none, so check the cable"
    ):
        Kernel(tmp_path).resolve("card:Device")


def test_a_container_that_hides_sys_has_proc(tmp_path: Path) -> None:
    kernel = Kernel(tmp_path)
    write(kernel.procfs / "asound/card1/id", "Device")
    write(kernel.procfs / "asound/card1/usbid", "0D8C:013c")
    (kernel.procfs / "asound/card1/pcm1c").mkdir()
    assert kernel.resolve("usb:0d8c:013c") == "hw:CARD=Device,DEV=1"
    with pytest.raises(ConfigError):
        kernel.resolve("usb:0d8c:013c:")


def test_a_container_that_hides_proc_has_sys(kernel: Kernel) -> None:
    shutil.rmtree(kernel.procfs)
    assert kernel.resolve("usb:0d8c:013c:AB12") == "hw:CARD=Device,DEV=0"


def test_every_name_of_a_device_means_it_and_says_how_long(kernel: Kernel) -> None:
    kernel.plug(2, "Mixer", "1-3", "D1c D2c", idVendor="1235", idProduct="8211", serial="X")
    cards = kernel.cards()
    mixer = cards[2]
    for device in mixer.captures:
        for name in names_of(mixer, device, cards):
            if not name.name.startswith("hw:2"):
                assert kernel.resolve(name.name) == f"hw:CARD=Mixer,DEV={device}"
    assert [(n.name, n.reboot, n.port) for n in names_of(mixer, 2, cards)] == [
        ("usb:1235:8211:X,2", True, True),
        ("usb:1235:8211,2", True, True),
        ("usb-path:1-3,2", True, False),
        ("hw:CARD=Mixer,DEV=2", True, True),
        ("card:Mixer,2", True, True),
        ("hw:2,2", False, False),
    ]


def test_a_name_that_means_two_devices_is_none_of_theirs(kernel: Kernel) -> None:
    kernel.plug(2, "Device_1", "1-2", **USB_MICROPHONE)
    assert names_of(kernel.cards()[1], 0, kernel.cards())[0].name == "usb-path:1-1.2"


@pytest.mark.parametrize(
    ("name", "lasting"),
    [
        ("hw:1", "usb:0d8c:013c:AB12"),
        ("hw:1,0", "usb:0d8c:013c:AB12"),
        ("plughw:1,0", "usb:0d8c:013c:AB12"),
        ("hw:5", None),
        ("usb:0d8c:013c", None),
        ("hw:CARD=Device,DEV=0", None),
    ],
)
def test_the_number_of_a_card_is_answered_with_its_lasting_name(
    kernel: Kernel, name: str, lasting: str | None
) -> None:
    assert lasting_name(name, sysfs=kernel.sysfs, procfs=kernel.procfs) == lasting


def test_only_the_number_of_a_card_may_change() -> None:
    assert is_numbered("hw:1")
    assert is_numbered("plughw:1,0")
    assert not any(map(is_numbered, ["hw:CARD=1,DEV=0", "usb:0d8c:013c", "default", "hw:x"]))
