import re
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeae.evaluate.report.markdown import (
    MAX_VALUE_LETTERS,
    UNKNOWN,
    cell,
    code,
    environment,
    escape,
)

HOSTILE = st.text(st.sampled_from("a\\`|<>&*_[]~$@!#\n\r\t\x1b\u202e\u2028 "), max_size=60)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("id_03", r"id\_03"),
        ("a | b", "a &#124; b"),
        ("one\ntwo\r\n# three", "one two # three"),
        ("<script>alert(1)</script>", "&#60;script&#62;alert(1)&#60;/script&#62;"),
        ("![x](http://x)", r"!\[x\](http://x)"),
        ("\x1b[2J\u202eevil", r"\[2J evil"),
        (r"\|", "&#92;&#124;"),
        (None, UNKNOWN),
        ("  \n ", UNKNOWN),
        (False, "no"),
        (0, "0"),
        (2343000.0, "2.343e+06"),
        (["id_00", "x|y"], r"id\_00, x&#124;y"),
        ({"a": [1, None]}, "a 1, not stated"),
        (np.float64(0.25), "0.25"),
        (np.array([]), r"\[\]"),
        (np.array([[1, 2], [3, 4]]), r"\[\[1 2\] \[3 4\]\]"),
    ],
)
def test_a_value_is_words_and_nothing_else(value: Any, expected: str) -> None:
    assert escape(value) == expected


@given(HOSTILE)
def test_nothing_of_a_value_can_start_markup(value: str) -> None:
    escaped = escape(value)
    assert escaped.isprintable()
    plain = re.sub(r"\\[*_\[\]~$]|&#\d+;", "", escaped)
    assert not set(plain) & set("\\`|<>&*_[]~$@")


@given(HOSTILE.filter(lambda words: " ".join(words.split()).isprintable()))
def test_a_reader_sees_what_the_value_was(value: str) -> None:
    shown = re.sub(r"\\(.)|&#(\d+);", lambda match: match[1] or chr(int(match[2])), escape(value))
    assert shown == (" ".join(value.split()) or UNKNOWN)


def test_a_long_value_is_cut() -> None:
    assert escape("|" * 10**5) == "&#124;" * MAX_VALUE_LETTERS + " ..."
    assert len(escape([["x" * 300] * 3] * 1000)) == MAX_VALUE_LETTERS + 4


def test_a_command_stays_on_its_line_and_in_its_block() -> None:
    assert code("edgeae run 'a\n```\nrm'") == "edgeae run 'a?????rm'"


def test_a_template_escapes_values_but_not_its_own_text() -> None:
    template = environment("edgeae.evaluate.report").from_string(
        "{% macro row(text) %}| {{ text }} |{% endmacro %}**{{ value }}** {{ row(value) }}"
    )
    assert template.render(value="a|b_") == "**a&#124;b\\_** | a&#124;b\\_ |"


def test_an_empty_cell_stays_empty() -> None:
    assert cell("") == ""
    assert cell("a|") == "a&#124;"
