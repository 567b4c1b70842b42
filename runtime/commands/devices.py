"""`edgeae devices`: list the capture devices."""

import json

import click

from ..capture.device_text import device_lines
from ..capture.probe import probe_all


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a line.")
@click.option(
    "--no-level",
    is_flag=True,
    help="Do not measure the level of the devices, which takes half a second each.",
)
def devices(as_json: bool, no_level: bool) -> None:
    """List the capture devices: names for --device, what they accept, their level.

    \b
    Names, the most stable first; use one of the first in a unit file, not hw:1:
      usb:VID:PID:SERIAL   this very device, after a reboot and in any port
      usb:VID:PID          the only device of this kind
      usb-path:BUS-PORT    the device in this port
      hw:CARD=ID, card:ID  the card with this id; a second one of its kind gets ID_1
      hw:1                 the card that was plugged in as the second
    A device that cannot be used (busy, forbidden, stalled, broken) is listed with the reason.

    \b
    Example:
      edgeae devices
    """
    probes = probe_all(level=not no_level)
    if not probes:
        click.echo(
            "no capture device: check the cable, `lsusb`, and that this user is in the group audio",
            err=True,
        )
    for probe in probes:
        if as_json:
            click.echo(json.dumps(probe.to_dict()))
        else:
            click.echo("\n".join(device_lines(probe)))
