"""What notifications say."""

from pathlib import Path

from example_lines import event, status

from edgeae.runtime.outputs.notify.message import (
    alarm_message,
    back_message,
    clock_text,
    duration_text,
    lost_message,
)


def test_an_alarm_says_what_changed_and_what_to_do() -> None:
    message = alarm_message(event("start", clip="/a/clip.flac"), "pump-3", None)
    assert (message.title, message.urgency) == ("ALARM pump-3", "failure")
    assert message.body.startswith("2 to 3 kHz: 6.0 dB louder.\nSince ")
    assert "Look at the machine and listen to it; if it is damaged, stop it." in message.body
    assert message.clip == Path("/a/clip.flac")


def test_the_end_of_an_alarm_says_how_long_it_lasted_and_has_no_clip() -> None:
    line = event("end", duration=600.0, clip="/a/clip.flac", cause="microphone")
    message = alarm_message(line, "pump-3", "https://pi.lan/")
    assert (message.title, message.urgency, message.clip) == (
        "Alarm over: pump-3",
        "success",
        None,
    )
    assert "The microphone is the likely cause." in message.body
    assert message.body.endswith(", 10 min.\nhttps://pi.lan/")


def test_a_lost_microphone_says_that_nothing_is_known() -> None:
    lost = lost_message(status("lost", sentence="unplugged"), "pump-3", None)
    assert (lost.title, lost.urgency) == ("Microphone lost: pump-3", "warning")
    assert lost.body.startswith("unplugged.\nSince ")
    assert "nothing is known about the machine" in lost.body
    assert back_message(status("listening"), "pump-3", None).title == "Microphone back: pump-3"


def test_times_and_durations_in_words() -> None:
    assert clock_text("2026-01-01T12:00:30+00:00", 60.0)[-3:] == ":59"
    assert clock_text("") == "an unknown time"
    assert [duration_text(s) for s in (5, 300, 7200)] == ["5 s", "5 min", "2.0 h"]
