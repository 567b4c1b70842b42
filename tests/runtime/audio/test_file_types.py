"""Which files are read, by their names."""

import soundfile

from edgeae.runtime.audio.file_types import AUDIO_SUFFIXES, OTHER_NAMES, SUFFIXES, has_suffix


def test_libsndfile_reads_each_type_of_sound() -> None:
    formats = {f".{name.lower()}" for name in soundfile.available_formats()}
    assert set(AUDIO_SUFFIXES) <= formats


def test_arrays_are_no_sound() -> None:
    assert set(SUFFIXES) - set(AUDIO_SUFFIXES) == {".npy"}


def test_formats_have_other_names_and_any_case() -> None:
    assert set(OTHER_NAMES.values()) <= set(AUDIO_SUFFIXES)
    assert all(has_suffix(name, SUFFIXES) for name in ("a.WAV", "a.aif", "b.c.opus", "a.npy"))
    assert not any(
        has_suffix(name, SUFFIXES) for name in ("a.m4a", ".wav", "wav", "a.wav.part", "")
    )
