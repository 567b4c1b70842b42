"""A trained torch network in the place of an artifact's."""

import numpy as np
import torch

from edgeae.runtime.model.network import statistics_of
from edgeae.runtime.system.arrays import Float32
from edgeae.train.networks import Autoencoder

BATCH = 64


class TorchNetwork:
    """What `edgeae.runtime.model.network.Network` is for an artifact, by torch on the CPU."""

    def __init__(self, network: Autoencoder, patch_frames: int) -> None:
        self._network, self.patch_frames = network, patch_frames

    def __call__(self, patches: Float32) -> Float32:
        """(n_patches, patch_frames, n_mels) dB -> (n_patches, 3, 2 * n_mels)."""
        with torch.inference_mode():
            z = self._network.standardised(torch.from_numpy(patches)).numpy()
        return statistics_of(z, self.residual(patches))

    @torch.inference_mode()
    def residual(self, patches: Float32) -> Float32:
        """(n_patches, patch_frames, n_mels) dB -> reconstruction minus z, of the same shape."""
        parts = [
            self._network(torch.from_numpy(patches[k : k + BATCH])).numpy()
            for k in range(0, len(patches), BATCH)
        ]
        return np.concatenate(parts)

    def out_of_range(self, patches: Float32) -> Float32:
        """(n_patches,) zeros: a float network has no limits."""
        return np.zeros(len(patches), np.float32)
