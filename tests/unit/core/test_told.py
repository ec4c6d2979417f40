"""What one gateway tells another comes out as it went in, and damage is noticed."""

from datetime import UTC, date, datetime, timedelta

import orjson
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from argus_core import (
    SHANGHAI,
    Depth,
    Instrument,
    Kind,
    Level,
    Origin,
    Quote,
    Symbol,
    Told,
    Trade,
    TradingDays,
    Unanswered,
    asked_body,
    read_told,
)
from argus_core.market.bars import CANONICAL
from argus_core.model.codec import FRAMES, RECORDS
from argus_core.model.query import DepthQuery
from argus_core.model.told import told_frames, told_records

NOW = datetime(2024, 3, 15, 14, 0, 0, 123456, tzinfo=SHANGHAI)
EPOCH = datetime(1970, 1, 1, tzinfo=SHANGHAI)
numbers = st.none() | st.floats(allow_nan=False, allow_infinity=False)
symbols = st.from_regex(r"[0-9]{6}\.(SH|SZ)", fullmatch=True).map(Symbol)
instants = st.integers(0, 4 * 10**15).map(lambda us: EPOCH + timedelta(microseconds=us))
days = st.dates(date(1990, 1, 1), date(2100, 1, 1))
texts = st.none() | st.text(max_size=12)
quotes = st.builds(
    Quote,
    symbol=symbols,
    as_of=st.none() | instants,
    name=texts,
    **dict.fromkeys(("price", "open", "prev_close", "volume", "turnover", "change"), numbers),
)
levels = st.lists(st.builds(Level, st.floats(1, 9), st.floats(0, 1e9)), max_size=3).map(tuple)
trades = st.builds(
    Trade, price=st.floats(1, 9), volume=st.floats(1, 9), time=instants, direction=texts
)
instruments = st.builds(
    Instrument,
    symbol=symbols,
    name=texts,
    kind=st.sampled_from(Kind),
    list_date=st.none() | days,
    total_shares=numbers,
    former_symbols=st.lists(symbols, max_size=2).map(tuple),
)
RECORD = {
    "quotes": quotes,
    "depth": st.builds(
        Depth,
        quote=quotes,
        bids=levels,
        asks=levels,
        trades=st.none() | st.lists(trades, max_size=2).map(tuple),
    ),
    "instruments": instruments,
    "listings": st.lists(instruments, max_size=3).map(tuple),
    "calendar": st.builds(
        TradingDays, dates=st.lists(days, max_size=4).map(tuple), known_through=days
    ),
    "sectors": st.lists(symbols, max_size=3).map(tuple),
    "main_contracts": symbols,
    "chart_panels": st.text(max_size=9),
}
origins = st.builds(
    Origin,
    path=st.lists(st.text(min_size=1, max_size=5), min_size=1, max_size=3).map(tuple),
    age=st.integers(0, 10**9).map(lambda ms: ms / 1000),
    stale=st.booleans(),
    reason=texts,
    simulated=st.booleans(),
    resolution=st.dictionaries(st.sampled_from(["volume", "turnover"]), st.floats(0.01, 1000)),
)
failures = st.builds(
    Unanswered,
    code=st.sampled_from(["TIMEOUT", "PREPARING"]),
    message=st.text(max_size=9),
    retry_after=st.none() | st.floats(0, 100),
)


def test_every_dataset_has_a_form():
    assert {*RECORDS, *FRAMES} == {*RECORD, "bars", "factors", "ticks"}


@settings(deadline=None)
@given(data=st.data(), dataset=st.sampled_from(sorted(RECORD)))
def test_records_survive(data, dataset):
    values = data.draw(st.dictionaries(st.text(min_size=1, max_size=9), RECORD[dataset]))
    told = Told(
        now=NOW,
        values=values,
        origins=data.draw(st.dictionaries(st.text(max_size=9), origins)),
        failures=data.draw(st.dictionaries(st.text(max_size=9), failures)),
        steps=data.draw(st.lists(st.text(max_size=9), max_size=3).map(tuple)),
    )
    assert read_told(dataset, told_records(dataset, told)) == told


def frame_of(rows):
    end = datetime(2024, 3, 15, 1, 31, tzinfo=UTC)
    columns = {name: [None] * len(rows) for name in CANONICAL} | {
        "time": [end + timedelta(minutes=n) for n in range(len(rows))],
        "date": [date(2024, 3, 15)] * len(rows),
        "close": rows,
        "final": [True] * len(rows),
    }
    return pl.DataFrame(columns, schema_overrides=dict(CANONICAL)).cast(dict(CANONICAL))


@settings(deadline=None)
@given(
    frames=st.dictionaries(symbols, st.lists(numbers, max_size=4).map(frame_of), max_size=4),
    packed=st.booleans(),
)
def test_frames_survive_be_they_empty(frames, packed):
    told = Told(now=NOW, origins=dict.fromkeys(frames, Origin(path=("a",))))
    read = read_told("bars", told_frames(told, frames, packed=packed))
    assert read.origins == told.origins
    found = {}
    if read.frame is not None:
        parts = read.frame.partition_by("symbol", as_dict=True)
        found = {symbol: part.drop("symbol") for (symbol,), part in parts.items()}
    assert found.keys() == {symbol for symbol, frame in frames.items() if frame.height}
    for symbol, frame in found.items():
        assert frame.equals(frames[symbol], null_equal=True)
        assert frame.schema == frames[symbol].schema


def test_thousand_keys_of_one_origin_tell_it_once():
    keys = {f"{n:06}.SH": Origin(path=("a",), age=1.5) for n in range(1000)}
    body = orjson.loads(told_records("quotes", Told(now=NOW, origins=keys)))
    assert len(body["origins"]) == 1
    assert len(body["origins"][0]["keys"]) == 1000


GOOD = told_records("quotes", Told(now=NOW, values={"a": Quote(symbol=Symbol("600519.SH"))}))
BARS = told_frames(Told(now=NOW), {"600519.SH": frame_of([1.0, 2.0])}, packed=True)


@pytest.mark.parametrize(
    ("dataset", "body"),
    [
        ("quotes", b""),
        ("quotes", b"{}"),
        ("quotes", b"<html>"),
        ("quotes", GOOD[:-1]),
        ("quotes", GOOD.replace(b'"success":true', b'"success":false')),
        ("quotes", GOOD.replace(b"+08:00", b"")),
        ("quotes", GOOD.replace(b'"symbol"', b'"simbol"')),
        ("bars", b""),
        ("bars", BARS[:-200]),
        ("bars", BARS[: BARS.index(b"\n") + 1]),
        ("bars", BARS.replace(b'"rows":2', b'"rows":3')),
        ("bars", BARS[: BARS.index(b"\n") + 1] + b"PK"),
        ("bars", BARS.replace(b"symbol", b"simbol")),
    ],
)
def test_damage_is_a_value_error(dataset, body):
    with pytest.raises(ValueError):
        read_told(dataset, body)


def test_records_and_frames_are_not_mixed_up():
    with pytest.raises(ValueError, match="frames"):
        told_records("bars", Told(now=NOW))


def test_a_question_is_its_fields_and_terms():
    query = DepthQuery(symbols=(Symbol("600519.SH"),), levels=10)
    body = orjson.loads(asked_body(query, use_cache=False))
    assert body == {"symbols": ["600519.SH"], "levels": 10, "use_cache": False}
