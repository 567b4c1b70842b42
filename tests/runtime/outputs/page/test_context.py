"""What the requests of the page share."""

from edgeae.runtime.outputs.page.access import PageAccess
from edgeae.runtime.outputs.page.context import PageContext, PageLimits
from edgeae.runtime.outputs.page.history import History
from edgeae.runtime.outputs.page.history_store import HistoryStore


def test_viewers_and_files_are_limited_apart() -> None:
    limits = PageLimits(max_viewers=2, max_files=1)
    context = PageContext(History(), HistoryStore(), PageAccess(), b"", "", 1.0, limits)
    assert context.free_files.acquire(blocking=False)
    assert not context.free_files.acquire(blocking=False)
    assert [context.free_viewers.acquire(blocking=False) for _ in range(3)] == [True, True, False]
