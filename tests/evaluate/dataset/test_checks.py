"""Each check has a limit: at it nothing is found, beyond it the file is named."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

from edgeae.evaluate.dataset.checks import KINDS, findings
from edgeae.evaluate.dataset.findings import Finding
from edgeae.evaluate.dataset.recording_stats import RecordingStats
from edgeae.evaluate.dataset.survey import Survey
from edgeae.evaluate.dataset.survey import survey as survey_folder
from edgeae.runtime.features.mel import log_mel
from edgeae.runtime.system.arrays import Float32, Float64
from tests.evaluate.dataset.conftest import MakeStats


def _findings(*recordings: RecordingStats) -> list[Finding]:
    return findings(Survey(Path("data"), list(recordings)))


@pytest.fixture
def complete(make_stats: MakeStats) -> list[RecordingStats]:
    """A machine with recordings of each kind, in which nothing is to be fixed."""
    return [
        *(make_stats(f"train{k}") for k in range(3)),
        make_stats("normal", split="test"),
        make_stats("anomaly", split="test", label="anomaly"),
    ]


def test_nothing_is_found_in_a_good_data_set(complete: list[RecordingStats]) -> None:
    assert not _findings(*complete)


@pytest.mark.parametrize(
    ("kind", "field", "allowed", "refused"),
    [
        ("silence", "level_dbfs", -44.9, -80.1),
        ("level", "level_dbfs", -44.9, -45.1),
        ("level", "level_dbfs", -15.1, -14.9),
        ("clipping", "clipped_share", 1e-4, 1.1e-4),
        ("stuck", "stuck_share", 0.05, 0.051),
        ("interruptions", "silent_share", 0.05, 0.051),
        ("duration", "frames", 32, 31),
        ("sample rate", "samplerate", 16000, 44100),
        ("channels", "channels", 1, 2),
        ("bandwidth", "bandwidth_hz", None, 4000.0),
    ],
)
def test_a_recording_beyond_a_limit_is_named(
    complete: list[RecordingStats],
    make_stats: MakeStats,
    kind: str,
    field: str,
    allowed: float | None,
    refused: float,
) -> None:
    assert not _findings(*complete, make_stats("other", **{field: allowed}))
    found = _findings(*complete, make_stats("other", **{field: refused}))
    assert kind in KINDS
    assert [finding.files for finding in found if finding.kind == kind] == [(("other",),)]
    assert all(finding.hinders for finding in found)


def test_an_anomaly_may_be_louder_than_the_normal_recordings(
    complete: list[RecordingStats], make_stats: MakeStats
) -> None:
    assert not _findings(
        *complete, make_stats("loud", split="test", label="anomaly", level_dbfs=-5.0)
    )


def test_the_level_is_compared_within_each_machine(
    complete: list[RecordingStats], make_stats: MakeStats
) -> None:
    quiet = [
        make_stats(f"quiet{k}", machine="id_01", level_dbfs=-60.0, split=split, label=label)
        for k, (split, label) in enumerate(
            [("train", "normal"), ("test", "normal"), ("test", "anomaly")]
        )
    ]
    assert not _findings(*complete, *quiet)


def test_silent_recordings_are_not_copies_of_each_other(
    complete: list[RecordingStats], make_stats: MakeStats
) -> None:
    silent = [make_stats(name, sha256="0", level_dbfs=-120.0) for name in "ab"]
    kinds = [finding.kind for finding in _findings(*complete, *silent)]
    assert "silence" in kinds and "copies" not in kinds


def test_a_low_sample_rate_is_named_even_where_all_have_it(make_stats: MakeStats) -> None:
    recordings = [
        make_stats("a", samplerate=8000),
        make_stats("b", samplerate=8000, split="test"),
        make_stats("c", samplerate=8000, split="test", label="anomaly"),
    ]
    (finding,) = _findings(*recordings)
    assert "less than 16 kHz" in finding.what and len(finding.files) == 3


def test_features_have_no_properties_of_samples(make_stats: MakeStats) -> None:
    without = dict.fromkeys(
        ("samplerate", "channels", "level_dbfs", "clipped_share", "silent_share", "stuck_share")
    )
    recordings = [
        make_stats("a.npy", **without),
        make_stats("b.npy", **without, split="test"),
        make_stats("c.npy", **without, split="test", label="anomaly"),
    ]
    assert not _findings(*recordings)


@pytest.mark.parametrize(
    ("left_out", "words", "hinders"),
    [
        ({"train0", "train1", "train2"}, "no recording in train/", True),
        ({"normal", "anomaly"}, "no recording in test/", False),
        ({"anomaly"}, "no anomalous recording of id_00", False),
        ({"normal"}, "no normal recording of id_00", False),
    ],
)
def test_missing_recordings_are_named(
    complete: list[RecordingStats], left_out: set[str], words: str, hinders: bool
) -> None:
    recordings = [recording for recording in complete if recording.file not in left_out]
    (finding,) = _findings(*recordings)
    assert words in finding.what and finding.hinders == hinders


def test_a_machine_without_training_recordings_is_a_note(
    complete: list[RecordingStats], make_stats: MakeStats
) -> None:
    new = [
        make_stats(f"new {label}", machine="id_01", split="test", label=label)
        for label in ("normal", "anomaly")
    ]
    (finding,) = _findings(*complete, *new)
    assert "no recording of id_01 in train/" in finding.what and not finding.hinders


@pytest.mark.parametrize(("n_bands", "found"), [(32, False), (33, True)])
def test_a_test_unlike_the_training_in_a_quarter_of_the_bands_is_named(
    complete: list[RecordingStats], n_bands: int, found: bool
) -> None:
    survey = Survey(Path("data"), complete)
    frames = np.random.default_rng(0).uniform(-60, -50, (400, 128)).astype(np.float32)
    survey.levels["id_00", "train", "normal"].add(frames)
    frames[:, :n_bands] += 20
    survey.levels["id_00", "test", "normal"].add(frames)
    kinds = [finding.kind for finding in findings(survey)]
    assert kinds == (["shift"] if found else [])


def spectrum_of(sound: Float32) -> Float64:
    return np.asarray(log_mel(sound).mean(axis=0), np.float64)


def noise_of(level_db: float, exponent: float) -> Float32:
    """2 s of noise whose power falls with the frequency to the power of ``exponent``."""
    spectrum = np.fft.rfft(np.random.default_rng(0).standard_normal(32000))
    spectrum /= np.maximum(np.arange(len(spectrum)), 40) ** (exponent / 2)
    sound = np.fft.irfft(spectrum)
    return np.asarray(sound / sound.std() * 10 ** (level_db / 20), np.float32)


@pytest.mark.parametrize(("level_db", "is_off"), [(-55.0, True), (-75.0, True), (-25.0, False)])
@pytest.mark.parametrize("label", ["normal", "anomaly"])
def test_a_dead_microphone_is_found_as_run_does(
    complete: list[RecordingStats],
    make_stats: MakeStats,
    level_db: float,
    is_off: bool,
    label: str,
) -> None:
    spectra = {recording.file: spectrum_of(noise_of(-40.0, 1.0)) for recording in complete}
    spectra["other"] = spectrum_of(noise_of(level_db, 0.0))
    other = make_stats("other", split="test", label=label)
    survey = Survey(Path("data"), [*complete, other], spectra=spectra)
    off = [finding for finding in findings(survey) if finding.kind == "off"]
    assert [finding.files for finding in off] == ([(("other",),)] if is_off else [])
    assert all("the machine is off or the microphone is dead" in finding.what for finding in off)


@pytest.mark.parametrize("exponent", [0.0, 1.0])
@pytest.mark.parametrize(("level_db", "is_found"), [(-65.0, True), (-75.0, True), (-50.0, False)])
def test_a_machine_of_which_all_recordings_are_quiet_even_noise_is_found(
    complete: list[RecordingStats],
    make_stats: MakeStats,
    level_db: float,
    exponent: float,
    is_found: bool,
) -> None:
    recordings = [
        make_stats(
            recording.file, split=recording.split, label=recording.label, level_dbfs=level_db
        )
        for recording in complete
    ]
    spectrum = spectrum_of(noise_of(level_db, exponent))
    survey = Survey(Path("data"), recordings, spectra={one.file: spectrum for one in recordings})
    off = [finding for finding in findings(survey) if finding.kind == "off"]
    assert len(off) == is_found
    assert all("as of a converter without a microphone" in finding.what for finding in off)


def test_a_dead_channel_whose_noise_is_not_silent_names_the_other(tmp_path: Path) -> None:
    sound = noise_of(-30.0, 0.0) + np.sin(np.arange(32000)).astype(np.float32) * 0.1
    for split, name in (("train", "a"), ("train", "b"), ("test", "c")):
        (tmp_path / split).mkdir(exist_ok=True)
        stereo = np.stack([noise_of(-70.0, 0.0), np.roll(sound, ord(name))], axis=1)
        soundfile.write(tmp_path / split / f"normal_id_00_{name}.wav", stereo, 16000)
    off = [finding for finding in findings(survey_folder(tmp_path)) if finding.kind == "off"]
    assert [(finding.what, finding.advice, len(finding.files)) for finding in off] == [
        (
            "even noise, as of a converter without a microphone, but channel 1 has sound",
            "give --channel 1",
            3,
        )
    ]
    assert not [f for f in findings(survey_folder(tmp_path, 1)) if f.kind in ("off", "silence")]
