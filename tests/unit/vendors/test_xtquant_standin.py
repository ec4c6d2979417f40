"""The stand-in for miniQMT through the shipped, unmodified xtdata.py: what was recorded.

Every recorded payload comes back value for value and type for type.
"""

from __future__ import annotations

import csv
import json
import sys

import pytest
from support.waiting import block_until
from vendors.xtquant_codes import Named
from vendors.xtquant_rows import INVENTED, lots, noisy


@pytest.fixture
def recorded(market_data):
    def read(name: str):
        return json.loads((market_data / "xtquant" / name).read_text())

    return read


def same(got, wanted) -> bool:
    """Equal in value and in the type of every number."""
    if isinstance(got, dict):
        alike = got.keys() == wanted.keys()
        return alike and all(same(got[key], wanted[key]) for key in got)
    return repr(got) == repr(wanted)


def test_recorded_polls_come_back(miniqmt, xtdata, recorded):
    for record in recorded("recorded_full_ticks.json"):
        if record["call"] != "get_full_tick":
            continue
        code = record["code"] or "600519.SH"
        miniqmt.settings.replay = {"full_tick": {code: record["tick"]}}
        assert same(xtdata.get_full_tick([code]), {code: record["tick"]})


def test_recorded_whole_quote_comes_back(miniqmt, xtdata, recorded):
    wanted = {
        record["code"]: record["tick"]
        for record in recorded("recorded_full_ticks.json")
        if record["call"] == "subscribe_whole_quote"
    }
    miniqmt.settings.replay = {"whole": wanted}
    got = []
    assert xtdata.subscribe_whole_quote(list(wanted), got.append) > 0
    block_until(lambda: got)
    assert wanted
    assert same(got[0], wanted)


def test_recorded_frames_come_back(miniqmt, xtdata, recorded):
    frames = recorded("recorded_market_data_ex.json")["get_market_data_ex_1d"]
    miniqmt.settings.replay = {"bars": frames}
    for code, wanted in frames.items():
        for fields in ([], wanted["columns"]):
            frame = xtdata.get_market_data_ex(fields, [code], "1d")[code]
            assert list(frame.columns) == wanted["columns"]
            assert list(frame.index) == wanted["index"]
            assert same(
                [list(row) for row in zip(*(frame[c].tolist() for c in frame), strict=True)],
                wanted["data"],
            )


def test_recorded_minute_callback_comes_back(miniqmt, xtdata, recorded):
    wanted = recorded("recorded_market_data_ex.json")["subscribe_quote_1m_callback"]
    got = []
    for code in wanted:
        assert xtdata.subscribe_quote(code, "1m", callback=got.append) > 0
    miniqmt.control({"push_raw": {"period": "1m", "data": wanted}})
    block_until(lambda: got)
    assert same(got[0], wanted)


def test_recorded_queue_comes_back(miniqmt, xtdata, recorded):
    wanted = recorded("recorded_l2thousand_queue_000001.SZ.json")
    miniqmt.settings.replay = {"queue": wanted}
    got = []
    assert xtdata.subscribe_l2thousand_queue("000001.SZ", got.append, gear_num=2) > 0
    block_until(lambda: got)
    assert same(got[0], wanted)


def test_observed_units_come_back_and_are_what_the_rows_do(miniqmt, xtdata, market_data):
    with (market_data / "xtquant/observed_volume_units_20260909.csv").open(newline="") as file:
        seen = {
            row.pop("code"): {name: int(value) for name, value in row.items()}
            for row in csv.DictReader(file)
        }
    miniqmt.settings.replay = {"full_tick": seen}
    assert same(xtdata.get_full_tick(list(seen)), seen)
    kinds = {"000001.SH": "index", "399001.SZ": "index", "899050.BJ": "index"}
    for code, row in seen.items():
        named = Named(code=code, symbol=code, kind=kinds.get(code, "stock"), listed=None)
        units = row["pvolume"] if named.market != "BJ" else row["volume"] * 100
        assert lots(units, named, miniqmt.settings) == row["volume"]


@pytest.mark.parametrize(
    ("price", "step", "recorded"),
    [(11.37, 0.01, 11.370000000000001), (10.45, 0.01, 10.450000000000001), (11.39, 0.01, 11.39)],
)
def test_recorded_noise_of_prices(price, step, recorded):
    assert noisy(price, step) == recorded


def test_inventions_are_sentences():
    assert all(one.endswith(".") for one in INVENTED)


def test_xtdata_is_the_shipped_one_and_nothing_was_asked_of_the_network(xtdata):
    package = sys.modules["xtquant"]
    assert not hasattr(package, "check_for_update")
    assert xtdata.__file__.startswith(package.__path__[0])
