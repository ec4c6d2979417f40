"""What a Tushare account allows, kept by the gateway before the vendor has to say no."""

import asyncio
from collections import Counter
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st
from support.sources import Fixed, Scripted, lone, node
from vendors.tushare_account import TODAY, StillClock, bars_of, opened, serving

from argus_core import (
    CalendarQuery,
    Exchange,
    FactorsQuery,
    InstrumentsQuery,
    ListingsQuery,
    Period,
    QuotesQuery,
    Symbol,
)
from argus_core.model.ask import Deadline
from argus_core.routing.router import Router
from argus_core.telemetry.redact import Redactor
from argus_tushare import TushareSource
from argus_tushare.quota import charges
from argus_tushare.settings import TushareSettings

SYMBOLS = [
    Symbol(text)
    for text in ("600519.SH", "000001.SZ", "920001.BJ", "510300.SH", "000300.SH", "rb2410.SHFE")
]


def router(clock, *nodes):
    return Router(Fixed(lone(*nodes)), clock=clock, redactor=Redactor(()))


def calls(query, **table):
    own = TushareSettings.model_validate({"token": "t", **table})
    return {c.allowance.interface: (c.calls, c.allowance) for c in charges(query, own)}


class TestAllowances:
    def test_each_interface_is_allowed_what_the_table_says(self):
        own = {"stk_mins": {"calls_per_minute": 500}, "daily": {"calls_per_day": 8000}}
        table = {"calls_per_minute": 50, "calls_per_day": 100_000, "interfaces": own}
        day, minute = bars_of("600519.SH", start=TODAY, end=TODAY), Period.M1
        (_, daily) = calls(day, **table)["daily"]
        assert (daily.calls_per_minute, daily.calls_per_day) == (50, 8000)
        assert daily.rows_per_call == 6000
        bars = bars_of("600519.SH", start=TODAY, end=TODAY, period=minute)
        (_, minutes) = calls(bars, **table)["stk_mins"]
        assert (minutes.calls_per_minute, minutes.calls_per_day) == (500, 100_000)

    def test_what_the_table_does_not_say_is_not_made_up(self):
        (_, daily) = calls(bars_of("600519.SH", start=TODAY, end=TODAY))["daily"]
        assert (daily.calls_per_minute, daily.calls_per_day) == (None, None)

    def test_an_interface_that_is_never_called_is_a_mistake_in_the_table(self):
        with pytest.raises(ValueError, match="no interface dayly"):
            TushareSettings(token="t", interfaces={"dayly": {"calls_per_minute": 5}})

    def test_long_answers_take_several_calls(self):
        start = date(2004, 1, 1)
        long = bars_of("600519.SH", "000001.SZ", start=start, end=TODAY)
        assert calls(long)["daily"][0] == 3  # 2 × 5 345 weekdays at 6 000 rows, and one more
        each = bars_of("000300.SH", "000905.SH", start=TODAY, end=TODAY)
        assert calls(each)["index_daily"][0] == 2

    def test_a_question_that_is_not_offered_takes_nothing(self):
        assert calls(QuotesQuery(symbols=(Symbol("10005331.SH"),)), quotes_from="realtime") == {}


@st.composite
def questions(draw):
    symbols = tuple(draw(st.lists(st.sampled_from(SYMBOLS), min_size=1, unique=True)))
    start = TODAY - timedelta(days=draw(st.sampled_from([0, 3, 40, 900])))
    factors = FactorsQuery(symbols=symbols, start=start, end=TODAY)
    exchanges = tuple(dict.fromkeys(symbol.exchange for symbol in symbols))
    return draw(
        st.sampled_from(
            [
                QuotesQuery(symbols=symbols),
                bars_of(*symbols, start=start, end=TODAY),
                bars_of(*symbols, start=TODAY - timedelta(days=2), end=TODAY, period=Period.M1),
                factors,
                InstrumentsQuery(symbols=symbols),
                ListingsQuery(exchanges=exchanges),
                CalendarQuery(exchanges=(Exchange.SH, Exchange.SZ), start=start, end=TODAY),
            ]
        )
    )


def test_no_question_takes_more_calls_than_it_is_charged():
    asked = []
    collect = given(questions(), st.sampled_from(["daily", "realtime"]))(
        lambda query, quotes_from: asked.append((query, quotes_from))
    )
    examples(max_examples=30, database=None)(collect)()

    async def main():
        with serving() as server:
            async with (
                opened(server, quotes_from="daily") as days,
                opened(server, quotes_from="realtime") as snapshots,
            ):
                for query, quotes_from in asked:
                    source = days if quotes_from == "daily" else snapshots
                    await compare(server, source, query)

    asyncio.run(main())


async def compare(server, source, query):
    """The calls that a question was charged, against those that the vendor saw and the meters."""
    server.control({"clear": True})
    before = {meter.interface: meter.used for meter in source.meters()}
    charged = {c.allowance.interface: c.calls for c in source.charges(query)}
    await asyncio.to_thread(getattr(source, query.dataset), query)
    made = Counter(request["api"] for request in server.requests)
    shown = {m.interface: m.used - before[m.interface] for m in source.meters()}
    assert {name: used for name, used in shown.items() if used} == made
    assert all(made[name] <= charged.get(name, 0) for name in made), query


async def test_a_stated_limit_is_never_hit_and_the_next_source_is_asked_before():
    with serving(per_minute=4) as server:
        clock = StillClock()
        async with opened(server, clock, quotes_from="daily", calls_per_minute=4) as source:
            other = Scripted("other", clock)
            first, second = node(source), node(other)
            made = router(clock, first, second)
            given = Counter()
            for symbol in ("600519.SH", "000001.SZ", "600000.SH") * 4:
                query = QuotesQuery(symbols=(Symbol(symbol),))
                routed = await made.fetch(query, Deadline.within(5, clock))
                given.update(found.source for found in routed.found.values())
            sent = Counter(request["api"] for request in server.requests)
            assert sent == {"daily": 4}
            assert given["tushare"] <= 4
            assert given["other"] >= 8
            assert first.counters.failures == 0
            assert "a minute for daily is used up" in routed.trace.skipped[0].reason
            (quota,) = [q for q in first.quota.status() if q.interface == "daily"]
            assert (quota.limit, quota.used, quota.window) == (4, 4, "minute")


async def test_a_hundred_questions_at_once_cost_the_account_one_call():
    with serving() as server:
        clock = StillClock()
        async with opened(server, clock, quotes_from="daily", calls_per_minute=50) as source:
            subject = node(source)
            made = router(clock, subject)
            symbols = [Symbol(f"60{number:04d}.SH") for number in range(100)]
            symbols[50] = Symbol("600519.SH")
            answers = await asyncio.gather(
                *(
                    made.fetch(QuotesQuery(symbols=(symbol,)), Deadline.within(5, clock))
                    for symbol in symbols
                )
            )
            assert [request["api"] for request in server.requests] == ["daily"]
            assert set(answers[50].found) == {"600519.SH"}


async def test_a_refusal_of_the_vendors_shuts_the_interface_for_its_minute():
    with serving() as server:
        clock = StillClock()
        async with opened(server, clock, quotes_from="daily") as source:
            subject = node(source)
            made = router(clock, subject, node(Scripted("other", clock)))
            server.control({"fault": "rate_minute", "apis": ["daily"]})
            query = QuotesQuery(symbols=(Symbol("600519.SH"),))
            assert (await made.fetch(query, Deadline.within(5, clock))).found
            server.control({"fault": None})
            # Daily bars are another scope, but the same interface.
            bars = bars_of("600519.SH", start=TODAY, end=TODAY)
            rest = subject.rest(bars)
            assert rest is not None
            assert 55 < rest.until - clock.monotonic() <= 60
            assert "the vendor says that its quota for daily is used up" in rest.quota
            minutes = bars_of("600519.SH", start=TODAY, end=TODAY, period=Period.M1)
            assert subject.rest(minutes) is None


def test_the_source_is_metered_whatever_the_table_says():
    assert TushareSource("a", TushareSettings(token="t"), StillClock()).metered
