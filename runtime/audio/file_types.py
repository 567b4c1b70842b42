"""The files that are read, by the end of their names. Imports nothing, so all commands may ask."""

AUDIO_SUFFIXES = (".wav", ".flac", ".ogg")
SUFFIXES = (*AUDIO_SUFFIXES, ".npy")  # with precomputed log-mel arrays
