"""A trained torch network in the place of an artifact's."""

import numpy as np
import torch

from edgeae.runtime.mel import Float32

BATCH = 64


class TorchNetwork:
    """Log-mel patches (n, patch_frames, n_mels), dB -> residuals of the same shape, by torch on the CPU."""

    def __init__(self, network: torch.nn.Module, patch_frames: int) -> None:
        self._network, self.patch_frames = network, patch_frames

    @torch.inference_mode()
    def __call__(self, patches: Float32) -> Float32:
        parts = [self._network(torch.from_numpy(patches[k : k + BATCH])).numpy() for k in range(0, len(patches), BATCH)]
        return np.concatenate(parts)
