"""Names as parts of files' names."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeae.runtime.system.slug import MAX_LENGTH, slug


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("pump-3", "pump-3"),
        ("Pümpe Nr. 3", "pumpe-nr-3"),
        ("hw:1 channel 0", "hw-1-channel-0"),
        ("id_03", "id-03"),
    ],
)
def test_what_has_latin_letters_keeps_them(text: str, expected: str) -> None:
    assert slug(text) == expected


# ruff: noqa: RUF001
def test_names_that_would_lose_what_tells_them_apart_end_in_a_digest() -> None:
    names = [
        "Насос А",
        "Насос Б",
        "ポンプ",
        "",
        *(f"usb:0d8c:013c:20170726905923456789 channel {n}" for n in range(4)),
    ]
    assert len({slug(name) for name in names}) == len(names)


@given(st.text(max_size=100))
def test_it_is_a_short_name_of_a_file(text: str) -> None:
    name = slug(text)
    assert 0 < len(name) <= MAX_LENGTH
    assert set(name) <= set("abcdefghijklmnopqrstuvwxyz0123456789-")
