"""What can go wrong, and the exit code each kind has on the command line.

Every message is one sentence that names the file or device, what was found, what is allowed
and what to do.
"""

EXIT_INTERRUPTED = 130


def printable(text: str) -> str:
    r"""On one line, without what a hostile file or name could send to the terminal.

    A byte of a name that is not UTF-8 is written as ``\xe9``.
    """
    return "".join(letter if letter.isprintable() else _escaped(letter) for letter in text)


def _escaped(letter: str) -> str:
    code = ord(letter) - 0xDC00  # a byte that is not UTF-8, as Python holds it
    return f"\\x{code:02x}" if 0x80 <= code <= 0xFF else "?"


class EdgeaeError(Exception):
    """Base of every error that edgeae raises on purpose."""

    exit_code = 2

    def __str__(self) -> str:
        return printable(super().__str__())


class ConfigError(EdgeaeError):
    """A configuration, an option or a data set that cannot be used."""


class AudioError(EdgeaeError):
    """A recording that cannot be read or holds no usable sound."""


class ArtifactError(EdgeaeError):
    """A model file that is not an edgeae artifact, is damaged, too new or computes wrongly here."""

    exit_code = 3


class DeviceError(EdgeaeError):
    """A capture device that is missing, busy or refuses what was asked."""

    exit_code = 4
