"""The lane for long work: one at a time, joined by key, alive while it says so."""

import asyncio
import gc
import math
import threading
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from argus_core import Jobs, Preparing, SourceUnavailable, Throttled
from argus_core.extend import jobs as module


@pytest.fixture
def lane():
    made = Jobs("vendor")
    yield made
    made.close()


async def test_a_quick_job_is_done_when_it_is_ready(lane):
    done = []
    await lane.ready("a", lambda job: done.append(job.key), wait=5)
    assert done == ["a"]
    assert lane.status() == ()


async def test_a_long_job_is_preparing_and_goes_on(lane):
    go, begun = threading.Event(), threading.Event()

    def work(job):
        begun.set()
        job.alive(1, 4)
        go.wait(10)

    with pytest.raises(Preparing) as caught:
        await lane.ready("a", work, wait=0.05, retry_after=7)
    assert caught.value.cool_seconds == 7
    assert begun.wait(5)
    (status,) = lane.status()
    assert (status.key, status.running, status.done, status.total) == ("a", True, 1, 4)
    go.set()
    await lane.ready("a", lambda job: pytest.fail("joined, not begun again"), wait=5)


async def test_a_job_that_fails_when_nobody_waits_any_more_is_no_unheard_error(lane):
    loop, told, go = asyncio.get_running_loop(), [], threading.Event()
    loop.set_exception_handler(lambda _loop, context: told.append(context))

    def work(_job):
        go.wait(10)
        raise SourceUnavailable("late")

    with pytest.raises(Preparing):
        await lane.ready("a", work, wait=0.02)
    future = lane.start("a", work)
    go.set()
    with pytest.raises(SourceUnavailable):
        await asyncio.wrap_future(future)
    await asyncio.sleep(0)
    gc.collect()
    assert told == []


async def test_the_vendor_s_own_time_out_is_no_waiting(lane):
    def work(_job):
        raise TimeoutError("vendor")

    with pytest.raises(TimeoutError, match="vendor"):
        await lane.ready("a", work, wait=5)


@pytest.mark.parametrize("error", [None, SourceUnavailable("gone"), TimeoutError("vendor")])
async def test_a_job_that_ends_in_the_instant_the_waiting_does_has_ended(lane, error):
    go = threading.Event()

    def work(_job):
        go.wait(10)
        if error is not None:
            raise error

    asking = asyncio.ensure_future(lane.ready("a", work, wait=0.02))
    await asyncio.sleep(0)
    future = lane.start("a", work)
    go.set()
    assert future.exception(5) is error
    time.sleep(0.05)  # noqa: ASYNC251 - the loop hears of the job's end and of its own at once
    (told,) = await asyncio.gather(asking, return_exceptions=True)
    assert told is error


async def test_a_lane_that_gets_no_thread_refuses_and_begins_anew_when_it_does(lane, monkeypatch):
    def refused(_thread):
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", refused)
        with pytest.raises(RuntimeError, match="thread"):
            lane.start("a", lambda _job: None)
    assert lane.status() == ()
    await lane.ready("a", lambda _job: None, wait=5)


async def test_a_failed_job_tells_its_asker_and_may_be_asked_again(lane):
    answers = [SourceUnavailable("gone"), None]

    def work(_job):
        if (error := answers.pop(0)) is not None:
            raise error

    with pytest.raises(SourceUnavailable, match="gone"):
        await lane.ready("a", work, wait=5)
    await lane.ready("a", work, wait=5)


async def test_jobs_run_one_after_another_in_order(lane):
    running, most, order = [], [], []

    def work(job):
        running.append(job.key)
        most.append(len(running))
        order.append(job.key)
        running.remove(job.key)

    await asyncio.gather(*(lane.ready(str(n), work, wait=5) for n in range(20)))
    assert max(most) == 1
    assert order == [str(n) for n in range(20)]


async def test_closing_ends_the_running_one_at_its_next_sign_of_life_and_drops_the_rest():
    lane, begun, go = Jobs("vendor"), threading.Event(), threading.Event()

    def work(job):
        begun.set()
        go.wait(10)
        job.alive()
        pytest.fail("it should have ended")

    first, second = lane.start("a", work), lane.start("b", work)
    assert begun.wait(5)
    lane.close()
    go.set()
    for future in (first, second):
        with pytest.raises(SourceUnavailable, match="closed"):
            future.result(5)


def test_a_lane_has_an_end(lane, monkeypatch):
    monkeypatch.setattr(module, "MOST_WAITING", 2)
    go = threading.Event()
    begun = threading.Event()

    def work(_job):
        begun.set()
        go.wait(10)

    lane.start("running", work)
    assert begun.wait(5)
    lane.start("1", work)
    lane.start("2", work)
    with pytest.raises(Throttled):
        lane.start("3", work)
    go.set()


@settings(max_examples=20, deadline=None)
@given(st.lists(st.sampled_from("abc"), max_size=30))
def test_every_asker_gets_an_end_and_no_thread_stays(keys):
    lane = Jobs("vendor")
    for future in [lane.start(key, lambda job: job.alive()) for key in keys]:
        assert future.result(5) is None
    for thread in [t for t in threading.enumerate() if t.name == "vendor jobs"]:
        thread.join(5)
    assert not [t for t in threading.enumerate() if t.name == "vendor jobs"]


async def test_an_asker_who_leaves_ends_neither_the_job_nor_the_lane(lane):
    go = threading.Event()
    future = lane.start("a", lambda _job: go.wait(10))
    asker = asyncio.create_task(asyncio.wait_for(asyncio.wrap_future(future), 0.05))
    with pytest.raises(TimeoutError):
        await asker
    assert not future.cancel()
    go.set()
    assert future.result(5) is None
    await lane.ready("b", lambda _job: None, wait=5)


def test_what_a_vendor_counts_and_how_it_spells_may_be_odd(lane):
    seen = []

    def work(job):
        for done, total in ((math.nan, 2**80), (-1, math.inf), (3.0, 4)):
            job.alive(done, total)
            (status,) = lane.status()
            seen.append((status.key, status.done, status.total))

    lane.start("k\ud800", work).result(5)
    assert seen == [("k?", 0, 0), ("k?", 0, 0), ("k?", 3, 4)]
