"""Events and lost microphones reach people, few at a time."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from example_lines import ONE_OF_EACH, event, score, status

from edgeae.runtime.outputs.lines import RunLine
from edgeae.runtime.outputs.notify.delivery import DeliveryLimits
from edgeae.runtime.outputs.notify.service import open_services
from edgeae.runtime.outputs.notify.sink import Notify

from .conftest import Ntfy

QUICK = DeliveryLimits(clip_seconds=20.0, check_seconds=0.05, first_pause_seconds=0.05)
Open = Callable[..., Notify]


@pytest.fixture
def open_notify(ntfy: Ntfy) -> Iterator[Open]:
    """``open_notify(*lines, **options)``: a sink that has received lines, to the server."""
    sinks: list[Notify] = []

    def make(*lines: RunLine, **options: Any) -> Notify:
        sink = Notify(open_services([ntfy.url()]), **{"limits": QUICK, **options})
        sinks.append(sink)
        for line in lines:
            if sink.wants(line):
                sink.deliver(line)
        return sink

    yield make
    for sink in sinks:
        sink.close()


def test_start_and_end_of_an_alarm_are_sent(open_notify: Open, ntfy: Ntfy) -> None:
    lines = [event("start"), score(3.0), event("update"), event("burst", kind="burst")]
    open_notify(*lines, event("end", duration=60.0), page_url="https://pi.lan:8321/")
    start, end = ntfy.wait_for(2)
    assert (start.title, end.title) == ("ALARM pump-3", "Alarm over: pump-3")
    assert start.text.endswith("https://pi.lan:8321/")


def test_the_alarm_waits_for_its_clip(open_notify: Open, ntfy: Ntfy, tmp_path: Path) -> None:
    clip = tmp_path / "clip.flac"
    open_notify(event("start", clip=str(clip)))
    assert ntfy.received == []
    # As clips are written: beside, then renamed.
    unfinished = tmp_path / "unfinished.flac"
    soundfile.write(unfinished, np.random.default_rng(1).normal(0, 0.1, 32000), 16000)
    unfinished.rename(clip)
    assert [one.file_name for one in ntfy.wait_for(2)] == ["clip.png", "clip.flac"]


def test_a_service_that_refuses_files_receives_the_text(
    open_notify: Open, ntfy: Ntfy, tmp_path: Path
) -> None:
    ntfy.refuses_files = True
    clip = tmp_path / "clip.flac"
    soundfile.write(clip, np.random.default_rng(1).normal(0, 0.1, 32000), 16000)
    open_notify(event("start", clip=str(clip)))
    [received] = ntfy.wait_for(1)
    assert received.title == "ALARM pump-3"


def test_a_microphone_that_stays_away_is_reported_and_so_is_its_return(
    open_notify: Open, ntfy: Ntfy
) -> None:
    sink = open_notify(status("lost", sentence="unplugged"), lost_seconds=0.0)
    [lost] = ntfy.wait_for(1)
    assert lost.title == "Microphone lost: pump-3"
    sink.deliver(status("lost", sentence="still"))
    sink.deliver(status("listening"))
    assert [one.title for one in ntfy.wait_for(2)][1:] == ["Microphone back: pump-3"]


def test_a_microphone_that_is_back_soon_is_no_news(open_notify: Open, ntfy: Ntfy) -> None:
    sink = open_notify(status("lost", sentence="unplugged"), lost_seconds=0.3)
    sink.deliver(status("listening"))
    sink.deliver(event("start"))
    [received] = ntfy.wait_for(1)
    assert received.title == "ALARM pump-3"


def test_a_lost_microphone_delays_no_alarm_and_is_not_reported_at_the_end(
    open_notify: Open, ntfy: Ntfy
) -> None:
    lost = status("lost", source="hw:2", machine="fan-2")
    sink = open_notify(lost, event("start"), lost_seconds=86_400.0)
    assert [one.title for one in ntfy.wait_for(1)] == ["ALARM pump-3"]
    sink.close()
    assert len(ntfy.received) == 1
    assert sink.lost == 0


def test_a_storm_is_cut_and_the_next_notification_says_so(open_notify: Open, ntfy: Ntfy) -> None:
    sink = open_notify(max_per_hour=2)
    for _ in range(10):
        sink.deliver(event("start"))
        sink.deliver(event("end"))
    other = event("start", source="hw:2", machine="fan-2")
    sink.deliver(other)
    assert [one.title for one in ntfy.wait_for(3)][2] == "ALARM fan-2"
    assert len(ntfy.received) == 3


def test_a_service_that_is_down_is_reported_and_receives_the_message_later(
    open_notify: Open, ntfy: Ntfy
) -> None:
    ntfy.refuse = 2
    sink = open_notify(event("start"))
    ntfy.wait_for(1)
    assert sink.lost == 0


def test_lines_about_outputs_and_scores_are_not_wanted(open_notify: Open) -> None:
    sink = open_notify()
    assert [sink.wants(line) for line in ONE_OF_EACH] == [False, True, False, True]
    assert not sink.wants(status("degraded", source="edgeae", machine=None))
