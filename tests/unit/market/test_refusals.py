"""What a refusal says: the person who reads it must see what was wrong and what would be right."""

from datetime import date

import polars as pl
import pytest

from argus_core import Adjust, BadData, BadParameter, Quote, Symbol, Units, parse_symbol
from argus_core.errors import BeyondHorizon
from argus_core.market import calendar
from argus_core.market.adjustment import adjust
from argus_core.market.quotes import normalise_quote
from argus_core.market.units import FLIP, SLACK


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "is no symbol"),
        ("600519.HK", "names no exchange that Argus knows"),
        ("60051.SH", "needs six digits on SH"),
        ("50000001.SH", "is no option of SH"),
        ("600519.SHO", "is no exchange-traded option"),
        ("777777", "is no number of Shanghai, Shenzhen or Beijing that Argus knows"),
        ("rb2413.SHFE", "is no contract of SHFE: a product, a four-digit month, e.g. 2412"),
        ("rb2410F.SHFE", "ends in F, as only Dalian's monthly-average futures do"),
        ("rb410.SHFE", "needs a four-digit month on SHFE, e.g. 2412"),
    ],
)
def test_a_refused_symbol_is_quoted_with_the_reason_and_what_is_allowed(text, reason):
    with pytest.raises(BadParameter) as caught:
        parse_symbol(text)
    said = caught.value.message
    assert said.startswith(f"symbol {text!r} {reason}; allowed are 600519.SH, 000001.SZ, ")
    assert said.endswith("and the usual spellings of these")


@pytest.mark.parametrize(
    ("text", "reason", "candidates"),
    [
        ("000001", "needs its exchange", "000001.SH (index), 000001.SZ (stock)"),
        (
            "CF501.CZCE",
            "leaves the decade open: write four digits, or give a range",
            "CF0501.CZCE, CF1501.CZCE, CF2501.CZCE, CF3501.CZCE",
        ),
    ],
)
def test_an_ambiguous_symbol_is_answered_with_its_candidates_alone(text, reason, candidates):
    with pytest.raises(BadParameter) as caught:
        parse_symbol(text)
    said = caught.value.message
    assert said.startswith(f"symbol {text!r} {reason}; candidates are {candidates}")
    assert "allowed" not in said


def test_a_very_long_text_is_not_quoted_in_full():
    with pytest.raises(BadParameter) as caught:
        parse_symbol("x" * 5000)
    assert "…" in caught.value.message
    assert len(caught.value.message) < 500


def test_before_the_first_trading_date_there_is_none():
    with pytest.raises(BeyondHorizon) as caught:
        calendar.previous_session(calendar.first())
    assert caught.value.message == (
        "no mainland trading date lies before 1990-12-19: the first is 1990-12-19"
    )


def test_a_series_older_than_its_factors_says_from_when_to_when():
    days = [date(2024, 3, 11), date(2024, 3, 12), date(2024, 3, 13)]
    price = [10.0, 10.0, 10.0]
    frame = pl.DataFrame({"date": days, **dict.fromkeys(["open", "high", "low", "close"], price)})
    factors = pl.DataFrame({"date": days[2:], "factor": [2.0]})
    with pytest.raises(BadData) as caught:
        adjust(frame.with_columns(prev_close=10.0), factors, Adjust.PRE)
    assert caught.value.message == (
        "the first adjustment factor is of 2024-03-13, 2 bars since 2024-03-11 are older"
    )


def test_a_low_above_the_high_is_named():
    quote = Quote(symbol=Symbol("600519.SH"), price=10.0, low=11.0, high=10.0)
    assert normalise_quote(quote, Units()) == "the low 11.0 lies above the high 10.0"


@pytest.mark.parametrize(("beyond", "refused"), [(-0.5, False), (0.5, True)])
@pytest.mark.parametrize("side", ["least", "most"])
def test_a_turnover_is_refused_only_beyond_rounding_slack_and_a_flip_of_units(
    side, beyond, refused
):
    rule = Units(volume_step=100.0, turnover_step=7.0)
    least = 10.0 * (1000.0 - 100.0) * (1 - SLACK) / FLIP - 7.0
    most = 12.0 * (1000.0 + 100.0) * (1 + SLACK) * FLIP + 7.0
    turnover = least - beyond if side == "least" else most + beyond
    quote = Quote(
        symbol=Symbol("600519.SH"),
        price=11.0,
        low=10.0,
        high=12.0,
        volume=1000.0,
        turnover=turnover,
    )
    read = normalise_quote(quote, rule)
    assert isinstance(read, str) is refused
    if refused:
        assert read.startswith("the quote disproves its units: turnover ")


def test_an_answer_in_the_vendors_spelling_is_refused_and_named():
    from datetime import date, datetime

    from support.clock import TestClock

    from argus_core import (
        SHANGHAI,
        BadData,
        BarsQuery,
        Period,
        Quote,
        QuotesQuery,
        Source,
        Symbol,
    )
    from argus_core.market.normalise import normalise

    asked, spelt = Symbol("600519.SH"), Symbol("sh600519")
    source, now = Source("mine", None, TestClock()), datetime(2024, 3, 15, tzinfo=SHANGHAI)
    day = date(2024, 3, 14)
    bars = BarsQuery(symbols=(asked,), period=Period.D1, start=day, end=day, since=now, until=now)
    row = dict.fromkeys(("open", "high", "low", "close", "volume"), 1.0)
    for query, reply in (
        (QuotesQuery(symbols=(asked,)), [Quote(symbol=spelt, price=1.0)]),
        (bars, [{"symbol": "sh600519", "time": day, **row}]),
    ):
        with pytest.raises(BadData, match=r"sh600519.*here 600519\.SH"):
            normalise(query, reply, source, now)
