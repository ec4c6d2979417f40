"""The RQData stand-in's rows, seen through the real client, in two time zones."""

from __future__ import annotations

import csv
import json
from datetime import date, datetime, time
from itertools import accumulate, pairwise
from operator import mul

import pytest

pytest.importorskip("rqdatac")
from vendors.rqdata_client import RealClient
from vendors.rqdata_ids import order_book_id
from vendors.rqdata_rows import INVENTED
from vendors.rqdata_server import RQDataServer
from vendors.world import SHANGHAI, load, suspended_days

PRICES = ["open", "high", "low", "close", "volume", "total_turnover"]


@pytest.fixture(scope="module")
def world(market_data):
    return load(market_data)


@pytest.fixture(scope="module")
def running(world, market_data):
    server = RQDataServer(world, data=market_data).start()
    yield server
    server.stop()


@pytest.fixture(scope="module", params=["UTC", "Asia/Shanghai"])
def real(request, running):
    client = RealClient(request.param)
    assert client.log_in(running.port, "u", "p").error is None
    yield client
    client.stop()


@pytest.fixture
def server(running):
    running.control({"clear": True, "now": None, "replay": None, "scale_volume": None})
    return running


@pytest.fixture
def client(real, server):
    return real


def at(client, server, instant):
    """The client on a server at another instant, with nothing remembered."""
    server.control({"now": instant})
    client("reset", flush_cache=True)
    return client


def raw(client, ids, start, end, frequency="1d", fields=PRICES):  # noqa: PLR0917
    asked = {"frequency": frequency, "fields": fields, "adjust_type": "none"}
    return client("get_price", ids, start, end, **asked).rows


def values(row, names=PRICES):
    return {name: row[name] for name in names}


def plain(bar):
    """A world's bar under the vendor's names."""
    return {name: getattr(bar, name) for name in PRICES[:-1]} | {"total_turnover": bar.turnover}


def test_the_recorded_minutes_come_back_as_recorded(client, server, market_data):
    recorded = json.loads((market_data / "rqdata" / "bar_1m_20171201_0931.json").read_text())
    limits = ["limit_up", "limit_down"]
    days = [values(r, ["order_book_id", *limits]) | {"date": r["datetime"][:10]} for r in recorded]
    server.control({"replay": {"1m": recorded, "1d": days}})
    ids = [row["order_book_id"] for row in recorded]
    minutes = raw(client, ids, "2017-12-01", "2017-12-01", "1m")
    of_days = raw(client, ids, "2017-12-01", "2017-12-01", fields=limits)
    assert len(minutes) == len(of_days) == len(recorded)
    for row, minute, day in zip(recorded, minutes, of_days, strict=True):
        found = minute | values(day, limits)
        found["datetime"] = found["datetime"].replace("T", " ")
        name = client("instruments", row["order_book_id"]).value["symbol"]
        assert found | {"symbol": name} == row


@pytest.mark.parametrize("replay", [True, False])
def test_the_recorded_days_come_back_as_recorded(client, server, market_data, replay):
    path = market_data / "rqdata" / "get_price_http_csv_000001.XSHE_201906.csv"
    with path.open(newline="") as file:
        text = list(csv.DictReader(file))
    names = ["open", "close", "high", "low"]
    recorded = [row | {name: float(row[name]) for name in names} for row in text]
    if replay:
        server.control({"replay": {"1d": recorded}})
    found = raw(client, "000001.XSHE", "2019-06-03", "2019-06-11", fields=names)
    assert [row | {"date": row["date"][:10]} for row in found] == recorded


def test_days_of_every_kind_are_the_worlds(client, world):
    last = date(2024, 6, 28)
    kinds = {
        order_book_id(symbol): one
        for symbol, one in world.listed.items()
        if world.days.get(symbol) and world.days[symbol][-1].date >= last
    }
    assert {one.kind for one in kinds.values()} == {"index", "fund", "bond", "future", "option"}
    found = raw(client, list(kinds), "2024-01-02", "2024-06-28")
    expected = [
        {"order_book_id": name, "date": f"{day.date}T00:00:00"} | plain(day)
        for name, one in kinds.items()
        for day in world.days[one.symbol]
        if day.date <= last
    ]
    by_place = {(row["order_book_id"], row["date"]): row for row in found}
    assert by_place == {(row["order_book_id"], row["date"]): row for row in expected}


def test_settlements_and_strikes(client, world):
    names = ["settlement", "prev_settlement", "open_interest"]
    days = world.days["rb2410.SHFE"]
    rows = raw(client, "RB2410", "2024-01-02", "2024-01-04", fields=names)
    assert [row["settlement"] for row in rows] == [day.settle for day in days[:3]]
    assert [row["prev_settlement"] for row in rows] == [None, days[0].settle, days[1].settle]
    assert [row["open_interest"] for row in rows] == [day.open_interest for day in days[:3]]
    names = ["strike_price", "contract_multiplier"]
    (row,) = raw(client, "M2409C3300", "2024-01-02", "2024-01-02", fields=names)
    assert values(row, names) == {"strike_price": 3300.0, "contract_multiplier": 10.0}


def test_suspended_days_are_rows_filled_from_before(client, world, market_data):
    halted = {f"{day}T00:00:00" for day in suspended_days(market_data) if day.year == 2010}
    assert halted
    rows = raw(client, "600000.XSHG", "2010-01-04", "2010-12-31", fields=[*PRICES, "prev_close"])
    assert {row["date"] for row in rows if row["volume"] == 0} == halted
    for before, row in pairwise(rows):
        if row["date"] in halted:
            assert set(values(row, [*PRICES[:4], "prev_close"]).values()) == {before["close"]}
            assert row["total_turnover"] == 0
    flags = client("is_suspended", "600000.XSHG", "2010-01-04", "2010-12-31").rows
    assert {row["date"] for row in flags if row["600000.XSHG"]} == halted
    kept = client("get_price", "600000.XSHG", "2010-01-04", "2010-12-31", skip_suspended=True).rows
    assert len(kept) == len(rows) - len(halted)


def test_minutes_are_labelled_by_their_end_with_the_auction_inside_the_first(client, world):
    rows = raw(client, "000001.XSHE", "2018-01-02", "2018-01-30", "1m")
    bars = world.minutes["000001.SZ"]
    assert [values(row) for row in rows] == [plain(bar) for bar in bars]
    ends = [bar.end.replace(tzinfo=None).isoformat() for bar in bars]
    assert [row["datetime"] for row in rows] == ends
    rows = raw(client, "510300.XSHG", "2024-01-02", "2024-01-02", "1m")
    auction, first = world.minutes["510300.SH"][:2]
    assert len(rows) == 240
    assert rows[0]["datetime"] == "2024-01-02T09:31:00"
    assert rows[0]["open"] == auction.open
    assert rows[0]["close"] == first.close
    assert rows[0]["high"] == max(auction.high, first.high)
    assert rows[0]["volume"] == auction.volume + first.volume
    day = [bar for bar in world.minutes["510300.SH"] if bar.end.date() == date(2024, 1, 2)]
    assert sum(row["volume"] for row in rows) == sum(bar.volume for bar in day)


def test_bars_of_several_minutes(client):
    hours = raw(client, "510300.XSHG", "2024-01-02", "2024-01-02", "60m")
    assert [row["datetime"][11:16] for row in hours] == ["10:30", "11:30", "14:00", "15:00"]
    minutes = raw(client, "510300.XSHG", "2024-01-02", "2024-01-02", "1m")
    assert hours[0]["volume"] == sum(row["volume"] for row in minutes[:60])
    quarters = raw(client, "RB2410", "2024-01-02", "2024-01-02", "15m")
    ends = ["09:15", "09:30", "09:45", "10:00", "10:15", "10:45"]
    assert [row["datetime"][11:16] for row in quarters][:6] == ends


def test_a_night_minute_belongs_to_the_next_trading_date(client, server):
    row = {"datetime": "2024-01-05 21:01:00", "trading_date": "2024-01-08"}
    row |= {"order_book_id": "RB2410"} | dict.fromkeys(PRICES, 1.0)
    server.control({"replay": {"1m": [row]}})
    (found,) = raw(client, "RB2410", "2024-01-08", "2024-01-08", "1m", [*PRICES, "trading_date"])
    assert found["datetime"] == "2024-01-05T21:01:00"
    assert found["trading_date"] == "2024-01-08T00:00:00"
    assert raw(client, "RB2410", "2024-01-05", "2024-01-05", "1m") == []


def test_the_days_minutes_come_by_another_call_until_the_close(client, server, world):
    at(client, server, "2024-01-03T10:00:30")
    rows = raw(client, "510300.XSHG", "2024-01-02", "2024-01-03", "1m")
    assert len(rows) == 240 + 30
    assert rows[-1]["datetime"] == "2024-01-03T10:00:00"
    assert server.statistics()["rpcs"]["get_today_minbar"] == 1
    assert [r["date"][:10] for r in raw(client, "510300.XSHG", "2024-01-02", "2024-01-05")] == [
        "2024-01-02"
    ]
    (latest,) = client("current_minute", "510300.XSHG").rows
    assert values(latest, PRICES) == values(rows[-1], PRICES)
    at(client, server, "2024-01-03T15:00:00")
    assert len(raw(client, "510300.XSHG", "2024-01-02", "2024-01-03", "1m")) == 480
    assert len(raw(client, "510300.XSHG", "2024-01-02", "2024-01-05")) == 2


def test_snapshots_at_an_instant(client, server, world):
    at(client, server, "2023-02-01T10:00:00")
    found = client("current_snapshot", "600519.XSHG").value
    tick = world.snapshot("600519.SH", datetime(2023, 2, 1, 10, tzinfo=SHANGHAI))
    assert found["datetime"] == tick.time.replace(tzinfo=None).isoformat()
    assert [found[n] for n in ("last", "open", "high", "low", "prev_close", "volume")] == [
        tick.last, tick.open, tick.high, tick.low, tick.prev_close, tick.volume,
    ]  # fmt: skip
    assert found["total_turnover"] == tick.turnover
    assert tuple(zip(found["asks"], found["ask_vols"], strict=True)) == tick.asks
    assert tuple(zip(found["bids"], found["bid_vols"], strict=True)) == tick.bids
    assert found["num_trades"] == tick.trades
    none = client("current_snapshot", "000018.XSHE").value  # delisted in 2020
    assert (none["last"], none["datetime"], none["volume"]) == (None, "0001-01-01T00:00:00", 0)
    at(client, server, "2020-04-10T10:00:00")
    yesterday = client("current_snapshot", "600519.XSHG").value
    assert yesterday["datetime"] == "2020-04-09T15:00:00"


def test_a_main_series_shows_its_contract_under_its_own_id(client, server):
    at(client, server, "2024-01-03T16:00:00")
    main, contract = client("current_snapshot", ["RB88", "RB2410"]).value
    assert main | {"order_book_id": "RB2410"} == contract
    assert main["order_book_id"] == "RB88"
    found = client("futures.get_dominant", "RB", "2024-01-02", "2024-01-03").rows
    assert [row["dominant"] for row in found] == ["RB2410", "RB2410"]


def test_past_and_present_ticks_are_the_worlds(client, server, world):
    ticks = [t for t in world.ticks["600519.SH"] if t.time.time() >= time(9, 15)]
    names = ["last", "volume", "total_turnover", "num_trades", "a1", "b1_v"]
    asked = ("get_price", "600519.XSHG", "2023-02-01", "2023-02-01")
    past = client(*asked, frequency="tick", fields=names).rows
    assert [row["datetime"] for row in past] == [
        tick.time.replace(tzinfo=None).isoformat() for tick in ticks
    ]
    assert [row["volume"] for row in past] == [tick.volume for tick in ticks]
    assert [row["last"] for row in past] == [tick.last or tick.prev_close for tick in ticks]
    assert [row["a1"] for row in past] == [t.asks[0][0] if t.asks else 0.0 for t in ticks]
    assert [row["num_trades"] for row in past] == [tick.trades for tick in ticks]
    at(client, server, "2023-02-01T10:00:00")
    present = client(*asked, frequency="tick", fields=names).rows
    assert present == [row for row in past if row["datetime"] <= "2023-02-01T10:00:00"]
    assert server.statistics()["rpcs"]["get_ticks_v2"] == 1
    span = ("20230201093000", "20230201100000")
    assert client("get_live_ticks", "600519.XSHG", *span, ["last"]).rows == [
        values(row, ["order_book_id", "datetime", "last"])
        for row in present
        if row["datetime"] >= "2023-02-01T09:30:00"
    ]


def test_factors_splits_and_dividends(client, world):
    events = world.events["600000.SH"]
    rows = client("get_ex_factor", "600000.XSHG").rows
    assert [row["ex_factor"] for row in rows] == [event.ratio for event in events]
    products = list(accumulate((event.ratio for event in events), mul))
    assert [row["ex_cum_factor"] for row in rows] == products
    assert rows[-1]["ex_end_date"] is None
    (split,) = client("get_split", "600000.XSHG", "2011-01-01", "2011-12-31").rows
    (paid,) = client("get_dividend", "600000.XSHG", "2011-01-01", "2011-12-31").rows
    assert split["ex_dividend_date"] == paid["ex_dividend_date"] == "2011-06-03T00:00:00"
    assert (split["split_coefficient_from"], split["split_coefficient_to"]) == (10.0, 13.0)
    assert (paid["dividend_cash_before_tax"], paid["round_lot"]) == (1.6, 10.0)
    before = next(d.close for d in reversed(world.days["600000.SH"]) if d.date < date(2011, 6, 3))
    ratio = next(event.ratio for event in events if event.ex_date == date(2011, 6, 3))
    assert ratio == pytest.approx(before / ((before - 0.16) / 1.3), rel=0.002)
    (adjusted,) = client("get_price", "600000.XSHG", "2011-06-02", "2011-06-02").rows
    product = next(r["ex_cum_factor"] for r in reversed(rows) if r["ex_date"] <= "2011-06-02")
    assert adjusted["close"] == pytest.approx(before * product / rows[-1]["ex_cum_factor"])


def test_instruments_calendar_and_industries(client, world):
    kinds = {"CS": "stock", "INDX": "index", "ETF": "fund", "Convertible": "bond"}
    for kind, name in (kinds | {"Future": "future", "Option": "option"}).items():
        rows = client("all_instruments", kind).rows
        expected = {order_book_id(s) for s, one in world.listed.items() if one.kind == name}
        assert {row["order_book_id"] for row in rows} == {
            each for each in expected if not each.endswith("BJSE")
        }
    assert {row["order_book_id"] for row in rows} == {"10006000", "M2409C3300"}
    share = client("instruments", "000001.XSHE").value
    assert share["listed_date"] == "1991-04-03"
    assert share["de_listed_date"] == "0000-00-00"
    contract = client("instruments", "CF2501").value
    assert (contract["trading_code"], contract["exchange"]) == ("CF501", "CZCE")
    dates = client("get_trading_dates", "1990-12-19", "2026-12-31").value
    assert dates == [day.isoformat() for day in world.sessions]
    banks = client("get_industry", "银行").value
    assert "600000.XSHG" in banks
    (row,) = client("get_instrument_industry", "600000.XSHG").rows
    assert row["first_industry_name"] == "银行"
    assert "000001.XSHE" in client("sector", "Financials").value
    hours = client("get_trading_hours", "RB2410", "2024-01-03").value
    assert hours == "09:01-10:15,10:31-11:30,13:31-15:00"
    assert client("id_convert", ["000001.SZ", "rb2410.SHFE", "CF501.CZCE"]).value == [
        "000001.XSHE", "RB2410", "CF2501",
    ]  # fmt: skip


def test_volumes_flip_from_a_day_on(client, server):
    before = raw(client, "000001.XSHE", "2019-06-03", "2019-06-06")
    server.control({"scale_volume": {"factor": 0.01, "from": "2019-06-05"}})
    after = raw(client, "000001.XSHE", "2019-06-03", "2019-06-06")
    factors = [b["volume"] / a["volume"] for a, b in zip(before, after, strict=True)]
    assert factors == pytest.approx([1, 1, 0.01, 0.01])
    assert [r["total_turnover"] for r in before] == [r["total_turnover"] for r in after]
    at(client, server, "2019-06-05T16:00:00")
    assert client("current_snapshot", "000001.XSHE").value["volume"] == after[2]["volume"]


def test_what_is_invented_is_said():
    assert len(INVENTED) == len(set(INVENTED))
    assert all(sentence.endswith(".") for sentence in INVENTED)
