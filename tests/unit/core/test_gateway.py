"""The gateway as a whole, over plugins of the test's own, through the doors that users use."""

import asyncio
from datetime import date

import pytest
from support.clock import RunningClock, TestClock
from support.distribution import install
from support.sources import symbols

from argus_core import Adjust, Exchange, Period, Presented, SourceUnavailable
from argus_core.config import Config
from argus_core.errors import (
    AllSourcesFailed,
    BadParameter,
    BeyondHorizon,
    ConfigError,
    DeadlineExceeded,
    NotOffered,
    PluginError,
    TooLarge,
    UnknownSymbol,
)
from argus_core.gateway import Gateway
from argus_core.model.ask import Ask, Deadline
from argus_core.model.query import HistoryQuery, ListingsQuery, QuotesQuery

A, B, C = symbols("600519.SH", "000001.SZ", "600000.SH")

PLUGIN = """
    import asyncio
    from datetime import date, timedelta
    from argus_core import (
        Exchange, Instrument, Period, Quote, Settings, Source, SourceUnavailable, TradingDays,
        hookimpl,
    )

    LOG = []

    class Toy(Source):
        class Settings(Settings):
            price: float = 10.0
            has: tuple[str, ...] = ("600519.SH", "000001.SZ", "600000.SH")
            broken: bool = False
            slow: float = 0.0
            no_open: bool = False

        async def open(self):
            LOG.append(("open", self.name))
            if self.settings.no_open:
                raise RuntimeError("cannot log in")

        async def close(self):
            LOG.append(("close", self.name))

        async def ping(self):
            if self.settings.broken:
                raise SourceUnavailable("refused")

        async def quotes(self, query):
            LOG.append(("quotes", self.name, query.keys))
            if self.settings.slow:
                await asyncio.sleep(self.settings.slow)
            if self.settings.broken:
                raise SourceUnavailable("refused")
            return [Quote(symbol=s, price=self.settings.price, prev_close=8.0,
                          as_of=self.clock.now())
                    for s in query.symbols if s in self.settings.has]

        def instruments(self, query):
            return [Instrument(symbol=s) for s in query.symbols if s in self.settings.has]

    @hookimpl
    def register_source():
        return Toy
"""
HISTORY = """
    from datetime import date, timedelta
    from argus_core import Instrument, Period, Source, Units, hookimpl

    CALLS = []
    DAYS = [date(2024, 3, 4) + timedelta(days=i) for i in range(12)]
    DAYS = [day for day in DAYS if day.weekday() < 5]

    class Past(Source):
        units = (Units(volume=100, turnover=1000),)

        def bars(self, query):
            CALLS.append((query.period, query.start, query.end))
            return [
                dict(symbol=s, time=day, open=10.0, high=10.0, low=10.0, close=10.0 + i * 0,
                     volume=10.0, turnover=10.0)
                for s in query.symbols if s != "600000.SH"
                for i, day in enumerate(DAYS)
                if query.start <= day <= query.end
            ]

        def factors(self, query):
            return [dict(symbol=s, date=day, factor=1.0 if day < date(2024, 3, 11) else 2.0)
                    for s in query.symbols if s != "000001.SZ" for day in DAYS]

        def instruments(self, query):
            return [Instrument(symbol=s) for s in query.symbols]

    @hookimpl
    def register_source():
        return Past
"""


@pytest.fixture
def clock():
    return TestClock()


@pytest.fixture
def toy(tmp_path, monkeypatch):
    install(tmp_path, monkeypatch, dist="toy-dist", module="toy_module", source=PLUGIN, entry="toy")


@pytest.fixture
def past(tmp_path, monkeypatch):
    root = tmp_path / "past"
    root.mkdir()
    install(root, monkeypatch, dist="past-dist", module="past_module", source=HISTORY, entry="past")


def toy_log():
    import toy_module

    return toy_module.LOG


def gateway(clock, sources, **tables):
    table = {"sources": sources, **tables}
    return Gateway(Config.parse(table, {}), clock=clock)


def ask(clock, seconds=5.0, **terms):
    return Ask(deadline=Deadline.within(seconds, clock), **terms)


def toys(**settings):
    return {name: {"plugin": "toy", **given} for name, given in settings.items()}


MEMORY = {"l1": {"plugin": "memory"}}


@pytest.mark.usefixtures("toy")
class TestQuotes:
    async def test_an_answer_says_where_it_came_from(self, clock):
        async with gateway(clock, toys(one={}, two={"price": 11.0})) as argus:
            answer = await argus.quotes((B, A), ask(clock))
        assert list(answer.data) == [B, A], "in the asker's order"
        assert answer.data[A].price == 10.0
        assert answer.data[A].change == 2.0
        assert answer.data[A].change_pct == 25.0
        assert answer.sources == ("one",)
        assert answer.attempts == 1
        assert not answer.cached
        assert not answer.simulated
        assert not answer.stale
        assert answer.as_of == answer.fetched_at == clock.now()

    async def test_order_is_an_edit_of_the_configuration(self, clock):
        sources = toys(one={}, two={"price": 11.0})
        async with gateway(clock, sources, routes={"default": ["two", "one"]}) as argus:
            assert (await argus.quotes((A,), ask(clock))).sources == ("two",)
        routes = {"default": ["two"], "quotes": ["one"]}
        async with gateway(clock, sources, routes=routes) as argus:
            assert (await argus.quotes((A,), ask(clock))).sources == ("one",)

    async def test_rules_send_markets_their_own_way(self, clock):
        sources = toys(one={}, two={"price": 11.0})
        routes = {"default": ["one"], "quotes_rules": [{"markets": ["SZ"], "pools": ["two"]}]}
        async with gateway(clock, sources, routes=routes) as argus:
            answer = await argus.quotes((A, B), ask(clock))
        assert {k: p.source for k, p in answer.provenance.items()} == {A: "one", B: "two"}

    async def test_a_strategy_is_an_edit_of_the_configuration(self, clock):
        sources = toys(one={}, two={})
        pool = {"sources": ["one", "two"], "balancer": "round_robin"}
        async with gateway(clock, sources, pools={"p": pool}) as argus:
            used = [(await argus.quotes((A,), ask(clock))).sources[0] for _ in range(6)]
        assert sorted(used[:2]) == ["one", "two"]
        assert used == used[:2] * 3
        pool |= {"balancer": "weighted", "weights": {"one": 3}}
        async with gateway(clock, sources, pools={"p": pool}) as argus:
            used = [(await argus.quotes((A,), ask(clock))).sources[0] for _ in range(8)]
        assert used.count("one") == 6

    async def test_unknown_and_without_data_are_told_apart(self, clock):
        sources = toys(one={"has": ["600519.SH"]})
        async with gateway(clock, sources) as argus:
            answer = await argus.quotes((A, B), ask(clock))
            assert answer.errors[B].code == "NOT_FOUND"
            with pytest.raises(UnknownSymbol) as caught:
                await argus.quotes((B, C), ask(clock))
            assert caught.value.details == {"symbols": [B, C]}

    async def test_all_broken_is_a_503_with_attempts(self, clock):
        async with gateway(clock, toys(one={"broken": True}, two={"broken": True})) as argus:
            with pytest.raises(AllSourcesFailed) as caught:
                await argus.quotes((A,), ask(clock))
            assert {a.source for a in caught.value.attempts} == {"one", "two"}
            assert argus.health() == {"one": "degraded", "two": "degraded"}
            one = argus.sources()[0]
            assert (one.state, one.reason) == ("cooling", "SERVICE_UNAVAILABLE")
            assert one.cooling == {"*": 5}
            assert one.failures == 3

    async def test_a_thousand_askers_cost_one_call(self, clock):
        async with gateway(clock, toys(one={"slow": 0.05}), caches=MEMORY) as argus:
            asked = [argus.quotes((A,), ask(clock)) for _ in range(1000)]
            answers = await asyncio.gather(*asked)
        calls = [entry for entry in toy_log() if entry[0] == "quotes"]
        assert len(calls) == 1
        assert all(answer.data[A].price == 10.0 for answer in answers)

    async def test_the_leader_may_be_cancelled(self, clock):
        async with gateway(clock, toys(one={"slow": 0.05})) as argus:
            leader = asyncio.create_task(argus.quotes((A,), ask(clock)))
            await asyncio.sleep(0.01)
            follower = asyncio.create_task(argus.quotes((A,), ask(clock)))
            await asyncio.sleep(0.01)
            leader.cancel()
            assert (await follower).data[A].price == 10.0
        assert len([entry for entry in toy_log() if entry[0] == "quotes"]) == 1

    async def test_a_hasty_leader_does_not_fail_a_patient_follower(self):
        running = RunningClock()
        async with gateway(running, toys(one={"slow": 0.1})) as argus:
            hasty = asyncio.create_task(argus.quotes((A,), ask(running, 0.05)))
            await asyncio.sleep(0.01)
            patient = asyncio.create_task(argus.quotes((A,), ask(running, 5)))
            with pytest.raises(DeadlineExceeded):
                await hasty
            assert (await patient).data[A].price == 10.0

    async def test_what_was_found_in_time_is_answered_at_the_deadline(self):
        clock = RunningClock()
        sources = toys(quick={"has": ["600519.SH"]}, stuck={"slow": 30.0})
        async with gateway(clock, sources) as argus:
            began = clock.monotonic()
            answer = await argus.quotes((A, B), ask(clock, 0.6))
            assert clock.monotonic() - began < 0.9
        assert list(answer.data) == [A]
        assert B in answer.errors
        assert [a.source for a in answer.traces[0].attempts] == ["quick", "stuck"]

    async def test_a_follower_with_time_left_asks_again_for_what_the_leader_missed(self):
        clock = RunningClock()
        sources = toys(quick={"has": ["600519.SH"]}, slow={"slow": 0.4})
        async with gateway(clock, sources) as argus:
            hasty = asyncio.create_task(argus.quotes((A, B), ask(clock, 0.3)))
            await asyncio.sleep(0.02)
            patient = asyncio.create_task(argus.quotes((B,), ask(clock, 5)))
            assert list((await hasty).data) == [A]
            assert (await patient).data[B].price == 10.0

    @pytest.mark.parametrize("hangs", ["get_many", "set_many"])
    async def test_a_hanging_cache_costs_a_moment_and_no_answer(self, clock, monkeypatch, hangs):
        async def hang(*_):
            await asyncio.sleep(60)

        async with gateway(clock, toys(one={}), caches=MEMORY) as argus:
            (level,) = argus._parts.levels
            monkeypatch.setattr(level, "instant", False)  # as of a tier that is a server
            monkeypatch.setattr(level.cache, hangs, hang)
            for _ in range(2):
                async with asyncio.timeout(1):
                    assert (await argus.quotes((A,), ask(clock))).data[A].price == 10.0

    async def test_the_cache_answers_while_fresh(self, clock):
        async with gateway(clock, toys(one={}), caches=MEMORY) as argus:
            await argus.quotes((A,), ask(clock))
            hit = await argus.quotes((A,), ask(clock))
            assert hit.cached
            assert hit.attempts == 0
            assert hit.provenance[A].cache == "l1"
            assert hit.sources == ("one",)
            assert hit.traces[0].steps == ["1 of 1 from cache l1"]
            mixed = await argus.quotes((A, B), ask(clock))
            assert not mixed.cached
            assert [e[2] for e in toy_log() if e[0] == "quotes"] == [(A,), (B,)]
            past_it = await argus.quotes((A,), ask(clock, use_cache=False))
            assert not past_it.cached
            clock.advance(3)
            assert not (await argus.quotes((A,), ask(clock))).cached

    async def test_a_damaged_entry_is_a_miss(self, clock):
        async with gateway(clock, toys(one={}), caches=MEMORY) as argus:
            await argus.quotes((A,), ask(clock))
            cache = argus._parts.levels[0].cache
            (key,) = (await cache.get_many(["quotes:600519.SH"])).keys()
            whole = (await cache.get_many([key]))[key]
            await cache.set_many({key: whole[:-5]}, 3)
            answer = await argus.quotes((A,), ask(clock))
            assert not answer.cached
            assert answer.data[A].price == 10.0

    async def test_what_no_source_offers_names_the_plugins_that_do(self, clock):
        async with gateway(clock, toys(one={})) as argus:
            with pytest.raises(NotOffered) as caught:
                await argus.depth((A,), 5, ask(clock))
            assert caught.value.details["dataset"] == "depth"
            assert "demo" in caught.value.details["offered_by"]
            assert "toy" not in caught.value.details["offered_by"]

    async def test_instruments_say_who_is_unknown(self, clock):
        async with gateway(clock, toys(one={"has": ["600519.SH"]})) as argus:
            answer = await argus.instruments((A, B), ask(clock))
            assert answer.data[A].symbol == A
            assert answer.errors[B].code == "NOT_FOUND"
            with pytest.raises(UnknownSymbol):
                await argus.instruments((B,), ask(clock))


@pytest.mark.usefixtures("toy")
class TestLife:
    async def test_a_gateway_is_open_once_at_a_time(self, clock):
        argus = gateway(clock, toys(one={}))
        async with argus:
            with pytest.raises(RuntimeError, match="open already"):
                await argus.__aenter__()
            assert (await argus.quotes((A,), ask(clock))).data
        async with argus:
            assert (await argus.quotes((A,), ask(clock))).data
        words = [word for word, *_ in toy_log() if word != "quotes"]
        assert words == ["open", "close"] * 2

    async def test_sources_are_opened_once_and_closed_in_reverse(self, clock):
        async with gateway(clock, toys(one={}, two={})) as argus:
            assert argus.started == clock.now()
        assert toy_log() == [
            ("open", "one"),
            ("open", "two"),
            ("close", "two"),
            ("close", "one"),
        ]

    async def test_a_required_source_that_cannot_open_stops_the_start(self, clock):
        argus = gateway(clock, toys(one={}, two={"no_open": True}))
        with pytest.raises(PluginError, match="cannot log in") as caught:
            await argus.__aenter__()
        assert "[sources.two]" in caught.value.where
        assert "required = false" in caught.value.fix
        assert ("close", "one") in toy_log(), "what was opened is closed"

    async def test_an_optional_one_is_down_and_visible(self, clock):
        sources = toys(one={"no_open": True, "required": False}, two={})
        async with gateway(clock, sources) as argus:
            answer = await argus.quotes((A,), ask(clock))
            assert answer.sources == ("two",)
            status = argus.sources()[0]
            assert status.state == "down"
            assert "cannot log in" in status.reason
            assert argus.health() == {"one": "down", "two": "healthy"}
            (skip,) = answer.traces[0].skipped
            assert skip.source == "one"
            assert skip.reason.startswith("down")

    async def test_an_optional_plugin_that_is_not_installed_is_down(self, clock):
        sources = {"ghost": {"plugin": "ghost", "required": False}, **toys(two={})}
        async with gateway(clock, sources) as argus:
            assert argus.sources()[0].state == "down"
            assert (await argus.quotes((A,), ask(clock))).sources == ("two",)

    async def test_a_disabled_source_is_not_even_named(self, clock):
        sources = {"ghost": {"plugin": "ghost", "enabled": False}, **toys(two={})}
        routes = {"default": ["ghost", "two"]}
        async with gateway(clock, sources, routes=routes) as argus:
            assert [status.name for status in argus.sources()] == ["two"]
            assert (await argus.quotes((A,), ask(clock))).sources == ("two",)

    def test_simulated_and_live_never_share_a_route(self, clock):
        sources = {"demo": {"plugin": "demo"}, **toys(live={})}
        with pytest.raises(ConfigError, match="mixes simulated data"):
            gateway(clock, sources)
        routes = {"default": ["live"], "depth": ["demo"]}
        assert gateway(clock, sources, routes=routes)

    def test_open_to_the_world_without_authentication_is_refused(self, clock):
        with pytest.raises(ConfigError, match="refusing to listen"):
            gateway(clock, toys(one={}), server={"host": "0.0.0.0"})

    async def test_check_gives_every_part_a_verdict(self, clock):
        sources = toys(one={}, two={"broken": True}, three={"no_open": True})
        sources["ghost"] = {"plugin": "ghost", "required": False}
        checks = await gateway(clock, sources, caches=MEMORY).check()
        verdicts = {c.name: (c.ok, c.message) for c in checks}
        assert verdicts["one"] == (True, "answers")
        assert verdicts["two"] == (False, "SERVICE_UNAVAILABLE: refused")
        assert verdicts["three"] == (False, "RuntimeError: cannot log in")
        assert verdicts["ghost"][0] is False
        assert verdicts["l1"][0] is True
        assert ("close", "three") in toy_log(), "also after a failed open"

    async def test_open_authentication_knows_everybody(self, clock):
        principal = await gateway(clock, toys(one={})).authenticate(Presented())
        assert "data" in principal.scopes


ALERTER = """
    from argus_core import Alerter, hookimpl

    SENT = []

    class Pager(Alerter):
        async def send(self, alert):
            SENT.append((alert.subject, alert.event, alert.message))
            raise RuntimeError("the line is dead")

    @hookimpl
    def register_alerter():
        return Pager
"""


@pytest.mark.usefixtures("toy")
async def test_alerts_tell_when_a_source_fails_and_when_it_is_back(
    clock, tmp_path, monkeypatch, caplog
):
    root = tmp_path / "pager"
    root.mkdir()
    install(root, monkeypatch, dist="pager", module="pager_module", source=ALERTER, entry="pager")
    sources = toys(one={}, two={"no_open": True, "required": False})
    async with gateway(clock, sources, alerters={"p": {"plugin": "pager"}}) as argus:
        node = argus._parts.nodes["one"]
        node.failed("quotes:stock", SourceUnavailable("x"))
        node.failed("quotes:stock", SourceUnavailable("x"))
        await argus.quotes((A,), ask(clock))
    import pager_module

    assert pager_module.SENT == [
        ("two", "down", "RuntimeError: cannot log in"),
        ("one", "cooling", "everything: SERVICE_UNAVAILABLE, 5 s"),
        ("one", "recovered", "quotes:stock is answered again"),
    ]
    assert "alerter p failed: RuntimeError" in caplog.text


@pytest.mark.usefixtures("toy")
class TestCalendarAndSectors:
    async def test_without_a_source_the_offline_calendar_answers(self, clock):
        async with gateway(clock, toys(one={})) as argus:
            answer = await argus.trading_days(
                (Exchange.SH,), date(2024, 1, 1), date(2024, 1, 5), ask(clock)
            )
        days = answer.data[Exchange.SH]
        assert [d.day for d in days.dates] == [2, 3, 4, 5]
        assert answer.sources == ("exchange_calendars",)

    async def test_beyond_every_horizon_is_an_explicit_answer(self, clock):
        async with gateway(clock, toys(one={})) as argus:
            with pytest.raises(BeyondHorizon):
                await argus.trading_days(
                    (Exchange.SH,), date(2090, 1, 1), date(2090, 1, 5), ask(clock)
                )

    async def test_a_sector_nobody_knows_names_the_canonical_ones(self, clock):
        async with gateway(clock, toys(one={})) as argus:
            with pytest.raises(BadParameter, match="沪深A股"):
                await argus.sector("火星A股", ask(clock))
            with pytest.raises(NotOffered):
                await argus.sector("上证A股", ask(clock))

    async def test_a_sector_is_derived_from_the_instrument_table(self, clock):
        async with gateway(clock, {"demo": {"plugin": "demo"}}) as argus:
            answer = await argus.sector("科创板", ask(clock))
        members = answer.data["科创板"]
        assert members
        assert all(symbol.startswith("688") for symbol in members)
        assert answer.simulated


async def test_a_renamed_code_is_answered_under_the_present_one(clock):
    async with gateway(clock, {"demo": {"plugin": "demo"}}, caches=MEMORY) as argus:
        table = await argus.fetch(ListingsQuery(exchanges=(Exchange.BJ,)), ask(clock))
        row = next(row for row in table.data[Exchange.BJ] if row.former_symbols)
        old = row.former_symbols[0]
        assert old != row.symbol
        quotes = await argus.quotes((old, A), ask(clock))
        assert list(quotes.data) == [row.symbol, A]
        both = await argus.instruments((old, row.symbol), ask(clock))
        assert list(both.data) == [row.symbol], "asked once, answered once"
        query = HistoryQuery(
            symbols=(old,), period=Period.D1, start=date(2024, 3, 4), end=date(2024, 3, 8)
        )
        assert list((await argus.history(query, ask(clock))).data) == [row.symbol]


@pytest.mark.usefixtures("toy")
async def test_without_a_table_an_old_code_is_asked_as_it_is(clock):
    (old,) = symbols("430047.BJ")
    async with gateway(clock, toys(one={"has": ["430047.BJ"]})) as argus:
        assert list((await argus.quotes((old,), ask(clock))).data) == [old]


def past_calls():
    import past_module

    return past_module.CALLS


@pytest.mark.usefixtures("past")
class TestHistory:
    def query(self, *symbols, start=date(2024, 3, 6), end=date(2024, 3, 12), **terms):
        terms = {"period": Period.D1, **terms}
        return HistoryQuery(symbols=symbols, start=start, end=end, **terms)

    async def test_raw_bars_in_shares_and_yuan(self, clock):
        async with gateway(clock, {"past": {"plugin": "past"}}) as argus:
            answer = await argus.history(self.query(A), ask(clock))
        frame = answer.data[A]
        assert frame["date"].to_list() == [date(2024, 3, d) for d in (6, 7, 8, 11, 12)]
        assert frame["volume"].to_list() == [1000.0] * 5
        assert frame["turnover"].to_list() == [10000.0] * 5
        assert answer.sources == ("past",)
        assert answer.adjust_base == {}

    async def test_the_first_change_uses_the_bar_before_the_range(self, clock):
        async with gateway(clock, {"past": {"plugin": "past"}}) as argus:
            answer = await argus.history(self.query(A), ask(clock))
        # The factor changed on the 11th, so nobody here knows that day's ex-right previous close.
        assert answer.data[A]["change"].to_list() == [0.0, 0.0, 0.0, None, 0.0]
        assert len(past_calls()) == 2
        assert past_calls()[1][2] < date(2024, 3, 6)

    async def test_more_than_a_request_may_use_is_refused_before_anybody_is_asked(self, clock):
        query = self.query(A, start=date(1990, 1, 1), period=Period.H1)
        async with gateway(clock, {"past": {"plugin": "past"}}) as argus:
            with pytest.raises(TooLarge, match="shorter range"):
                await argus.history(query, ask(clock))
        assert past_calls() == []

    async def test_adjusted_prices_state_their_base(self, clock):
        async with gateway(clock, {"past": {"plugin": "past"}}) as argus:
            pre = await argus.history(self.query(A, adjust=Adjust.PRE), ask(clock))
            post = await argus.history(self.query(A, adjust=Adjust.POST), ask(clock))
        assert pre.data[A]["close"].to_list() == [5.0, 5.0, 5.0, 10.0, 10.0]
        assert pre.data[A]["volume"].to_list() == [1000.0] * 5
        assert pre.adjust_base[A] >= date(2024, 3, 11)
        assert post.data[A]["close"].to_list() == [10.0, 10.0, 10.0, 20.0, 20.0]

    async def test_a_pinned_base(self, clock):
        query = self.query(A, adjust=Adjust.PRE, adjust_base=date(2024, 3, 6))
        async with gateway(clock, {"past": {"plugin": "past"}}) as argus:
            answer = await argus.history(query, ask(clock))
        assert answer.data[A]["close"].to_list() == [10.0, 10.0, 10.0, 20.0, 20.0]

    async def test_without_factors_nothing_is_guessed(self, clock):
        query = self.query(A, B, adjust=Adjust.PRE)
        async with gateway(clock, {"past": {"plugin": "past"}}) as argus:
            answer = await argus.history(query, ask(clock))
        assert list(answer.data) == [A]
        assert answer.errors[B].code == "NOT_SUPPORTED"

    async def test_an_index_is_never_adjusted(self, clock):
        (index,) = symbols("000300.SH")
        query = self.query(index, adjust=Adjust.PRE)
        async with gateway(clock, {"past": {"plugin": "past"}}) as argus:
            answer = await argus.history(query, ask(clock))
        assert answer.data[index]["close"].to_list() == [10.0] * 5
        assert answer.adjust_base == {}

    async def test_weeks_are_whole_whatever_is_asked(self, clock):
        query = self.query(A, start=date(2024, 3, 7), end=date(2024, 3, 8), period=Period.W1)
        async with gateway(clock, {"past": {"plugin": "past"}}) as argus:
            answer = await argus.history(query, ask(clock))
        frame = answer.data[A]
        assert frame["date"].to_list() == [date(2024, 3, 8)]
        assert frame["volume"].to_list() == [5000.0]

    async def test_a_known_symbol_without_rows_is_an_empty_series(self, clock):
        async with gateway(clock, {"past": {"plugin": "past"}}) as argus:
            answer = await argus.history(self.query(C), ask(clock))
        assert answer.data[C].height == 0
        assert answer.data[C].columns[0] == "date"
        assert answer.errors == {}
        assert answer.sources == ("past",), "absence, too, comes from somewhere"

    async def test_minutes_that_nobody_has_are_an_empty_series(self, clock):
        query = self.query(C, period=Period.M5)
        async with gateway(clock, {"past": {"plugin": "past"}}) as argus:
            answer = await argus.history(query, ask(clock))
        assert answer.data[C].columns[:2] == ["time", "date"]


@pytest.mark.usefixtures("toy")
async def test_fetch_leaves_out_what_no_source_has(clock):
    async with gateway(clock, toys(one={"has": ["600519.SH"]})) as argus:
        answer = await argus.fetch(QuotesQuery(symbols=(A, B)), ask(clock))
    assert list(answer.data) == [A]
    assert answer.errors == {}
