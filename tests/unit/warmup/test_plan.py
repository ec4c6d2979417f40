"""What warm-up asks: everything wanted once, in portions that a vendor takes, urgent first."""

from datetime import date, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from argus_core import SHANGHAI, Period, session_dates
from argus_core.cache_tables import DEFAULT_RULES
from argus_core.caching.rules import Rules
from argus_core.market import calendar
from argus_core.tables import WarmupTable
from argus_core.warmup.plan import ROWS, Kind, last_settled, most_asked, planned

FRIDAY = date(2024, 3, 15)
SYMBOLS = ("600519.SH", "000001.SZ", "430047.BJ", "rb2410.SHFE", "CF2501.CZCE", "000300.SH")
DATASETS = ("quotes", "depth", "instruments", "bars", "listings")
EVERYTHING = DEFAULT_RULES | {}


def plan(asked=(), *, last=FRIDAY, limit=100, rules=None, **table):
    made = WarmupTable(**table)
    return planned(made, asked, last=last, limit=lambda _: limit, rules=rules or Rules(EVERYTHING))


subsets = st.lists(st.sampled_from(SYMBOLS), unique=True, max_size=6).map(tuple)
asking = st.lists(
    st.tuples(
        st.sampled_from((*DATASETS[:4], "ticks", "factors")),
        st.sampled_from(SYMBOLS),
        st.sampled_from([None, *Period, "7m"]),
        st.integers(1, 1000),
    ),
    max_size=12,
)


@settings(deadline=None)
@given(
    table=st.fixed_dictionaries(
        {
            "symbols": subsets,
            "datasets": st.lists(st.sampled_from(DATASETS), max_size=6).map(tuple),
            "periods": st.lists(st.sampled_from(list(Period)), max_size=4).map(tuple),
            "days": st.integers(1, 700),
        }
    ),
    limit=st.integers(0, 7),
    asked=asking,
)
def test_everything_wanted_is_asked_once_in_batches_within_the_limits(table, limit, asked):
    batches = plan(asked, **table, limit=limit)
    warmable = [a for a in asked if a[0] in DATASETS and (a[0] != "bars" or a[2] in list(Period))]
    names = {*table["symbols"], *(symbol for _, symbol, _, _ in warmable)}
    wanted = set()
    for dataset in table["datasets"]:
        keys = {name.split(".")[1] for name in names} if dataset == "listings" else names
        for period in table["periods"] if dataset == "bars" else [None]:
            wanted |= {(dataset, period, key) for key in keys}
    wanted |= {(d, Period(p) if d == "bars" else None, s) for d, s, p, _ in warmable}

    dates = session_dates(calendar.first(), FRIDAY)[-table["days"] :]
    got = []
    for batch in batches:
        assert 1 <= len(batch.keys) <= max(1, limit)
        kind = batch.kind
        if kind.dataset != "bars":
            assert (batch.start, batch.end) == (None, None)
            got += [(kind.dataset, None, key, None) for key in batch.keys]
            continue
        inside = [day for day in dates if batch.start <= day <= batch.end]
        assert {batch.start, batch.end} <= set(dates)
        rows = len(inside) * len(batch.keys) * (240 if kind.period.intraday else 1)
        assert rows <= ROWS
        got += [("bars", kind.period, key, day) for key in batch.keys for day in inside]
    assert len(got) == len(set(got)), "nothing is asked twice"
    expected = {
        (dataset, period, key, day)
        for dataset, period, key in wanted
        for day in (dates if dataset == "bars" else [None])
    }
    assert set(got) == expected


def test_the_urgent_rule_comes_first_then_what_is_asked_for_most():
    asked = [
        ("bars", "000001.SZ", "1d", 900),
        ("quotes", "000001.SZ", None, 5),
        ("quotes", "430047.BJ", None, 70),
    ]
    batches = plan(
        asked, symbols=("600519.SH",), datasets=("instruments", "bars", "quotes"), limit=2
    )
    told = [(str(batch.kind), batch.keys) for batch in batches]
    assert told == [
        ("quotes", ("430047.BJ", "000001.SZ")),
        ("quotes", ("600519.SH",)),
        ("bars 1d", ("000001.SZ", "600519.SH")),
        ("bars 1d", ("430047.BJ",)),
        ("instruments", ("600519.SH", "000001.SZ")),
        ("instruments", ("430047.BJ",)),
    ]


def test_an_operator_may_turn_the_order_round():
    rules = Rules(EVERYTHING)
    rules.change("BASIC_INFO", priority="high")
    rules.change("LATEST_DATA", priority="low")
    batches = plan(symbols=("600519.SH",), datasets=("quotes", "bars", "instruments"), rules=rules)
    assert [batch.kind.dataset for batch in batches] == ["instruments", "bars", "quotes"]


def test_bars_are_warmed_in_the_periods_in_which_they_were_asked_for_too():
    batches = plan([("bars", "000001.SZ", "5m", 3)], symbols=("600519.SH",), datasets=("bars",))
    assert {(b.kind, b.keys) for b in batches} == {
        (Kind("bars", Period.M5), ("000001.SZ",)),
        (Kind("bars", Period.D1), ("600519.SH", "000001.SZ")),
    }


def test_a_long_history_of_minutes_comes_in_spans_the_newest_first():
    batches = plan(symbols=SYMBOLS[:2], datasets=("bars",), periods=("1m",), days=600)
    # A span of 250 dates is too much for two symbols; the last hundred are not.
    one, two = ((symbol,) for symbol in SYMBOLS[:2])
    assert [batch.keys for batch in batches] == [SYMBOLS[:2], one, two, one, two]
    spans = list(dict.fromkeys((batch.start, batch.end) for batch in batches))
    assert spans[0][1] == FRIDAY
    assert spans == sorted(spans, reverse=True)


def test_symbols_of_the_far_side_of_a_holiday_count_in_trading_dates():
    (batch,) = plan(symbols=SYMBOLS[:1], datasets=("bars",), days=3, last=date(2024, 10, 9))
    # The first week of October is a holiday.
    assert (batch.start, batch.end) == (date(2024, 9, 30), date(2024, 10, 9))


def test_there_is_a_plan_beyond_the_calendars_horizon():
    last = date(calendar.horizon().year + 1, 6, 30)
    (batch,) = plan(symbols=SYMBOLS[:1], datasets=("bars",), days=5, last=last)
    assert (last - batch.start).days in range(4, 8)


def test_nothing_named_is_nothing_asked():
    assert plan(datasets=DATASETS) == []


@pytest.mark.parametrize(
    ("now", "hours", "day"),
    [
        ("2024-03-18 08:55:00", 3, "2024-03-15"),  # a Monday before the open
        ("2024-03-15 14:59:00", 0, "2024-03-14"),
        ("2024-03-15 15:00:00", 0, "2024-03-15"),
        ("2024-03-15 17:59:59", 3, "2024-03-14"),
        ("2024-03-15 18:00:00", 3, "2024-03-15"),
        ("2024-03-16 01:00:00", 12, "2024-03-14"),  # the settling reaches into Saturday
        ("2024-03-16 03:00:00", 12, "2024-03-15"),
        ("2024-10-08 08:00:00", 3, "2024-09-30"),  # the first date after a holiday
    ],
)
def test_the_last_settled_date(now, hours, day):
    at = datetime.fromisoformat(now).replace(tzinfo=SHANGHAI)
    assert last_settled(at, hours) == date.fromisoformat(day)


def test_the_most_asked_are_symbols_not_rows():
    rows = [
        ("quotes", "a", None, 9),
        ("bars", "a", "1d", 8),
        ("quotes", "b", None, 7),
        ("quotes", "c", None, 6),
        ("instruments", "b", None, 1),
    ]
    asked = []

    def read(day, limit):
        asked.append((day, limit))
        return rows[:limit]

    assert most_asked(read, FRIDAY, 2) == [rows[0], rows[1], rows[2], rows[4]]
    assert asked[0][0] == FRIDAY
    assert most_asked(read, FRIDAY, 0) == []
