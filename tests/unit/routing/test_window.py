"""The last minute of calls."""

from hypothesis import given, settings
from hypothesis import strategies as st
from support.clock import TestClock

from argus_core.routing.window import BUCKET, BUCKETS, Window


def test_what_is_older_than_a_minute_falls_out_bucket_by_bucket():
    clock = TestClock()
    window = Window(clock)
    window.add(failed=True)
    clock.advance(30)
    window.add(slow=True)
    total = window.total
    assert (total.calls, total.failures, total.slow) == (2, 1, 1)
    clock.advance(30)
    total = window.total
    assert (total.calls, total.failures, total.slow) == (1, 0, 1)
    clock.advance(3600)
    assert window.total.calls == 0
    window.add()
    window.clear()
    assert window.total.calls == 0


@settings(deadline=None)
@given(st.lists(st.tuples(st.floats(0, 40), st.booleans()), max_size=60))
def test_it_holds_what_is_younger_than_55_s_and_nothing_older_than_60(steps):
    clock = TestClock()
    window, calls = Window(clock), []
    for pause, failed in steps:
        clock.advance(pause)
        window.add(failed=failed)
        calls.append((clock.monotonic(), failed))
    now, total = clock.monotonic(), window.total
    sure = [failed for at, failed in calls if now - at <= BUCKET * (BUCKETS - 1)]
    most = [failed for at, failed in calls if now - at <= BUCKET * BUCKETS]
    assert len(sure) <= total.calls <= len(most)
    assert sum(sure) <= total.failures <= sum(most)
