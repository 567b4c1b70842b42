"""Options shared by the commands that capture."""

import click

wait_device_option = click.option(
    "--wait-device",
    type=click.FloatRange(min=0),
    default=0.0,
    show_default=True,
    help="Seconds to wait at the start for a device that is missing or busy.",
)
