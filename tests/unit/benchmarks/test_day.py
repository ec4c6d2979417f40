"""The replayed day's own parts: a benchmark that judges must itself be right."""

from collections import Counter
from dataclasses import replace
from datetime import date, datetime, time, timedelta
from functools import cache

import numpy as np
import polars as pl
import pytest
from day_clairvoyant import Clairvoyant
from day_market import LOT, MINUTES, TICKS_A_MINUTE, Market
from day_plain import Plain
from day_requests import Request, requests_of
from day_source import Ledger, depth_at, quote_at
from day_tally import DayClock
from day_truth import Truth
from hypothesis import given, settings
from hypothesis import strategies as st

from argus_core import SHANGHAI, Adjust, Exchange, Period
from argus_core.config import Config

DAY = date(2023, 7, 12)
AGES = {"quotes": 3.0, "depth": 3.0, "bars": 5.0, "instruments": 86400.0}
LAST_TICK = MINUTES * TICKS_A_MINUTE
TICKS = st.integers(0, LAST_TICK)
TOTALS = {
    "open": "first",
    "high": "max",
    "low": "min",
    "close": "last",
    "volume": "sum",
    "turnover": "sum",
}


@cache
def market() -> Market:
    return Market(7, 60, DAY)


@cache
def wide() -> Market:
    """A market large enough for everything rare."""
    return Market(1, 300, DAY)


def at(text: str) -> datetime:
    return datetime.combine(DAY, time.fromisoformat(text), SHANGHAI)


def trading() -> str:
    """A symbol that trades today and is as old as the market."""
    stocks = market().stocks
    return next(s for s in stocks if stocks[s].active.all())


# -- the market ---------------------------------------------------------------------------------


def test_a_day_that_is_no_trading_date_is_refused():
    with pytest.raises(ValueError, match="no trading date"):
        Market(1, 3, date(2023, 7, 15))


def test_the_same_seed_gives_the_same_market_and_another_seed_another():
    one, same, other = Market(3, 4, DAY), Market(3, 4, DAY), Market(4, 4, DAY)
    symbol = one.symbols[2]
    assert one.day_rows(symbol, 0, 9999, 77).equals(same.day_rows(symbol, 0, 9999, 77))
    assert not one.day_rows(symbol, 0, 9999, 77).equals(other.day_rows(symbol, 0, 9999, 77))


def test_some_stocks_are_suspended_some_listed_late_and_some_went_ex_dividend():
    stocks = wide().stocks.values()
    assert any(not stock.active[-1] for stock in stocks)
    assert any(stock.listed for stock in stocks)
    assert any((np.diff(stock.factors) > 0.01).any() for stock in stocks)


@settings(deadline=None)  # the first example builds the market
@given(TICKS, st.sampled_from(range(60)))
def test_minutes_add_up_to_the_day_at_every_tick(tick, number):
    here = market()
    symbol = here.symbols[number]
    days = here.day_rows(symbol, here.minute_from + 1, here.today + 1, tick)
    minutes = here.minute_rows(symbol, here.minute_from + 1, here.today + 1, tick)
    total = {name: getattr(pl.col(name), how)() for name, how in TOTALS.items()}
    sums = minutes.group_by(pl.col("time").dt.date(), maintain_order=True).agg(**total)
    assert sums.equals(days.select(sums.columns))


@settings(deadline=None)  # the first example builds the market
@given(TICKS)
def test_a_tick_is_found_by_its_own_instant(tick):
    here = market()
    assert here.tick(here.instant(tick)) == tick
    assert here.tick(at("00:00:00")) == 0
    assert here.tick(at("12:15:00")) == LAST_TICK // 2
    assert here.tick(at("23:00:00")) == LAST_TICK


def test_each_tick_of_a_trading_stock_differs_from_the_one_before():
    here, symbol = market(), trading()
    lots = [here.running(symbol, tick).lots for tick in range(200)]
    assert lots == sorted(set(lots))


# -- the truth ----------------------------------------------------------------------------------


@settings(deadline=None)  # the first example builds the market
@given(TICKS, st.integers(0, 60), st.sampled_from(["quotes", "depth"]))
def test_a_quote_is_right_for_as_long_as_the_rule_allows(tick, late, kind):
    here, symbol = market(), trading()
    truth, request = Truth(here, AGES), Request(0.0, kind, (symbol,))
    value = quote_at(here, symbol, tick) if kind == "quotes" else depth_at(here, symbol, tick, 5)
    now = max(here.instant(tick), at("00:00:00")) + timedelta(seconds=late)
    moved = here.tick(now - timedelta(seconds=3)) > tick
    assert truth.verdict(request, symbol, value, now) == ("old" if moved else "right")


@settings(deadline=None)  # the first example builds the market
@given(TICKS, st.integers(0, 40), st.sampled_from([Period.M1, Period.M5, Period.D1, Period.W1]))
def test_bars_are_right_for_as_long_as_the_rule_allows(tick, late, period):
    here, symbol = market(), trading()
    start = here.days[here.today - 3]
    request = Request(0.0, "bars", (symbol,), period, start, DAY)
    truth = Truth(here, AGES)
    now = max(here.instant(tick), at("00:00:00")) + timedelta(seconds=late)
    moved = here.tick(now - timedelta(seconds=5)) > tick
    verdict = truth.verdict(request, symbol, told(truth, request, symbol, tick), now)
    assert verdict == ("old" if moved else "right")


def told(truth: Truth, request: Request, symbol: str, tick: int) -> dict:
    closes, volumes = truth.bars(request, symbol, tick)
    return pl.DataFrame({"close": closes, "volume": volumes})


@pytest.mark.parametrize("change", [{"price": 0.01}, {"volume": LOT}, {"as_of": at("09:00:00")}])
def test_a_quote_that_was_never_true_is_told(change):
    here, symbol = market(), trading()
    value = replace(quote_at(here, symbol, 500), **change)
    truth = Truth(here, AGES)
    assert truth.verdict(Request(0.0, "quotes", (symbol,)), symbol, value, here.instant(500)) in (
        "false"
    )


def test_bars_that_lack_a_row_or_differ_in_one_are_never_true():
    here, symbol = market(), trading()
    start, end = here.days[here.today - 30], here.days[here.today - 1]
    request, truth = Request(0.0, "bars", (symbol,), Period.D1, start, end), Truth(market(), AGES)
    good = told(truth, request, symbol, 0)
    assert truth.verdict(request, symbol, good, at("10:00:00")) == "right"
    assert truth.verdict(request, symbol, good[1:], at("10:00:00")) == "false"
    bad = good.with_columns(close=good["close"] + 0.01 * (np.arange(30) == 7))
    assert truth.verdict(request, symbol, bad, at("10:00:00")) == "false"


def test_nothing_is_too_old_where_nothing_moves():
    here = market()
    truth = Truth(here, AGES)
    asleep = next(s for s in wide().stocks.values() if not s.active[-1])
    quotes = Request(0.0, "quotes", (trading(),))
    assert truth.too_old(quotes, trading(), at("10:00:00"), at("10:00:09"))
    assert not truth.too_old(quotes, trading(), at("11:30:00"), at("13:00:02"))
    past = Request(0.0, "bars", (trading(),), Period.D1, here.days[0], here.days[9])
    assert not truth.too_old(past, trading(), at("09:30:00"), at("15:00:00"))
    other = Truth(wide(), AGES)
    assert not other.too_old(quotes, asleep.symbol, at("10:00:00"), at("11:00:00"))


# -- the ledger and the rivals ------------------------------------------------------------------


def test_a_sealed_row_is_new_once():
    here, symbol = market(), trading()
    ledger = Ledger(here)
    ledger.gave(symbol, Period.D1, np.arange(10, 20))
    ledger.gave(symbol, Period.D1, np.arange(15, 25))
    assert (ledger.sealed, ledger.new) == (20, 15)
    ledger.gave(symbol, Period.M1, np.arange(here.today - 2, here.today))
    assert (ledger.sealed, ledger.new) == (20 + 480, 15 + 480)


def asked(clairvoyant: Clairvoyant, request: Request, when: str) -> bool:
    before = clairvoyant.tally.hits.get(request.kind, 0)
    clairvoyant.ask(request, at(when))
    return clairvoyant.tally.hits[request.kind] > before


def test_the_clairvoyant_reads_a_window_out_of_others():
    here, symbol = market(), trading()
    clairvoyant = Clairvoyant(here, Config.parse({"history": {}}, {}))
    days = here.days

    def window(low: int, high: int, period: Period = Period.D1) -> Request:
        return Request(0.0, "bars", (symbol,), period, days[low], days[high])

    assert not asked(clairvoyant, window(100, 200), "10:00:00")
    assert not asked(clairvoyant, window(150, 300), "10:00:01")
    assert asked(clairvoyant, window(110, 290), "10:00:02")
    assert not asked(clairvoyant, window(110, 290, Period.M1), "10:00:03")
    assert clairvoyant.finished().sealed == 201
    assert clairvoyant.finished().new == 201


def test_the_clairvoyant_fetches_the_running_day_again_when_its_life_is_over():
    here, symbol = market(), trading()
    clairvoyant = Clairvoyant(here, Config.parse({"history": {}}, {}))
    request = Request(0.0, "bars", (symbol,), Period.D1, here.days[-9], DAY)
    assert not asked(clairvoyant, request, "10:00:00")
    assert asked(clairvoyant, replace(request, start=here.days[-4]), "10:00:04")
    assert not asked(clairvoyant, request, "10:00:06")
    quotes = Request(0.0, "quotes", (symbol,))
    assert [asked(clairvoyant, quotes, when) for when in ("10:00:00", "10:00:02", "10:00:04")] == [
        False,
        True,
        False,
    ]


def test_aiocache_forgets_after_its_fixed_lives_of_market_time():
    here, symbol = market(), trading()
    clock = DayClock(DAY)
    plain = Plain(here, Truth(here, AGES), clock)
    quotes = Request(36000.0, "quotes", (symbol,))
    bars = Request(36000.0, "bars", (symbol,), Period.D1, here.days[-3], DAY)
    seconds = (36000.0, 36002.0, 36029.0, 36031.0, 36299.0, 36301.0)
    tally = plain.replay(
        request for s in seconds for request in (replace(quotes, second=s), replace(bars, second=s))
    )
    assert tally.hits == {"quotes": 3, "bars": 4}
    assert tally.old == 1 + 3  # the quote of 29 s ago; the bars of 29, 31 and 299 s ago
    assert tally.calls == 3 + 2


# -- the requests -------------------------------------------------------------------------------


def test_the_requests_of_a_day_are_as_stated():
    here = wide()
    requests = list(requests_of(here, 6000, 5))
    assert requests == list(requests_of(here, 6000, 5))
    assert requests != list(requests_of(here, 6000, 6))
    seconds = [request.second for request in requests]
    assert seconds == sorted(seconds)
    kinds = Counter(request.kind for request in requests)
    assert kinds["quotes"] == pytest.approx(3000, abs=150)
    assert kinds["bars"] == pytest.approx(2400, abs=150)
    bars = [request for request in requests if request.kind == "bars"]
    assert sum(r.end == DAY for r in bars) == pytest.approx(0.3 * len(bars), abs=90)
    assert sum(r.period is Period.D1 for r in bars) == pytest.approx(0.7 * len(bars), abs=90)
    assert all(r.start <= r.end <= DAY for r in bars)
    most, others = Counter(s for r in requests for s in r.symbols).most_common(2)
    assert most[1] > 1.5 * others[1]
    assert {r.adjust for r in bars} == {Adjust.NONE, Adjust.PRE}
    assert {e for r in requests for e in r.exchanges} == {Exchange.SH, Exchange.SZ}
