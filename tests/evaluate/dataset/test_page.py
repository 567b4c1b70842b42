"""The page of a data set, in a real browser."""

import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
import pytest
import soundfile

from edgeae.evaluate.dataset import page as dataset_page
from edgeae.evaluate.dataset.findings import MAX_NAMED_FILES, Finding
from edgeae.evaluate.dataset.survey import survey
from edgeae.runtime.commands.cli import run_command
from edgeae.train.synth.dataset import write_dataset

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.slow

Theme = Literal["light", "dark"]

HOSTILE = "normal_id_03_<img src=x onerror=alert(1)>`&amp;.wav"
WINDOWS: dict[Theme, tuple[int, int]] = {
    "light": (1200, 900),
    "dark": (390, 844),
}  # a desk, a phone


@pytest.fixture(scope="module")
def healthy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("healthy")
    return write_dataset(
        folder,
        machines=[3, 4],
        train_clips=6,
        test_normals=3,
        test_anomalies=3,
        seconds=3.0,
        seed=1,
    )


@pytest.fixture(scope="module")
def faulty(healthy: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same with faults.

    A clipped, a silent, a copied, a leaked, a broken and a strangely named file, and another rate.
    """
    data = shutil.copytree(healthy, tmp_path_factory.mktemp("faulty") / "data")
    train = data / "train"
    test = data / "test"
    sound, rate = soundfile.read(train / "normal_id_03_00000000.wav")
    soundfile.write(train / "normal_id_03_clipped.wav", np.clip(20 * sound[::-1], -1, 1), rate)
    soundfile.write(train / "normal_id_03_silent.wav", np.zeros(rate * 3), rate)
    soundfile.write(train / "normal_id_04_rate.wav", sound[20000::-1], 22050)
    shutil.copy(train / "normal_id_03_00000001.wav", train / "normal_id_03_twin.wav")
    shutil.copy(train / "normal_id_04_00000001.wav", test / "normal_id_04_leak.wav")
    (train / "normal_id_04_broken.wav").write_bytes(b"RIFF nonsense")
    shutil.copy(train / "normal_id_03_00000002.wav", train / HOSTILE)
    return data


def write_page(data: Path, folder: Path) -> Path:
    assert run_command(["inspect", str(data), "-o", str(folder)]) == 0
    return folder / "inspect.html"


@pytest.fixture(scope="module")
def page_of_faults(faulty: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_page(faulty, tmp_path_factory.mktemp("faults"))


def open_page(browser: "Browser", path: Path, theme: Theme) -> "Page":
    """The page as a reader has it, without a network; a complaint of the browser is an error."""
    width, height = WINDOWS[theme]
    context = browser.new_context(
        color_scheme=theme, viewport={"width": width, "height": height}, offline=True
    )
    page = context.new_page()
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("requestfailed", lambda request: complaints.append(request.url[:80]))
    page.goto(path.as_uri())
    assert complaints == []
    return page


@pytest.mark.parametrize("theme", WINDOWS)
def test_page_reads_offline_in_both_themes_and_on_a_phone(
    browser: "Browser", page_of_faults: Path, theme: Theme
) -> None:
    page = open_page(browser, page_of_faults, theme)
    assert page.evaluate("document.documentElement.scrollWidth") <= WINDOWS[theme][0]
    brightness = {}
    for name in ("backgroundColor", "color"):
        colour = page.evaluate(f"getComputedStyle(document.body).{name}")
        brightness[name] = sum(map(int, re.findall(r"\d+", colour)[:3]))
    assert (brightness["backgroundColor"] > brightness["color"]) == (theme == "light")
    boxes = [image.bounding_box() for image in page.locator("svg image").all()]
    widths = [box["width"] for box in boxes if box]
    # Two machines, three groups, each with its colour scale.
    assert len(widths) == 2 * 6
    assert min(widths) > 0
    names = page.evaluate(
        "[...document.querySelectorAll('svg')].map(chart => chart.getAttribute('aria-label'))"
    )
    assert all(names)


def test_every_fault_stands_first_with_its_file_and_what_to_do(
    browser: "Browser", page_of_faults: Path
) -> None:
    page = open_page(browser, page_of_faults, "light")
    assert page.locator("h2").first.inner_text() == "What to fix before training"
    assert (
        page.locator("p.verdict")
        .inner_text()
        .startswith("Not ready to train: fix 1 file that cannot be used and")
    )
    lines = page.locator("h2 + ol > li").all_inner_texts()
    for file, fault, advice in [
        ("normal_id_04_broken.wav", "not a readable", "convert or record it again"),
        ("normal_id_03_clipped.wav", "samples are clipped", "lower the gain"),
        ("normal_id_03_silent.wav", "Silent", "check the microphone"),
        ("normal_id_04_rate.wav", "Recordings differ in samplerate", "record all alike"),
        (
            "normal_id_03_00000001.wav = train/normal_id_03_twin.wav",
            "The same sound more than once",
            "keep one",
        ),
        (
            "test/normal_id_04_leak.wav",
            "The same sound in train/ and test/",
            "remove them from test/",
        ),
        (HOSTILE, "The same sound more than once", "keep one"),
    ]:
        assert any(file in line and fault in line and advice in line for line in lines), (
            file,
            lines,
        )


def test_names_are_text_and_nothing_else(browser: "Browser", page_of_faults: Path) -> None:
    page = open_page(browser, page_of_faults, "light")
    assert page.locator("img, script").count() == 0


def test_clean_data_set_is_called_ready(browser: "Browser", healthy: Path, tmp_path: Path) -> None:
    page = open_page(browser, write_page(healthy, tmp_path / "new" / "folder"), "light")
    assert page.locator("p.verdict").inner_text() == (
        "Ready to train: 24 recordings of 2 machines, 1.2 minutes, 12 recordings (0.6 minutes) of "
        "them to train on, and nothing that has to be fixed was found."
    )
    assert page.locator("h2 + p").first.inner_text() == "Nothing was found."


def test_page_of_features_alone_needs_no_level(browser: "Browser", tmp_path: Path) -> None:
    (tmp_path / "train").mkdir()
    for i in range(2):
        frames = np.random.default_rng(i).normal(-40, 5, (40, 128)).astype(np.float32)
        np.save(tmp_path / "train" / f"normal_{i}.npy", frames)
    page = open_page(browser, write_page(tmp_path, tmp_path), "light")
    assert "Worth knowing" in page.locator("h2").all_inner_texts()
    assert "Levels" not in page.locator("h2").all_inner_texts()


def test_many_files_are_folded_away(healthy: Path, tmp_path: Path) -> None:
    n_files = dataset_page.MAX_FILES + 20
    files = tuple((f"file_{k}.wav",) for k in range(n_files))
    finding = Finding("silence", "silent", "record it again", files)
    path = tmp_path / "page.html"
    dataset_page.write_page(path, survey(healthy), [finding], [["machine"]], "machine: its name.")
    text = path.read_text()
    visible, folded = text.split("<summary>the other files</summary>")
    assert visible.count("<code>file_") == MAX_NAMED_FILES
    assert f", {n_files - MAX_NAMED_FILES} more; record it again." in visible
    assert folded.count("<code>file_") == dataset_page.MAX_FILES - MAX_NAMED_FILES
    assert f"{n_files} files: below" in folded
