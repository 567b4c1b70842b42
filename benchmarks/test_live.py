"""CPU time and memory of `edgeae run --device`, with ALSA's file plugin in place of a sound card.

Windows, events and health are computed, and every line is written to stdout and to --log. The
caches of a processor that sleeps between two blocks are cold, so sound at its own pace costs more
than the same sound as fast as possible.
"""

from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from urllib.request import urlopen

import numpy as np
import pytest
import soundfile
from figures import Models, Record
from listening import RATE, Listening, listen
from mosquitto import MOSQUITTO, Mosquitto
from numpy.typing import NDArray
from ports import reserved_port

WARM = 15  # seconds of sound, until the first windows are full
CPU_TARGET = 2.5  # at the pace of a microphone
N_DEVICES = 8
CPU_UNIT = "ms per second of audio"
PEAK_TARGET = 80  # MiB
ALL_OUTPUTS_PEAK_TARGET = 95  # MiB


def _listen(models: Models, folder: Path, seconds: int, *, paced: bool) -> Listening:
    return listen(models["machine"], _sound(models, seconds), folder, paced=paced)


def _sound(models: Models, seconds: int) -> NDArray[np.int16]:
    paths = sorted((models["data"] / "test").glob("*_id_00_*"))
    sound = np.concatenate([soundfile.read(path, dtype="int16")[0] for path in paths])
    return np.resize(sound, seconds * RATE)


def test_sound_as_it_comes(record: Record, models: Models, tmp_path: Path) -> None:
    listening = _listen(models, tmp_path, 45, paced=True)
    record(
        "listening, sound as it comes", listening.cpu_ms_per_s(WARM), CPU_UNIT, target=CPU_TARGET
    )
    record("listening, peak memory", listening.peak_mib, "MiB", target=PEAK_TARGET)


def test_eight_devices_on_one_core(record: Record, models: Models, tmp_path: Path) -> None:
    sound = _sound(models, 45)
    listening = listen(models["machine"], sound, tmp_path, paced=True, n_devices=N_DEVICES)
    assert not listening.n_gaps
    cpu_ms = listening.cpu_ms_per_s(WARM)
    target = N_DEVICES * CPU_TARGET
    record("eight devices on one core, sound as it comes", cpu_ms, "ms per second", target=target)
    record("eight devices, peak memory", listening.peak_mib, "MiB")


def test_sound_as_fast_as_it_goes(record: Record, models: Models, tmp_path: Path) -> None:
    listening = _listen(models, tmp_path, 900, paced=False)
    record(
        "listening, sound as fast as it goes",
        listening.cpu_ms_per_s(WARM),
        CPU_UNIT,
        target=CPU_TARGET,
    )


class _Accepting(BaseHTTPRequestHandler):
    """A web server that takes each line."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


def _browse(port: int) -> None:
    """Read the page, and the events of the stream until the server ends."""
    urlopen(f"http://127.0.0.1:{port}/", timeout=10).read()
    with suppress(OSError), urlopen(f"http://127.0.0.1:{port}/events", timeout=60) as events:
        while events.readline():
            pass


def test_memory_with_all_outputs(record: Record, models: Models, tmp_path: Path) -> None:
    """A log, clips, a command, MQTT, a webhook with a spool, the page and metrics, all in use."""
    if not MOSQUITTO.exists():
        pytest.skip("mosquitto is not installed")
    web = ThreadingHTTPServer(("127.0.0.1", 0), _Accepting)
    Thread(target=web.serve_forever, daemon=True).start()
    with reserved_port() as mqtt, reserved_port() as page, reserved_port() as metrics:
        broker = Mosquitto(tmp_path, mqtt)
        broker.start()
        options = [
            *("--clips", str(tmp_path / "clips"), "--on-event", "true"),
            *("--mqtt", broker.url, "--mqtt-every", "0"),
            *("--webhook", f"http://127.0.0.1:{web.server_port}"),
            *("--webhook-spool", str(tmp_path / "spool")),
            *("--page", str(page), "--metrics", str(metrics)),
            *("--metrics-file", str(tmp_path / "edgeae.prom")),
            *("--state", str(tmp_path / "state.json"), "--track", str(tmp_path / "track.json")),
        ]

        browsers: list[Thread] = []

        def look() -> None:
            urlopen(f"http://127.0.0.1:{metrics}/metrics", timeout=10).read()
            if not browsers:
                browsers.append(Thread(target=_browse, args=(page,), daemon=True))
                browsers[0].start()

        sound = _sound(models, 300)
        time = np.arange(len(sound) // 2) / RATE
        faulty = sound[: len(time)] + 8000 * np.sin(2 * np.pi * 3000 * time)
        sound = np.concatenate([sound, np.clip(faulty, -32768, 32767).astype(np.int16)])
        listening = listen(
            models["machine"], sound, tmp_path, paced=False, options=options, look=look
        )
        broker.kill()
    web.shutdown()
    web.server_close()
    assert list((tmp_path / "clips").iterdir())
    peak_mib = listening.peak_mib
    target = ALL_OUTPUTS_PEAK_TARGET
    record("listening, peak memory with all outputs", peak_mib, "MiB", target=target)
