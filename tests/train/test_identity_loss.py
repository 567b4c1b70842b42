import pytest
import torch
from torch.nn import functional

from edgeae.runtime.errors import ConfigError
from edgeae.train.config import Config, load_config
from edgeae.train.identity_loss import IdentityLoss, shifted


def _config(*overrides: str) -> Config:
    return load_config("tiny", ["model.embedding=4", "identity.band_shifts=[5, -5]", *overrides])


def test_a_class_is_a_machine_with_a_change() -> None:
    assert len(IdentityLoss(_config(), 2).centres) == 6
    assert len(IdentityLoss(_config("identity.band_shifts=[3]"), 1).centres) == 2


def test_the_loss_is_the_softmax_of_cosines_less_the_margin_of_the_class() -> None:
    torch.manual_seed(0)
    loss = IdentityLoss(_config("identity.scale=10", "identity.margin=0.2"), 2)
    embedding = torch.randn(5, 4)
    machines, changes = torch.tensor([0, 1, 1, 0, 1]), torch.tensor([0, 0, 1, 2, 2])
    classes = [0, 3, 4, 2, 5]
    logits = 10 * functional.cosine_similarity(embedding[:, None], loss.centres[None], dim=2)
    logits[torch.arange(5), classes] -= 2
    expected = functional.cross_entropy(logits, torch.tensor(classes))
    torch.testing.assert_close(loss(embedding, machines, changes), expected)


def test_the_loss_falls_towards_the_centre_of_the_class() -> None:
    torch.manual_seed(0)
    loss = IdentityLoss(_config(), 1)
    right, wrong = (
        loss(loss.centres[[k]].detach(), torch.tensor([0]), torch.tensor([1])) for k in (1, 2)
    )
    assert right < wrong


def test_one_machine_without_changes_is_refused() -> None:
    config = _config("identity.band_shifts=[]")
    with pytest.raises(ConfigError, match="band_shifts"):
        IdentityLoss(config, 1)
    assert len(IdentityLoss(config, 2).centres) == 2


@pytest.mark.parametrize(
    ("n_bands", "expected"),
    [(0, [1.0, 2.0, 3.0, 4.0]), (1, [0.0, 1.0, 2.0, 3.0]), (-3, [4.0, 0.0, 0.0, 0.0])],
)
def test_bands_are_moved_and_those_that_come_in_are_zero(
    n_bands: int, expected: list[float]
) -> None:
    z = torch.tensor([1.0, 2.0, 3.0, 4.0]).repeat(2, 1)
    assert shifted(z, n_bands).tolist() == [expected] * 2
