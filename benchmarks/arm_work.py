"""python arm_work.py MODEL...: what `arm_counts.py` counts, on the emulated processor.

Each work is done for n patches and for 2 n: the difference of the counts has no start and no end.
"""

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path

import onnxruntime

from edgeae.runtime import Detector, log_mel
from edgeae.runtime.features.mel import MelStream
from edgeae.runtime.model.network import STATISTICS
from edgeae.runtime.scoring.selftest import seeded_noise
from edgeae.runtime.system.arrays import Float32

PATCHES = 12  # n: more than a decision window holds
PERIOD = 512  # samples of a block, as a microphone gives them
BURST = 31 * PERIOD  # samples of a block, as `edgeae run` scores them
Work = Callable[[int], object]  # does what it is named for so many patches of sound


def mark() -> None:
    """The system call at which the plugin tells what it counted; nothing else here makes it."""
    os.getpgid(0)


class Works:
    """What an artifact computes."""

    def __init__(self, model: Path) -> None:
        self.detector = Detector.load(model)
        self.spec, self.frames = self.detector.spec, self.detector.network.patch_frames
        self._sound = seeded_noise(1, self._samples(2 * PATCHES))
        self._patches = log_mel(self._sound, self.spec).reshape(
            -1, 1, self.frames, self.spec.n_mels
        )

    def _samples(self, patches: int) -> int:
        return patches * self.frames * self.spec.hop + self.spec.n_fft - self.spec.hop

    def _blocks(self, patches: int, size: int) -> list[Float32]:
        sound = self._sound[: self._samples(patches)]
        return [sound[k : k + size] for k in range(0, len(sound), size)]

    def _stream(self, patches: int) -> None:
        stream = MelStream(self.spec)
        for block in self._blocks(patches, PERIOD):
            stream.push(block)

    def front_end(self) -> dict[str, Work]:
        return {
            "front end, a recording at once": lambda n: log_mel(
                self._sound[: self._samples(n)], self.spec
            ),
            f"front end, blocks of {PERIOD}": self._stream,
        }

    def network(self) -> dict[str, Work]:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        session = onnxruntime.InferenceSession(
            self.detector.artifact.model, options, ["CPUExecutionProvider"]
        )
        [node] = session.get_inputs()
        name = "int8" if self.detector.artifact.quantization else "float"
        return {
            f"{name}: onnxruntime": lambda n: [
                session.run([STATISTICS], {node.name: p}) for p in self._patches[:n]
            ],
            f"{name}: network, checked": lambda n: [
                self.detector.network(p) for p in self._patches[:n]
            ],
            f"{name}: sound to score, blocks of {PERIOD}": lambda n: list(
                self.detector.stream(self._blocks(n, PERIOD))
            ),
            f"{name}: sound to score, blocks of {BURST}": lambda n: list(
                self.detector.stream(self._blocks(n, BURST))
            ),
        }


def main(models: list[Path]) -> None:
    """Three marks a work: before it, after n patches, after 2 n more."""
    artifacts = list(map(Works, models))
    works = artifacts[0].front_end()
    for artifact in artifacts:
        works |= artifact.network()
    for work in works.values():
        work(PATCHES)  # what is computed once, at the first time
        mark()
        work(PATCHES)
        mark()
        work(2 * PATCHES)
        mark()
    seconds = PATCHES * artifacts[0].frames / artifacts[0].spec.frames_per_second
    print(json.dumps({"seconds": seconds, "works": list(works)}))


if __name__ == "__main__":
    main(list(map(Path, sys.argv[1:])))
