"""Delays grow, stop growing, spread, and keep what was asked for."""

from hypothesis import given
from hypothesis import strategies as st

from shared.domain.retry import Later, Never, Now
from shared.runtime.backoff import Backoff

BACKOFF = Backoff(base=4, cap=600)


def test_a_delay_doubles_up_to_its_cap():
    assert [BACKOFF.delay(Later(), n, 0.999999) for n in range(1, 10)] == [4, 8, 16, 32, 64, 128, 256, 512, 600]


def test_crowds_disperse_over_the_upper_half():
    assert (BACKOFF.delay(Later(), 8, 0.0), BACKOFF.delay(Later(), 8, 0.5)) == (256, 384)


def test_what_the_other_side_asked_for_is_kept_and_spread():
    assert (BACKOFF.delay(Later(100), 1, 0.0), BACKOFF.delay(Later(100), 1, 1 - 1e-9)) == (100, 125)


def test_a_store_that_asks_for_a_second_each_time_does_not_use_up_the_attempts():
    assert [BACKOFF.delay(Later(1), n, 0.0) for n in (1, 2, 8)] == [2, 4, 256]


def test_now_means_now_and_then_no_more():
    assert [BACKOFF.delay(Now(), n, 0.0) for n in (1, 2, 3)] == [0, 0, 8]


@given(
    st.sampled_from([Now(), Never()]) | st.builds(Later, st.none() | st.floats(-1)),
    st.integers(-5, 10**6),
    st.floats(0, 1, exclude_max=True),
)
def test_every_delay_is_one_that_sqs_takes(verdict, attempt, fraction):
    delay = BACKOFF.delay(verdict, attempt, fraction)
    assert isinstance(delay, int)
    assert 0 <= delay <= 43_200 - 900  # hidden since it was received: an attempt came before
