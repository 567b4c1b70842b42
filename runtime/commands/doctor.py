"""`edgeae doctor`: one page on this computer that can be pasted into a report."""

import json
from dataclasses import asdict
from pathlib import Path

import click

from ..doctor.all_checks import all_checks, run_checks, serial_of
from ..doctor.page import exit_code, page_lines
from ..system.progress import Progress


@click.command()
@click.argument("model", required=False, type=click.Path(path_type=Path))
@click.option("--device", "-D", help="Capture device that must work, as `edgeae devices` lists it.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def doctor(model: Path | None, device: str | None, as_json: bool) -> int:
    """Check this computer, the artifact and the microphones; print one page for a report.

    Every line is ok, a warning or a problem. Secrets, serial numbers, the name of the computer and
    home folders are masked. Exit code: 0 without a problem, 3 if the artifact has one, 4 if the
    named device has one, 2 for others.

    \b
    Example:
      edgeae doctor
      edgeae doctor pump-3.onnx --device usb:0d8c:013c
    """
    with Progress() as progress:
        checks = run_checks(all_checks(model, device), serial_of(device), progress.step)
    if as_json:
        click.echo(json.dumps({"checks": [asdict(check) for check in checks]}))
    else:
        click.echo("\n".join(page_lines(checks)))
    return exit_code(checks)
