"""The data report names what has to be mended."""

import json
import shutil

import numpy as np
import pytest
import soundfile

from edgeae.runtime.cli import run_command


@pytest.fixture
def data(trained, tmp_path):
    folder = tmp_path / "data"
    shutil.copytree(trained.new, folder)
    return folder


def _problems(capsys, data):
    assert run_command(["inspect", str(data), "--json"]) == 0
    return json.loads(capsys.readouterr().out)["problems"]


def test_clean_data_has_nothing_to_mend(capsys, data):
    assert run_command(["inspect", str(data)]) == 0
    out = capsys.readouterr().out
    assert "nothing to mend" in out
    assert "id_03" in out


def test_silence_clipping_leakage_rates_and_bad_files_are_named(capsys, data):
    soundfile.write(data / "train" / "normal_id_03_silent.wav", np.zeros(16000), 16000)
    soundfile.write(data / "train" / "normal_id_03_clipped.wav", np.sign(np.sin(np.arange(16000))), 16000)
    soundfile.write(data / "train" / "normal_id_03_rate.wav", 0.1 * np.sin(np.arange(44100)), 44100)
    shutil.copy(data / "train" / "normal_id_03_00000000.wav", data / "test" / "normal_id_03_leak.wav")
    (data / "test" / "normal_id_03_empty.wav").touch()
    found = "\n".join(_problems(capsys, data))
    for word in ("silent", "are clipped", "must not be tested on", "differ in samplerate", "the file is empty"):
        assert word in found


def test_folder_without_recordings_is_refused(capsys, tmp_path):
    assert run_command(["inspect", str(tmp_path)]) == 2
    assert "holds neither train/" in capsys.readouterr().err
