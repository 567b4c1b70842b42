"""The page in a real browser: in both themes, on a phone, and when the server goes away."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import soundfile
from example_lines import about, bands, event, gap, score, status
from numpy.typing import NDArray
from ports import reserved_port

from edgeae.runtime.outputs.feedback import FeedbackQueue, NormalMessage
from edgeae.runtime.outputs.lines import Line, RunLine
from edgeae.runtime.outputs.page.history import History
from edgeae.runtime.outputs.page.history_database import StoredMinute
from edgeae.runtime.outputs.page.history_store import HistoryStore
from edgeae.runtime.outputs.page.server import PageServer

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page, Request

pytestmark = pytest.mark.slow

HOSTILE = "<img src=x onerror=\"document.title='hacked'\">"
Show = Callable[..., "Page"]


class Lines:
    """The page's two sinks, which receive all lines."""

    def __init__(self, *lines: Line) -> None:
        self.history = History()
        self.store = HistoryStore()
        for line in lines:
            self.deliver(line)

    def deliver(self, line: Line) -> None:
        if isinstance(line, RunLine):
            # Outputs receive a line soon after its sound.
            line = replace(line, time=datetime.now(UTC).isoformat())
        if self.store.wants(line):
            self.store.deliver(line)
        self.history.deliver(line)

    def serve(self, address: str = "127.0.0.1:0", **options: Any) -> PageServer:
        return PageServer(address, self.history, self.store, message_seconds=0.05, **options)


@pytest.fixture
def history() -> Lines:
    return Lines(about(), status("listening"), bands(90), score(-1.2))


@pytest.fixture
def server(history: Lines) -> Iterator[PageServer]:
    made = history.serve()
    yield made
    made.close()


@pytest.fixture
def port() -> Iterator[int]:
    """A free port."""
    with reserved_port() as port:
        yield port


@pytest.fixture
def show(browser: "Browser") -> "Iterator[Show]":
    """``show(port, theme="light", width=1000)``: the page in a browser.

    Its console stays empty except for lost connections, and it uses no other server.
    """
    messages: list[str] = []
    contexts = []

    def open_(port: int, theme: Any = "light", width: int = 1000) -> "Page":
        context = browser.new_context(color_scheme=theme, viewport={"width": width, "height": 844})
        contexts.append(context)
        page = context.new_page()

        def check_request(request: "Request") -> None:
            if not request.url.startswith((f"http://127.0.0.1:{port}/", "blob:", "data:")):
                messages.append(request.url)

        page.on("console", lambda message: messages.append(message.text))
        page.on("pageerror", lambda error: messages.append(str(error)))
        page.on("request", check_request)
        page.goto(f"http://127.0.0.1:{port}/")
        return page

    yield open_
    for context in contexts:
        context.close()
    # Servers that a test ends, and canvases that it reads.
    expected = ("Failed to load resource", "ERR_", "getImageData")
    assert [text for text in messages if not any(part in text for part in expected)] == []


def wait(page: "Page", selector: str, text: str) -> None:
    """Until an element's text holds ``text``."""
    page.wait_for_function(
        "([selector, text]) => document.querySelector(selector).innerText.includes(text)",
        arg=[selector, text],
    )


def test_the_state_is_shown_in_words(history: Lines, server: PageServer, show: Show) -> None:
    page = show(server.port)
    wait(page, "#verdict", "Normal")
    wait(page, "#numbers", "pump-3 (hw:1): score \u22121.20, alarm from 0.80, \u221231.2 dBFS")
    assert page.inner_text("#link") == "live"
    assert not page.locator("#machines").is_visible(), "there is one machine"
    history.deliver(score(1.5))
    wait(page, "#verdict", "Above the threshold, no alarm yet")
    history.deliver(event("start"))
    wait(page, "#verdict", "ALARM since")
    wait(page, "#verdict", ": 2 to 3 kHz: 6.0 dB louder")
    assert page.title() == "ALARM pump-3 (hw:1)"
    history.deliver(event("end", duration=31.0, sentence="normal again; it was: 2 to 3 kHz"))
    history.deliver(score(-1.0))
    wait(page, "#verdict", "Normal")
    wait(page, "#events", "31 s, highest score 2.00")
    wait(page, "#events", "normal again; it was: 2 to 3 kHz")
    history.deliver(status("silence", sentence="check the microphone and its cable"))
    history.deliver(score(-9.0, health="silence"))
    wait(page, "#verdict", "Not judged: check the microphone and its cable")
    history.deliver(status("paused"))
    wait(page, "#verdict", "Paused: a person paused the scoring")
    history.deliver(status("resumed"))
    wait(page, "#verdict", "Not judged")
    history.deliver(gap(1.5, "unplugged"))
    history.deliver(status("lost", sentence="the device is gone"))
    wait(page, "#verdict", "Microphone lost, no sound since")
    wait(page, "#facts", "Gaps\n1, 1.5 s lost; the last at")


def test_the_facts_show_the_calibration_and_the_budget(server: PageServer, show: Show) -> None:
    page = show(server.port)
    wait(page, "#facts", "pump-3, from 60 windows of 10 s")
    facts = page.inner_text("#facts")
    assert "3 of 5 windows above 0.80; budget of 1/week false alarms" in facts
    assert "m.onnx" in facts
    assert "synchronised" in facts


def painted(page: "Page", canvas: str) -> int:
    """Points of a canvas that are not empty."""
    n_points: int = page.evaluate(
        "id => { const c = document.getElementById(id); return c.getContext('2d')"
        ".getImageData(0, 0, c.width, c.height).data.filter((v, k) => k % 4 === 3 && v).length }",
        canvas,
    )
    return n_points


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1000])
def test_the_page_fits_the_screen_and_draws_its_charts(
    history: Lines, server: PageServer, show: Show, theme: str, width: int
) -> None:
    for k in range(60):
        history.deliver(bands(60 + k, residual=128 + k))
        history.deliver(score(0.02 * k, age=60.0 - k))
    page = show(server.port, theme, width)
    wait(page, "#numbers", "1.18")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.wait_for_function("() => document.getElementById('scale').innerText.includes('dB')")
    assert painted(page, "spectrogram") > 0.15 * painted(page, "scores")
    for canvas in ("scores", "spectrogram", "levels", "residual"):
        assert painted(page, canvas) > 500
        box = page.locator(f"#{canvas}").bounding_box()
        assert box
        assert box["x"] + box["width"] <= width
    assert page.get_attribute("#scores", "aria-label") == (
        "Score over the last 10 min: from \u22121.2 to 1.2, threshold 0.8, 0 alarms"
    )
    assert page.get_attribute("#residual", "aria-label") == (
        "Residual by band: the largest is 14.8 dB above normal at 100 Hz"
    )
    paper = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert paper == ("rgb(255, 255, 255)" if theme == "light" else "rgb(13, 17, 23)")


def test_the_chart_shows_the_threshold_that_holds_after_learning(
    history: Lines, server: PageServer, show: Show
) -> None:
    page = show(server.port)
    wait(page, "#legend", "dashes: threshold 0.80")
    history.deliver(replace(score(1.0), threshold=1.93))
    wait(page, "#numbers", "alarm from 1.93")
    wait(page, "#legend", "dashes: threshold 1.93")


def test_the_keyboard_selects_the_time_that_is_shown(server: PageServer, show: Show) -> None:
    page = show(server.port)
    wait(page, "#legend", "one point a second")
    page.get_by_role("button", name="6 h").focus()
    page.keyboard.press("Enter")
    wait(page, "#legend", "mean, lowest and highest of each minute")
    assert page.get_by_role("button", name="6 h").get_attribute("aria-pressed") == "true"


def test_every_machine_is_listed_and_can_be_selected(
    history: Lines, server: PageServer, show: Show
) -> None:
    for line in (
        about("hw:2", "fan-2"),
        status("listening", "hw:2", machine="fan-2"),
        score(2.0, "hw:2", machine="fan-2"),
    ):
        history.deliver(line)
    history.deliver(event("start", "hw:2", machine="fan-2", sentence="a rattle"))
    page = show(server.port)
    wait(page, "#machines", "fan-2 (hw:2)\nALARM since")
    wait(page, "#verdict", "Normal")
    page.get_by_role("button", name="fan-2").click()
    wait(page, "#verdict", "ALARM since")
    wait(page, "#events", "a rattle")


def test_names_and_sentences_are_shown_as_text_and_not_as_html(show: Show) -> None:
    history = Lines()
    for line in (
        about(HOSTILE, HOSTILE),
        status("listening", HOSTILE, machine=HOSTILE, sentence=HOSTILE),
    ):
        history.deliver(line)
    history.deliver(score(1.5, HOSTILE, machine=HOSTILE))
    history.deliver(event("start", HOSTILE, machine=HOSTILE, sentence=HOSTILE))
    server = history.serve()
    page = show(server.port)
    wait(page, "#verdict", HOSTILE)
    wait(page, "#events", HOSTILE)
    assert page.locator("img").count() == 0
    assert page.title() == f"ALARM {HOSTILE}"
    server.close()


TOKEN = "a-token-that-is-long-enough"


@pytest.mark.parametrize("width", [390, 1000])
def test_who_knows_the_token_says_on_the_page_that_the_sound_was_normal(
    history: Lines, show: Show, width: int
) -> None:
    queue = FeedbackQueue()
    server = history.serve(token=TOKEN, queue=queue)
    page = show(server.port, width=width)
    page.get_by_role("button", name="That was normal").click()
    wait(page, "#effect", "learns the sound of the last hour of pump-3 (hw:1) as normal")
    token = page.get_by_label("Token of this page")
    token.fill("not the token of it")
    page.keyboard.press("Enter")
    wait(page, "#refusal", "the token is wrong")
    assert queue.pop_all() == []
    token.fill(TOKEN)
    page.get_by_role("button", name="Learn it").click()
    wait(page, "#answer", "sent")
    assert queue.pop_all() == [NormalMessage("hw:1", "page")]
    assert not token.is_visible()
    history.deliver(status("accepted", sentence="the sound was called normal: 9 minutes"))
    wait(page, "#answer", ": the sound was called normal: 9 minutes")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    server.close()


def test_without_a_token_there_is_no_button(server: PageServer, show: Show) -> None:
    page = show(server.port)
    wait(page, "#verdict", "Normal")
    assert not page.get_by_role("button", name="That was normal").is_visible()


def test_a_lost_connection_is_shown_and_restored(history: Lines, show: Show, port: int) -> None:
    first = history.serve(f"127.0.0.1:{port}")
    page = show(port)
    wait(page, "#verdict", "Normal")
    first.close()
    wait(page, "#link", "connection lost at")
    wait(page, "#verdict", "Last known: Normal")
    again = Lines(about(), status("listening"), score(3.25))
    second = again.serve(f"127.0.0.1:{port}")
    wait(page, "#numbers", "score 3.25")
    assert page.inner_text("#link") == "live"
    second.close()


def test_the_sound_of_an_event_is_played(
    history: Lines, server: PageServer, show: Show, tmp_path: Path
) -> None:
    clip = tmp_path / "clip.flac"
    history.deliver(event("start", clip=str(clip)))
    page = show(server.port)
    listen = page.get_by_role("button", name="Listen")
    listen.click()
    wait(page, "#events", "not complete yet")
    soundfile.write(clip, np.sin(np.arange(8000) / 5) / 2, 16000)
    listen.click()
    page.wait_for_function("() => document.querySelector('audio')?.duration === 0.5")


def test_the_page_shows_the_machine_that_edgeae_run_scores(
    show: Show, machine: Path, sound: NDArray[np.int16], tmp_path: Path
) -> None:
    command = [
        sys.executable,
        "-c",
        "from edgeae.runtime.commands.cli import main; main()",
        "run",
        str(machine),
        "-",
    ]
    with (
        (tmp_path / "out").open("wb") as out,
        subprocess.Popen(
            [*command, "--page", "127.0.0.1:0", "--json"],
            stdin=subprocess.PIPE,
            stdout=out,
            stderr=subprocess.PIPE,
        ) as process,
    ):
        assert process.stdin
        assert process.stderr
        os.write(process.stdin.fileno(), sound.tobytes())
        line = process.stderr.readline().decode()
        match = re.fullmatch(r"edgeae: live page at http://127\.0\.0\.1:(\d+)/\n", line)
        assert match, line
        page = show(int(match[1]))
        wait(page, "#facts", "id_03, from ")
        wait(page, "#numbers", "id_03 (stdin): score ")
        wait(page, "#scale", "one column a second, dark")
        assert painted(page, "spectrogram") > 500
        process.send_signal(signal.SIGTERM)
        process.stdin.close()
    assert process.returncode == 0
    assert '"bands"' not in re.sub(r'"type": "event".*', "", (tmp_path / "out").read_text()), (
        "for the page alone"
    )


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1000])
def test_an_alarm_is_seen_at_a_glance_with_what_to_do_next(
    history: Lines, show: Show, theme: str, width: int
) -> None:
    server = history.serve(token=TOKEN, queue=FeedbackQueue())
    history.deliver(event("start"))
    page = show(server.port, theme, width)
    wait(page, "#verdict", "ALARM since")
    wait(page, "#advice", "What to do: look at the machine and listen to the event below.")
    fill = page.evaluate("getComputedStyle(document.getElementById('verdict')).backgroundColor")
    assert fill == ("rgb(179, 23, 15)" if theme == "light" else "rgb(164, 22, 26)")
    box = page.locator("#verdict").bounding_box()
    assert box and box["y"] + box["height"] < 500, "without scrolling"
    assert page.get_by_role("button", name="Confirmed fault").first.is_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    server.close()


@pytest.mark.parametrize("width", [390, 1000])
def test_events_are_filtered_and_judged(history: Lines, show: Show, width: int) -> None:
    queue = FeedbackQueue()
    server = history.serve(token=TOKEN, queue=queue)
    for line in (
        event("start", sentence="a hum"),
        event("end", duration=9.0, sentence="it was: a hum"),
        event("burst", kind="burst", sentence="a bang"),
        status("lost", sentence="unplugged"),
        status("listening"),
    ):
        history.deliver(line)
    page = show(server.port, width=width)
    wait(page, "#events", "unplugged")
    assert page.locator("#events li").count() == 3
    page.get_by_label("Kind of event").select_option("alarm")
    page.wait_for_function("() => document.querySelectorAll('#events li').length === 1")
    wait(page, "#events", "it was: a hum")
    page.locator("#events").get_by_role("button", name="Confirmed fault").click()
    page.get_by_label("Token of this page").fill(TOKEN)
    page.get_by_role("button", name="Mark it").click()
    wait(page, "#events", "confirmed fault")
    assert page.inner_text("#session") == "Log out"
    page.locator("#events").get_by_role("button", name="That was normal").click()
    assert not page.get_by_label("Token of this page").is_visible(), "the browser is logged in"
    page.get_by_role("button", name="Mark it as normal").click()
    # Not in all of the list, where a button says "That was normal".
    wait(page, "#events .badge", "was normal")
    assert queue.pop_all() == [NormalMessage("hw:1", "page")]
    page.get_by_label("only those that nobody has judged or seen").check()
    wait(page, "#events", "none of this kind")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    server.close()


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1000])
def test_other_computers_see_a_login_first(
    history: Lines, show: Show, theme: str, width: int
) -> None:
    server = history.serve("0.0.0.0:0", token=TOKEN)
    page = show(server.port, theme, width)
    wait(page, "#login", "This page needs its token")
    wait(page, "#link", "not logged in")
    assert page.inner_text("#link") == "not logged in"
    assert not page.locator("main").is_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    token = page.get_by_label("Token", exact=True)
    token.fill("not the token of it")
    page.keyboard.press("Enter")
    wait(page, "#login-answer", "the token is wrong")
    token.fill(TOKEN)
    page.keyboard.press("Enter")
    wait(page, "#verdict", "Normal")
    assert not page.locator("#login").is_visible()
    page.reload()
    wait(page, "#verdict", "Normal")
    server.close()


def test_the_chart_of_days_shows_what_is_stored(
    history: Lines, server: PageServer, show: Show
) -> None:
    now = int(time.time() // 60)
    minutes = [StoredMinute(1, now - k, -1.5, -1.0, 4.5) for k in range(60, 3000)]
    history.store._database.add_minutes(minutes)
    page = show(server.port)
    wait(page, "#verdict", "Normal")
    page.get_by_role("button", name="7 days").click()
    page.wait_for_function(
        "text => document.getElementById('scores').ariaLabel.includes(text)",
        arg="last 7 days: from \u22121.5 to 4.5",
    )
