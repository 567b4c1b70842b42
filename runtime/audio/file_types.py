"""The files that are read, by the end of their names. Imports nothing, so all commands may ask."""

AUDIO_SUFFIXES = (".wav", ".flac", ".ogg", ".mp3", ".aiff", ".w64", ".rf64", ".caf", ".au")
SUFFIXES = (*AUDIO_SUFFIXES, ".npy")  # with precomputed log-mel arrays
OTHER_NAMES = {
    ".wave": ".wav",
    ".bwf": ".wav",
    ".oga": ".ogg",
    ".opus": ".ogg",
    ".aif": ".aiff",
    ".aifc": ".aiff",
    ".snd": ".au",
}
# Sound that libsndfile does not read.
OTHER_SOUND_SUFFIXES = (
    *(".m4a", ".aac", ".wma", ".amr", ".ac3", ".ape", ".dsf", ".mka", ".ra", ".tta", ".wv"),
    *(".mp4", ".m4b", ".3gp", ".3ga", ".mov", ".mkv", ".avi", ".webm"),
)
KINDS = "WAV, FLAC, OGG, MP3 or AIFF"  # for messages


def has_suffix(name: str, suffixes: tuple[str, ...]) -> bool:
    """Whether a name ends as one of some kinds of files, in any case.

    suffixes: of those above.
    """
    dot = name.rfind(".")
    if dot <= 0:
        return False
    suffix = name[dot:].lower()
    return OTHER_NAMES.get(suffix, suffix) in suffixes
