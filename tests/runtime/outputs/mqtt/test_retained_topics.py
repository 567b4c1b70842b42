"""Which topics of an earlier process are deleted."""

import json

import pytest

from edgeae.runtime.outputs.mqtt.retained_topics import RetainedTopics

PRESENT = ["edgeae/a/state", "homeassistant/device/edgeae-a/config"]
TOPICS = RetainedTopics("edgeae/here/retained", PRESENT, ["edgeae", "homeassistant"])


def test_those_that_are_used_no_more_are_stale() -> None:
    earlier = [*PRESENT, "edgeae/b/state", "homeassistant/device/edgeae-b/config"]
    assert TOPICS.stale(json.dumps(earlier).encode()) == earlier[2:]
    assert TOPICS.stale(TOPICS.payload()) == []


@pytest.mark.parametrize(
    "topic", ["edgeae/+/state", "#", "other/b/state", "edgeae/b/event", "edgeae-b/state", "", 3]
)
def test_topics_that_edgeae_does_not_retain_are_left(topic: object) -> None:
    assert TOPICS.stale(json.dumps([topic]).encode()) == []


@pytest.mark.parametrize("payload", [b"", b"\xff", b"{}", b"3", b"[" * 100_000])
def test_another_message_names_no_topics(payload: bytes) -> None:
    assert TOPICS.stale(payload) == []


def test_only_what_the_broker_kept_is_read() -> None:
    cleared: list[str] = []
    handle = TOPICS.handlers(cleared.append)["edgeae/here/retained"]
    handle(b'["edgeae/b/state"]', False)
    assert cleared == []
    handle(b'["edgeae/b/state"]', True)
    assert cleared == ["edgeae/b/state"]
