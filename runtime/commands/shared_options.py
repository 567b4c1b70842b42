"""Options that commands with a microphone share."""

import click

wait_device_option = click.option(
    "--wait-device",
    type=click.FloatRange(min=0),
    default=0.0,
    show_default=True,
    help="Seconds to wait at the start for a device that is not there or busy.",
)
