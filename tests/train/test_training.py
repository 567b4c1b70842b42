import json
import math
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from edgeae.runtime.errors import AudioError, ConfigError
from edgeae.train.checkpoint_network import load_network
from edgeae.train.config import load_config
from edgeae.train.lightning_module import AutoencoderModule
from edgeae.train.run_folder import best_checkpoint
from edgeae.train.training import train
from tests.conftest import Maker
from tests.train.short_runs import At, raising, tiny_config

ROOT = Path(__file__).parents[2]
PYTHON_PATHS = (ROOT, *sys.path)

pytestmark = pytest.mark.usefixtures("elsewhere")


def _weights(run: Path, name: str = "last.ckpt") -> dict[str, torch.Tensor]:
    state = torch.load(run / "checkpoints" / name, weights_only=True)
    weights: dict[str, torch.Tensor] = state["state_dict"]
    return weights


def test_a_run_leaves_what_it_is_made_of(make_data: Maker) -> None:
    make_data(5)
    data = make_data(4, machine="id_02")
    run = train(data, tiny_config(), Path("runs/mine"))
    assert load_config(run / "config.yaml") == tiny_config()
    described = json.loads((run / "data.json").read_text())
    assert described["folder"] == str(data)
    assert len(described["fingerprint"]) == 64
    parts = [(item["machine"], item["part"]) for item in described["recordings"]]
    assert parts.count(("id_01", "validation")) == parts.count(("id_02", "validation")) == 1
    assert described["recordings"][0]["file"] == "train/normal_id_01_0000.wav"
    assert list((run / "tensorboard").glob("events*"))
    assert len(list((run / "checkpoints").glob("epoch*.ckpt"))) == 3
    assert (run / "checkpoints" / "last.ckpt").is_file()


def test_metrics_are_those_of_the_best_checkpoint(make_data: Maker) -> None:
    run = train(make_data(), tiny_config(), Path("run"))
    metrics = json.loads((run / "metrics.json").read_text())
    assert (
        best_checkpoint(run).name
        == f"epoch{metrics['epoch']:03d}-val_loss{metrics['val_loss']:.6f}.ckpt"
    )
    assert metrics["epochs"] == 4
    assert metrics["seconds"] > 0
    assert 150_000 < metrics["parameters"] < 190_000
    assert torch.__version__.startswith(metrics["versions"]["torch"])


def test_the_same_seed_gives_the_same_weights(make_data: Maker) -> None:
    data = make_data()
    runs = [
        train(data, tiny_config(f"training.seed={seed}"), Path(name))
        for name, seed in (("a", 1), ("b", 1), ("c", 2))
    ]
    one, again, other = (_weights(run)["network.body.0.weight"] for run in runs)
    assert torch.equal(one, again)
    assert not torch.equal(one, other)


@pytest.mark.parametrize(("epoch", "embedding"), [(0, 0), (2, 4)])
def test_a_killed_run_ends_as_it_would_have(make_data: Maker, epoch: int, embedding: int) -> None:
    """Epoch 2 follows the trial of a network with an embedding."""
    data = make_data()
    config = tiny_config(f"model.embedding={embedding}")
    whole = train(data, config, Path("whole"))
    with pytest.raises(RuntimeError, match="power cut"):
        train(
            data,
            config,
            Path("cut"),
            callbacks=[At(epoch, raising(RuntimeError("power cut")))],
        )
    cut = train(data, config, Path("cut"), resume=True)
    expected = _weights(whole)
    assert all(torch.equal(value, expected[key]) for key, value in _weights(cut).items())
    metrics = [json.loads((run / "metrics.json").read_text()) for run in (whole, cut)]
    assert metrics[0]["val_loss"] == metrics[1]["val_loss"]
    assert best_checkpoint(cut).name == best_checkpoint(whole).name
    assert len(list((cut / "checkpoints").iterdir())) == 4


KILLED = """
import os, signal, sys
from pathlib import Path
from edgeae.train.training import train
from tests.train.short_runs import At, tiny_config
kill = At(1, lambda: os.kill(os.getpid(), signal.SIGKILL))
train(Path(sys.argv[1]), tiny_config(), Path("cut"), callbacks=[kill])
"""


@pytest.mark.slow
def test_a_run_that_was_killed_in_the_middle_of_an_epoch_is_resumed(make_data: Maker) -> None:
    data = make_data()
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, PYTHON_PATHS))}
    killed = subprocess.run(
        [sys.executable, "-c", KILLED, str(data)], env=environment, capture_output=True, check=False
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    whole = train(data, tiny_config(), Path("whole"))
    cut = train(data, tiny_config(), Path("cut"), resume=True)
    expected = _weights(whole)
    assert all(torch.equal(value, expected[key]) for key, value in _weights(cut).items())


def test_a_complete_run_has_nothing_to_resume(
    make_data: Maker, capsys: pytest.CaptureFixture[str]
) -> None:
    data = make_data()
    run = train(data, tiny_config("training.epochs=1"), Path("run"))
    train(data, tiny_config("training.epochs=1"), run, resume=True)
    assert "run is complete" in capsys.readouterr().err


def test_a_run_is_never_written_over(make_data: Maker) -> None:
    Path("run").mkdir()
    Path("run/notes.txt").touch()
    with pytest.raises(ConfigError, match="exists already; resume it with --resume"):
        train(make_data(), tiny_config(), Path("run"))


def test_an_attempt_that_failed_on_its_data_can_be_repeated(make_data: Maker) -> None:
    data = make_data()
    bad = data / "train" / "normal_id_01_9999.wav"
    bad.touch()
    with pytest.raises(AudioError):
        train(data, tiny_config("training.epochs=1"), Path("runs/mine"))
    assert not Path("runs/latest").is_symlink()
    bad.unlink()
    train(data, tiny_config("training.epochs=1"), Path("runs/mine"))


def test_a_run_does_not_go_on_with_other_recordings(make_data: Maker) -> None:
    data = make_data()
    with pytest.raises(RuntimeError):
        train(data, tiny_config(), Path("run"), callbacks=[At(1, raising(RuntimeError()))])
    (data / "train" / "normal_id_01_0003.wav").unlink()
    with pytest.raises(ConfigError, match="not the recordings"):
        train(data, tiny_config(), Path("run"), resume=True)


def test_latest_leads_to_the_newest_run(make_data: Maker) -> None:
    data = make_data()
    for name in ("one", "two"):
        train(data, tiny_config("training.epochs=1"), Path("runs") / name)
        assert Path("runs/latest").readlink() == Path(name)
    train(data, tiny_config("training.epochs=1"), Path("elsewhere"))
    assert Path("runs/latest").readlink() == Path("two")


def test_the_threads_of_the_caller_are_left_as_they_were(make_data: Maker) -> None:
    before = torch.get_num_threads()
    train(
        make_data(), tiny_config("training.epochs=1", f"training.threads={before + 1}"), Path("run")
    )
    assert torch.get_num_threads() == before


@pytest.mark.parametrize("relative_to", ["level", "bands"])
def test_what_a_network_subtracts_can_be_chosen(make_data: Maker, relative_to: str) -> None:
    overrides = ["training.epochs=2", "model.embedding=4", f"identity.relative_to={relative_to}"]
    network, _ = load_network(
        best_checkpoint(train(make_data(), tiny_config(*overrides), Path("run")))
    )
    assert network.relative_input is not None
    assert network.relative_input.subtracted == relative_to


def _decide_for_bands(module: AutoencoderModule, level: float, bands: float) -> None:
    assert module.network.relative_input is not None
    module.network.relative_input.subtracted = "bands"


def test_without_a_choice_both_are_tried(make_data: Maker, monkeypatch: pytest.MonkeyPatch) -> None:
    """In two of four epochs; what is decided last stays."""
    losses: list[tuple[float, float]] = []

    def decide(module: AutoencoderModule, level: float, bands: float) -> None:
        losses.append((level, bands))
        _decide_for_bands(module, level, bands)

    monkeypatch.setattr(AutoencoderModule, "decide", decide)
    config = tiny_config("model.embedding=4", "data.patch_step=2")
    run = train(make_data(), config, Path("run"))
    assert len(losses) == 2
    assert all(0 < level != bands > 0 and math.isfinite(level + bands) for level, bands in losses)
    assert _weights(run)["network.relative_input._extra_state"]


def test_what_was_decided_is_not_forgotten_by_a_resumed_run(
    make_data: Maker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(AutoencoderModule, "decide", _decide_for_bands)
    data = make_data()
    config = tiny_config("model.embedding=4")
    with pytest.raises(RuntimeError, match="power cut"):
        train(data, config, Path("run"), callbacks=[At(2, raising(RuntimeError("power cut")))])
    assert _weights(train(data, config, Path("run"), resume=True))[
        "network.relative_input._extra_state"
    ]
