"""Parts of a computer for tests: sound cards, faults of libasound, /sys and /proc."""

import errno
import itertools
import os
import shutil
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from edgeae.runtime.audio.pcm import FORMATS
from edgeae.runtime.capture.alsa import Alsa, AlsaError
from edgeae.runtime.capture.blocks import Gap
from edgeae.runtime.capture.capture import Capture
from edgeae.runtime.capture.cards import Card, list_cards
from edgeae.runtime.capture.names import resolve

TONE = (8192 * np.sin(np.arange(48000) * 2 * np.pi * 1000 / 16000)).astype(np.int16)
USB_BUS = "devices/pci0000:00/0000:00:14.0"
USB_MICROPHONE = {"idVendor": "0d8c", "idProduct": "013c", "serial": "AB12"}


class AlsaDevice(Protocol):
    """The fixture `alsa_device`."""

    def __call__(
        self, samples: bytes | NDArray[np.generic], samplerate: int | None = None
    ) -> Path: ...


class AlsaMicrophone(Protocol):
    """The fixture `alsa_microphone`."""

    def __call__(
        self, samples: NDArray[np.int16], period: int = 512, seconds: float = 0.032
    ) -> threading.Event: ...


class AlsaPlan(Protocol):
    """The fixture `alsa_plan`."""

    def __call__(self, *reads: float, code: int = errno.ENODEV) -> None: ...


Faults = Iterable[int] | Callable[..., int]


class FaultyAlsa(Alsa):
    """libasound, with errors in place of some of its calls."""

    def __init__(self, **faults: Faults) -> None:
        """faults: per function, the error numbers of its next calls (0: none), or a rule."""
        super().__init__()
        self._rules = {name: _rule(faults_of) for name, faults_of in faults.items()}

    def call(self, name: str, *arguments: object) -> int:
        rule = self._rules.get(name)
        code = rule(*arguments) if rule else 0
        if code:
            raise AlsaError(code, "injected")
        return super().call(name, *arguments)


def _rule(faults: Faults) -> Callable[..., int]:
    if callable(faults):
        return faults
    codes = iter(faults)
    return lambda *_: next(codes, 0)


def only_format(name: str) -> FaultyAlsa:
    """libasound with devices of one sample format."""
    number = FORMATS[name][0]
    return FaultyAlsa(
        snd_pcm_hw_params_set_format=lambda _p, _h, n: 0 if n == number else errno.EINVAL
    )


def encode(values: NDArray[np.int64], encoding: str) -> bytes:
    """Integers of 16 bits, as a device with this format gives them."""
    if encoding == "S16_LE":
        return values.astype("<i2").tobytes()
    if encoding == "FLOAT_LE":
        return (values / 2**15).astype("<f4").tobytes()
    whole = (values << 16).astype("<i4")
    return (
        whole.tobytes()
        if encoding == "S32_LE"
        else whole.view(np.uint8).reshape(-1, 4)[:, 1:].tobytes()
    )


def ramp(frames: int, channels: int) -> NDArray[np.int64]:
    """(frames, channels) integers of 16 bits, no two neighbours alike."""
    return (np.arange(frames * channels).reshape(frames, channels) * 7919 + 2**15) % 2**16 - 2**15


class FakeCards(Alsa):
    """Card 0 only plays, card 1 captures on device 0, card 3 may not be opened."""

    NAMES: ClassVar = {
        "snd_ctl_card_info_get_id": "Device",
        "snd_ctl_card_info_get_name": "USB PnP",
        "snd_pcm_info_get_name": "Audio",
    }

    def call(self, name: str, *arguments: object) -> int:
        fake: Callable[..., int] | None = getattr(self, name, None)
        return fake(*arguments) if fake else super().call(name, *arguments)

    def text(self, name: str, *arguments: object) -> str:
        return self.NAMES.get(name) or super().text(name, *arguments)

    def snd_card_next(self, card: Any) -> int:
        card._obj.value = {-1: 0, 0: 1, 1: 3, 3: -1}[card._obj.value]
        return 0

    def snd_ctl_open(self, _control: object, name: bytes, _mode: int) -> int:
        self.card = name
        if name == b"hw:3":
            raise AlsaError(errno.EACCES, "Permission denied")
        return 0

    def snd_ctl_pcm_next_device(self, _control: object, number: Any) -> int:
        number._obj.value = 0 if number._obj.value < 0 else -1
        return 0

    def snd_ctl_pcm_info(self, *_: object) -> int:
        if self.card == b"hw:0":
            raise AlsaError(errno.ENOENT, "No such file or directory")
        return 0

    def snd_ctl_card_info(self, *_: object) -> int:
        return 0

    snd_ctl_close = snd_ctl_card_info


class FaultyCards(FakeCards):
    """FakeCards whose card 1 is read from a file; the functions in `faults` give this error."""

    def __init__(self, **faults: int) -> None:
        super().__init__()
        self.faults = faults

    def call(self, name: str, *arguments: object) -> int:
        if code := self.faults.get(name):
            raise AlsaError(code, "injected")
        return super().call(name, *arguments)


class Kernel:
    """A computer's /sys and /proc, with cards that are plugged in and out."""

    def __init__(self, root: Path) -> None:
        self.sysfs, self.procfs = root / "sys", root / "proc"
        (self.sysfs / "class/sound").mkdir(parents=True)
        (self.procfs / "asound").mkdir(parents=True)
        self.folders: dict[int, Path] = {}

    def plug(
        self, number: int, identity: str, port: str = "", pcms: str = "D0c", **attributes: str
    ) -> None:
        """A card; with `port` (1-1.2) a USB one. `attributes` are the files of the USB device."""
        device = (
            self.sysfs / USB_BUS / (f"usb{port[0]}/{port}/{port}:1.0" if port else f"sound{number}")
        )
        folder = device / f"sound/card{number}"
        folder.mkdir(parents=True)
        write(folder / "id", identity)
        for pcm in pcms.split():
            (folder / f"pcmC{number}{pcm}").mkdir()
        (folder / "device").symlink_to(f"../../../{device.name}")
        (self.sysfs / f"class/sound/card{number}").symlink_to(
            os.path.relpath(folder, self.sysfs / "class/sound")  # as the kernel: ../../devices/...
        )
        if port:
            bus, _, path = port.partition("-")
            for name, value in {"busnum": bus, "devpath": path, **attributes}.items():
                write(device.parent / name, value)
        self.folders[number] = device

    def unplug(self, number: int) -> None:
        (self.sysfs / f"class/sound/card{number}").unlink()
        shutil.rmtree(self.folders.pop(number))

    def title(self, number: int, identity: str, title: str, long_name: str) -> None:
        with (self.procfs / "asound/cards").open("a") as file:
            file.write(f"{number:2} [{identity:15}]: USB-Audio - {title}\n{'':22}{long_name}\n")

    def resolve(self, name: str) -> str:
        return resolve(name, sysfs=self.sysfs, procfs=self.procfs)

    def cards(self) -> list[Card]:
        return list_cards(self.sysfs, self.procfs)


def write(path: Path, content: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content + "\n")


def read(capture: Capture, count: int) -> NDArray[np.float32]:
    """The next `count` blocks of a capture, joined; fails if one of them is a gap."""
    items = list(itertools.islice(capture.blocks(), count))
    blocks = [item for item in items if not isinstance(item, Gap)]
    assert [block.shape for block in blocks] == [(capture.period,)] * len(items)
    return np.concatenate(blocks)
