"""Target: a network that `check_model` accepts never crashes onnxruntime.

onnxruntime is C++ that trusts its graph: `check_model` has to refuse what crashes it.
"""

from dataclasses import replace

import atheris
from harness import MACHINE, choose_from, fuzz

with atheris.instrument_imports(include=["edgeae"]):
    import hostile

    from edgeae.runtime.errors import ArtifactError
    from edgeae.runtime.model.artifact import Artifact
    from edgeae.runtime.model.network import Network
    from edgeae.runtime.model.onnx_checks import check_model

ARTIFACT = Artifact.read(MACHINE)


def target(data: bytes) -> None:
    choose, model = choose_from(data), ARTIFACT.network_bytes()
    try:
        for _ in range(1 + choose(4)):
            model = hostile.message(model, choose)
        check_model(model)
        Network(replace(ARTIFACT, model=model))
    except (ArtifactError, ValueError, IndexError):
        return


fuzz(target, {"first": b"\1\1\1\1"})
