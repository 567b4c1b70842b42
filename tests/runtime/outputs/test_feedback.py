"""Messages of people, between the threads of outputs and the scoring."""

from concurrent.futures import ThreadPoolExecutor

from edgeae.runtime.outputs.feedback import FeedbackQueue, NormalMessage, PauseMessage


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


def test_of_pause_and_resume_the_last_counts_and_what_was_normal_stays() -> None:
    queue = FeedbackQueue()
    queue.put(NormalMessage("hw:1", "mqtt"))
    queue.put(PauseMessage("hw:1", "mqtt", is_paused=True))
    queue.put(PauseMessage("hw:1", "mqtt", is_paused=False))
    resume = PauseMessage("hw:1", "mqtt", is_paused=False)
    assert queue.pop_all() == [NormalMessage("hw:1", "mqtt"), resume]
