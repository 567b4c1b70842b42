"""Which files are read, by their names."""

import soundfile

from edgeae.runtime.audio.file_types import AUDIO_SUFFIXES, SUFFIXES


def test_libsndfile_reads_each_type_of_sound() -> None:
    formats = {f".{name.lower()}" for name in soundfile.available_formats()}
    assert set(AUDIO_SUFFIXES) <= formats


def test_arrays_are_no_sound() -> None:
    assert set(SUFFIXES) - set(AUDIO_SUFFIXES) == {".npy"}
