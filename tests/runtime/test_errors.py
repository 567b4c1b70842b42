"""Messages on one line, and the exit code of each kind of error."""

import pytest

from edgeae.runtime.errors import (
    ArtifactError,
    AudioError,
    ConfigError,
    DeviceError,
    EdgeaeError,
    printable,
)


@pytest.mark.parametrize(
    ("kind", "exit_code"), [(ConfigError, 2), (AudioError, 2), (ArtifactError, 3), (DeviceError, 4)]
)
def test_each_kind_has_its_exit_code(kind: type[EdgeaeError], exit_code: int) -> None:
    error = kind("pump.wav: is empty")
    assert isinstance(error, EdgeaeError)
    assert error.exit_code == exit_code
    assert str(error) == "pump.wav: is empty"


def test_a_message_is_one_line_and_sends_nothing_to_the_terminal() -> None:
    assert str(EdgeaeError("a\nb\x1b[31m\x07")) == "a?b?[31m?"


def test_letters_of_all_languages_are_printable() -> None:
    assert printable("Lüfter 3, 泵") == "Lüfter 3, 泵"


def test_a_byte_of_a_name_that_is_not_utf8_is_recoverable() -> None:
    assert str(AudioError("d\udce9faut\n: damaged")) == r"d\xe9faut?: damaged"
