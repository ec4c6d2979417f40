"""A vendor whose every bar and factor is known beforehand, and who keeps the books of its calls."""

from datetime import date, datetime, time, timedelta
from random import Random
from types import SimpleNamespace

import polars as pl
from support.clock import RunningClock
from support.sources import Fixed, lone, node

from argus_core import SHANGHAI, Kind, Period, Source
from argus_core.answers import Answers
from argus_core.caching.freshness import Freshness
from argus_core.caching.level import Level
from argus_core.caching.rules import Rules
from argus_core.caching.tiers import Tiers
from argus_core.history.archive import Archive
from argus_core.market import calendar
from argus_core.market.ranges import bars_query
from argus_core.model.ask import Ask, Deadline
from argus_core.model.query import FactorsQuery
from argus_core.past import Past
from argus_core.routing.pool import Member, Pool
from argus_core.routing.router import Router
from argus_core.tables import HistoryTable
from argus_core.telemetry.redact import Redactor
from argus_memory import Memory

OPEN, CLOSE = time(9, 30), time(15)


class MovedClock(RunningClock):
    """The test moves the market's instant; seconds run with the loop, and are moved with it."""

    ahead = 0.0

    def monotonic(self):
        return super().monotonic() + self.ahead

    def advance(self, seconds):
        self.ahead += seconds
        self._now += timedelta(seconds=seconds)


class Vendor(Source):
    """Daily bars, hourly ones and factors, published when the day is over, or ``late``.

    ``price`` sets vendors apart; ``suspended`` dates have no bar; ``changes`` are the factors from
    their dates on, on a scale that begins with ``scale``.
    """

    periods = frozenset({Period.D1, Period.H1})
    kinds = frozenset(Kind)

    def __init__(self, name, clock, *, price=10.0, suspended=(), late=None, changes=None):
        super().__init__(name, None, clock)
        self.price = price
        self.suspended = frozenset(suspended)
        self.late = late or (lambda _day: timedelta())
        self.changes = {date(2020, 1, 2): 1.0} if changes is None else changes
        self.scale = 1.0
        self.calls = []
        self.rows = []
        self.failing = None
        self.gate = None
        self.corrected = {}
        self.lacks = set()

    def published(self, day):
        """The instant from which the vendor tells of a day that is over."""
        return datetime.combine(day, CLOSE, SHANGHAI) + self.late(day)

    def close_of(self, symbol, day):
        """The true close of a day."""
        steps = (day.toordinal() * 7 + sum(symbol.encode())) % 500
        return round(self.price + self.corrected.get(day, steps) / 100, 2)

    def days(self, start, end):
        """The dates of which the vendor has bars now."""
        now = self.clock.now()
        today = now.date()
        for day in calendar.session_dates(start, end):
            running = day == today and now.time() >= OPEN
            if day not in self.suspended and (self.published(day) <= now or running):
                yield day

    async def bars(self, query):
        await self._called(query)
        rows = []
        now = self.clock.now().replace(tzinfo=None)
        for symbol in query.symbols:
            days = [] if symbol in self.lacks else self.days(query.start, query.end)
            for day in days:
                close = self.close_of(symbol, day)
                self.rows.append((symbol, str(query.period), day, self.clock.now()))
                ends = [day]
                if query.period is Period.H1:
                    ends = [datetime.combine(day, time(h, m)) for h, m in HOURS]
                    ends = [end for end in ends if end <= now]
                price = dict.fromkeys(("open", "high", "low", "close"), close)
                trade = {"symbol": symbol, **price, "volume": 100.0, "turnover": 100.0 * close}
                rows += [{**trade, "time": end} for end in ends]
        return rows

    async def factors(self, query):
        await self._called(query)
        told = sorted(day for day in self.changes if day <= query.end)
        before = [day for day in told if day <= query.start][-1:]
        return [
            {"symbol": symbol, "date": day, "factor": self.scale * self.changes[day]}
            for symbol in query.symbols
            if symbol not in self.lacks
            for day in [*before, *(day for day in told if day > query.start)]
        ]

    async def _called(self, query):
        self.calls.append((query.symbols, query.start, query.end))
        if self.gate is not None:
            await self.gate.wait()
        if self.failing is not None:
            raise self.failing


HOURS = ((10, 30), (11, 30), (14, 0), (15, 0))


def house(folder, clock, *vendors, pools=None, table=None, offline=False, caches=None):
    """A past with its archive in ``folder``, a memory tier, and a route of these vendors."""
    nodes = {vendor.name: node(vendor) for vendor in vendors}
    if pools is None:
        routes = Fixed(lone(*nodes.values()))
    else:
        routes = Fixed(tuple(Pool(" ".join(p), tuple(Member(nodes[n]) for n in p)) for p in pools))
    table = table or HistoryTable()
    router = Router(routes, clock=clock, redactor=Redactor())
    archive = Archive(folder, clock)
    archive.open()
    rules = Rules()
    if caches is None:
        caches = [Memory("l1", SimpleNamespace(max_mb=64), clock)]
    levels = [Level(n, cache, "memory", clock) for n, cache in enumerate(caches, 1)]
    freshness = Freshness(rules, Random(1), table.settle_hours)
    tiers = Tiers(levels, clock, rules=rules, freshness=freshness)
    answers = Answers(router, tiers, clock, offline=offline)
    past = Past(answers, tiers, router, archive, clock=clock, table=table, offline=offline)

    async def close():
        await past.aclose()
        await answers.aclose()
        await tiers.aclose()
        archive.close()

    return SimpleNamespace(
        past=past,
        answers=answers,
        archive=archive,
        nodes=nodes,
        router=router,
        tiers=tiers,
        clock=clock,
        close=close,
    )


def asking(clock, seconds=5.0, **terms):
    """Terms with so much time."""
    return Ask(deadline=Deadline.within(seconds, clock), **terms)


def bars(start, end, *symbols, period=Period.D1):
    """The question about bars of these dates, given as ISO text."""
    return bars_query(tuple(symbols), period, date.fromisoformat(start), date.fromisoformat(end))


def factors(start, end, *symbols):
    """The question about factors of these dates."""
    return FactorsQuery(
        symbols=tuple(symbols), start=date.fromisoformat(start), end=date.fromisoformat(end)
    )


def dates(frame: pl.DataFrame):
    """The dates of a frame as ISO text."""
    return [f"{day}" for day in frame["date"]]
