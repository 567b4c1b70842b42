"""Another client on the topics of our sources."""

import pytest

from edgeae.runtime.outputs.mqtt.rivals import Rivals


def test_only_a_fresh_state_of_another_client_counts() -> None:
    rivals = Rivals("here", 60.0)
    rivals.handle("edgeae/pump-3", b'{"client": "here"}', False)
    rivals.handle("edgeae/pump-3", b'{"client": "there"}', True)
    assert rivals.trouble is None
    rivals.handle("edgeae/pump-3", b'{"client": "there"}', False)
    assert rivals.trouble and "the client there, publishes on edgeae/pump-3" in rivals.trouble


@pytest.mark.parametrize(
    "payload", [b"", b"\xff", b"[]", b"3", b"{}", b'{"client": 3}', b"[" * 100_000]
)
def test_other_messages_are_ignored(payload: bytes) -> None:
    rivals = Rivals("here", 60.0)
    rivals.handle("edgeae/pump-3", payload, False)
    assert rivals.trouble is None
