"""The lines that only the live page receives."""

import json
from base64 import b64decode

from example_lines import N_BANDS, about, bands


def test_the_calibration_of_a_source_is_json() -> None:
    values = json.loads(about().to_json())
    assert (values["type"], values["source"], values["machine"]) == ("about", "hw:1", "pump-3")
    assert len(values["centres_hz"]) == len(b64decode(values["normal"])) == N_BANDS


def test_a_spectrum_is_a_byte_a_band() -> None:
    values = json.loads(bands(7, 130).to_json())
    assert values["type"] == "bands"
    assert b64decode(values["levels"]) == bytes([7] * N_BANDS)
    assert b64decode(values["residual"]) == bytes([130] * N_BANDS)
