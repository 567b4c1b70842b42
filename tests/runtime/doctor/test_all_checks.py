"""All checks together: a page in spite of failures, and what is masked."""

import itertools
from pathlib import Path

import pytest

from edgeae.runtime.doctor.all_checks import NamedCheck, all_checks, run_checks, serial_of
from edgeae.runtime.doctor.check import OK, PROBLEM, WARNING, Check, CheckFunction
from edgeae.runtime.doctor.page import page_lines


def test_the_page_is_written_whatever_fails() -> None:
    errors = [
        OSError(5, "Input/output error"),
        ValueError("x"),
        KeyError("MemTotal"),
        ImportError("no numpy"),
    ]

    def failing(error: Exception) -> CheckFunction:
        def fail() -> Check:
            raise error

        return fail

    names = [check.name for check in all_checks(None, None)]
    broken = [
        NamedCheck(name, failing(error))
        for name, error in zip(names, itertools.cycle(errors), strict=False)
    ]
    checks = run_checks(broken)
    assert [(check.name, check.state) for check in checks] == [(name, WARNING) for name in names]
    assert all(check.sentence.startswith("could not be checked (") for check in checks)
    summary = f"problems: 0, warnings: {len(names)}, of {len(names)} checks"
    assert page_lines(checks)[-1] == summary


def test_the_checks_run_for_a_user_without_a_home_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    def nowhere() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", nowhere)
    assert run_checks([NamedCheck("a", lambda: Check("a", OK, "/srv/a"))]) == [
        Check("a", OK, "/srv/a")
    ]


def test_a_serial_number_is_masked_in_what_a_check_says() -> None:
    check = NamedCheck("a", lambda: Check.problem("a", "no AB12CD", "plug in AB12CD"))
    assert run_checks([check], serials=["AB12CD"]) == [Check("a", PROBLEM, "no ***", "plug in ***")]


@pytest.mark.parametrize(
    ("device", "serials"),
    [(None, []), ("hw:1", []), ("usb:0d8c:013c", []), ("usb:0d8c:013c:A:B", ["A:B"])],
)
def test_the_name_of_a_device_may_contain_a_serial_number(
    device: str | None, serials: list[str]
) -> None:
    assert serial_of(device) == serials
