"""The classification that trains the identity embedding: which machine, and how it was changed."""

import torch
from torch import nn
from torch.nn import functional

from edgeae.runtime.errors import ConfigError

from .config import Config


class IdentityLoss(nn.Module):
    """Additive margin softmax over the cosines between an embedding and a centre of each class.

    A class is a machine together with a change: 0 for the sound as recorded, k for the k-th band
    shift. A fleet of one machine is trained on its changes alone.

    Wang, Cheng, Liu and Liu, "Additive margin softmax for face verification", IEEE Signal
    Processing Letters 25, 2018.
    """

    def __init__(self, config: Config, n_machines: int) -> None:
        super().__init__()
        self.settings = config.identity
        n_classes = n_machines * self.settings.n_changes
        if n_classes < 2:
            raise ConfigError(
                "identity.band_shifts is []; with a single training machine, at least one is "
                "needed, or model.embedding=0"
            )
        self.centres = nn.Parameter(torch.randn(n_classes, config.model.embedding_size))

    def forward(
        self, embedding: torch.Tensor, machines: torch.Tensor, changes: torch.Tensor
    ) -> torch.Tensor:
        """The mean loss of a batch.

        embedding: (N, size).
        machines, changes: (N,) numbers that make the class.
        """
        cosines = functional.linear(
            functional.normalize(embedding.float()), functional.normalize(self.centres)
        )
        classes = machines * self.settings.n_changes + changes
        margins = self.settings.margin * functional.one_hot(classes, len(self.centres))
        return functional.cross_entropy(self.settings.scale * (cosines - margins), classes)


def shifted(z: torch.Tensor, n_bands: int) -> torch.Tensor:
    """(..., n_mels) moved up by ``n_bands``, or down if negative; bands that come in are 0."""
    moved = torch.zeros_like(z)
    if n_bands > 0:
        moved[..., n_bands:] = z[..., :-n_bands]
    elif n_bands < 0:
        moved[..., :n_bands] = z[..., -n_bands:]
    else:
        moved.copy_(z)
    return moved
