"""The command `record`, on devices made of files."""

import errno
import itertools
import os
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from click.testing import CliRunner, Result

from edgeae.runtime.capture import capture
from edgeae.runtime.capture.alsa import Alsa, AlsaError
from edgeae.runtime.commands import record as recording
from edgeae.runtime.errors import AudioError, ConfigError, DeviceError
from tests.runtime.capture.fakes import AlsaDevice

NOISE = np.random.default_rng(0).integers(-(2**15), 2**15, 48000, dtype=np.int16)


def invoke(*arguments: object) -> Result:
    return CliRunner().invoke(recording.record, [str(argument) for argument in arguments])


def record(output: Path, *arguments: object, duration: float = 1.0) -> Result:
    return invoke("--device", "hw:1", "--duration", duration, "-o", output, *arguments)


def fail_reads(monkeypatch: pytest.MonkeyPatch, code: int, after: int) -> None:
    """Let the read that follows `after` good ones fail, once."""
    real, count = Alsa.call, itertools.count()

    def call(self: Alsa, name: str, *arguments: Any) -> int:
        if name == "snd_pcm_readi" and next(count) == after:
            raise AlsaError(code, os.strerror(code))
        return real(self, name, *arguments)

    monkeypatch.setattr(Alsa, "call", call)


@pytest.mark.parametrize("suffix", [".wav", ".flac", ".WAV"])
def test_recording_is_bit_identical_to_the_device(
    alsa_device: AlsaDevice, tmp_path: Path, suffix: str
) -> None:
    alsa_device(NOISE)
    output = tmp_path / f"a{suffix}"
    result = record(output, duration=2.5)
    assert (result.exception, result.stdout) == (None, "")
    samples, samplerate = soundfile.read(output, dtype="int16")
    assert samplerate == 16000
    np.testing.assert_array_equal(samples, NOISE[:40000])
    assert soundfile.info(output).subtype == "PCM_16"
    assert not list(tmp_path.glob("*.part"))


def test_recording_keeps_the_rate_of_the_device(alsa_device: AlsaDevice, tmp_path: Path) -> None:
    alsa_device(NOISE, samplerate=48000)
    assert record(tmp_path / "a.wav", duration=0.5).exception is None
    assert soundfile.info(tmp_path / "a.wav").samplerate == 48000


def test_rate_resamples(alsa_device: AlsaDevice, tmp_path: Path) -> None:
    t = np.arange(96000) / 48000
    alsa_device((10000 * np.sin(2 * np.pi * 440 * t)).astype(np.int16), samplerate=48000)
    assert record(tmp_path / "a.wav", "--rate", 16000, duration=0.5).exception is None
    samples, samplerate = soundfile.read(tmp_path / "a.wav")
    assert (samplerate, len(samples)) == (16000, 8000)
    expected = 10000 / 2**15 * np.sin(2 * np.pi * 440 * np.arange(8000) / 16000)
    np.testing.assert_allclose(samples[1000:], expected[1000:], atol=1e-3)


def test_channel_is_picked(alsa_device: AlsaDevice, tmp_path: Path) -> None:
    alsa_device(NOISE)
    assert record(tmp_path / "a.wav", "--channel", 1).exception is None
    samples, _ = soundfile.read(tmp_path / "a.wav", dtype="int16")
    np.testing.assert_array_equal(samples, NOISE[1:32000:2])


def test_summary_tells_level_and_clipping(alsa_device: AlsaDevice, tmp_path: Path) -> None:
    square = np.tile(np.array([-(2**15), 0], np.int16), 16000)
    alsa_device(square)
    summary = record(tmp_path / "a.wav").stderr
    assert "1.0 s at 16000 Hz, peak 0.0 dBFS, RMS -6.0 dBFS, 50.000% clipped, gaps: 0" in summary


def test_silence_is_pointed_out(alsa_device: AlsaDevice, tmp_path: Path) -> None:
    alsa_device(bytes(32000))
    assert "every sample is zero" in record(tmp_path / "a.wav").stderr


def test_a_bit_of_noise_is_pointed_out_whatever_its_offset(
    alsa_device: AlsaDevice, tmp_path: Path
) -> None:
    alsa_device(np.resize(np.array([7, 7, 8], np.int16), 16000))
    assert "there is no sound, only noise below -90 dBFS" in record(tmp_path / "a.wav").stderr


def test_existing_file_is_only_overwritten_by_force(
    alsa_device: AlsaDevice, tmp_path: Path
) -> None:
    alsa_device(NOISE)
    output = tmp_path / "a.wav"
    output.write_text("precious")
    result = record(output)
    assert isinstance(result.exception, ConfigError)
    assert output.read_text() == "precious"
    assert record(output, "--force").exception is None
    assert soundfile.info(output).frames == 16000


@pytest.mark.parametrize("name", ["a.mp3", "a", "missing/a.wav"])
def test_impossible_output_is_refused_before_anything_is_recorded(
    tmp_path: Path, name: str
) -> None:
    result = record(tmp_path / name)
    assert isinstance(result.exception, ConfigError)
    assert name in str(result.exception)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("arguments", "kind"), [(("--rate", "fast"), ConfigError), (("--channel", "left"), AudioError)]
)
def test_impossible_option_is_refused(
    tmp_path: Path, arguments: tuple[str, str], kind: type
) -> None:
    assert isinstance(record(tmp_path / "a.wav", *arguments).exception, kind)


@pytest.mark.parametrize("suffix", [".wav", ".flac"])
def test_a_link_that_somebody_prepared_is_not_followed(
    alsa_device: AlsaDevice, tmp_path: Path, suffix: str
) -> None:
    alsa_device(NOISE)
    (tmp_path / "victim").write_text("precious")
    (tmp_path / f"a{suffix}.part").symlink_to("victim")
    record(tmp_path / f"a{suffix}")
    assert (tmp_path / "victim").read_text() == "precious"
    assert soundfile.info(tmp_path / f"a{suffix}").frames > 0


def test_file_that_cannot_be_written_is_an_error(alsa_device: AlsaDevice, tmp_path: Path) -> None:
    alsa_device(NOISE)
    (tmp_path / "a.wav.part").mkdir()
    result = record(tmp_path / "a.wav")
    assert isinstance(result.exception, ConfigError)
    assert "a.wav.part cannot be written" in str(result.exception)


def test_unplugged_device_keeps_what_was_recorded(
    alsa_device: AlsaDevice, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    alsa_device(NOISE)
    fail_reads(monkeypatch, errno.ENODEV, after=5)
    result = record(tmp_path / "a.wav")
    assert isinstance(result.exception, DeviceError)
    samples, _ = soundfile.read(tmp_path / "a.wav", dtype="int16")
    np.testing.assert_array_equal(samples, NOISE[: 5 * 512])
    assert not list(tmp_path.glob("*.part"))


def test_device_that_gives_nothing_leaves_no_file(
    alsa_device: AlsaDevice, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    alsa_device(NOISE)
    fail_reads(monkeypatch, errno.ENODEV, after=0)
    result = record(tmp_path / "a.wav")
    assert isinstance(result.exception, DeviceError)
    assert "nothing was recorded" in result.stderr
    assert not list(tmp_path.glob("a.*"))


def test_gaps_are_reported(
    alsa_device: AlsaDevice, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    alsa_device(NOISE)
    fail_reads(monkeypatch, errno.EPIPE, after=5)
    result = record(tmp_path / "a.wav")
    assert result.exception is None
    assert "gap after 0.2 s: overrun, about" in result.stderr
    assert "gaps: 1" in result.stderr
    assert soundfile.info(tmp_path / "a.wav").frames == 16000


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signal_keeps_what_was_recorded(
    alsa_device: AlsaDevice, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    alsa_device(NOISE)
    blocks = capture.Capture.blocks

    def interrupted(self: capture.Capture) -> Any:
        for count, block in enumerate(blocks(self)):
            if count == 4:
                os.kill(os.getpid(), number)
            yield block

    monkeypatch.setattr(capture.Capture, "blocks", interrupted)
    before = signal.getsignal(number)
    result = record(tmp_path / "a.wav", duration=1000)
    assert result.exit_code == 128 + number
    assert signal.getsignal(number) is before
    samples, _ = soundfile.read(tmp_path / "a.wav", dtype="int16")
    np.testing.assert_array_equal(samples, NOISE[: 5 * 512])


def test_help_ends_with_an_example() -> None:
    assert "Example:\n    edgeae record" in invoke("--help").stdout
