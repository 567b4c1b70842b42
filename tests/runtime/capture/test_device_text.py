"""A tested capture device as text for people."""

import pytest

from edgeae.runtime.capture.device_text import MAX_COLUMNS, device_lines
from edgeae.runtime.capture.listing import Device
from edgeae.runtime.capture.names import Name
from edgeae.runtime.capture.probe import Probe
from edgeae.runtime.capture.trial import DeviceTrial, Level, Offer

DEVICE = Device("hw:CARD=Device,DEV=0", "hw:1,0", "USB PnP Sound Device, USB Audio")
NAMES = (
    Name("usb:0d8c:013c:AB12", True, True, "stays"),
    Name("card:Device", True, True, "stays"),
    Name("hw:1,0", False, False, "changes"),
)


def text(trial: DeviceTrial) -> str:
    return "\n".join(device_lines(Probe(DEVICE, NAMES, trial)))


def test_names_that_last_equally_long_share_a_row() -> None:
    assert (
        text(DeviceTrial())
        == """\
USB PnP Sound Device, USB Audio
  names     usb:0d8c:013c:AB12  card:Device
              stays
            hw:1,0
              changes"""
    )


def test_a_device_that_cannot_be_used_says_why() -> None:
    assert text(DeviceTrial("busy", "in use by process 7 (arecord)")).endswith(
        "\n  busy      in use by process 7 (arecord)"
    )


@pytest.mark.parametrize(
    ("offer", "rows"),
    [
        (
            Offer((16000, 48000), ("S16_LE", "U8"), 1, 2),
            ["16000 48000 Hz", "S16_LE, U8 (through plughw)", "1 to 2"],
        ),
        (Offer((), (), 2, 2), ["none of the common ones", "none that edgeae supports", "2 to 2"]),
    ],
)
def test_an_offer_has_a_row_for_rates_formats_and_channels(offer: Offer, rows: list[str]) -> None:
    lines = text(DeviceTrial(offer=offer)).splitlines()[-3:]
    assert [line[12:] for line in lines] == rows
    assert [line[:12].strip() for line in lines] == ["rates", "formats", "channels"]


def test_a_long_reason_is_wrapped_beside_its_title() -> None:
    lines = text(DeviceTrial("broken", "word " * 40)).splitlines()
    assert max(map(len, lines)) <= MAX_COLUMNS
    assert lines[-1].startswith(" " * 12 + "word")


@pytest.mark.parametrize(("peak", "silent"), [(-120.0, True), (-119.9, False)])
def test_only_digital_silence_is_pointed_out(peak: float, silent: bool) -> None:
    shown = text(DeviceTrial(level=Level(peak, -120.0)))
    assert f"peak {peak} dBFS, RMS -120.0 dBFS (channel 0, half a second)" in shown
    assert ("every sample is zero" in shown) is silent
