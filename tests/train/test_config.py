from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeae.runtime.errors import ConfigError
from edgeae.train.config import (
    PRESETS,
    Config,
    DataConfig,
    ModelConfig,
    TrainingConfig,
    key_named,
    load_config,
    save_config,
)


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_loads_by_name(name: str) -> None:
    assert isinstance(load_config(name), Config)


def test_a_preset_is_found_from_any_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert load_config("cnn2d").model.name == "cnn2d"


def test_a_file_is_a_diff_of_the_defaults(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("training:\n  epochs: 3\n")
    assert load_config(tmp_path / "mine.yaml") == Config(training=TrainingConfig(epochs=3))


def test_an_empty_file_is_the_defaults(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("# nothing yet\n")
    assert load_config(tmp_path / "mine.yaml") == Config()


def test_overrides_are_yaml() -> None:
    config = load_config(
        "edge", ["training.learning_rate=1e-3", "data.channel=mix", "model.dropout=[0.1, 0]"]
    )
    assert config.training.learning_rate == 1e-3
    assert config.data.channel == "mix"
    assert config.model.dropout == (0.1, 0.0)


def test_overrides_that_only_fit_together_are_checked_together() -> None:
    assert load_config("edge", ["mel.f_max=16000", "mel.sample_rate=32000"]).mel.f_max == 16000


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("training.epoch=3", "unknown key training.epoch; allowed are seed, epochs"),
        ("trainin.epochs=3", "unknown section 'trainin'; allowed are mel, model"),
        ("training.epochs=three", "training.epochs is 'three'; allowed is a whole number, 1 to"),
        ("training.epochs=2.5", "training.epochs is 2.5; allowed is a whole number"),
        ("training.epochs=true", "training.epochs is True; allowed is a whole number"),
        ("training.epochs=0", "training.epochs is 0; allowed is a whole number, 1 to"),
        ("training.learning_rate=.nan", "training.learning_rate is nan"),
        ("training.precision=16", "allowed is '32-true' or '16-mixed' or 'bf16-mixed'"),
        (
            "data.channel=left",
            "data.channel is 'left'; allowed is a whole number, 0 to 1023 or 'mix'",
        ),
        ("data.skip_bad=1", "data.skip_bad is 1; allowed is true or false"),
        ("model.dropout=0.1", "model.dropout is 0.1; allowed is a list of a number"),
        ("model.dropout=[1.5]", "model.dropout[0] is 1.5; allowed is a number, 0.0 to 0.95"),
        ("model.patch_frames=33", "model.patch_frames is 33; allowed are multiples of 16"),
        ("mel.hop=4000", "hop is 4000; allowed is 32 to 1024"),
        ("mel.scale=bark", "'bark'; allowed are 'slaney' and 'htk'"),
        ("scoring.head=[", "not YAML"),
        (
            "scoring.max_fpr=0",
            "scoring.max_fpr is 0; allowed is a number, greater than 0, at most 1",
        ),
        ("scoring.max_fpr=1.1", "scoring.max_fpr is 1.1; allowed is a number, greater than 0"),
        ("scoring.max_fpr=.nan", "scoring.max_fpr is nan; allowed is a number, greater than 0"),
        ("max_fpr=.2", "for example scoring.max_fpr=.2"),
        ("training.epochs", "give section.key=value"),
        ("training=3", "give section.key=value"),
    ],
)
def test_a_wrong_override_says_what_is_allowed(override: str, words: str) -> None:
    with pytest.raises(ConfigError) as error:
        load_config("edge", [override])
    assert words in str(error.value)
    assert override in str(error.value)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("training:\n  epoch: 3\n", "unknown key training.epoch"),
        (
            "optimiser: adam\n",
            "unknown key optimiser; allowed are mel, model, data, training, identity, scoring",
        ),
        ("training: 3\n", "training is 3; allowed is a mapping"),
        ("- 3\n", "the file is [3]; allowed is a mapping"),
        ("a: [\n", "not YAML"),
    ],
)
def test_an_error_names_the_file(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError) as error:
        load_config(path)
    assert str(error.value).startswith(f"{path}: ")
    assert words in str(error.value)


def test_a_binary_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(bytes(range(128, 256)))
    with pytest.raises(ConfigError, match="not YAML"):
        load_config(tmp_path / "model.onnx")


def test_a_missing_file_lists_the_presets() -> None:
    with pytest.raises(ConfigError, match="edge, cnn2d, dense, tiny, origin"):
        load_config("egde")


def test_cnn2d_refuses_bands_that_it_cannot_halve() -> None:
    with pytest.raises(ConfigError, match="multiples of 16"):
        load_config("cnn2d", ["mel.n_mels=100"])


@given(
    st.integers(1, 512),
    st.lists(st.floats(0, 0.95), max_size=4),
    st.floats(1e-7, 1),
    st.just("mix") | st.integers(0, 1023),
    st.none() | st.just("cache: here #1"),
)
def test_what_is_saved_loads_the_same(
    tmp_path_factory: pytest.TempPathFactory,
    size: int,
    dropout: list[float],
    rate: float,
    channel: int,
    cache: str,
) -> None:
    config = Config(
        model=ModelConfig(bottleneck=size, dropout=tuple(dropout)),
        data=DataConfig(channel=channel, cache=cache),
        training=TrainingConfig(learning_rate=rate),
    )
    path = tmp_path_factory.getbasetemp() / "config.yaml"
    save_config(config, path)
    assert load_config(path) == config
    assert Config.from_dict(config.to_dict()) == config


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("epochs", "training.epochs"),
        ("--n-mels", "mel.n_mels"),
        ("lr", "training.learning_rate"),
        ("model", "model.name"),
        ("name", None),
        ("bogus", None),
    ],
)
def test_a_short_name_means_one_key(name: str, key: str | None) -> None:
    assert key_named(name) == key


def test_a_value_without_a_section_is_answered_with_its_key() -> None:
    with pytest.raises(ConfigError, match=r"for example training\.epochs=5$"):
        load_config("tiny", ["epochs=5"])


@pytest.mark.parametrize("change", ["mel.n_mels=48", "mel.n_mels=72", "model.patch_frames=32"])
def test_origin_refuses_patches_of_which_its_layers_leave_nothing(change: str) -> None:
    with pytest.raises(ConfigError, match="allowed for origin are multiples of 16 from 64"):
        load_config("origin", [change])


def test_the_partial_area_ends_at_a_tenth_unless_the_configuration_says_otherwise() -> None:
    assert load_config("edge").scoring.max_fpr == load_config("origin").scoring.max_fpr == 0.1
    assert load_config("origin", ["scoring.max_fpr=1"]).scoring.max_fpr == 1.0
