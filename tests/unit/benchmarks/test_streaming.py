"""Short runs of the streaming benchmarks: the code of the long ones, judged by what arrives."""

import asyncio
from collections import Counter
from itertools import pairwise

import abuse
import pytest
import soak
import streaming
from hypothesis import given
from hypothesis import strategies as st
from stream_source import MARKET
from stream_wire import Rate, Tally, Wire, conflated
from websockets.frames import Frame, Opcode

from argus_core import Kind
from argus_core.market.kinds import kind_of

UPDATE = b'{"type":"update","channel":"quotes","data":[{"volume":%d},{"volume":%d.0}]}'


# -- the clients must themselves be right --------------------------------------------------------


def wire(tally):
    """A connection whose handshake is over; what it sends goes nowhere."""
    loop = asyncio.new_event_loop()
    try:
        asyncio.set_event_loop(loop)
        made = loop.run_until_complete(_made(tally))
    finally:
        asyncio.set_event_loop(None)
        loop.close()
    return made


async def _made(tally):
    made = Wire(1, tally, Counter(), {})
    made.opened.set_result(None)
    return made


@given(
    st.lists(st.sampled_from([1, 90, 200, 70_000]), min_size=1, max_size=5),
    st.lists(st.integers(0, 5000), max_size=8),
)
def test_frames_are_found_however_they_are_cut(sizes, cuts):
    tally = Rate()
    bodies = [UPDATE % (7, 8) + b" " * size for size in sizes]
    data = b"".join(Frame(Opcode.TEXT, body).serialize(mask=False) for body in bodies)
    made = wire(tally)
    edges = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    for start, stop in pairwise(edges):
        made.data_received(data[start:stop])
    assert tally.frames == len(sizes)
    assert tally.updates == 2 * len(sizes)
    assert tally.sample == bodies[-1]


def test_lateness_is_told_from_the_stamps(monkeypatch):
    monkeypatch.setattr("stream_wire.time.monotonic_ns", lambda: 5_000_000)
    tally = Tally()
    tally.took(UPDATE % (1000, 4000))
    assert tally.updates == 2
    assert tally.worst == 4.0
    assert tally.percentile(0.5) == 1.0
    assert tally.percentile(0.99) == 4.0


def test_what_was_replaced_is_counted():
    told = b'{"type":"update","data":[],"conflated":{"600000.SH":3,"600001.SH":1}}'
    assert conflated(told) == 4
    assert conflated(UPDATE % (1, 2)) == 0


def test_the_market_is_made_of_shares():
    assert len(set(MARKET)) == 5400
    assert {kind_of(symbol) for symbol in MARKET} == {Kind.STOCK}


# -- the slope -----------------------------------------------------------------------------------


@given(st.floats(-5, 5), st.lists(st.floats(-1, 1), min_size=30, max_size=30))
def test_what_only_trembles_does_not_grow(level, noise):
    times = [float(place) for place in range(len(noise))]
    line = soak.slope(times, [1000 + level + one for one in noise])
    assert not line.grows("tasks")


@given(st.floats(2, 50), st.lists(st.floats(-0.5, 0.5), min_size=40, max_size=40))
def test_what_rises_through_its_noise_grows(rise, noise):
    times = [float(place) for place in range(len(noise))]
    values = [100 + rise * at + one for at, one in zip(times, noise, strict=True)]
    line = soak.slope(times, values)
    assert line.a_second == pytest.approx(rise, abs=0.1)
    assert line.grows("tasks")
    assert not soak.slope(times, values[::-1]).grows("tasks")


# -- short runs ------------------------------------------------------------------------------------


@pytest.mark.long
def test_a_short_stream_loses_nothing():
    outcome = streaming.run(streaming.SHORT)
    assert not outcome.missed(fast=False), streaming.table(outcome)
    assert outcome.served is not None
    assert outcome.burst.frames
    assert outcome.updates
    assert outcome.single_share


@pytest.mark.long
def test_offenders_end_as_documented_and_others_lose_nothing():
    terms = abuse.Terms(connections=40, seconds=2.0, rounds=1, each=1, slow=False)
    outcome = abuse.run(terms)
    assert not outcome.missed(fast=False), abuse.table(outcome)


@pytest.mark.long
def test_a_short_soak_is_flat():
    readings = soak.run(connections=40, seconds=6.0, pause=0.4)
    assert not readings.missed(), soak.table(readings)
    assert readings.due
    assert readings.replaced
