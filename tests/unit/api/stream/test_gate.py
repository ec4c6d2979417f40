"""The gate: in order, little in each turn of the loop, and nobody is left waiting."""

import asyncio

import pytest

from argus_api.stream.gate import EARNS, MOST, PATIENCE, READING, Gate

pytestmark = pytest.mark.virtual


async def crowd(waits, work=0.0):
    """The numbers of those who passed, turn by turn, until all have; others work in each turn."""
    passed = []

    async def one(number, wait):
        await wait()
        passed.append(number)

    tasks = [asyncio.create_task(one(n, wait)) for n, wait in enumerate(waits)]
    turns = []
    while len(passed) < len(tasks):
        before = len(passed)
        await asyncio.sleep(0)
        asyncio.get_running_loop().compute(work)
        if len(passed) > before:
            turns.append(passed[before:])
    await asyncio.gather(*tasks)
    return turns


async def test_one_passes_in_each_turn_in_the_order_in_which_they_came():
    gate = Gate(lambda: False)
    assert await crowd([gate.spoken] * 5) == [[0], [1], [2], [3], [4]]


async def test_after_long_turns_of_others_more_pass_up_to_a_limit():
    gate = Gate(lambda: False)
    turns = await crowd([gate.spoken] * 60, work=EARNS * 5.5)
    assert max(map(len, turns[1:-1])) >= 5
    turns = await crowd([gate.spoken] * 60, work=EARNS * MOST * 2)
    assert max(map(len, turns)) == MOST


async def test_newcomers_and_messages_take_turns():
    gate = Gate(lambda: False)
    turns = await crowd([gate.come] * 10 + [gate.spoken])
    assert [10] in turns[:2]


async def test_updates_go_first_but_somebody_always_passes_in_the_end():
    busy = True
    gate = Gate(lambda: busy)
    task = asyncio.create_task(gate.spoken())
    for _ in range(PATIENCE):
        await asyncio.sleep(0)
    assert not task.done()
    for _ in range(3):
        await asyncio.sleep(0)
    assert task.done()
    task = asyncio.create_task(gate.spoken())
    await asyncio.sleep(0)
    busy = False
    for _ in range(3):
        await asyncio.sleep(0)
    assert task.done()


async def test_who_has_left_takes_nobodys_turn():
    gate = Gate(lambda: False)
    tasks = [asyncio.create_task(gate.spoken()) for _ in range(9)]
    await asyncio.sleep(0)
    for task in tasks[:8]:
        task.cancel()
    for _ in range(4):
        await asyncio.sleep(0)
    assert tasks[8].done()


async def test_the_gate_opens_again_after_a_pause():
    gate = Gate(lambda: False)
    for _ in range(3):
        async with asyncio.timeout(1):
            await gate.spoken()
        await asyncio.sleep(0.001)


async def test_only_some_slices_are_read_in_one_turn_and_none_while_updates_are_sent():
    busy = False
    seconds = 0.0
    gate = Gate(lambda: busy, lambda: seconds)
    for _ in range(2):
        assert gate.lets_read()
        seconds += READING * 0.9
        assert gate.lets_read()
        seconds += READING * 0.2
        assert not gate.lets_read()
        await asyncio.sleep(0)
    busy = True
    assert not gate.lets_read()
