from fake_server import Hours
from hypothesis import given
from hypothesis import strategies as st

from resolver_grpc.client.patience import LONGEST_DELAY, Patience, backoff

jitters = st.floats(0, 1, exclude_max=True)


@given(st.integers(0, 10_000), jitters)
def test_a_delay_is_positive_and_capped(failures, jitter):
    assert 0 < backoff(failures, jitter) <= LONGEST_DELAY


@given(st.integers(0, 10_000))
def test_jitter_spreads_over_half_of_the_delay(failures):
    assert backoff(failures, 0.0) * 2 == backoff(failures, 1.0)


@given(st.floats(0, 300), st.floats(0, 50))
def test_what_the_server_asked_for_is_waited_and_counts(retry_for, asked):
    hours = Hours()
    patience = Patience(retry_for, hours.surroundings)
    for _ in range(20):
        if not patience.wait(asked):
            break
        assert hours.slept[-1] >= max(asked, 0.1)
    assert sum(hours.slept) <= retry_for + 1e-6


@given(st.floats(0, 300))
def test_no_attempt_starts_later_than_retry_for_after_the_first_failure(retry_for):
    hours = Hours()
    patience = Patience(retry_for, hours.surroundings)
    while patience.wait():
        assert sum(hours.slept) <= retry_for
    assert sum(hours.slept) + LONGEST_DELAY > retry_for
