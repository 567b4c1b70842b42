#!/usr/bin/env python3
"""Write what `score.c` needs of an artifact beside its network.

    python3 contrib/c/constants.py machine.onnx machine.bin

The file holds the parameters of the features, the projections and weights of the scoring head,
the threshold and the expected result of the self-test, little-endian, in the order of the structs
in `score.c`. It belongs to this artifact alone: write it again after each calibration.
"""

import struct
import sys
from pathlib import Path

from edgeae.runtime.errors import ArtifactError, EdgeaeError
from edgeae.runtime.model.protobuf import read_metadata
from edgeae.runtime.scoring.detector import Detector

MAGIC = b"edgeaeC1"
HEAD = struct.Struct("<8s64s12I7d")
VIEW_HEAD = struct.Struct("<4Id")


def constants(path: Path) -> bytes:
    """The content of the file of an artifact; EdgeaeError if it is refused."""
    detector = Detector.load(path)
    checksum = read_metadata(path.read_bytes(), "edgeae.")["edgeae.sha256"]
    spec = detector.spec
    selftest = detector.artifact.selftest
    if selftest is None:
        raise ArtifactError(f"{path}: carries no self-test; export it again")
    if spec.power != 2:
        raise ArtifactError(f"{path}: mel.power is {spec.power}; score.c computes 2 alone")
    head = detector.head
    # The score of a head without views is the energy, the first feature.
    views = head.views[: len(head.weights)] if head.method.is_distance else ()
    content = HEAD.pack(
        MAGIC,
        checksum.encode(),
        spec.sample_rate,
        spec.n_fft,
        spec.hop,
        spec.n_mels,
        spec.scale == "htk",
        detector.network.patch_frames,
        detector.window_frames // detector.network.patch_frames,
        len(head.mean),
        detector.network.n_identity,
        len(views),
        selftest.seed,
        0,
        spec.f_min,
        spec.f_max,
        spec.floor_db,
        detector.threshold.value,
        selftest.energy,
        selftest.score,
        selftest.tolerance,
    )
    content += head.mean.astype("<f8").tobytes()
    for view, weight in zip(views, head.weights, strict=False):
        source, projection = head.view_projection(view)
        content += VIEW_HEAD.pack(source.start, *projection.shape, 0, weight)
        content += projection.astype("<f8").tobytes()
    return content


def main() -> None:
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    try:
        content = constants(Path(sys.argv[1]))
        Path(sys.argv[2]).write_bytes(content)
    except EdgeaeError as error:
        sys.exit(f"constants.py: {error}")
    except OSError as error:
        sys.exit(f"constants.py: {sys.argv[2]}: cannot be written ({error.strerror})")


if __name__ == "__main__":
    main()
