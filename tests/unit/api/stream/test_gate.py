"""The gate: in order, one in each turn of the loop, and nobody is left waiting."""

import asyncio

from argus_api.stream.gate import PATIENCE, SLICES, Gate


async def crowd(gate, many):
    """The numbers of those who passed, turn by turn, until all have."""
    passed = []

    async def one(number):
        await gate.passed()
        passed.append(number)

    tasks = [asyncio.create_task(one(n)) for n in range(many)]
    turns = []
    while len(passed) < many:
        before = len(passed)
        await asyncio.sleep(0)
        if len(passed) > before:
            turns.append(passed[before:])
    await asyncio.gather(*tasks)
    return turns


async def test_one_passes_in_each_turn_in_the_order_in_which_they_came():
    assert await crowd(Gate(lambda: False), 5) == [[0], [1], [2], [3], [4]]


async def test_updates_go_first_but_somebody_always_passes_in_the_end():
    busy = True
    gate = Gate(lambda: busy)
    task = asyncio.create_task(gate.passed())
    for _ in range(PATIENCE):
        await asyncio.sleep(0)
    assert not task.done()
    for _ in range(3):
        await asyncio.sleep(0)
    assert task.done()
    task = asyncio.create_task(gate.passed())
    await asyncio.sleep(0)
    busy = False
    for _ in range(3):
        await asyncio.sleep(0)
    assert task.done()


async def test_who_has_left_takes_nobodys_turn():
    gate = Gate(lambda: True)
    tasks = [asyncio.create_task(gate.passed()) for _ in range(4)]
    await asyncio.sleep(0)
    for task in tasks[:3]:
        task.cancel()
    async with asyncio.timeout(1):
        await tasks[3]


async def test_the_gate_opens_again_after_a_pause():
    gate = Gate(lambda: False)
    for _ in range(3):
        async with asyncio.timeout(1):
            await gate.passed()
        await asyncio.sleep(0.001)


async def test_only_some_slices_are_read_in_one_turn_and_none_while_updates_are_sent():
    busy = False
    gate = Gate(lambda: busy)
    for _ in range(2):
        assert [gate.lets_read() for _ in range(SLICES + 2)] == [True] * SLICES + [False] * 2
        await asyncio.sleep(0)
    busy = True
    assert not gate.lets_read()
