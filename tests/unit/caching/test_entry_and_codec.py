"""Cache bytes: what goes in comes out, and damage is a miss."""

from datetime import date, datetime, timedelta

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from argus_core import (
    SHANGHAI,
    Depth,
    Instrument,
    Kind,
    Level,
    Quote,
    Symbol,
    Trade,
    TradingDays,
)
from argus_core.caching.entry import VERSION, Entry
from argus_core.extend.source import DATASETS
from argus_core.model.codec import CODECS, as_of

S = Symbol("600519.SH")
AT = datetime(2024, 3, 15, 10, 0, 3, tzinfo=SHANGHAI)
QUOTE = Quote(symbol=S, name="贵州茅台", price=1700.0, volume=100.0, as_of=AT)
RECORDS = {
    "quotes": QUOTE,
    "depth": Depth(
        quote=QUOTE,
        bids=(Level(1699.99, 100.0),),
        asks=(Level(1700.01, 300.0),),
        trades=(Trade(price=1700.0, volume=100.0, time=AT, direction="buy"),),
    ),
    "instruments": Instrument(symbol=S, kind=Kind.STOCK, list_date=date(2001, 8, 27)),
    "listings": (Instrument(symbol=S), Instrument(symbol=Symbol("600000.SH"))),
    "calendar": TradingDays(dates=(date(2024, 3, 15),), known_through=date(2024, 12, 31)),
    "sectors": (S, Symbol("000001.SZ")),
    "main_contracts": Symbol("rb2410.SHFE"),
    "chart_panels": "panel 1",
}


def value_of(dataset):
    # Frames are made inside a test: while tests are only collected, polars must not start its
    # threads, because the mutation run forks after that.
    if dataset in ("bars", "ticks"):
        return pl.DataFrame({"time": [AT], "close": [1.0], "volume": [None]}).with_columns(
            pl.col("time").cast(pl.Datetime("ms", "Asia/Shanghai")),
            pl.col("volume").cast(pl.Float64),
        )
    if dataset == "factors":
        return pl.DataFrame({"date": [date(2024, 1, 2)], "factor": [1.25]})
    return RECORDS[dataset]


@pytest.mark.parametrize("dataset", DATASETS)
def test_every_dataset_comes_back_as_it_went_in(dataset):
    value = value_of(dataset)
    back = CODECS[dataset].decode(CODECS[dataset].encode(value))
    if isinstance(value, pl.DataFrame):
        assert_frame_equal(back, value)
    else:
        assert back == value
    if dataset == "quotes":
        assert isinstance(back.symbol, Symbol)
        assert back.symbol.exchange == "SH"


@pytest.mark.parametrize("dataset", DATASETS)
@pytest.mark.parametrize("damage", [b"", b"{", b"\x00" * 40, b"\x80\x05pickle"])
def test_damaged_bytes_are_a_value_error(dataset, damage):
    with pytest.raises(ValueError, match="damaged"):
        CODECS[dataset].decode(damage)


def test_what_a_value_speaks_of():
    assert as_of(QUOTE) == AT
    assert as_of(value_of("depth")) == AT
    assert as_of(value_of("bars")) == AT
    assert as_of(value_of("factors")) is None
    assert as_of(value_of("bars").clear()) is None
    assert as_of(value_of("sectors")) is None
    assert as_of(pl.DataFrame({"time": [date(2024, 3, 15)]})) is None, "a day is no instant"


def test_the_instant_of_a_frame_is_shanghais_whatever_the_frames_zone():
    moved = value_of("bars").with_columns(pl.col("time").dt.convert_time_zone("UTC"))
    assert as_of(moved) == AT
    assert as_of(moved).tzinfo is SHANGHAI


@pytest.mark.parametrize(
    ("dataset", "kind"), [("quotes", "record"), ("bars", "frame"), ("factors", "frame")]
)
def test_damaged_bytes_are_a_value_error_that_says_so(dataset, kind):
    with pytest.raises(ValueError, match=f"^the stored {kind} is damaged$"):
        CODECS[dataset].decode(b"\x00damage")


NAMES = st.text(st.characters(exclude_categories=["Cc", "Cs"]), min_size=1, max_size=40)
"""Names of sources, which hold no control character."""


def entry(**changes):
    fields = {
        "payload": b"payload",
        "source": "tushare",
        "simulated": False,
        "fetched_at": AT,
        "fresh_until": AT + timedelta(seconds=3),
        "as_of": None,
    }
    return Entry(**{**fields, **changes})


@given(
    payload=st.binary(max_size=200),
    source=NAMES,
    path=st.lists(NAMES, max_size=3).map(tuple),
    simulated=st.booleans(),
    seconds=st.floats(0, 1e6),
)
def test_an_entry_survives_packing(payload, source, path, simulated, seconds):
    at = AT + timedelta(seconds=seconds)
    made = entry(payload=payload, source=source, path=path, simulated=simulated, as_of=at)
    assert Entry.unpack(made.pack("k"), "k") == made
    assert Entry.unpack(made.pack("k"), "another") is None


def test_an_entry_without_instant_survives_packing():
    assert Entry.unpack(entry().pack("k"), "k") == entry()


@given(st.binary(max_size=80))
def test_any_bytes_are_an_entry_or_none(data):
    found = Entry.unpack(data, "k")
    assert found is None or data[0] == VERSION


def test_another_version_counts_as_absent():
    packed = bytearray(entry().pack("k"))
    packed[0] = VERSION + 1
    assert Entry.unpack(bytes(packed), "k") is None


@given(place=st.integers(1, 60), bit=st.integers(0, 7))
def test_one_flipped_bit_anywhere_makes_it_absent(place, bit):
    packed = bytearray(entry(as_of=AT, early=True, cost=0.5).pack("k"))
    packed[place % len(packed)] ^= 1 << bit
    assert Entry.unpack(bytes(packed), "k") is None


def test_that_nobody_has_something_survives_packing():
    nothing = entry(payload=b"", absent=True)
    assert Entry.unpack(nothing.pack("k"), "k") == nothing


def test_provenance_names_the_tier():
    told = entry(simulated=True, as_of=AT).provenance("l1")
    assert (told.source, told.cache, told.simulated, told.as_of) == ("tushare", "l1", True, AT)
    assert told.fetched_at == AT
    assert told.fresh_until == AT + timedelta(seconds=3)
    assert not told.stale
