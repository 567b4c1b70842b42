"""Messages of people, between the threads of outputs and the scoring."""

from concurrent.futures import ThreadPoolExecutor

from edgeae.runtime.outputs.feedback import FeedbackQueue, NormalMessage


def test_messages_are_popped_once_and_in_order() -> None:
    queue = FeedbackQueue()
    queue.put(NormalMessage("hw:2", "page"))
    queue.put(NormalMessage("hw:1", "mqtt"))
    assert queue.pop_all() == [NormalMessage("hw:2", "page"), NormalMessage("hw:1", "mqtt")]
    assert queue.pop_all() == []


def test_however_often_it_is_said_one_message_about_a_source_waits() -> None:
    queue = FeedbackQueue()
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(queue.put, [NormalMessage("hw:1", "mqtt")] * 1000))
    assert queue.pop_all() == [NormalMessage("hw:1", "mqtt")]
