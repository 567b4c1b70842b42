"""What an evaluation has found so far."""

import json
import os
from pathlib import Path

import pytest

from edgeae.evaluate.results.result_cache import ResultCache, key_of


def test_what_was_found_before_an_interruption_is_known(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "memo.jsonl"
    with pytest.raises(KeyboardInterrupt), ResultCache(path) as cache:
        assert cache.get_or_compute("a", lambda: [0.1, None]) == [0.1, None]
        raise KeyboardInterrupt
    path.write_bytes(path.read_bytes() + b'["b", 0.2]\n["c", 0.')  # torn by a kill
    with pytest.raises(KeyboardInterrupt), ResultCache(path) as cache:
        assert len(cache) == 2 and "c" not in cache
        assert cache.get_or_compute("a", lambda: 1 // 0) == [0.1, None]
        cache.get_or_compute("c", lambda: 0.3)
        raise KeyboardInterrupt
    with ResultCache(path) as cache:
        assert cache.get_or_compute("c", lambda: 1 // 0) == 0.3


def test_the_file_goes_when_all_is_done(tmp_path: Path) -> None:
    with ResultCache(tmp_path / "memo.jsonl") as cache:
        cache.get_or_compute("a", lambda: 1)
        assert (tmp_path / "memo.jsonl").exists()
    assert not (tmp_path / "memo.jsonl").exists()


@pytest.mark.parametrize(
    "damage", [b"\xff\0\n", b'{"a": 1}\n7\nnull\n[1]\n', b'[["a"], 1]\n', b"[" * 100_000]
)
def test_a_damaged_file_is_computed_again(tmp_path: Path, damage: bytes) -> None:
    (tmp_path / "memo.jsonl").write_bytes(damage)
    with ResultCache(tmp_path / "memo.jsonl") as cache:
        assert cache.get_or_compute("a", lambda: 1) == 1


def test_a_key_is_of_parts_and_files(tmp_path: Path) -> None:
    path = tmp_path / "file"
    keys = [key_of("a", files=[path])]
    path.write_text("one")
    keys += [key_of("a", files=[path]), key_of("b", files=[path])]
    os.utime(path, (1, 1))
    keys.append(key_of("a", files=[path]))
    assert len(set(keys)) == len(keys)
    assert keys[-1] == key_of("a", files=[path])
    assert json.dumps(keys)
