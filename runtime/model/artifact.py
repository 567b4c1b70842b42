"""The artifact: one ONNX file that carries everything the device needs.

An edgeae artifact is an ordinary ONNX model with these entries in its ``metadata_props``
(docs/artifact.md is the specification):

    edgeae.format        integer version of this list; readers refuse other versions
    edgeae.sha256        of the model without edgeae's entries, then of the text of the sections
    edgeae.mel           MelSpec
    edgeae.head          how the sums over a window become a score (`edgeae.runtime.scoring.head`)
    edgeae.threshold     the alarm threshold and the data behind it
    edgeae.explain       the edges of the mel bands in Hz, mean and standard deviation in dB
    edgeae.selftest      a seeded input and the expected outputs
    edgeae.provenance    configuration, data, versions, metrics, licence of the data
    edgeae.quantization  how the integers were chosen, or null

Each value but the first two is JSON. An array in it is an object
``{"shape": [..], "float32": base64 of the little-endian values}``.

Every file is checked (`edgeae.runtime.model.onnx_checks`) before ONNX Runtime loads it.
"""

import base64
import binascii
import json
import math
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import ArtifactError, ConfigError
from ..features.mel import MelSpec
from ..system.digest import sha256
from ..system.files import read_start, replace_file
from ..system.similar_files import advice_for_missing
from .onnx_checks import check_model
from .protobuf import read_metadata, with_metadata
from .sections import (
    ExplainSection,
    HeadSection,
    QuantizationSection,
    SelfTestSection,
    read_section,
    to_values,
)

FORMAT = 4
MAX_BYTES = 32 << 20
MAX_VALUES = 1 << 20  # in all sections together; an array counts as one
MAX_DEPTH = 50  # of nested lists and objects
SECTIONS = ("mel", "head", "threshold", "explain", "selftest", "provenance", "quantization")


def _pack(value: object) -> object:
    """``value`` with each array, at any depth, as a JSON object; ValueError for large numbers."""
    if isinstance(value, dict):
        return {key: _pack(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_pack(item) for item in value]
    if isinstance(value, np.ndarray):
        if np.abs(value).max(initial=0) > np.finfo(np.float32).max:
            raise ValueError("a number is too large for float32")
        content = np.ascontiguousarray(value, "<f4").tobytes()
        return {"shape": list(value.shape), "float32": base64.b64encode(content).decode()}
    if isinstance(value, np.generic):
        return value.item()
    return value


def _unpack(value: Any, depth: int = 0) -> Any:
    """``value`` with each JSON object of an array, at any depth, as a float32 array.

    Raises ValueError for a damaged array, a number that is not finite and deep nesting.
    """
    if depth > MAX_DEPTH:
        raise ValueError(f"its values stand in each other more than {MAX_DEPTH} deep")
    if isinstance(value, list):
        return [_unpack(item, depth + 1) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError("a value is not a number")
    if not isinstance(value, dict):
        return value
    if value.keys() == {"shape", "float32"}:
        content = base64.b64decode(value["float32"], validate=True)
        array: NDArray[np.float32] = np.frombuffer(content, "<f4")
        if not np.isfinite(array).all():
            raise ValueError("an array holds values that are not numbers")
        return array.reshape(value["shape"])
    return {key: _unpack(item, depth + 1) for key, item in value.items()}


def _parse(metadata: dict[str, str]) -> dict[str, Any]:
    """The sections; ValueError or KeyError if one is missing or is neither object nor null."""
    text = {name: metadata[f"edgeae.{name}"] for name in SECTIONS}
    # Checked before parsing: two characters of text become a Python object of 60 bytes.
    count = sum(section.count(mark) for section in text.values() for mark in "[{,")
    if count > MAX_VALUES:
        raise ValueError(f"it holds more than {MAX_VALUES} values")
    sections = {name: _unpack(json.loads(section)) for name, section in text.items()}
    for name, section in sections.items():
        if not isinstance(section, dict | None):
            raise ValueError(f"the section {name} is no object")
    return sections


@dataclass(frozen=True)
class Artifact:
    """A checked ONNX model and its decoded metadata sections."""

    model: bytes
    mel: MelSpec
    sections: dict[str, Any]  # JSON of every name of SECTIONS but "mel"; see the properties

    @cached_property
    def head(self) -> HeadSection:
        """The scoring head; ArtifactError if there is none, or a damaged one."""
        return read_section(HeadSection, self.sections["head"], "head")

    @cached_property
    def explain(self) -> ExplainSection:
        """Edges and levels of the bands; ArtifactError if they are missing or impossible."""
        section = read_section(ExplainSection, self.sections["explain"], "explain")
        section.check(self.mel.n_mels)
        return section

    @cached_property
    def selftest(self) -> SelfTestSection | None:
        """The self-test; None for a network that never left the workstation."""
        values = self.sections["selftest"]
        return read_section(SelfTestSection, values, "selftest") if values else None

    @cached_property
    def quantization(self) -> QuantizationSection | None:
        """How the integers were chosen; None for a float network."""
        values = self.sections["quantization"]
        if not values:
            return None
        section = read_section(QuantizationSection, values, "quantization")
        for levels in (section.input_low_db, section.input_high_db):
            if levels.shape != (self.mel.n_mels,):
                raise ArtifactError(
                    f"the input range of the int8 network has the shape {levels.shape}; "
                    f"export it again"
                )
        return section

    @property
    def provenance(self) -> dict[str, Any]:
        """Configuration, data, versions and metrics that the export recorded; may be empty."""
        return self.sections["provenance"] or {}

    @classmethod
    def read(cls, path: str | Path) -> "Artifact":
        """Read and check a file; ArtifactError says in one sentence why it is refused."""
        path = Path(path)
        try:
            # The size of a device such as /dev/zero is 0, and its content has no end.
            content = read_start(path, MAX_BYTES + 1)
            if len(content) > MAX_BYTES:
                raise ArtifactError(f"it is larger than {MAX_BYTES >> 20} MiB")
            return cls.from_bytes(content)
        except OSError as error:
            advice = "give an artifact of `edgeae export`"
            if isinstance(error, FileNotFoundError):
                advice = advice_for_missing(path, advice)
            raise ArtifactError(f"{path}: cannot be read ({error.strerror}); {advice}") from error
        except ArtifactError as error:
            raise ArtifactError(
                f"{path}: not a usable edgeae artifact: {error}; copy or export it again"
            ) from error

    @classmethod
    def from_bytes(cls, model: bytes) -> "Artifact":
        """The artifact in a file's bytes; ArtifactError if it is foreign, damaged or too new."""
        try:
            metadata = read_metadata(model, "edgeae.")
            if "edgeae.format" not in metadata:
                raise ArtifactError("it has no edgeae metadata")
            if metadata["edgeae.format"] != str(FORMAT):
                raise ArtifactError(
                    f"it has the format {metadata['edgeae.format'][:20]!r}, "
                    f"this edgeae reads {FORMAT}: one of the two is older and has to be made anew"
                )
            check_model(model)
            if metadata["edgeae.sha256"] != digest(model, metadata):
                raise ArtifactError("its content is not what was written (SHA-256)")
            sections = _parse(metadata)
            mel = MelSpec.from_dict(sections.pop("mel"))
        except (
            ValueError,
            IndexError,
            KeyError,
            TypeError,
            AttributeError,
            RecursionError,
            binascii.Error,
            ConfigError,
        ) as error:
            raise ArtifactError(f"it is damaged, or no ONNX file ({str(error)[:120]})") from error
        return cls(model, mel, sections)

    @classmethod
    def build(cls, model: bytes, mel: MelSpec, **sections: object) -> "Artifact":
        """A new artifact of an ONNX model; sections that are not given are null."""
        return cls(model, mel, dict.fromkeys(SECTIONS[1:])).with_sections(**sections)

    def with_sections(self, **sections: object) -> "Artifact":
        """The same network with other sections, as they will be read from a file.

        Raises ArtifactError if a section cannot be written.
        """
        try:
            values = to_values({**self.sections, **sections})
            text = json.dumps(_pack(values), allow_nan=False)
            return Artifact(self.model, self.mel, _unpack(json.loads(text)))
        except ValueError as error:
            raise ArtifactError(
                f"what it should hold cannot be written ({error}); export it again"
            ) from error

    def to_bytes(self) -> bytes:
        """The content of the file."""
        sections = {"mel": self.mel.to_dict(), **self.sections}
        text = {
            f"edgeae.{name}": json.dumps(_pack(value), allow_nan=False)
            for name, value in sections.items()
        }
        header = {"edgeae.format": str(FORMAT), "edgeae.sha256": digest(self.model, text)}
        return with_metadata(self.model, "edgeae.", header | text)

    def network_bytes(self) -> bytes:
        """The ONNX model without edgeae's metadata."""
        return with_metadata(self.model, "edgeae.", {})

    def write(self, path: str | Path) -> None:
        """Write the file atomically: after a failure, ``path`` is still the old file.

        Raises ConfigError if it cannot be written.
        """
        path = Path(path)
        content = self.to_bytes()
        try:
            replace_file(path, content)
        except OSError as error:
            raise ConfigError(
                f"{path}: cannot be written ({error.strerror}); choose another place"
            ) from error


def digest(model: bytes, metadata: dict[str, str]) -> str:
    """The SHA-256 in hexadecimal of the network and the text of all sections."""
    checksum = sha256(with_metadata(model, "edgeae.", {}))
    for name in SECTIONS:
        checksum.update(metadata[f"edgeae.{name}"].encode())
    return checksum.hexdigest()
