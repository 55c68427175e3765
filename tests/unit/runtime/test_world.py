"""The plain world: UTC, a deadline with a margin, chance."""

from datetime import UTC, timedelta

from shared.runtime.world import After, LambdaDeadline, SystemClock, SystemRandomness


def test_the_clock_is_utc_and_aware():
    assert SystemClock().now().utcoffset() == timedelta(0)
    assert SystemClock().now().tzinfo is UTC


def test_sleep_takes_no_offence_at_the_past():
    SystemClock().sleep(-1)


def test_a_deadline_leaves_time_to_report_and_is_never_negative():
    left = [30_000, 5_001, 4_000]
    deadline = LambdaDeadline(lambda: left.pop(0), margin=5)
    assert [round(deadline.remaining(), 3) for _ in range(3)] == [25.0, 0.001, 0.0]


def test_a_while_passes():
    assert 0 < After(100).remaining() <= 100
    assert After(-1).remaining() == 0


def test_tokens_differ_and_fractions_stay_in_their_range():
    chance = SystemRandomness()
    assert chance.token(16) != chance.token(16)
    assert len(chance.token(32)) == 43
    assert all(0 <= chance.fraction() < 1 for _ in range(100))
