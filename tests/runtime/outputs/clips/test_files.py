"""Clips on disk: exact, whole or not there, and never more than allowed."""

import errno
import json
import os
import shutil
from collections import namedtuple
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from example_lines import event, gap, score, status

from edgeae.runtime.audio.pcm import Pcm
from edgeae.runtime.errors import ConfigError
from edgeae.runtime.outputs.clips import files as clips
from edgeae.runtime.outputs.clips.files import MAX_WAITING_CLIPS, ClipFiles
from edgeae.runtime.outputs.clips.line import ClipLine
from edgeae.runtime.outputs.clips.recorder import ClipRecorder
from edgeae.runtime.outputs.outbox import Outbox
from edgeae.runtime.outputs.sink import OutputError

Usage = namedtuple("Usage", "total used free")
# As FLAC, 16 kB.
NOISE = np.random.default_rng(1).integers(-32768, 32768, 8000).astype(np.int16)


def name(at: datetime) -> str:
    return f"{at:%Y%m%dT%H%M%S}.000Z_pump-3_{at.second:06x}.flac"


def clip(folder: Path, at: datetime, samples: Pcm = NOISE, samplerate: int = 16000) -> ClipLine:
    return ClipLine(
        source="hw:1",
        machine="pump-3",
        path=str(folder / name(at)),
        samplerate=samplerate,
        before_seconds=0.1,
        after_seconds=0.4,
        ended="complete",
        event=event(sentence="a fault"),
        samples=samples,
    )


def now(seconds: float = 0.0) -> datetime:
    return datetime.now(UTC) + timedelta(seconds=seconds)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "clips"


@pytest.mark.parametrize("samplerate", [16000, 22050, 48000, 192000])
def test_a_clip_is_a_flac_file_with_exactly_these_samples(folder: Path, samplerate: int) -> None:
    line = clip(folder, now(), samplerate=samplerate)
    ClipFiles(folder).deliver(line)
    samples, rate = soundfile.read(line.path, dtype="int16")
    assert rate == samplerate
    assert np.array_equal(samples, NOISE)
    information = soundfile.info(line.path)
    assert (information.format, information.subtype, information.channels) == ("FLAC", "PCM_16", 1)
    description = json.loads(Path(line.path).with_suffix(".json").read_text())
    assert description == line.to_dict()
    assert len(names(folder)) == 2


def test_the_recorded_sound_is_in_the_file(folder: Path) -> None:
    sound = (NOISE[:6000] / 32768).astype(np.float32)
    recorder = ClipRecorder(folder, "hw:1", "pump-3", before=0.1, after=0.2)
    outbox = Outbox(ClipFiles(folder), MAX_WAITING_CLIPS)
    recorder.push(sound[:4000], 8000)
    path = recorder.clip_path(event(time=now().isoformat()))
    assert path is not None
    for line in [*recorder.push(sound[4000:5000], 8000), *recorder.close()]:
        outbox.put(line)
    outbox.put(score())
    outbox.close()
    assert (outbox.delivered, outbox.trouble) == (1, None)
    assert np.array_equal(soundfile.read(path, dtype="int16")[0], NOISE[3200:5000])


def test_the_oldest_clips_are_deleted_above_the_size_limit(folder: Path) -> None:
    sink = ClipFiles(folder, megabytes=0.07)  # room for four
    lines = [clip(folder, now(second - 100)) for second in range(7)]
    for line in lines:
        sink.deliver(line)
        assert sum(path.stat().st_size for path in folder.iterdir()) <= 70000
    kept = {path.name for path in folder.glob("*.flac")}
    assert kept == {Path(line.path).name for line in lines[-4:]}
    assert {path.stem for path in folder.glob("*.json")} == {Path(name).stem for name in kept}


def test_a_clip_larger_than_the_limit_for_all_is_an_error(folder: Path) -> None:
    sink = ClipFiles(folder, megabytes=0.01)
    with pytest.raises(OutputError, match="allow more megabytes"):
        sink.deliver(clip(folder, now()))
    assert names(folder) == []


def test_old_clips_are_deleted_except_those_of_a_clock_that_was_never_set(folder: Path) -> None:
    sink = ClipFiles(folder, days=90, clock_is_right=lambda: True)
    old, young = now(-91 * 86400), now(-89 * 86400)
    unset = datetime(1970, 1, 1, 0, 3, tzinfo=UTC)
    for at in (unset, old, young):
        sink.deliver(clip(folder, at))
    sink.deliver(clip(folder, now()))
    assert name(old) not in names(folder)
    assert {name(unset), name(young)} <= set(names(folder))


@pytest.mark.parametrize("clock_is_right", [False, None])
def test_a_clock_that_may_be_wrong_deletes_no_clip(
    folder: Path, clock_is_right: bool | None
) -> None:
    sink = ClipFiles(folder, days=90, clock_is_right=lambda: clock_is_right)
    old = now(-100 * 86400)
    sink.deliver(clip(folder, old))
    sink.deliver(clip(folder, now()))
    assert name(old) in names(folder)


def test_on_a_full_disk_the_oldest_clips_are_deleted_and_then_writing_is_an_error(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sink = ClipFiles(folder, free_megabytes=1)
    lines = [clip(folder, now(second - 100)) for second in range(5)]
    for line in lines[:3]:
        sink.deliver(line)
    foreign = folder / "notes.txt"
    foreign.write_text("keep")

    def usage(free: int) -> None:
        """A disk that others fill, and clips as well."""

        def fake(_: Path) -> Usage:
            held = sum(path.stat().st_size for path in folder.iterdir())
            return Usage(0, 0, free - held)

        monkeypatch.setattr(shutil, "disk_usage", fake)

    usage(1_000_000 + 40_000)  # two clips and what is told of them
    sink.deliver(lines[3])
    kept = {path.name for path in folder.glob("*.flac")}
    assert kept == {Path(line.path).name for line in lines[2:4]}
    usage(900_000)
    with pytest.raises(OutputError, match="less than 1 MB left"):
        sink.deliver(lines[4])
    assert names(folder) == ["notes.txt"]
    usage(2_000_000)
    sink.deliver(lines[4])
    assert Path(lines[4].path).exists()


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO, errno.EROFS])
def test_after_a_failed_write_nothing_remains_and_the_next_clip_is_written(
    folder: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    outbox = Outbox(ClipFiles(folder), MAX_WAITING_CLIPS)

    def refuse(_: int) -> None:
        raise OSError(code, os.strerror(code))

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", refuse)
        outbox.put(clip(folder, now(-1)))
        assert outbox.drain(20)
    assert outbox.trouble == os.strerror(code)
    assert names(folder) == []
    outbox.put(clip(folder, now()))
    assert outbox.drain(20)
    assert (outbox.failed, outbox.delivered) == (1, 1)
    assert len(names(folder)) == 2
    outbox.close()


def test_a_folder_that_was_deleted_is_created_again(folder: Path) -> None:
    sink = ClipFiles(folder)
    folder.rmdir()
    sink.deliver(clip(folder, now()))
    assert len(names(folder)) == 2


def test_foreign_files_are_never_deleted(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder.mkdir()
    kept = [
        "normal_00.flac",
        "20200101T000000.000Z_pump-3_0000ff.wav",
        "20200101T000000Z_pump-3_0000ff.flac",
        "20200101T000000.000Z_Pump-3_0000ff.flac",
        "x20200101T000000.000Z_pump-3_0000ff.flac",
        "20200101T000000.000Z_pump-3_0000ff.flac.bak",
        ".hidden.flac.abcdefgh",
        ".20200101T000000.000Z_pump-3_0000ff.flac",
    ]
    for other in kept:
        (folder / other).write_bytes(b"x")
    (folder / "20250101T000000.000Z_pump-3_0000ff.flac").mkdir()
    outside = folder.parent / "outside.flac"
    outside.write_bytes(b"x")
    (folder / "20250101T000000.000Z_pump-3_0000aa.flac").symlink_to(outside)
    before = names(folder)
    sink = ClipFiles(folder, days=1)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(0, 0, 0))
    with pytest.raises(OutputError):
        sink.deliver(clip(folder, now()))
    assert names(folder) == before
    assert outside.read_bytes() == b"x"


def test_leftovers_of_a_killed_process_are_deleted_at_the_start(folder: Path) -> None:
    folder.mkdir()
    whole = name(now())
    (folder / whole).write_bytes(b"whole")
    (folder / f".{whole}.a_0bcdef.unfinished").write_bytes(b"half")
    ClipFiles(folder)
    assert names(folder) == [whole]


def test_the_temporary_names_are_those_that_are_removed(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sink, seen = ClipFiles(folder), list[str]()
    monkeypatch.setattr(os, "fsync", lambda _: seen.extend(names(folder)))
    sink.deliver(clip(folder, now()))
    assert sum(bool(clips._LEFTOVER.fullmatch(temporary)) for temporary in seen) == 2


def test_only_clips_are_wanted(folder: Path) -> None:
    sink = ClipFiles(folder)
    assert [
        line.type
        for line in (score(), event(), gap(), status("lost"), clip(folder, now()))
        if sink.wants(line)
    ] == ["clip"]


def test_a_file_in_place_of_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for place in (tmp_path / "file", tmp_path / "file" / "clips"):
        with pytest.raises(ConfigError, match=r"no folder for clips .* name another one$"):
            ClipFiles(place)


@pytest.mark.parametrize(
    "limits", [{"megabytes": 0}, {"days": -1}, {"free_megabytes": -1}, {"days": float("nan")}]
)
def test_impossible_limits_are_refused(folder: Path, limits: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="have to be more than 0"):
        ClipFiles(folder, **limits)


NAMED_WRONGLY = (
    "99999999T999999.000Z_pump-3_0000ff.flac",
    "20260230T000000.000Z_pump-3_0000ff.json",
)


def test_a_name_with_an_impossible_time_is_foreign(folder: Path) -> None:
    sink = ClipFiles(folder, days=1, megabytes=0.02)
    for other in NAMED_WRONGLY:
        (folder / other).write_bytes(b"x" * 30000)
    sink.deliver(clip(folder, now()))
    assert set(NAMED_WRONGLY) < set(names(folder))
