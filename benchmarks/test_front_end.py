"""Log-mel of 10 s, and of a stream in blocks of one hop, whose frames come in blocks of a patch."""

import numpy as np
import pytest
from figures import Built, Record
from paired import paired
from peers import FRONT_ENDS, kaldi_stream

from edgeae.runtime import log_mel
from edgeae.runtime.features.mel import MelStream
from edgeae.runtime.scoring.selftest import seeded_noise

SECONDS = 10
SOUND = seeded_noise(1, SECONDS * 16000)
BLOCKS = [SOUND[k : k + 512] for k in range(0, len(SOUND) - 511, 512)]
FRAMES = len(log_mel(SOUND))
TARGETS = {"librosa": 0.45, "torchaudio": 0.8}  # most of its time
FRAME_TARGET = 25  # us


@pytest.mark.parametrize("name", FRONT_ENDS)
def test_a_recording(record: Record, built: Built, name: str) -> None:
    what, target = "front end, 10 s", TARGETS.get(name)
    peer = built(what, name, FRONT_ENDS[name], target)
    assert np.abs(peer(SOUND) - log_mel(SOUND)).max() < 0.01  # dB: the same work
    ours, theirs = (
        1e6 * seconds / SECONDS for seconds in paired(lambda: log_mel(SOUND), lambda: peer(SOUND))
    )
    record(what, ours, "us per second of audio", name, theirs, target)


def _stream() -> None:
    stream = MelStream()
    for block in BLOCKS:
        stream.push(block)
    stream.rest()


def test_a_frame_of_a_stream(record: Record) -> None:
    (seconds,) = paired(_stream)
    record("front end, one frame of a stream", 1e6 * seconds / FRAMES, "us", target=FRAME_TARGET)


def test_a_frame_of_a_stream_against_a_peer(record: Record, built: Built) -> None:
    what, name = "front end, one frame of a stream", "kaldi-native-fbank"
    peer = built(what, name, kaldi_stream, None)
    ours, theirs = (1e6 * seconds / FRAMES for seconds in paired(_stream, lambda: peer(BLOCKS)))
    record(what, ours, "us", name, theirs)
