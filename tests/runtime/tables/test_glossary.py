"""The words of the tables that commands print."""

import pytest

from edgeae.runtime.tables.glossary import (
    LINE_WIDTH,
    WORDS,
    explained,
    explanation,
    facts_text,
)


@pytest.mark.parametrize("word", WORDS)
def test_each_word_is_explained_in_short_lines(word: str) -> None:
    lines = explained(word).splitlines()
    assert lines[0].startswith(f"  {word}: ")
    assert len(lines) <= 2
    assert max(map(len, lines)) <= LINE_WIDTH


def test_a_paragraph_holds_one_sentence_for_each_word() -> None:
    text = explanation("threshold", "budget")
    assert text == f"threshold: {WORDS['threshold']}. budget: {WORDS['budget']}."


def test_the_partial_area_is_explained_with_its_max_fpr() -> None:
    assert "at most 10 % of the normal recordings" in explanation("pAUC")
    assert "at most 7 % of" in explained("pAUC", max_fpr=0.07)
    assert "(max_fpr=0.07)" in explanation("pAUC", max_fpr=0.07)


def test_facts_are_aligned_and_long_values_are_wrapped() -> None:
    lines = facts_text("file", [("size", "5 KiB"), ("text", "word " * 30), ("none", None)], 8)
    assert lines[:2] == ["file", "  size    5 KiB"]
    assert lines[2].startswith("  text    word word") and lines[3].startswith("          word")
    assert lines[-1] == "  none    -"
    assert max(map(len, lines)) <= LINE_WIDTH


def test_control_characters_of_a_foreign_value_are_replaced() -> None:
    assert facts_text("file", [("name", "a\x1b[2J")], 8) == ["file", "  name    a?[2J"]
