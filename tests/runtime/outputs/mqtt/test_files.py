"""The files that the options of MQTT name."""

from pathlib import Path

from edgeae.runtime.outputs.mqtt.files import NO_FILES, MqttFiles


def test_only_the_files_that_were_given_are_named() -> None:
    assert NO_FILES.given() == {}
    files = MqttFiles(certificate=Path("a"), password=Path("b"))
    assert files.given() == {"--mqtt-cert": Path("a"), "--mqtt-password-file": Path("b")}
