"""Charts of a data set show the groups that there are."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

from edgeae.evaluate.dataset.charts import band_chart, level_chart, spectrograms
from edgeae.evaluate.dataset.survey import Survey, survey


@pytest.fixture
def surveyed(tmp_path: Path) -> Survey:
    """Two recordings to train on and a normal one to test with, of one machine."""
    rng = np.random.default_rng(0)
    for name in ("train/normal_id_00_0", "train/normal_id_00_1", "test/normal_id_00_2"):
        path = tmp_path / f"{name}.wav"
        path.parent.mkdir(exist_ok=True)
        soundfile.write(path, rng.normal(0, 0.1, 32000), 16000)
    return survey(tmp_path)


def test_levels_are_told_apart_by_group(surveyed: Survey) -> None:
    chart = level_chart(surveyed, "id_00")
    assert chart is not None
    assert [entry.words for entry in chart.key] == ["train", "test, normal"]
    assert 'aria-label="Levels of id_00: train -20.' in chart.svg


def test_bands_have_their_frequencies(surveyed: Survey) -> None:
    chart = band_chart(surveyed, "id_00")
    assert chart is not None
    assert ">4 k<" in chart.svg and ">Hz<" in chart.svg
    assert [entry.words for entry in chart.key] == ["train", "test, normal"]


def test_spectrograms_are_of_the_first_recordings(surveyed: Survey) -> None:
    charts = spectrograms(surveyed, "id_00")
    assert [chart.head for chart in charts] == ["id_00: train", "id_00: test, normal"]
    assert charts[0].caption == "normal_id_00_0.wav"


def test_a_machine_without_recordings_has_no_charts(surveyed: Survey) -> None:
    assert level_chart(surveyed, "id_01") is None
    assert band_chart(surveyed, "id_01") is None
    assert spectrograms(surveyed, "id_01") == []
