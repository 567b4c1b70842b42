"""The configuration of a run: frozen dataclasses are schema and defaults, YAML is a diff of them.

preset or file.yaml -> overrides (--set training.epochs=3) -> checked Config -> RUN/config.yaml
"""

import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, fields, is_dataclass
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Annotated, Any, Literal

from edgeae.runtime.errors import ConfigError
from edgeae.runtime.features.mel import MelSpec
from edgeae.runtime.system.schema import Between, PositiveUpTo, build

MAX_BYTES = 1 << 20  # of a configuration
MIN_IMAGE_SIDE = 64  # frames and bands of a patch of origin
# Of a band in the level of a patch: small whole numbers, so that an int8 network adds exactly.
MAX_LEVEL_WEIGHT = 63
PRESETS = ("edge", "cnn2d", "dense", "tiny", "origin")

# Names of values in other programs, and those of their keys here.
SHORT_NAMES = {
    "epoch": "epochs",
    "max_epochs": "epochs",
    "n_epochs": "epochs",
    "batch": "batch_size",
    "lr": "learning_rate",
    "random_seed": "seed",
    "device": "accelerator",
    "gpu": "accelerator",
    "nodes": "num_nodes",
    "model": "model.name",
    "name": "",  # rather that of the run
}

Count = Annotated[int, Between(1, 1_000_000)]
Share = Annotated[float, Between(0.0, 0.95)]


@dataclass(frozen=True)
class ModelConfig:
    """The network; `edgeae.train.architectures` draws each of them."""

    name: Literal["edge", "cnn2d", "dense", "origin"] = "edge"
    bottleneck: Annotated[int, Between(1, 512)] = 8  # channels
    # Share of the activations that are dropped after encoder layers 1, 2, 3, ...; of origin, after
    # the layers of the decoder, too.
    dropout: tuple[Share, ...] = ()
    patch_frames: Annotated[int, Between(16, 256)] = 32  # frames the network sees at once
    # Numbers of the identity embedding, which tells machines apart; 0: none. Only edge has one;
    # auto: 64 of edge.
    embedding: Annotated[int, Between(0, 64)] | Literal["auto"] = "auto"

    def __post_init__(self) -> None:
        if self.embedding_size and self.name != "edge":
            raise ConfigError(f"model.embedding is {self.embedding}; allowed for {self.name} is 0")
        if self.patch_frames % 16:
            raise ConfigError(
                f"model.patch_frames is {self.patch_frames}; allowed are multiples of 16"
            )

    @property
    def embedding_size(self) -> int:
        """Numbers of the identity embedding; 0 for a network without one."""
        if self.embedding == "auto":
            return 64 if self.name == "edge" else 0
        return self.embedding


@dataclass(frozen=True)
class DataConfig:
    """What is read and how it becomes patches."""

    channel: Annotated[int, Between(0, 1023)] | Literal["mix"] = 0
    validation: Annotated[float, Between(0.01, 0.5)] = 0.1  # share of each machine's recordings
    cache: str | None = None  # folder of computed features; null is RUN/cache
    skip_bad: bool = False  # skip recordings that cannot be read
    # Recordings with the machine off: `edgeae export` declares their sound no fault.
    background: tuple[str, ...] = ()
    # Frames from one training patch to the next; auto: so many that an epoch has about 10 000.
    patch_step: Annotated[int, Between(1, 256)] | Literal["auto"] = "auto"


@dataclass(frozen=True)
class TrainingConfig:
    """How the network is trained: by AdamW, which without weight decay is Adam."""

    seed: Annotated[int, Between(0, 2**31 - 1)] = 0
    # Passes over the patches; auto: as many as the amount of sound deserves (`patches.n_epochs`).
    epochs: Count | Literal["auto"] = "auto"
    batch_size: Count = 64
    learning_rate: Annotated[float, Between(1e-7, 1.0)] = 3e-3
    weight_decay: Annotated[float, Between(0.0, 1.0)] = 1e-4
    # cosine: a warm-up of one epoch, then a cosine down to a hundredth of the learning rate.
    schedule: Literal["cosine", "constant"] = "cosine"
    # edgeae: epoch003-val_loss0.512345.ckpt; origin: model-epoch=03-val_loss=0.5123.ckpt.
    checkpoint_name: Literal["edgeae", "origin"] = "edgeae"
    patience: Count = 10  # epochs without a better validation loss before training stops
    precision: Literal["32-true", "16-mixed", "bf16-mixed"] = "32-true"
    accelerator: Literal["auto", "cpu", "gpu", "mps"] = "auto"
    devices: Count | Literal["auto"] = "auto"
    # CPU threads. These networks gain little from a second one, and lose much on a busy computer; a
    # fixed number also gives the same weights on computers with more cores.
    threads: Annotated[int, Between(1, 256)] = 1
    # Computers that train together; srun or torchrun starts the processes on them.
    num_nodes: Annotated[int, Between(1, 10_000)] = 1
    # auto: ddp for processes that srun or torchrun has started, else ddp_spawn on several devices.
    strategy: Literal["auto", "ddp", "ddp_spawn"] = "auto"


@dataclass(frozen=True)
class IdentityConfig:
    """How the identity embedding is trained: by a classification of crops.

    A class is a training machine together with a change of its sound. The loss is the additive
    margin softmax of Wang, Cheng, Liu and Liu, "Additive margin softmax for face verification",
    IEEE Signal Processing Letters 25, 2018.
    """

    weight: Annotated[float, Between(0.0, 1000.0)] = 1.0  # of its loss; the autoencoder's has 1
    margin: Annotated[float, Between(0.0, 0.9)] = 0.3  # between classes, of the cosine
    scale: Annotated[float, Between(1.0, 1000.0)] = 30.0  # of the cosines
    # What is subtracted from a patch before the network reads it: its level, so that a gain of the
    # microphone changes nothing; the mean of each of its bands, so that a filter changes nothing,
    # either; auto: bands, unless the machines cannot be told apart without these means.
    relative_to: Literal["auto", "level", "bands"] = "auto"
    crop_patches: Annotated[int, Between(1, 64)] = 4  # patches in a row that are classified as one
    # Mel bands by which the sound is moved up or down; each is a change of its own.
    band_shifts: tuple[Annotated[int, Between(-64, 64)], ...] = (3, -3, 6, -6, 10, -10)

    @property
    def n_changes(self) -> int:
        """Number of changes of the sound; the first is none."""
        return 1 + len(self.band_shifts)


@dataclass(frozen=True)
class ScoringConfig:
    """What the exported detector does with the residual, and how `edgeae evaluate` rates it."""

    head: Literal["gaussian", "mse"] = "gaussian"
    window: Annotated[float, Between(1.0, 3600.0)] = 10.0  # seconds
    # The pAUC is the area up to this false positive rate; the default is that of DCASE.
    max_fpr: Annotated[float, PositiveUpTo(1.0)] = 0.1


@dataclass(frozen=True)
class Config:
    """Everything that decides a run, besides the data."""

    mel: MelSpec = field(default_factory=MelSpec)
    model: ModelConfig = field(default_factory=ModelConfig)
    data: DataConfig = field(default_factory=DataConfig)
    training: TrainingConfig = field(default_factory=TrainingConfig)
    identity: IdentityConfig = field(default_factory=IdentityConfig)
    scoring: ScoringConfig = field(default_factory=ScoringConfig)

    def __post_init__(self) -> None:
        if self.model.name == "cnn2d" and self.mel.n_mels % 16:
            raise ConfigError(
                f"mel.n_mels is {self.mel.n_mels}; allowed for cnn2d are multiples of 16"
            )
        if self.model.name == "origin":
            self._check_image()

    def _check_image(self) -> None:
        """ConfigError unless the convolutions of origin leave something of a patch."""
        sides = {"mel.n_mels": self.mel.n_mels, "model.patch_frames": self.model.patch_frames}
        for key, side in sides.items():
            if side % 16 or side < MIN_IMAGE_SIDE:
                raise ConfigError(
                    f"{key} is {side}; allowed for origin are multiples of 16 from {MIN_IMAGE_SIDE}"
                )

    def to_dict(self) -> dict[str, Any]:
        """Nested dictionaries of plain types, as `from_dict` and YAML read them."""
        plain = asdict(self)
        plain["model"]["dropout"] = list(self.model.dropout)
        plain["identity"]["band_shifts"] = list(self.identity.band_shifts)
        return plain

    @classmethod
    def from_dict(cls, values: object, source: str = "configuration") -> "Config":
        """The configuration of `to_dict`; ``source`` is named in errors."""
        try:
            config: Config = build(cls, values)
        except ConfigError as error:
            raise ConfigError(f"{source}: {error}") from error
        return config


def _content(source: Traversable) -> bytes:
    with source.open("rb") as file:
        return file.read(MAX_BYTES)


def load_config(name_or_path: str | Path = "edge", overrides: Sequence[str] = ()) -> Config:
    """A preset by its name or a YAML file, changed by overrides like ``training.epochs=3``.

    Raises ConfigError that names the key, where it stands and what is allowed.
    """
    source = _find(str(name_or_path))
    values = _parse(_content(source), str(name_or_path))
    config = Config.from_dict(values, str(name_or_path))
    if not overrides:
        return config
    values = config.to_dict()
    for override in overrides:
        _override(values, override)
    return Config.from_dict(values, f"{name_or_path} with --set {' '.join(overrides)}")


def key_named(name: str) -> str | None:
    """The key that a short name means: ``training.epochs`` for ``epochs`` or ``--n-epochs``.

    None if no section has such a key, or two have one.
    """
    wanted = name.strip("-").replace("-", "_").lower()
    wanted = SHORT_NAMES.get(wanted, wanted)
    keys: list[str] = []
    for section in fields(Config):
        section_type = section.default_factory
        assert is_dataclass(section_type)
        keys += [f"{section.name}.{key.name}" for key in fields(section_type)]
    matching = [key for key in keys if wanted in (key, key.partition(".")[2])]
    return matching[0] if len(matching) == 1 else None


def save_config(config: Config, path: Path) -> None:
    """Write every value, the defaults too, as YAML that `load_config` reads back."""
    import yaml

    path.write_text(yaml.safe_dump(config.to_dict(), sort_keys=False), encoding="utf-8")


def _find(name: str) -> Traversable:
    if name in PRESETS:
        return resources.files("edgeae.configs") / f"{name}.yaml"
    path = Path(name)
    if not path.is_file():
        raise ConfigError(
            f"{name}: no such configuration; give a YAML file or one of {', '.join(PRESETS)}"
        )
    return path


def _parse(text: str | bytes, source: str) -> Any:
    """YAML 1.2 as far as numbers go: PyYAML alone reads ``1e-3`` as a word."""
    import yaml

    class Loader(yaml.SafeLoader):
        pass

    number = re.compile(r"^[-+]?(\d+\.?\d*|\.\d+)[eE][-+]?\d+$")
    Loader.add_implicit_resolver("tag:yaml.org,2002:float", number, list("-+.0123456789"))
    try:
        return yaml.load(text, Loader)  # a SafeLoader
    except yaml.YAMLError as error:
        raise ConfigError(f"{source}: not YAML ({' '.join(str(error).split())})") from error


def _override(values: dict[str, Any], override: str) -> None:
    """Set one ``section.key=value`` in place; the value is YAML."""
    path, equals, text = override.partition("=")
    section, _, key = path.partition(".")
    if not equals or not key:
        full_key = key_named(path)
        example = f"{full_key}={text or 'VALUE'}" if full_key else "training.epochs=3"
        raise ConfigError(f"--set {override}: give section.key=value, for example {example}")
    if section not in values:
        raise ConfigError(
            f"--set {override}: unknown section {section!r}; allowed are {', '.join(values)}"
        )
    values[section][key] = _parse(text, f"--set {override}")
