"""Log-mel spectrograms that a user could pick instead, with the parameters of `MelSpec()`.

Each function imports its package and gives a callable: (n,) float32 -> (n_frames, 128), dB.
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from edgeae.runtime.system.arrays import Float32

FrontEnd = Callable[[Float32], Any]

MEL: dict[str, Any] = {"n_fft": 1024, "hop_length": 512, "n_mels": 128, "center": False}
DB = np.float32(10 / math.log(10))  # of a natural logarithm


def librosa_log_mel() -> FrontEnd:
    import librosa

    def log_mel(sound: Float32) -> Any:
        power = librosa.feature.melspectrogram(y=sound, sr=16000, power=2.0, **MEL)
        return librosa.power_to_db(power, top_db=None).T  # a clip-global step that edgeae has not

    return log_mel


def torchaudio_log_mel() -> FrontEnd:
    """In float32, as torchaudio's users have it; the transform of MKL."""
    import torch
    from torchaudio.transforms import AmplitudeToDB, MelSpectrogram

    mel = MelSpectrogram(sample_rate=16000, norm="slaney", mel_scale="slaney", power=2.0, **MEL)
    decibel = AmplitudeToDB("power")

    @torch.inference_mode()
    def log_mel(sound: Float32) -> Any:
        return decibel(mel(torch.from_numpy(sound))).T.numpy()

    return log_mel


def kaldi_log_mel() -> FrontEnd:
    stream = kaldi_stream()
    return lambda sound: np.array(stream([sound])) * DB


def kaldi_stream() -> Callable[[list[Float32]], list[Any]]:
    """Blocks -> frames (128,), natural logarithms of power: a stream from its begin to its end."""
    import kaldi_native_fbank as knf

    options = knf.FbankOptions()
    frame, mel = options.frame_opts, options.mel_opts
    frame.samp_freq, frame.frame_length_ms, frame.frame_shift_ms = 16000, 64, 32
    frame.dither, frame.preemph_coeff, frame.remove_dc_offset, frame.window_type = (
        0,
        0,
        False,
        "hann",
    )
    mel.num_bins, mel.low_freq, mel.high_freq, mel.is_librosa = 128, 0, 8000, True

    def frames(blocks: list[Float32]) -> list[Any]:
        fbank, found = knf.OnlineFbank(options), list[Any]()
        for block in blocks:
            fbank.accept_waveform(16000, block.tolist())  # a third faster than the array itself
            found += [fbank.get_frame(k) for k in range(len(found), fbank.num_frames_ready)]
        return found

    return frames


FRONT_ENDS: dict[str, Callable[[], FrontEnd]] = {
    "librosa": librosa_log_mel,
    "torchaudio": torchaudio_log_mel,
    "kaldi-native-fbank": kaldi_log_mel,
}
