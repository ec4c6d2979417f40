"""A run of warm-up: paced, told batch by batch, gone on with where it was broken off."""

import asyncio
from collections import Counter
from contextlib import aclosing
from datetime import date, timedelta
from itertools import pairwise

import pytest
from support.clock import TestClock
from support.distribution import install
from vendors.tushare_account import serving, settings

from argus_core import Source
from argus_core.caching.rules import Rules
from argus_core.config import Config
from argus_core.errors import (
    AllSourcesFailed,
    DeadlineExceeded,
    NotOffered,
    NotReady,
    UnknownSymbol,
)
from argus_core.gateway import Gateway
from argus_core.model.answer import Answer, Failure, Provenance
from argus_core.model.period import Adjust
from argus_core.model.request import Priority, current_request
from argus_core.routing.node import Node
from argus_core.tables import WarmupTable
from argus_core.warmup.run import Warmup

SYMBOLS = tuple(f"60{number:04d}.SH" for number in range(1, 13))
DARK = "2024-03-15 08:00:00"
"""A trading date, well before the open: what is fetched now is fresh for a while."""


class Account(Source):
    """A vendor of everything, two symbols a call."""

    symbols_per_call = 2

    def quotes(self, query):
        raise AssertionError

    depth = instruments = bars = listings = quotes


class Asker:
    """A gateway whose every answer is written down by the test; each call takes the next step.

    A step is an error, a function of the keys, or a set of keys that fail.
    """

    def __init__(self, clock, *script):
        self.clock = clock
        self.script = list(script)
        self.asked = []
        self.at = []

    async def quotes(self, symbols, ask):
        return self.answer(symbols, ask)

    async def depth(self, symbols, levels, ask):
        return self.answer(symbols, ask)

    async def instruments(self, symbols, ask):
        return self.answer(symbols, ask)

    async def fetch(self, query, ask):
        return self.answer(query.keys, ask)

    async def history(self, query, ask):
        return self.answer((*query.symbols, query.adjust), ask)

    def answer(self, keys, ask):
        assert ask.deadline.remaining == 60
        assert current_request().priority is Priority.WARMUP
        self.asked.append(keys)
        self.at.append(self.clock.monotonic())
        step = self.script.pop(0) if self.script else None
        if isinstance(step, Exception):
            raise step
        keys = tuple(key for key in keys if key not in set(Adjust))
        errors = {
            key: Failure(code=code, message="no")
            for key, code in (step or {}).items()
            if key in keys
        }
        data = {key: key for key in keys if key not in errors}
        now = self.clock.now()
        origin = Provenance(source="a", fetched_at=now, fresh_until=now + timedelta(hours=1))
        return Answer(data=data, errors=errors, provenance=dict.fromkeys(data, origin))


class Bench:
    """A warm-up over an :class:`Asker` and an :class:`Account`."""

    def __init__(self, *script, source=Account, asked=None, **table):
        self.clock = TestClock(DARK)
        self.slept = []
        self.argus = Asker(self.clock, *script)
        self.node = Node(source("a", None, self.clock), plugin="account", clock=self.clock)
        self.table = WarmupTable(**{"datasets": ("quotes",), "symbols": SYMBOLS, **table})
        self.warmup = Warmup(
            self.argus,
            nodes=[self.node],
            table=self.table,
            rules=Rules(),
            clock=self.clock,
            most_asked=asked,
            sleep=self.sleep,
        )

    async def sleep(self, seconds):
        self.slept.append(seconds)
        self.clock.advance(seconds)

    def run(self, **terms):
        async def events():
            return [event async for event in self.warmup.run(**terms)]

        return asyncio.run(events())


def counts(event):
    return event.done, event.total, event.fetched, event.fresh, event.failed


class TestTelling:
    def test_progress_is_told_from_nothing_to_all(self):
        events = Bench().run()
        assert [event.done for event in events] == [0, 2, 4, 6, 8, 10, 12]
        assert counts(events[-1]) == (12, 12, 12, 0, 0)
        assert [str(event.kind) for event in events[1:]] == ["quotes"] * 6

    def test_a_failing_batch_is_told_and_the_rest_is_asked(self):
        bench = Bench(None, AllSourcesFailed("all down"), {SYMBOLS[4]: "NOT_FOUND"})
        events = bench.run()
        (whole,) = events[2].missed
        assert (whole.keys, whole.code) == (SYMBOLS[2:4], "SERVICE_UNAVAILABLE")
        assert whole.message == "all down"
        (single,) = events[3].missed
        assert (single.keys, single.code) == (SYMBOLS[4:5], "NOT_FOUND")
        assert counts(events[-1]) == (12, 12, 9, 0, 3)

    def test_what_no_working_source_has_is_no_success(self):
        bench = Bench(datasets=("listings",), symbols=("600519.SH", "rb2410.SHFE"))

        async def fetch(query, ask):
            origin = Provenance(
                source="a", fetched_at=bench.clock.now(), fresh_until=bench.clock.now()
            )
            return Answer(
                data={"SH": ()}, errors={}, provenance={"SH": origin}, absent={"SHFE": origin}
            )

        bench.argus.fetch = fetch
        event = bench.run()[-1]
        assert counts(event) == (2, 2, 1, 0, 1)
        assert (event.missed[0].keys, event.missed[0].code) == (("SHFE",), "NO_DATA")

    def test_even_a_bug_is_a_failing_batch(self, caplog):
        events = Bench(ZeroDivisionError("oops")).run()
        assert events[1].missed[0].code == "INTERNAL_ERROR"
        assert events[-1].fetched == 10
        assert "oops" in caplog.text

    def test_what_was_asked_for_most_joins(self):
        days = []

        def read(day, limit):
            days.append(day)
            return [("quotes", "000001.SZ", None, 3), ("bars", "000001.SZ", "1h", 2)]

        bench = Bench(symbols=(), asked=read)
        event = bench.run()[-1]
        assert counts(event) == (2, 2, 2, 0, 0)
        assert days == [date(2024, 3, 14)]
        assert Bench(symbols=(), asked=read, most_asked=0).run()[-1].total == 0


class TestGivingUp:
    def test_a_kind_is_given_up_after_five_failures_in_a_row(self):
        down = [DeadlineExceeded("too slow") for _ in range(5)]
        bench = Bench(*down, datasets=("quotes", "instruments"))
        events = bench.run()
        assert len(bench.argus.asked) == 5 + 6
        (sixth,) = events[6].missed
        assert sixth.message == "given up after 5 failures in a row: too slow"
        assert counts(events[-1]) == (24, 24, 12, 0, 12)

    def test_a_success_between_failures_keeps_the_kind_alive(self):
        down = DeadlineExceeded("too slow")
        bench = Bench(down, down, down, down, None, down)
        assert counts(bench.run()[-1]) == (12, 12, 2, 0, 10)
        assert len(bench.argus.asked) == 6

    @pytest.mark.parametrize("error", [UnknownSymbol("no such symbol"), "NO_DATA"])
    def test_keys_at_fault_say_nothing_against_their_kind(self, error):
        step = dict.fromkeys(SYMBOLS, error) if isinstance(error, str) else error
        bench = Bench(*[step] * 5)
        assert counts(bench.run()[-1]) == (12, 12, 2, 0, 10)


class TestPatience:
    def test_a_throttled_source_is_waited_for(self):
        bench = Bench(AllSourcesFailed("throttled", retry_after=45))
        assert counts(bench.run()[-1]) == (12, 12, 12, 0, 0)
        assert 45 in bench.slept

    def test_but_not_for_an_hour_nor_for_ever_nor_again_and_again(self):
        assert Bench(AllSourcesFailed("no", retry_after=3600)).run()[-1].failed == 2
        down = [AllSourcesFailed("down", retry_after=5) for _ in range(20)]
        bench = Bench(*down)
        assert bench.run()[-1].failed == 12
        assert bench.slept.count(5) == 2, "three tries of the first batch, one of the others"
        assert len(bench.argus.asked) == 3 + 4

    def test_what_is_being_prepared_is_waited_for_within_the_minute(self):
        preparing = [NotReady("downloading", retry_after=10) for _ in range(4)]
        bench = Bench(*preparing)
        assert counts(bench.run()[-1]) == (12, 12, 12, 0, 0)
        slow = Bench(*[NotReady("downloading", retry_after=10) for _ in range(100)])
        event = slow.run()[-1]
        assert event.failed == 12
        assert len(slow.argus.asked) == 6 * 7, "each batch its minute, none given up unasked"


class TestBars:
    def test_factors_come_along_where_a_source_has_any(self):
        bench = Bench(datasets=("bars",), symbols=SYMBOLS[:2])
        bench.run()
        assert [keys[-1] for keys in bench.argus.asked] == [Adjust.PRE]
        lacking = {SYMBOLS[0]: NotOffered.code}
        bench = Bench(lacking, datasets=("bars",), symbols=SYMBOLS[:2])
        assert counts(bench.run()[-1]) == (2, 2, 2, 0, 0)
        assert bench.argus.asked[1] == (SYMBOLS[0], Adjust.NONE)
        bench = Bench(NotOffered("no factors"), datasets=("bars",), symbols=SYMBOLS[:2])
        assert counts(bench.run()[-1]) == (2, 2, 2, 0, 0)
        assert bench.argus.asked[1] == (*SYMBOLS[:2], Adjust.NONE)


class TestPace:
    @staticmethod
    def counting(rate, cost=1):
        class Counting(Account):
            calls_per_minute = rate
            made = 0

            def calls_made(self):
                return self.made

        bench = Bench(source=Counting)
        answer = bench.argus.answer

        def counted(keys, ask):
            bench.node.source.made += cost
            return answer(keys, ask)

        bench.argus.answer = counted
        return bench

    @pytest.mark.parametrize(
        ("rate", "cost", "apart"),
        [(30, 1, 2.5), (30, 4, 10), (None, 1, 1), (2, 50, 60), (30, 0, 0)],
    )
    def test_batches_follow_as_its_share_of_the_account_allows(self, rate, cost, apart):
        bench = self.counting(rate, cost)
        bench.run()
        at = bench.argus.at
        assert [b - a for a, b in pairwise(at)] == [apart] * 5

    def test_the_operators_word_is_stronger(self):
        bench = self.counting(600)
        bench.run(table=bench.table.model_copy(update={"calls_per_minute": 6.0}))
        assert bench.argus.at[1] - bench.argus.at[0] == 10

    def test_consumers_go_first(self):
        bench = self.counting(60)

        async def run():
            async for event in bench.warmup.run():
                if event.done == 4:
                    bench.node.source.made += 20  # somebody else asks meanwhile

        asyncio.run(run())
        assert bench.argus.at[2] - bench.argus.at[1] == 21 * 1.25

    def test_nobody_waits_for_an_invented_market(self):
        class Invented(Account):
            simulated = True

        bench = Bench(source=Invented)
        bench.run()
        assert bench.slept == []


PLUGIN = """
    from argus_core import Exchange, Instrument, Quote, Source, hookimpl

    CALLS = []

    class Counted(Source):
        symbols_per_call = 3

        def quotes(self, query):
            CALLS.append(("quotes", query.keys))
            return [Quote(symbol=s, price=10.0, prev_close=9.0, as_of=self.clock.now())
                    for s in query.symbols]

        def instruments(self, query):
            CALLS.append(("instruments", query.keys))
            return [Instrument(symbol=s) for s in query.symbols]

        def bars(self, query):
            CALLS.append(("bars", query.keys))
            return [dict(symbol=s, time=query.end, open=10.0, high=10.0, low=10.0, close=10.0,
                         prev_close=9.0, volume=100.0, turnover=1000.0)
                    for s in query.symbols]

    @hookimpl
    def register_source():
        return Counted
"""


@pytest.fixture
def counted(tmp_path, monkeypatch):
    """The calls that a plugin of the test's own was made."""
    install(
        tmp_path,
        monkeypatch,
        dist="counted",
        module="counted_module",
        source=PLUGIN,
        entry="counted",
    )

    def calls():
        import counted_module

        return counted_module.CALLS

    return calls


class TestOverARealGateway:
    TABLE = WarmupTable(symbols=SYMBOLS, datasets=("quotes", "instruments", "bars"), days=5)

    async def broken_off(self, clock, caches, after):
        """The last event of a run in a gateway of its own, left after so many events."""
        table = {"sources": {"one": {"plugin": "counted"}}, "caches": caches}
        argus = Gateway(Config.parse(table, {}), clock=clock)

        async def sleep(seconds):
            clock.advance(seconds)

        async with argus:
            warmup = Warmup(
                argus,
                nodes=argus._parts.nodes.values(),
                table=self.TABLE,
                rules=Rules(),
                clock=clock,
                sleep=sleep,
            )
            told = []
            async with aclosing(warmup.run()) as events:
                async for event in events:
                    told.append(event)
                    if len(told) == after:
                        break
            return told[-1]

    async def test_a_run_that_is_broken_off_is_gone_on_with(self, tmp_path, counted):
        clock = TestClock(DARK)
        caches = {"l3": {"plugin": "sqlite", "path": str(tmp_path / "cache.sqlite3")}}
        first = await self.broken_off(clock, caches, after=6)
        assert counts(first) == (15, 36, 15, 0, 0)
        before = Counter((d, key) for d, keys in counted() for key in keys)
        assert set(before.values()) == {1}
        clock.advance(1)
        second = await self.broken_off(clock, caches, after=100)
        assert counts(second) == (36, 36, 21, 15, 0)
        both = Counter((d, key) for d, keys in counted() for key in keys)
        assert set(both.values()) == {1}, "nothing is fetched twice"
        assert len(both) == 36
        clock.advance(1)
        third = await self.broken_off(clock, caches, after=100)
        assert counts(third) == (36, 36, 0, 36, 0)
        assert all(len(keys) <= 3 for _, keys in counted())

    async def test_without_anything_that_lasts_it_begins_again(self, counted):
        clock = TestClock(DARK)
        await self.broken_off(clock, {"l1": {"plugin": "memory"}}, after=100)
        clock.advance(1)
        again = await self.broken_off(clock, {"l1": {"plugin": "memory"}}, after=100)
        assert counts(again) == (36, 36, 36, 0, 0)


async def test_an_account_is_asked_no_faster_than_it_allows_however_a_question_pages():
    clock = TestClock(DARK)
    with serving() as server:
        own = settings(server)
        table = {
            "plugin": "tushare",
            "token": {"env": "TOKEN"},
            "endpoint": own.endpoint,
            "quotes_from": "daily",
            "calls_per_minute": 30,
        }
        argus = Gateway(
            Config.parse({"sources": {"one": table}}, {"TOKEN": own.token.get_secret_value()}),
            clock=clock,
        )

        async def sleep(seconds):
            clock.advance(seconds)

        async with argus:
            (node,) = argus._parts.nodes.values()
            warmup = Warmup(
                argus,
                nodes=[node],
                table=WarmupTable(
                    symbols=("600519.SH", "000001.SZ", "000300.SH", "510300.SH"),
                    datasets=("quotes", "instruments", "bars"),
                    periods=("1d", "1m"),
                    days=5,
                ),
                rules=Rules(),
                clock=clock,
                sleep=sleep,
            )
            calls_made = node.source.calls_made
            asked = [(clock.monotonic(), calls_made()) async for _ in warmup.run()]
    began, before = asked[0]
    # All but the calls of the last batch are paid for, at 24 a minute: its share of the 30.
    ended, paid = asked[-1][0], asked[-2][1]
    assert asked[-1][1] - before > len(asked), "some question took several calls"
    assert ended - began == 2.5 * (paid - before)
