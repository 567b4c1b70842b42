"""The page of the doctor and its exit code."""

import pytest

from edgeae.runtime.doctor.check import OK, PROBLEM, WARNING, Check
from edgeae.runtime.doctor.page import exit_code, page_lines


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


def test_advice_is_below_its_sentence_after_an_arrow() -> None:
    lines = page_lines([Check.warning("disk", "word " * 20, "delete files")])
    assert lines[0].startswith("warning  disk        word word")
    assert lines[-2] == " " * 21 + "-> delete files"
    assert max(map(len, lines)) <= 80
