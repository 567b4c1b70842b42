"""Names of machines and sources, and that different ones stay different."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeae.runtime.system.identity import (
    MAX_LENGTH,
    SourceIdentity,
    SourceNames,
    distinct,
    slug,
    topic_level,
)


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


def test_a_name_becomes_one_level_of_a_topic() -> None:
    assert topic_level("hw:CARD=Mic,DEV=0") == "hw-CARD-Mic-DEV-0"
    assert topic_level("a/b+#c") == "a-b-c"
    assert topic_level("//") == "source"


@given(st.lists(st.text(max_size=20), unique=True, max_size=8), st.randoms())
def test_distinct_names_stay_distinct_in_any_order(
    names: list[str], shuffler: random.Random
) -> None:
    formed = dict(zip(names, distinct(names, slug), strict=True))
    assert len(set(formed.values())) == len(names)
    shuffled = list(names)
    shuffler.shuffle(shuffled)
    assert dict(zip(shuffled, distinct(shuffled, slug), strict=True)) == formed


def test_names_that_only_a_sign_tells_apart_are_distinguished() -> None:
    first, second, third = distinct(["Pump 1", "pump-1", "pump-2"], slug)
    assert third == "pump-2"
    assert first != second
    assert first.startswith("pump-1-") and second.startswith("pump-1-")


def test_a_source_is_named_by_its_machine_or_else_by_itself() -> None:
    pump = SourceIdentity("hw:1", "pump-3")
    bare = SourceIdentity("hw:2", None)
    names = SourceNames([pump, bare])
    assert (names.title(pump), names.topic(pump)) == ("pump-3", "pump-3")
    assert (names.title(bare), names.topic(bare)) == ("hw:2", "hw-2")


def test_microphones_of_one_artifact_are_named_by_machine_and_microphone_in_any_order() -> None:
    identities = [SourceIdentity(f"hw:{n}", "id_00") for n in range(8)]
    forward = SourceNames(identities)
    backward = SourceNames(identities[::-1])
    assert forward.title(identities[2]) == "id_00 (hw:2)"
    assert forward.topic(identities[2]) == "id_00-hw-2"
    for identity in identities:
        assert forward.topic(identity) == backward.topic(identity)
    assert len({forward.topic(identity) for identity in identities}) == 8


def test_topics_of_machines_that_only_a_sign_tells_apart_are_distinct() -> None:
    identities = [SourceIdentity("hw:1", "pump 1"), SourceIdentity("hw:2", "pump-1")]
    names = SourceNames(identities)
    assert len({names.topic(identity) for identity in identities}) == 2
