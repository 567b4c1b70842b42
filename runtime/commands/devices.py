"""The commands `devices` and `record`: which microphones there are, and what they hear."""

import json
from typing import TYPE_CHECKING

import click

from ..capture.probe import probe_all
from ..capture.table import device_lines

if TYPE_CHECKING:
    pass


@click.command()
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@click.option(
    "--no-level", is_flag=True, help="Do not listen to the devices for half a second each."
)
def devices(as_json: bool, no_level: bool) -> None:
    """List the capture devices: names for --device, what they accept, what they hear.

    \b
    Names, the most lasting first; say one of the first in a unit file, not hw:1:
      usb:VID:PID:SERIAL   this very device, after a reboot and in any port
      usb:VID:PID          the only device of this kind
      usb-path:BUS-PORT    whatever is in this port
      hw:CARD=ID, card:ID  the card with this id; a second one alike gets ID_1
      hw:1                 the card that was plugged in as the second
    A device that cannot be used (busy, forbidden, stalled, broken) is listed with why.

    \b
    Example:
      edgeae devices
    """
    found = probe_all(level=not no_level)
    if not found:
        click.echo(
            "no capture device: check the cable, `lsusb`, and that this user is in the group audio",
            err=True,
        )
    for device in found:
        click.echo(json.dumps(device.to_dict()) if as_json else "\n".join(device_lines(device)))
