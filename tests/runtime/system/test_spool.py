"""FIFOs as recordings."""

import os
import threading
from pathlib import Path

import numpy as np
import pytest
import soundfile

from edgeae.runtime.audio.sound_file import AudioFile, samplerate_of
from edgeae.runtime.errors import AudioError
from edgeae.runtime.system.spool import spooled

SOUND = np.random.default_rng(0).uniform(-0.5, 0.5, 16000).astype(np.float32)


def fifo_of(tmp_path: Path, content: bytes) -> Path:
    """A FIFO through which ``content`` comes once."""
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    threading.Thread(target=fifo.write_bytes, args=[content], daemon=True).start()
    return fifo


def test_a_recording_that_comes_through_a_fifo_can_be_read_more_than_once(tmp_path: Path) -> None:
    file = tmp_path / "sound.wav"
    soundfile.write(file, SOUND, 22050, "FLOAT")
    fifo = fifo_of(tmp_path, file.read_bytes())
    assert samplerate_of(fifo) == 22050
    with AudioFile(fifo) as audio:
        np.testing.assert_array_equal(np.concatenate(list(audio.blocks())), SOUND)


@pytest.mark.parametrize("content", [b"", b"no sound at all, but text", b"RIFF"])
def test_what_is_no_sound_is_refused_by_the_name_of_the_fifo(
    content: bytes, tmp_path: Path
) -> None:
    fifo = fifo_of(tmp_path, content)
    with pytest.raises(AudioError) as caught:
        AudioFile(fifo)
    assert str(caught.value).startswith(f"{fifo}: ")


def test_a_file_stays_where_it_is(tmp_path: Path) -> None:
    assert spooled(tmp_path / "sound.wav") == tmp_path / "sound.wav"
