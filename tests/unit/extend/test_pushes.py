"""What one gateway pushes to another comes out as it went in."""

from datetime import UTC, datetime, timedelta

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from argus_core import Depth, Level, Origin, Quote, Symbol, Trade, read_push_frame
from argus_core.clock import SHANGHAI
from argus_core.extend.pushes import push_item

SYMBOLS = st.sampled_from([Symbol("600519.SH"), Symbol("CF2501.CZCE"), Symbol("430047.BJ")])
NUMBERS = st.none() | st.floats(allow_nan=False, allow_infinity=False)
PRICES = st.floats(min_value=0.01, max_value=1e6)
TIMES = st.timedeltas(timedelta(0), timedelta(days=30_000)).map(
    lambda later: datetime(2000, 1, 1, tzinfo=SHANGHAI) + later
)
QUOTES = st.builds(
    Quote,
    symbol=SYMBOLS,
    as_of=st.none() | TIMES,
    name=st.none() | st.text(),
    price=NUMBERS,
    prev_close=NUMBERS,
    volume=NUMBERS,
    change_pct=NUMBERS,
)
LEVELS = st.lists(st.builds(Level, PRICES, PRICES), max_size=10).map(tuple)
TRADES = st.builds(
    Trade, price=PRICES, volume=PRICES, time=TIMES, direction=st.sampled_from([None, "buy", "sell"])
)
BOOKS = st.builds(
    Depth,
    quote=QUOTES,
    bids=LEVELS,
    asks=LEVELS,
    trades=st.none() | st.lists(TRADES, max_size=3).map(tuple),
)
ORIGINS = st.builds(
    Origin,
    path=st.lists(st.text(min_size=1), min_size=1, max_size=4).map(tuple),
    age=st.integers(0, 10**6).map(lambda ms: ms / 1000),
    stale=st.booleans(),
    reason=st.none() | st.text(min_size=1),
    simulated=st.booleans(),
    replay=st.none() | st.just({"day": "2023-02-01", "speed": 2.0}),
)


def framed(*items, **told):
    data = b",".join(items)
    return orjson.dumps({"type": "update", "epoch": "e", **told})[:-1] + b',"data":[' + data + b"]}"


@given(st.integers(1, 2**53), QUOTES | BOOKS, ORIGINS, st.sampled_from(["push", "poll"]))
def test_every_value_arrives_as_it_was(seq, value, origin, mode):
    frame = read_push_frame(framed(push_item(seq, value, origin, mode)))
    (item,) = frame.items
    assert (item.seq, item.value, item.mode, item.origin) == (seq, value, mode, origin)
    assert type(item.value.symbol) is Symbol
    relayed = item.relayed()
    assert (relayed.value, relayed.origin, relayed.mode) == (value, origin, mode)


@given(st.binary(max_size=200) | st.text().map(str.encode))
def test_anything_else_is_a_value_error(data):
    try:
        read_push_frame(data)
    except ValueError as error:
        assert "message" in str(error)  # noqa: PT017 - whatever else it raises fails the test


ITEM = push_item(1, Quote(symbol=Symbol("600519.SH")), Origin(path=("v",)), "push")


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (framed(ITEM.replace(b'["v"]', b"[]")), "where 600519.SH comes from"),
        (framed(ITEM.replace(b'"push"', b'"carry"')), "damaged"),
        (framed(ITEM.replace(b'"quote":', b'"other":')), "neither a book nor a quote"),
        (framed(ITEM.replace(b'"seq":1', b'"seq":"1"')), "damaged"),
        (framed(ITEM)[:-4], "damaged"),
        (framed(since="2024-03-15T10:00:00"), "without a zone"),
        (b"[]", "damaged"),
        (b"[" * 100_000, "damaged"),
    ],
)
def test_a_damaged_message_is_refused(data, words):
    with pytest.raises(ValueError, match=words):
        read_push_frame(data)


def test_instants_and_what_a_later_version_adds_are_read():
    frame = read_push_frame(
        b'{"type":"hello","epoch":"e","server_time":"2024-03-15T10:00:00+08:00","limits":{"x":1}}'
    )
    assert frame.server_time == datetime(2024, 3, 15, 2, tzinfo=UTC)
    assert frame.server_time.utcoffset() == timedelta(hours=8)
