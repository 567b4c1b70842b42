"""The files that the options of MQTT name."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class MqttFiles:
    """The files of the options; None: not given."""

    ca: Path | None = None  # certificate of the authority that signed the broker's
    certificate: Path | None = None  # ours, with those of its authorities
    key: Path | None = None  # of our certificate; None: in the same file
    password: Path | None = None

    def given(self) -> dict[str, Path]:
        """The files that were given, by option."""
        files = {
            "--mqtt-ca": self.ca,
            "--mqtt-cert": self.certificate,
            "--mqtt-key": self.key,
            "--mqtt-password-file": self.password,
        }
        return {option: file for option, file in files.items() if file is not None}


NO_FILES = MqttFiles()
