"""What was recorded is what is played: the values, their order, and how many."""

import asyncio
import tempfile
from datetime import datetime, timedelta
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st
from support.clock import TestClock
from support.recordings import MOUTAI, PING_AN, quote, rows_of

from argus_core import SHANGHAI, Depth, DepthQuery, Gap, Level, Trade
from argus_core.model.answer import Answer
from argus_core.stream_table import StreamTable
from argus_core.streaming.desk import Streaming
from argus_core.streaming.lines import Line
from argus_core.streaming.recorder import Recorder
from argus_core.streaming.topics import Carrier
from argus_replay import Replay

BEGAN = datetime(2024, 3, 15, 10, 0, tzinfo=SHANGHAI)
BOTH = (MOUTAI, PING_AN)
VALUES = (
    *("kind", "symbol", "as_of", "name", "price", "open", "high", "low", "prev_close"),
    *("volume", "turnover", "change", "change_pct"),
    *("bid_prices", "bid_volumes", "ask_prices", "ask_volumes", "direction"),
)
"""What is the same whoever brings it, and whenever it comes."""


async def nothing(_dataset, _symbols):
    """Nobody knows anything before the first push."""
    return Answer(data={}, errors={}, provenance={})


class House:
    """Streaming without routes, recorded; what comes is brought by the test."""

    def __init__(self, folder, clock, carrier):
        self.clock, self.carrier, self.lines = clock, carrier, {s: Line(s) for s in BOTH}
        self.streaming = Streaming(None, None, nothing, clock=clock, table=StreamTable())
        self.recorder = Recorder(self.streaming, folder, clock=clock)

    def bring(self, item):
        if isinstance(item, Gap):
            self.streaming.gap(item.symbols, item)
        else:
            at = self.clock.now()
            self.streaming.brought(self.lines[item.symbol], item, self.carrier, at)

    async def close(self):
        await self.recorder.close()
        self.streaming.hub.close()


def sides(price, sizes):
    return tuple(Level(round(price + place * 0.01, 2), float(size)) for place, size in sizes)


@st.composite
def days(draw):
    """Pushes of a day, each with the seconds since the one before."""
    pushes, second, volume = [], 0.0, dict.fromkeys(BOTH, 0.0)
    last = {}
    for _ in range(draw(st.integers(1, 25))):
        wait = draw(st.sampled_from([0.0, 0.0, 0.5, 3.0, 60.0]))
        second += wait
        symbol = draw(st.sampled_from(BOTH))
        if draw(st.integers(0, 9)) == 0:
            pushes.append((wait, Gap(symbols=(symbol,), reason="the link broke")))
            continue
        at = BEGAN + timedelta(seconds=second)
        trades = draw(st.lists(st.integers(1, 5), max_size=3))
        if symbol in last and draw(st.booleans()):
            told, bids, asks = last[symbol]  # the same again, perhaps with trades
        else:
            volume[symbol] += sum(trades) * 100.0
            price = draw(st.integers(179_000, 181_000)) / 100
            told = quote(symbol, at, price=price, volume=volume[symbol])
            count = draw(st.integers(0, 3))
            bids = sides(price - 0.05, [(-n, draw(st.integers(1, 999))) for n in range(count)])
            asks = sides(price + 0.05, [(n, draw(st.integers(1, 999))) for n in range(count)])
        last[symbol] = (told, bids, asks)
        made = tuple(
            Trade(price=told.price, volume=many * 100.0, time=at, direction="buy")
            for many in trades
        )
        pushes.append((wait, Depth(quote=told, bids=bids, asks=asks, trades=made or None)))
    return pushes


async def record(folder, pushes):
    clock = TestClock("2024-03-15 10:00:00")
    house = House(folder, clock, Carrier("qmt", "push"))
    await house.recorder.begin(BOTH)
    for wait, item in pushes:
        clock.advance(wait)
        house.bring(item)
    await house.close()


async def replay(recorded, folder, *, speed, pace):
    clock = TestClock("2026-11-20 22:00:00")
    source = Replay("past", Replay.Settings(path=recorded, speed=speed), clock)
    carrier = Carrier("past", "push", replay=source.replaying)
    house = House(folder, clock, carrier)
    await house.recorder.begin(BOTH)
    await source.open()
    told = frozenset(rows_of(recorded)["symbol"])
    await source.subscribe(tuple(symbol for symbol in BOTH if symbol in told), house.bring)
    while True:
        over = source.now() >= source._virtual.end
        while source._player.play():
            pass
        if over:
            break
        clock.advance(pace)
    books = await source.depth(DepthQuery(symbols=BOTH, levels=10))
    await source.close()
    await house.close()
    return books


@settings(deadline=None)
@given(
    pushes=days(), speed=st.sampled_from([1, 7, 1000]), pace=st.sampled_from([0.01, 3.0, 1000.0])
)
def test_every_value_comes_again_in_its_order(pushes, speed, pace):
    pace = max(pace, 300 / speed / 100)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as path:
        first, second = Path(path) / "first", Path(path) / "second"
        asyncio.run(record(first, pushes))
        if not list(first.glob("*.parquet")) or rows_of(first)["kind"].eq("gap").all():
            return
        books = asyncio.run(replay(first, second, speed=speed, pace=pace))
        before, after = rows_of(first), rows_of(second)
    for symbol in BOTH:
        told = [frame.filter(symbol=symbol).select(VALUES) for frame in (before, after)]
        assert told[1].rows() == told[0].rows()
    assert after["replay_day"].drop_nulls().unique().to_list() in (["2024-03-15"], [])
    for book in books:  # what REST says in the end is the last that was pushed
        row = before.filter(kind="depth", symbol=book.symbol).row(-1, named=True)
        assert (book.quote.volume, book.quote.as_of) == (row["volume"], row["as_of"])
        assert [level.price for level in book.bids] == row["bid_prices"]
