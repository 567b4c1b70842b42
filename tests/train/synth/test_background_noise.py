"""The noise that is declared no fault."""

import numpy as np

from edgeae.runtime.features.mel import MelSpec
from edgeae.train.synth.background_noise import N_EXAMPLES, SNR_DB, noise_examples

SPEC = MelSpec(n_mels=16)


def test_the_examples_are_the_same_each_time_and_differ_from_each_other() -> None:
    first = list(noise_examples(SPEC))
    noise_examples.cache_clear()
    second = list(noise_examples(SPEC))
    assert len(first) == N_EXAMPLES
    for (noise, snr_db), (other, other_snr_db) in zip(first, second, strict=True):
        np.testing.assert_array_equal(noise, other)
        assert SNR_DB[0] <= snr_db == other_snr_db <= SNR_DB[1]
    spectra = np.array([noise.mean(axis=0) for noise, _ in first[:8]])
    distances = np.abs(spectra[:, None] - spectra).mean(axis=2)
    assert distances[~np.eye(8, dtype=bool)].min() > 1
