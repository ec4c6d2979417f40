"""Whatever thread pushes: everything arrives in order, or it is told how much did not."""

import asyncio
import threading

import pytest
from support.waiting import until

from argus_core.streaming import inlet as inlet_module
from argus_core.streaming.inlet import Inlet


class Basket:
    def __init__(self):
        self.items = []
        self.batches = []
        self.dropped = []
        self.inlet = Inlet(asyncio.get_running_loop(), self.take, self.dropped.append)

    def take(self, items):
        self.batches.append(len(items))
        self.items.extend(items)

    async def until(self, count):
        await until(lambda: len(self.items) >= count)


@pytest.fixture
async def basket():
    return Basket()


async def test_threads_push_and_each_one_keeps_its_order(basket):
    def work(name):
        for number in range(500):
            basket.inlet.push((name, number))

    threads = [threading.Thread(target=work, args=(name,)) for name in range(4)]
    for thread in threads:
        thread.start()
    await basket.until(2000)
    for thread in threads:
        thread.join()
    for name in range(4):
        assert [n for who, n in basket.items if who == name] == list(range(500))
    assert not basket.dropped


async def test_the_loop_is_woken_once_for_all_that_waits(basket):
    for number in range(100):
        basket.inlet.push(number)
    await basket.until(100)
    assert basket.batches == [100]


async def test_it_is_known_that_something_waits(basket):
    assert not basket.inlet.waiting
    basket.inlet.push(1)
    assert basket.inlet.waiting
    await basket.until(1)
    assert not basket.inlet.waiting


async def test_the_loop_turns_to_others_in_between(basket, monkeypatch):
    monkeypatch.setattr(inlet_module, "TURN", 10)
    for number in range(35):
        basket.inlet.push(number)
    seen = []

    def other():
        seen.append(len(basket.items))
        if len(basket.items) < 35:
            asyncio.get_running_loop().call_soon(other)

    asyncio.get_running_loop().call_soon(other)
    await basket.until(35)
    assert basket.batches == [10, 10, 10, 5]
    assert len(set(seen)) > 1
    assert basket.items == list(range(35))


async def test_what_is_too_much_is_counted_and_told(basket, monkeypatch):
    monkeypatch.setattr(inlet_module, "MOST", 20)
    for number in range(50):
        basket.inlet.push(number)
    await basket.until(20)
    assert basket.items == list(range(20))
    assert basket.dropped == [30]
    basket.inlet.push("later")
    await basket.until(21)
    assert basket.dropped == [30]


async def test_one_failure_does_not_stop_what_comes_after(basket, monkeypatch):
    monkeypatch.setattr(inlet_module, "TURN", 1)
    heard = []

    def take(items):
        heard.extend(items)
        if items == [1]:
            raise RuntimeError("a fault in the core")

    basket.inlet._take = take
    errors = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, told: errors.append(told))
    for number in range(4):
        basket.inlet.push(number)
    await until(lambda: len(heard) == 4)
    assert heard == [0, 1, 2, 3]
    assert len(errors) == 1


async def test_after_the_end_nothing_comes_in(basket):
    basket.inlet.push(1)
    basket.inlet.close()
    basket.inlet.push(2)
    for _ in range(5):
        await asyncio.sleep(0)
    assert basket.items == []


def test_a_thread_that_pushes_when_the_loop_is_gone_is_not_harmed():
    async def make():
        return Basket()

    with asyncio.Runner() as runner:
        basket = runner.run(make())
    for number in range(3):
        basket.inlet.push(number)
    assert basket.items == []
