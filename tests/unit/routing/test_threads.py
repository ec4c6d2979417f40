"""Blocking calls: a hung one keeps its seat, and no more threads than seats are ever used."""

import asyncio
import threading

import pytest
from support.waiting import until

from argus_core.routing.threads import Threads


async def test_it_returns_and_raises_what_the_call_does():
    threads = Threads(2)
    assert await threads.run(lambda x: x + 1, 1) == 2
    with pytest.raises(ZeroDivisionError):
        await threads.run(lambda x: 1 / x, 0)
    await until(lambda: threads.busy == 0)


async def test_an_abandoned_call_keeps_its_seat_until_it_returns():
    threads, gate, entered = Threads(2), threading.Event(), []

    def hang(x):
        entered.append(x)
        gate.wait(10)

    for n in range(2):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await threads.run(hang, n)
    assert threads.busy == 2
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await threads.run(hang, 2)
    assert entered == [0, 1], "no thread more than there are seats"
    assert threads.busy == 2
    gate.set()
    await until(lambda: threads.busy == 0)
    assert await threads.run(lambda x: x, 3) == 3


async def test_a_call_that_is_cancelled_before_it_starts_gives_its_seat_back():
    threads = Threads(1)
    task = asyncio.create_task(threads.run(lambda x: x, 1))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await until(lambda: threads.busy == 0)
    assert await threads.run(lambda x: x, 2) == 2


async def test_a_hundred_hangs_leave_nothing_behind():
    threads, gate = Threads(4), threading.Event()
    before = threading.active_count()
    tasks = [asyncio.create_task(threads.run(lambda _x: gate.wait(10), n)) for n in range(100)]
    await asyncio.sleep(0.05)
    assert threading.active_count() - before <= 4
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    gate.set()
    await until(lambda: threads.busy == 0)


async def test_a_thread_that_cannot_be_started_costs_no_seat(monkeypatch):
    threads = Threads(1)

    def refused(_thread):
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refused)
        for _ in range(2):
            with pytest.raises(RuntimeError, match="new thread"):
                await asyncio.wait_for(threads.run(lambda x: x, 1), 1)
    assert threads.busy == 0
    assert await asyncio.wait_for(threads.run(lambda x: x, 1), 1) == 1
