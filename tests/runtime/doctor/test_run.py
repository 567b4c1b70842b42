"""All checks together: the page, what it masks, and its exit code."""

import itertools
from pathlib import Path

import pytest

from edgeae.runtime.doctor.check import OK, PROBLEM, WARNING, Check, CheckFunction
from edgeae.runtime.doctor.run import (
    NamedCheck,
    all_checks,
    exit_code,
    page_lines,
    run_checks,
    serial_of,
)


@pytest.mark.parametrize(
    ("checks", "code"),
    [
        ([("memory", WARNING), ("clock", OK)], 0),
        ([("memory", PROBLEM)], 2),
        ([("memory", PROBLEM), ("device", PROBLEM)], 4),
        ([("artifact", PROBLEM), ("device", PROBLEM)], 3),
        ([("devices", WARNING), ("artifact", WARNING)], 0),
    ],
)
def test_the_exit_code_says_what_has_the_problem(checks: list[tuple[str, str]], code: int) -> None:
    assert exit_code([Check(name, state, "") for name, state in checks]) == code


def test_whatever_fails_the_page_is_written() -> None:
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


def test_a_user_without_a_home_folder_gets_a_page(monkeypatch: pytest.MonkeyPatch) -> None:
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
def test_the_name_of_a_device_may_hold_a_serial_number(
    device: str | None, serials: list[str]
) -> None:
    assert serial_of(device) == serials


def test_advice_stands_below_its_sentence_behind_an_arrow() -> None:
    lines = page_lines([Check.warning("disk", "word " * 20, "delete files")])
    assert lines[0].startswith("warning  disk        word word")
    assert lines[-2] == " " * 21 + "-> delete files"
    assert max(map(len, lines)) <= 80
