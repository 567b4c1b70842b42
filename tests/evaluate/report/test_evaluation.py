"""The page of an evaluation, in a real browser: no network, both themes, the width of a phone."""

import json
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from click.testing import CliRunner

from edgeae.evaluate.report.evaluation import Evaluation, judged_machines
from edgeae.evaluate.results.recording_scores import MachineTest
from edgeae.evaluate.results.summary import summarise
from edgeae.runtime.commands.cli import cli, run_command
from edgeae.runtime.features.log_mel_file import read_log_mel
from edgeae.runtime.features.mel import MelSpec
from edgeae.runtime.model.artifact import Artifact
from edgeae.runtime.scoring.detector import Detector

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Dialog, Page, Request

    from tests.conftest import Trained

pytestmark = pytest.mark.slow

MAX_PAGE_BYTES = 900_000
NASTY = "anomaly_id_03_<img src=x onerror=alert(1)>&.wav"
VIEWS = [("light", 1200), ("dark", 1200), ("light", 390), ("dark", 390)]
OUTSIDE_WORDS = """[...document.querySelectorAll("svg text")].filter(text => {
    const a = text.getBoundingClientRect(), b = text.ownerSVGElement.getBoundingClientRect()
    return a.left < b.left - 1 || a.right > b.right + 1 ||
           a.top < b.top - 1 || a.bottom > b.bottom + 1
  }).map(text => text.textContent)"""
IMAGE_WIDTHS = """Promise.all([...document.querySelectorAll("svg image")].map(async image => {
    const loaded = new Image(); loaded.src = image.href.baseVal; await loaded.decode()
    return loaded.naturalWidth }))"""
SOUND_SECONDS = """Promise.all([...document.querySelectorAll("audio")].map(
    audio => new Promise((done, fail) => {
      audio.onloadedmetadata = () => done(audio.duration)
      audio.onerror = () => fail(audio.error.message)
      audio.load() })))"""
PAPER_AND_INK = """[getComputedStyle(document.body).backgroundColor,
    getComputedStyle(document.body).color]"""


@dataclass(frozen=True)
class Evaluated:
    page: Path
    summary: dict[str, Any]


def evaluate(folder: Path, *arguments: object) -> Evaluated:
    """Run `edgeae evaluate` and return its page and its JSON object."""
    command = ["evaluate", *map(str, arguments), "-o", str(folder), "--json"]
    result = CliRunner().invoke(cli, command)
    assert result.exit_code == 0, result.output
    return Evaluated(folder / "report.html", json.loads(result.stdout))


@pytest.fixture(scope="module")
def evaluated(trained: "Trained", tmp_path_factory: pytest.TempPathFactory) -> Evaluated:
    """Machine id_03 under a name that is markup, calibrated on five clips, and the float file."""
    root = tmp_path_factory.mktemp("report")
    data = shutil.copytree(trained.new, root / "<b>new</b>&")
    next((data / "test").glob("anomaly*")).rename(data / "test" / NASTY)
    return evaluate(root, trained.int8, data, "--calibration-clips", 5, "--against", trained.float_)


@dataclass(frozen=True)
class OpenPage:
    page: "Page"
    complaints: list[str]  # of the console, and requests


@pytest.fixture(params=VIEWS, ids=lambda view: f"{view[0]}-{view[1]}")
def shown(
    request: pytest.FixtureRequest, browser: "Browser", evaluated: Evaluated
) -> Iterator[OpenPage]:
    """The page in a browser; and what it reported on the console or requested."""
    theme, width = request.param
    context = browser.new_context(
        color_scheme=theme, viewport={"width": width, "height": 844}, offline=True
    )
    page = context.new_page()
    complaints: list[str] = []

    def on_dialog(dialog: "Dialog") -> None:
        complaints.append(dialog.message)
        dialog.dismiss()

    def on_request(request: "Request") -> None:
        if not request.url.startswith(("data:", "file:")):
            complaints.append(request.url)

    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("dialog", on_dialog)
    page.on("request", on_request)
    page.goto(evaluated.page.as_uri())
    yield OpenPage(page, complaints)
    context.close()


def test_the_page_is_quiet_fits_and_asks_for_nothing(shown: OpenPage) -> None:
    page = shown.page
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert page.evaluate("[...document.images].length") == 0  # nobody's file name became one
    assert not shown.complaints


def test_sounds_play_and_charts_have_names(shown: OpenPage) -> None:
    seconds = shown.page.evaluate(SOUND_SECONDS)
    assert len(seconds) >= 2 and all(3.5 < length < 12 for length in seconds)
    names = shown.page.eval_on_selector_all(
        "svg", "charts => charts.map(chart => chart.getAttribute('aria-label'))"
    )
    assert len(names) == 3 + 3 * len(seconds) + 2 and all(names)
    assert shown.page.eval_on_selector_all(
        "audio, [role=region]", "elements => elements.every(element => element.ariaLabel)"
    )


def test_pictures_are_drawn_and_words_are_within_their_charts(shown: OpenPage) -> None:
    assert shown.page.evaluate(OUTSIDE_WORDS) == []
    widths = shown.page.evaluate(IMAGE_WIDTHS)
    assert widths and min(widths) >= 1


def test_paper_and_ink_are_those_of_the_theme(shown: OpenPage) -> None:
    page = shown.page
    dark = page.evaluate("matchMedia('(prefers-color-scheme: dark)').matches")
    paper, ink = page.evaluate(PAPER_AND_INK)
    assert (paper == "rgb(13, 17, 23)") is dark
    assert page.evaluate("getComputedStyle(document.querySelector('figure .head')).color") == ink
    soft = page.evaluate("getComputedStyle(document.querySelector('p.soft')).color")
    assert page.evaluate("getComputedStyle(document.querySelector('svg text')).fill") == soft


def test_the_usability_stands_first_and_the_ranking_is_that_of_the_numbers(
    shown: OpenPage, evaluated: Evaluated
) -> None:
    mean = evaluated.summary["mean"]["auc"]
    worst = evaluated.summary["worst"]
    baseline = evaluated.summary["no_network"]["auc"]
    assert shown.page.inner_text("h1 + p.verdict").startswith("Unknown whether it is usable: ")
    assert shown.page.inner_text("p.ranking") == (
        f"Of 100 pairs of a normal and an anomalous recording, {100 * mean:.1f} are ranked "
        f"correctly on average (AUC {mean:.3f}), {100 * worst['auc']:.1f} on the worst machine "
        f"({worst['machine']}); without a network {100 * baseline:.1f} are."
    )
    headings = shown.page.locator("h1, h2").all_text_contents()
    assert headings[:2] == ["Evaluation", "What to do next"]
    assert headings[-1] == "Provenance"
    assert len(headings) == 8


def test_names_that_are_markup_are_shown_as_they_are(shown: OpenPage) -> None:
    assert "<b>new</b>&" in shown.page.inner_text("p.soft >> nth=0")
    assert shown.page.locator("main b").count() == 0


def test_the_page_is_light_and_holds_its_provenance(evaluated: Evaluated) -> None:
    text = evaluated.page.read_text()
    assert len(text.encode()) < MAX_PAGE_BYTES
    for words in (
        "fingerprint of that data",
        "licence of that data",
        "95 %",
        "onnxruntime",
        "rank correlation",
    ):
        assert words in text
    assert all(
        part.startswith('"data:')
        for part in text.split(" src=")[1:]
        if not part.startswith("x onerror")
    )


def test_without_audio_the_page_says_so_and_what_could_be_compared(
    trained: "Trained", tmp_path: Path
) -> None:
    (tmp_path / "test").mkdir()
    for path in (trained.new / "test").glob("*.wav"):
        features = tmp_path / "test" / path.with_suffix(".npy").name
        np.save(features, read_log_mel(path, MelSpec()))
    text = evaluate(tmp_path / "out", trained.int8, tmp_path).page.read_text()
    assert "<audio" not in text and "there is no sound to play" in text
    assert "--against" in text and "How many clips" not in text
    assert "--calibration-clips 5" in text


@pytest.mark.parametrize("head", ["mse", "no_network"])
def test_a_head_without_a_threshold_has_a_page(
    trained: "Trained", tmp_path: Path, head: str
) -> None:
    text = evaluate(tmp_path, trained.int8, trained.new, "--head", head).page.read_text()
    assert "This head has no threshold" in text
    assert "threshold is" not in text


def test_a_machine_without_faults_has_a_page(trained: "Trained", tmp_path: Path) -> None:
    (tmp_path / "test").mkdir()
    for path in (trained.new / "test").glob("normal*"):
        (tmp_path / "test" / path.name).symlink_to(path)
    text = evaluate(tmp_path / "out", trained.int8, tmp_path).page.read_text()
    assert "Unknown whether it is usable: the test has no recording of a fault." in text
    assert "nothing can be said about detection" in text


def test_a_provenance_of_another_shape_is_no_error(trained: "Trained", tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    strange = {"data": "<b>", "versions": [1], "config": "x"}
    Artifact.read(trained.int8).with_sections(provenance=strange).write(path)
    assert run_command(["evaluate", str(path), str(trained.new), "-o", str(tmp_path)]) == 0


def test_another_model_changes_nothing_that_is_printed(
    evaluated: Evaluated, trained: "Trained", tmp_path: Path
) -> None:
    data = evaluated.page.parent / "<b>new</b>&"
    alone = evaluate(tmp_path, trained.int8, data, "--calibration-clips", 5)
    assert alone.summary == evaluated.summary
    for name in ("anomaly_scores.csv", "test_results.csv"):
        assert (tmp_path / name).read_text() == (evaluated.page.parent / name).read_text()


def test_another_model_that_cannot_be_read_is_reported_before_any_recording_is_read(
    trained: "Trained", tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    missing = tmp_path / "no.onnx"
    folder = tmp_path / "out"
    arguments = [trained.int8, trained.new, "--against", missing, "-o", folder]
    assert run_command(["evaluate", *map(str, arguments)]) == 3
    assert "no.onnx: cannot be read" in capsys.readouterr().err
    assert not folder.exists()


def test_an_artifact_of_one_machine_is_judged_by_that_machine_alone(
    trained: "Trained", tested: Mapping[str, MachineTest]
) -> None:
    detector = Detector.load(trained.int8)
    own = detector.with_sections(head=replace(detector.artifact.head, machine="id_03"))
    others = replace(tested["id_03"], stream=None)
    both = {"id_02": others, "id_03": tested["id_03"]}
    result = summarise("model.onnx", "gaussian", both)
    evaluation = Evaluation(trained.int8, trained.new, own, both, result, None, 0)
    assert list(judged_machines(evaluation)) == ["id_03"]
    assert list(judged_machines(replace(evaluation, detector=detector))) == ["id_02", "id_03"]
    assert list(judged_machines(replace(evaluation, calibration_clips=5))) == ["id_02", "id_03"]
