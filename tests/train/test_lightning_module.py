import pytest
import torch

from edgeae.train.config import load_config
from edgeae.train.lightning_module import AutoencoderModule
from edgeae.train.patches import Crops


def test_the_loss_is_the_mean_squared_residual() -> None:
    torch.manual_seed(0)
    module = AutoencoderModule(load_config("tiny")).eval()
    patches = torch.randn(3, 32, 128)
    expected = module.network(patches).square().mean()
    torch.testing.assert_close(module._loss(patches), expected)


def _crops(n: int) -> Crops:
    return Crops(torch.randn(n, 96, 128) * 8 - 60, torch.arange(n) % 2)


def test_crops_train_the_identity_embedding_with_the_autoencoder(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    torch.manual_seed(0)
    module = AutoencoderModule(load_config("tiny", ["model.embedding=4"]), n_machines=2)
    monkeypatch.setattr(module, "log", lambda *arguments, **options: None)
    module.training_step(_crops(6), 0).backward()  # type: ignore[no-untyped-call]
    gradients = {name: p.grad for name, p in module.named_parameters()}
    assert [name for name, grad in gradients.items() if grad is None] == []


def test_the_autoencoder_learns_from_the_crops_as_recorded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    torch.manual_seed(0)
    overrides = ["weight=0", "band_shifts=[3, -3]"]
    config = load_config("tiny", ["model.embedding=4", *(f"identity.{key}" for key in overrides)])
    module = AutoencoderModule(config, n_machines=2).eval()
    monkeypatch.setattr(module, "log", lambda *arguments, **options: None)
    crops = _crops(7)
    recorded = crops.frames[::3].reshape(-1, 32, 128)
    torch.testing.assert_close(module.training_step(crops, 0), module._loss(recorded))


def test_the_validation_loss_counts_reconstruction_and_classification(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    crops = _crops(7)
    losses: dict[int, float] = {}
    for weight in (0, 1, 2):
        torch.manual_seed(0)
        config = load_config("tiny", ["model.embedding=4", f"identity.weight={weight}"])
        module = AutoencoderModule(config, n_machines=2).eval()

        def log(name: str, loss: torch.Tensor, weight: int = weight, **options: object) -> None:
            assert name == "val_loss"
            losses[weight] = float(loss)

        monkeypatch.setattr(module, "log", log)
        with torch.no_grad():
            module.validation_step(crops, 0)
            if weight == 0:
                # Of all crops as recorded, though most of them are moved to be classified.
                reconstruction = module._loss(crops.frames.reshape(-1, 32, 128))
                assert losses[0] == pytest.approx(float(reconstruction))
    assert losses[1] - losses[0] > 1
    assert losses[2] - losses[1] == pytest.approx(losses[1] - losses[0], rel=1e-3)


@pytest.mark.parametrize(
    ("level", "bands", "subtracted"), [(3.0, 2.9, "bands"), (3.0, 3.1, "level")]
)
def test_bands_are_subtracted_where_machines_are_told_apart_as_well_without_them(
    level: float, bands: float, subtracted: str
) -> None:
    module = AutoencoderModule(load_config("tiny", ["model.embedding=4"]), n_machines=2)
    module.decide(level=level, bands=bands)
    assert module.network.relative_input is not None
    assert module.network.relative_input.subtracted == subtracted
