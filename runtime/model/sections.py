"""The sections of an artifact."""

from typing import Any

from ..features.mel import MelSpec, band_edges
from ..system.arrays import Float32


def explain_section(spec: MelSpec, std: Float32) -> dict[str, Any]:
    """The metadata section ``explain``: what a reader needs to name bands in Hz and changes in dB.

    std: (n_mels,) dB, by which the network standardises its input.
    """
    return {"band_edges_hz": band_edges(spec), "band_std_db": std}
