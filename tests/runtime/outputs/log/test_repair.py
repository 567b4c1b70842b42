"""The end of a log after a power cut, without a file."""

import pytest

from edgeae.runtime.outputs.log.repair import repaired_tail

LINE = b'{"seq": 1}'


@pytest.mark.parametrize(
    ("first", "tail", "whole"),
    [
        (b"", b"", b""),
        (LINE, LINE + b"\n", LINE + b"\n"),
        (LINE, LINE + b"\n" + LINE, LINE + b"\n" + LINE + b"\n"),
        (LINE, LINE + b'\n{"se', LINE + b"\n"),
        (LINE, LINE + b"\n\0\0\0", LINE + b"\n"),
        (b'{"se', b'{"se', b""),
        (b"\0\0", b"\0\0", b""),
        (b'\0\0"}', b'\0\0"}\n' + LINE + b"\n", b'\0\0"}\n' + LINE + b"\n"),
    ],
)
def test_whole_lines_are_kept_and_a_part_of_a_line_is_cut(
    first: bytes, tail: bytes, whole: bytes
) -> None:
    assert repaired_tail(first, tail) == whole


@pytest.mark.parametrize(
    ("first", "tail"),
    [(b"a, b", b"a, b\n1, 2\n"), (b"words", b"words"), (b"RIFF", LINE), (b"[1]", b"[1]\n")],
)
def test_a_file_of_something_else_is_no_log(first: bytes, tail: bytes) -> None:
    assert repaired_tail(first, tail) is None
