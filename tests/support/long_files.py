"""How the test processes share the work: a whole file each, the longest ones first.

Otherwise a process that begins with a long file when the others have finished would go on alone.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from xdist.scheduler import LoadFileScheduling

if TYPE_CHECKING:
    import pytest

# The longest first; every other file takes less than about ten seconds (`make durations`).
LONG_FILES = (
    "tests/test_docs_run.py",
    "tests/test_real_recordings.py",
    "tests/train/test_processes.py",
    "tests/evaluate/test_cli.py",
    "tests/runtime/outputs/page/test_page.py",
    "tests/evaluate/report/test_evaluation.py",
    "tests/evaluate/test_demo.py",
    "tests/runtime/outputs/test_lifecycle.py",
    "tests/runtime/test_hostile_input.py",
    "tests/calibrate/test_cli.py",
    "tests/runtime/monitoring/test_drift.py",
    "tests/runtime/outputs/mqtt/test_sink.py",
    "tests/runtime/commands/test_run.py",
    "tests/runtime/charts/test_charts.py",
    "tests/train/test_training.py",
    "tests/evaluate/results/test_scores.py",
    "tests/quantize/test_fit_fleet.py",
    "tests/runtime/test_killed_listener.py",
    "tests/runtime/live/test_listen.py",
    "tests/test_install_on_device.py",
    "tests/runtime/test_soak.py",
    "tests/train/synth/test_difficulty.py",
    "tests/evaluate/dataset/test_page.py",
    "tests/quantize/test_cli.py",
    "tests/contrib/test_score.py",
    "tests/runtime/test_power_loss.py",
    "tests/test_pi.py",
    "tests/runtime/offline/test_files.py",
    "tests/evaluate/results/test_torch_detector.py",
    "tests/test_notebooks.py",
    "tests/train/test_cli.py",
)
# Files with long tests that share nothing but the trained artifacts: a test is a unit of work.
SPLIT_FILES = ("tests/test_docs_run.py",)


def file_of(node_id: str) -> str:
    """The test file of a test."""
    return node_id.partition("::")[0]


def longest_first(items: Sequence["pytest.Item"]) -> list["pytest.Item"]:
    """The same tests, those of `LONG_FILES` first and all others in their order."""
    ranks = {name: rank for rank, name in enumerate(LONG_FILES)}
    return sorted(items, key=lambda item: ranks.get(file_of(item.nodeid), len(ranks)))


class LongFilesFirst(LoadFileScheduling):  # type: ignore[misc]
    """Sends the tests to the processes in their order, by files or, if they are split, by tests."""

    def __init__(self, config: Any, log: Any = None) -> None:
        config.option.loadscopereorder = False  # by number of tests
        super().__init__(config, log)

    def _split_scope(self, nodeid: str) -> str:
        file = file_of(nodeid)
        return nodeid if file in SPLIT_FILES else file
