"""What the targets share: limits, seeds and a working folder.

Each target is a program, `python fuzz/TARGET.py [options of libFuzzer]`; `make fuzz` runs them one
after the other. A finding is a file .fuzz/TARGET-crash-*: `python fuzz/TARGET.py FILE` repeats it.
"""

import sys
import warnings
from collections.abc import Callable
from pathlib import Path

import atheris
from seed import FOLDER, MACHINE

__all__ = ["FOLDER", "MACHINE", "choose_from", "fuzz"]
# The memory is that of a campaign: onnxruntime keeps its 384 MiB, and the fuzzer grows. The tests
# limit single inputs to a GiB.
LIMITS = ["-rss_limit_mb=2048", "-timeout=25", "-report_slow_units=10", "-len_control=0"]


def choose_from(data: bytes) -> Callable[[int], int]:
    """Integers from 0 to n - 1 out of the fuzzer's bytes; 0 where they end."""
    provider = atheris.FuzzedDataProvider(data)
    return lambda n: int(provider.ConsumeIntInRange(0, n - 1))


def fuzz(target: Callable[[bytes], object], seeds: dict[str, bytes]) -> None:
    """Run ``target`` until it fails or the time given by ``-max_total_time=`` is over."""
    name = Path(sys.argv[0]).stem
    corpus = FOLDER / "corpus" / name
    corpus.mkdir(parents=True, exist_ok=True)
    for key, content in seeds.items():
        (corpus / key).write_bytes(content)
    inputs = [] if any(Path(argument).is_file() for argument in sys.argv[1:]) else [str(corpus)]
    warnings.simplefilter("ignore")  # NumPy's, of numbers that overflow: what they become is judged
    atheris.Setup(
        [sys.argv[0], *LIMITS, f"-artifact_prefix={FOLDER}/{name}-", *sys.argv[1:], *inputs], target
    )
    atheris.Fuzz()
