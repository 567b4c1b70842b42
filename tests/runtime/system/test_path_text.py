"""Names of files as text and back."""

import json
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeae.runtime.system.path_text import is_utf8, path_of, path_text


@pytest.mark.parametrize(
    ("name", "text"),
    [
        (b"normal_00.wav", "normal_00.wav"),
        ("défaut.wav".encode(), "défaut.wav"),
        (b"d\xe9faut.wav", r"d\xe9faut.wav"),
        (rb"d\xe9faut.wav", r"d\x5cxe9faut.wav"),
        (b"C:\\xx.wav", "C:\\xx.wav"),
    ],
)
def test_a_path_is_valid_unicode(name: bytes, text: str) -> None:
    path = Path(os.fsdecode(name))
    assert path_text(path) == text
    assert path_of(text) == path


@given(st.binary(min_size=1).filter(lambda name: not {0, 47} & set(name) and name != b"."))
def test_each_path_is_recovered(name: bytes) -> None:
    path = Path(os.fsdecode(name))
    text = path_text(path)
    assert json.loads(json.dumps(text).encode("ascii")) == text
    text.encode("utf-8")
    assert os.fsencode(path_of(text)) == name


def test_utf8_is_recognised() -> None:
    assert is_utf8(Path("défaut"))
    assert not is_utf8(Path(os.fsdecode(b"d\xe9faut")))
