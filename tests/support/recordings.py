"""A hub without a network around it, days to record, and what a recording then holds."""

from __future__ import annotations

from contextlib import contextmanager
from datetime import datetime, timedelta

import polars as pl

from argus_core import SHANGHAI, Depth, Level, Quote, Symbol, Trade
from argus_core.streaming.desk import Ready
from argus_core.streaming.hub import Hub
from argus_core.streaming.parts import Parts, facts_of, manifest_of, parts_in
from argus_core.streaming.rows import frame_of
from argus_core.streaming.topics import DEPTH, TRADES, Carrier, Update

MOUTAI, PING_AN = Symbol("600519.SH"), Symbol("000001.SZ")
CARRIER = Carrier("qmt", "push", ("edge",))


class Nobody:
    """Brings nothing: what is said in a test is said by the test."""

    def want(self, symbols):
        pass

    def drop(self, symbols):
        pass


class Stage:
    """As much of streaming as a recorder needs."""

    def __init__(self, clock, epoch="e1", rejected=None):
        self.hub = Hub(epoch=epoch, grace=0.0, supply=Nobody(), later=lambda _s, _act: None)
        self.rejected = rejected or {}

    @contextmanager
    def held(self, symbols):
        self.hub.hold(symbols)
        yield
        self.hub.release(symbols)

    async def ready(self, channel, symbols):
        return Ready(tuple(s for s in symbols if s not in self.rejected), self.rejected)


def quote(symbol=MOUTAI, at=None, price=1800.0, volume=100.0, **more):
    """A quote that can be true."""
    return Quote(
        symbol=symbol,
        as_of=at,
        price=price,
        open=1800.0,
        high=max(price, 1800.0),
        low=min(price, 1800.0),
        prev_close=1790.0,
        volume=volume,
        turnover=volume * price,
        **more,
    )


def book(told, trades=None):
    """A book of two levels a side around a quote."""
    price = told.price or 1800.0
    return Depth(
        quote=told,
        bids=(Level(price - 0.01, 100.0), Level(price - 0.02, 300.0)),
        asks=(Level(price + 0.01, 200.0), Level(price + 0.02, 400.0)),
        trades=trades,
    )


def rows_of(folder):
    """Every row of a recording, in order."""
    return pl.concat([pl.read_parquet(folder / part.name) for part in parts_in(folder)])


def manifest_by_parts(folder):
    """What the manifest of a recording should say, made from its parts alone."""
    told = [facts_of(folder / part.name, part.name) for part in parts_in(folder)]
    return manifest_of([facts for facts, _ in told], {name for _, own in told for name in own})


def whole_day(folder, *, day="2024-03-15", symbols=(MOUTAI, PING_AN), every=6):
    """A recorded day of books and trades, both sessions, without going through any hub."""
    began = datetime.fromisoformat(f"{day}T09:25:00").replace(tzinfo=SHANGHAI)
    entries, seqs = [], dict.fromkeys(symbols, 0)
    for at, number in _instants(began, every):
        for place, symbol in enumerate(symbols):
            seqs[symbol] += 1
            price = round(1800.0 + (number % 97 - 48) * 0.01 + place, 2)
            told = Quote(
                symbol=symbol,
                name="贵州茅台" if place == 0 else None,
                as_of=at,
                price=price,
                open=1800.0 + place,
                high=1801.0 + place,
                low=1799.0 + place,
                prev_close=1790.0,
                volume=100.0 * (number + 1),
                turnover=100.0 * (number + 1) * (1800.0 + place),
            )
            received = at + timedelta(milliseconds=40)
            entries.append(Update(DEPTH, symbol, seqs[symbol], book(told), CARRIER, received))
            trade = Trade(price=price, volume=100.0, time=at, direction="buy")
            entries.append(Update(TRADES, symbol, seqs[symbol], trade, CARRIER, received))
    parts = Parts(folder, began=began, rotate_bytes=1 << 30)
    parts.write(frame_of(entries, "e1"))
    parts.close()
    return folder


def _instants(began, every):
    """The instants of a day's snapshots, from the auction to the close."""
    number = 0
    yield began, number
    for hour, minute in ((9, 30), (13, 0)):
        at = began.replace(hour=hour, minute=minute)
        for step in range(7200 // every + 1):
            number += 1
            yield at + timedelta(seconds=step * every), number
    yield began.replace(hour=15, minute=5), number  # nothing new, but the day goes on
