"""Finds the whole lines at the end of a log after a power cut."""

import json


def repaired_tail(first: bytes, tail: bytes) -> bytes | None:
    """The whole lines that must stand instead of ``tail``; None if the file is no log.

    first: the first line of the file; tail: its last bytes, or all of them.

    A power cut leaves a part of a line, and zeros where data had not reached the disk. A last line
    that only lacks its line break gets one.
    """
    *lines, last = tail.split(b"\n")
    if _is_line(last):
        return tail + b"\n" if _is_line(first) else None
    while lines and not _is_line(lines[-1]):
        lines.pop()
    is_first_line = b"\n" not in tail and last[:1] in {b"", b"{", b"\0"}  # the only one, and cut
    is_log = _is_line(first) or first.startswith(b"\0")
    if is_first_line or (lines and is_log):
        return b"".join(line + b"\n" for line in lines)
    return None


def _is_line(text: bytes) -> bool:
    try:
        return isinstance(json.loads(text), dict)
    except (ValueError, RecursionError):
        return False
