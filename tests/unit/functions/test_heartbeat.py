"""The heartbeat: a living worker's messages stay hidden, a dead one's come back soon."""

import threading

from functions.aws.heartbeat import Heartbeat
from shared.domain.errors import StateUnavailable


class Hidden:
    """Remembers beats, and lets a test wait for one."""

    def __init__(self, *, refuses: bool = False) -> None:
        self.beats: list[tuple[set[str], int]] = []
        self.another = threading.Semaphore(0)
        self.refuses = refuses

    def hide(self, receipts, seconds):
        self.beats.append((set(receipts), seconds))
        self.another.release()
        if self.refuses:
            raise StateUnavailable

    def wait(self, beats: int) -> None:
        for _ in range(beats):
            assert self.another.acquire(timeout=5)


def test_messages_are_hidden_at_once_and_again_until_the_work_ends():
    hidden = Hidden()
    with Heartbeat(hidden, ["a", "b"], 0.03):
        hidden.wait(3)
    count = len(hidden.beats)
    assert {frozenset(receipts) for receipts, _ in hidden.beats} == {frozenset({"a", "b"})}
    assert {seconds for _, seconds in hidden.beats} == {1}  # SQS knows whole seconds
    assert not [thread for thread in threading.enumerate() if thread.name == "heartbeat"]
    assert len(hidden.beats) == count


def test_a_message_that_left_is_not_touched_again():
    hidden = Hidden()
    with Heartbeat(hidden, ["a", "b"], 0.03) as beat:
        hidden.wait(1)
        beat.leave("a")
        seen = len(hidden.beats)
        hidden.wait(2)
    assert all(receipts == {"b"} for receipts, _ in hidden.beats[seen:])


def test_a_beat_that_fails_is_no_harm():
    hidden = Hidden(refuses=True)
    with Heartbeat(hidden, ["a"], 0.03):
        hidden.wait(2)


def test_work_that_fails_ends_the_beat():
    hidden = Hidden()
    try:
        with Heartbeat(hidden, ["a"], 60):
            raise RuntimeError
    except RuntimeError:
        pass
    assert len(hidden.beats) == 1
    assert not [thread for thread in threading.enumerate() if thread.name == "heartbeat"]
