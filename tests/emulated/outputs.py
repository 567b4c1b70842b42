"""Write everything that a network gives for patches: outputs.py MODEL PATCHES.npy OUTPUTS.npz.

A program of its own so that it runs on an emulated processor.
"""

import sys
from pathlib import Path

import numpy as np
import onnxruntime


def main(model: Path, patches: Path, target: Path) -> None:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model, options, ["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    found = session.run(names, {session.get_inputs()[0].name: np.load(patches)})
    np.savez(target, **dict(zip(names, found, strict=True)))


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
