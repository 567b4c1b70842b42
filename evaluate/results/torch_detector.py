"""A detector with a trained torch network in place of an artifact's network."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from edgeae.quantize.training_set import read_training_set
from edgeae.runtime.model.artifact import Artifact
from edgeae.runtime.model.network import PatchStatistics, statistics_of
from edgeae.runtime.model.sections import ExplainSection
from edgeae.runtime.scoring.detector import Detector
from edgeae.runtime.scoring.pipeline import Pipeline
from edgeae.runtime.system.arrays import Float32
from edgeae.train.architectures import Autoencoder
from edgeae.train.checkpoint_network import load_best
from edgeae.train.run_folder import data_folder_of, validation_files

BATCH_PATCHES = 64
FALSE_ALARMS = "1/day"  # the budget of the threshold, as for an export


class TorchNetwork:
    """The methods of `edgeae.runtime.model.network.Network`, computed by torch on the CPU."""

    def __init__(self, network: Autoencoder, patch_frames: int) -> None:
        self._network = network
        self.patch_frames = patch_frames
        identity = network.identity
        self.n_identity = identity.linear.out_features if identity else 0

    def __call__(self, patches: Float32) -> PatchStatistics:
        """The statistics of patches (n_patches, patch_frames, n_mels), dB."""
        with torch.inference_mode():
            z = self._network.standardised(torch.from_numpy(patches)).numpy()
        identity = self._in_batches(self._network.embedding, patches)
        return statistics_of(z, self.residual(patches), identity)

    @torch.inference_mode()
    def residual(self, patches: Float32) -> Float32:
        """(n_patches, patch_frames, n_mels) dB -> reconstruction minus z, of the same shape."""
        return self._in_batches(self._network, patches)

    @staticmethod
    def _in_batches(function: Callable[[torch.Tensor], torch.Tensor], patches: Float32) -> Float32:
        parts = [
            function(torch.from_numpy(patches[k : k + BATCH_PATCHES])).numpy()
            for k in range(0, len(patches), BATCH_PATCHES)
        ]
        return np.concatenate(parts)

    def out_of_range(self, patches: Float32) -> Float32:
        """(n_patches,) zeros: a float network has no limits."""
        return np.zeros(len(patches), np.float32)


def torch_detector(model: Path, report: Callable[[str], None]) -> Detector:
    """The detector of a checkpoint (.ckpt) or of the best checkpoint of a run's folder.

    Head and threshold are fitted to the training recordings, as by an export.
    """
    checkpoint, trained, config = load_best(model, report)
    network = TorchNetwork(trained, config.model.patch_frames)
    run = checkpoint.parent.parent
    data = data_folder_of(run)
    training_set = read_training_set(
        data,
        config,
        report,
        skip_bad=config.data.skip_bad,
        held_out=validation_files(run, data),
    )
    window = training_set.window(config.scoring.window, config)
    pipeline = Pipeline(config.mel, network, window)
    fitted = training_set.fit(pipeline, config.scoring.head, FALSE_ALARMS)
    artifact = Artifact.build(
        b"",
        config.mel,
        explain=ExplainSection.of(config.mel, trained.mean.numpy(), trained.std.numpy()),
        provenance={"config": config.to_dict()},
        head=fitted.head,
        threshold=fitted.threshold,
    )
    return Detector(artifact, network)
