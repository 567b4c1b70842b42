"""The page of an evaluation, in a real browser: no network, both themes, the width of a phone."""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest

from edgeae.runtime.commands.cli import run_command

WEIGHT = 2 << 20  # bytes
NASTY = "anomaly_id_03_<img src=x onerror=alert(1)>&.wav"
VIEWS = [("light", 1200), ("dark", 1200), ("light", 390), ("dark", 390)]


@dataclass(frozen=True)
class Evaluated:
    page: Path
    summary: dict


def _evaluated(capsys, folder, *arguments):
    assert run_command(["evaluate", *map(str, arguments), "-o", str(folder), "--json"]) == 0
    return Evaluated(folder / "report.html", json.loads(capsys.readouterr().out))


@pytest.fixture(scope="module")
def evaluated(trained, tmp_path_factory):
    """Machine id_03 under a name that is markup, calibrated on five clips, against the float file."""
    from click.testing import CliRunner

    from edgeae.runtime.commands.cli import cli

    root = tmp_path_factory.mktemp("report")
    data = shutil.copytree(trained.new, root / "<b>new</b>&")
    next((data / "test").glob("anomaly*")).rename(data / "test" / NASTY)
    arguments = [
        trained.int8,
        data,
        "--calibration-clips",
        5,
        "--against",
        trained.float_,
        "-o",
        root,
        "--json",
    ]
    found = CliRunner().invoke(cli, ["evaluate", *map(str, arguments)])
    assert found.exit_code == 0, found.output
    return Evaluated(root / "report.html", json.loads(found.stdout))


@pytest.fixture(params=VIEWS, ids=lambda view: f"{view[0]}-{view[1]}")
def shown(request, browser, evaluated):
    """The page, open; and what it said on the console or asked for."""
    theme, width = request.param
    context = browser.new_context(
        color_scheme=theme, viewport={"width": width, "height": 844}, offline=True
    )
    page, trouble = context.new_page(), []
    page.on("console", lambda message: trouble.append(message.text))
    page.on("pageerror", lambda error: trouble.append(str(error)))
    page.on("dialog", lambda dialog: trouble.append(dialog.message) or dialog.dismiss())
    page.on(
        "request",
        lambda asked: (
            trouble.append(asked.url) if not asked.url.startswith(("data:", "file:")) else None
        ),
    )
    page.goto(evaluated.page.as_uri())
    yield page, trouble
    context.close()


def test_the_page_is_quiet_fits_and_asks_for_nothing(shown):
    page, trouble = shown
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert page.evaluate("[...document.images].length") == 0  # nobody's file name became one
    assert not trouble


def test_sounds_play_and_charts_have_names(shown):
    page, _ = shown
    seconds = page.evaluate(
        """Promise.all([...document.querySelectorAll("audio")].map(audio => new Promise((done, fail) => {
             audio.onloadedmetadata = () => done(audio.duration)
             audio.onerror = () => fail(audio.error.message)
             audio.load() })))"""
    )
    assert len(seconds) >= 2 and all(3.5 < length < 12 for length in seconds)
    names = page.eval_on_selector_all(
        "svg", "charts => charts.map(chart => chart.getAttribute('aria-label'))"
    )
    assert len(names) == 3 + 3 * len(seconds) + 2 and all(names)
    assert page.eval_on_selector_all(
        "audio, [role=region]", "found => found.every(one => one.ariaLabel)"
    )


def test_pictures_are_drawn_and_words_are_within_their_charts(shown):
    page, _ = shown
    outside = page.evaluate(
        """[...document.querySelectorAll("svg text")].filter(text => {
             const a = text.getBoundingClientRect(), b = text.ownerSVGElement.getBoundingClientRect()
             return a.left < b.left - 1 || a.right > b.right + 1 || a.top < b.top - 1 || a.bottom > b.bottom + 1
           }).map(text => text.textContent)"""
    )
    assert outside == []
    sizes = page.evaluate(
        """Promise.all([...document.querySelectorAll("svg image")].map(async image => {
             const found = new Image(); found.src = image.href.baseVal; await found.decode()
             return found.naturalWidth }))"""
    )
    assert sizes and min(sizes) >= 1


def test_paper_and_ink_are_those_of_the_theme(shown):
    page, _ = shown
    dark = page.evaluate("matchMedia('(prefers-color-scheme: dark)').matches")
    paper, ink = page.evaluate(
        "[getComputedStyle(document.body).backgroundColor, getComputedStyle(document.body).color]"
    )
    assert (paper == "rgb(13, 17, 23)") is dark
    assert page.evaluate("getComputedStyle(document.querySelector('figure .head')).color") == ink
    soft = page.evaluate("getComputedStyle(document.querySelector('p.soft')).color")
    assert page.evaluate("getComputedStyle(document.querySelector('svg text')).fill") == soft


def test_the_verdict_is_that_of_the_numbers_and_stands_first(shown, evaluated):
    page, _ = shown
    mean, worst = evaluated.summary["mean"]["auc"], evaluated.summary["worst"]
    baseline = evaluated.summary["no_network"]["auc"]
    assert page.inner_text("p.verdict") == (
        f"Of 100 pairs of a normal and an anomalous recording, {100 * mean:.1f} are ranked "
        f"correctly on average (AUC {mean:.3f}), {100 * worst['auc']:.1f} on the worst machine "
        f"({worst['machine']}); without a network {100 * baseline:.1f} are."
    )
    headings = page.eval_on_selector_all(
        "h1, h2", "found => found.map(heading => heading.textContent)"
    )
    assert headings[:2] == ["Evaluation", "What to do next"] and headings[-1] == "Provenance"
    assert len(headings) == 8


def test_names_that_are_markup_are_shown_as_they_are(shown):
    page, _ = shown
    assert "<b>new</b>&" in page.inner_text("p.soft >> nth=0")
    assert page.locator("main b").count() == 0


def test_the_page_is_light_and_holds_its_provenance(evaluated):
    text = evaluated.page.read_text()
    assert len(text.encode()) < WEIGHT
    for word in (
        "fingerprint of that data",
        "licence of that data",
        "95 %",
        "onnxruntime",
        "rank correlation",
    ):
        assert word in text
    assert all(
        part.startswith('"data:')
        for part in text.split(" src=")[1:]
        if not part.startswith("x onerror")
    )


def test_without_audio_the_page_says_so_and_what_could_be_compared(capsys, trained, tmp_path):
    import numpy as np

    from edgeae.runtime.features.log_mel_file import read_log_mel
    from edgeae.runtime.features.mel import MelSpec

    (tmp_path / "test").mkdir()
    for path in (trained.new / "test").glob("*.wav"):
        np.save(tmp_path / "test" / path.with_suffix(".npy").name, read_log_mel(path, MelSpec()))
    text = _evaluated(capsys, tmp_path / "out", trained.int8, tmp_path).page.read_text()
    assert "<audio" not in text and "there is no sound to play" in text
    assert "--against" in text and "How many clips" not in text and "--calibration-clips 5" in text


@pytest.mark.parametrize("head", ["mse", "no_network"])
def test_a_head_without_a_threshold_has_a_page(capsys, trained, tmp_path, head):
    text = _evaluated(capsys, tmp_path, trained.int8, trained.new, "--head", head).page.read_text()
    assert "This head has no threshold" in text
    assert "threshold is" not in text


def test_a_machine_without_faults_has_a_page(capsys, trained, tmp_path):
    (tmp_path / "test").mkdir()
    for path in (trained.new / "test").glob("normal*"):
        (tmp_path / "test" / path.name).symlink_to(path)
    found = _evaluated(capsys, tmp_path / "out", trained.int8, tmp_path)
    assert "nothing can be said about detection" in found.page.read_text()


def test_a_provenance_of_another_shape_is_no_error(trained, tmp_path):
    from edgeae.runtime.model.artifact import Artifact

    path = tmp_path / "model.onnx"
    Artifact.read(trained.int8).with_sections(
        provenance={"data": "<b>", "versions": [1], "config": "x"}
    ).write(path)
    assert run_command(["evaluate", str(path), str(trained.new), "-o", str(tmp_path)]) == 0


def test_another_model_changes_nothing_that_is_printed(evaluated, capsys, trained, tmp_path):
    data = evaluated.page.parent / "<b>new</b>&"
    alone = _evaluated(capsys, tmp_path, trained.int8, data, "--calibration-clips", 5)
    assert alone.summary == evaluated.summary
    for name in ("anomaly_scores.csv", "test_results.csv"):
        assert (tmp_path / name).read_text() == (evaluated.page.parent / name).read_text()


def test_another_model_that_is_none_is_told_before_any_recording_is_read(capsys, trained, tmp_path):
    arguments = [
        "evaluate",
        trained.int8,
        trained.new,
        "--against",
        tmp_path / "no.onnx",
        "-o",
        tmp_path / "out",
    ]
    assert run_command(list(map(str, arguments))) == 3
    assert "no.onnx: cannot be read" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
