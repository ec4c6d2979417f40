"""The v1 dialect's bodies: the published samples key for key, and the contract's outcomes."""

import pytest

from argus_api import schemas, wire
from argus_api.legacy import rows
from argus_core import Depth, Quote, Symbol

ENVELOPE = {"success", "data", "meta", "timestamp"}
QUOTE = {
    "symbol": "000001.SZ",
    "name": "平安银行",
    "price": 12.34,
    "change": 0.12,
    "change_pct": 0.98,
    "volume": 1234567,
    "turnover": 15234567.89,
    "high": 12.45,
    "low": 12.2,
    "open": 12.25,
    "prev_close": 12.22,
    "timestamp": "2024-01-15T09:30:00+08:00",
}
BAR = {
    "open": 12.0,
    "high": 12.5,
    "low": 11.8,
    "close": 12.3,
    "volume": 1000000,
    "turnover": 12150000.0,
    "change": 0.3,
    "change_pct": 2.5,
}
JANUARY = {"start_date": "2024-01-10", "end_date": "2024-01-12"}


class TestLatest:
    async def test_the_sample(self, api):
        response = await api.v1("latest", symbols="000001.SZ,000002.SZ")
        body = response.json()
        assert response.status_code == 200
        assert response.headers["content-type"] == "application/json"
        assert set(body) == ENVELOPE | {"cache_hit", "response_time_ms"}
        assert list(body["data"]) == ["000001.SZ", "000002.SZ"]
        assert body["data"]["000001.SZ"] == QUOTE
        assert list(body["data"]["000001.SZ"]) == list(QUOTE), "in the sample's order"
        assert body["cache_hit"] is False
        assert body["success"] is True
        assert body["timestamp"] == "2024-01-15T15:30:00+08:00"
        assert '"volume":1234567,' in response.text, "counts are written without a fraction"

    async def test_meta_says_where_the_data_come_from(self, api):
        first = (await api.v1("latest", symbols="000001.SZ")).json()["meta"]
        assert first["source"] == "small"
        assert first["as_of"] == "2024-01-15T09:30:00+08:00"
        assert first["stale"] is first["simulated"] is False
        assert "age" not in first
        api.clock.advance(2)
        body = (await api.v1("latest", symbols="000001.SZ")).json()
        assert body["cache_hit"] is True
        assert body["meta"]["age"] == 2.0
        assert body["meta"]["trace_id"] != first["trace_id"]

    async def test_several_sources_are_told_per_symbol(self, start):
        async with start({"one": {"lacks": ["000002.SZ"]}, "two": {}}) as api:
            response = await api.v1("latest", symbols="000001.SZ,000002.SZ")
        meta = response.json()["meta"]
        assert meta["sources"] == {"000001.SZ": "one", "000002.SZ": "two"}
        assert "source" not in meta
        assert response.headers["x-argus-source"] == "one, two"
        assert response.headers["x-argus-attempts"] == "2"

    async def test_fields_filter(self, api):
        body = (await api.v1("latest", symbols="000001.SZ", fields="volume, price")).json()
        assert body["data"] == {"000001.SZ": {"price": 12.34, "volume": 1234567}}
        everything = (await api.v1("latest", symbols="000001.SZ", fields="all")).json()
        assert everything["data"]["000001.SZ"] == QUOTE

    async def test_spellings_and_duplicates_are_asked_once(self, api):
        body = (await api.v1("latest", symbols="sz000001,000001.SZ, 000001.XSHE ,")).json()
        assert list(body["data"]) == ["000001.SZ"]

    async def test_in_a_batch_the_good_are_answered_and_the_others_explained(self, api):
        body = (await api.v1("latest", symbols="nonsense,000001.SZ,688981.SH")).json()
        assert list(body["data"]) == ["000001.SZ"]
        assert body["errors"]["nonsense"]["code"] == "INVALID_PARAMETER"
        assert body["errors"]["688981.SH"]["code"] == "NOT_FOUND"

    async def test_all_unknown_is_404_and_all_unreadable_400(self, api):
        unknown = await api.v1("latest", symbols="688981.SH")
        assert (unknown.status_code, unknown.json()["error"]["code"]) == (404, "NOT_FOUND")
        mixed = await api.v1("latest", symbols="688981.SH,nonsense")
        assert mixed.status_code == 404
        unreadable = await api.v1("latest", symbols="nonsense,rubbish")
        assert unreadable.status_code == 400
        assert unreadable.json()["error"]["code"] == "INVALID_PARAMETER"

    async def test_known_symbols_without_data_are_no_error(self, start):
        async with start({"small": {"lacks": ["000001.SZ"]}}) as api:
            response = await api.v1("latest", symbols="000001.SZ")
        assert response.status_code == 200
        assert response.json()["data"] == {}
        assert response.json()["errors"]["000001.SZ"]["code"] == "NO_DATA"

    async def test_explain_adds_the_trace(self, api):
        plain = (await api.v1("latest", symbols="000001.SZ")).json()
        assert "explain" not in plain
        api.clock.advance(60)
        explain = (await api.v1("latest", symbols="000001.SZ", explain="1")).json()["explain"]
        attempt = explain["traces"][-1]["attempts"][0]
        assert attempt["source"] == "small"
        assert {"pool", "ms", "asked", "answered", "error"} <= set(attempt)
        assert explain["keys"]["000001.SZ"]["source"] == "small"
        cached = (await api.v1("latest", symbols="000001.SZ", explain="1")).json()["explain"]
        assert cached["keys"]["000001.SZ"]["cache"] == "l1"


class TestFull:
    async def test_the_sample(self, api):
        body = (await api.v1("full", symbols="000001.SZ")).json()
        full = body["data"]["000001.SZ"]
        assert set(body) == ENVELOPE
        assert list(full) == ["basic", "orderbook", "trades"]
        assert full["basic"] == QUOTE
        assert full["orderbook"]["bids"][0] == {"price": 12.33, "volume": 1000}
        assert full["orderbook"]["asks"][0] == {"price": 12.35, "volume": 1000}
        assert full["trades"] == [
            {
                "price": 12.34,
                "volume": 100,
                "direction": "buy",
                "timestamp": "2024-01-15T09:30:00.123+08:00",
            }
        ]

    @pytest.mark.parametrize(("asked", "given"), [(None, 5), ("5", 5), ("10", 10), ("20", 10)])
    async def test_depth(self, api, asked, given):
        params = {"depth": asked} if asked else {}
        body = (await api.v1("full", symbols="000001.SZ", **params)).json()
        book = body["data"]["000001.SZ"]["orderbook"]
        assert len(book["bids"]) == len(book["asks"]) == given

    async def test_groups(self, api):
        body = (await api.v1("full", symbols="000001.SZ", fields="trades,basic")).json()
        assert list(body["data"]["000001.SZ"]) == ["basic", "trades"]

    async def test_what_the_source_lacks_is_null(self, api):
        body = (await api.v1("full", symbols="600519.SH")).json()
        assert body["data"]["600519.SH"]["trades"] is None

    @pytest.mark.parametrize(
        ("trades", "v1", "legacy"), [(None, None, None), ((), {"bids": [], "asks": []}, [])]
    )
    def test_no_book_is_null_and_an_empty_one_is_empty(self, trades, v1, legacy):
        quote = Quote(symbol=Symbol("000300.SH"), price=3300.0)
        row = wire.depth(Depth(quote=quote, trades=trades))
        assert row["orderbook"] == v1
        assert row["trades"] == legacy
        older = rows.full(Depth(quote=quote, trades=trades))
        assert older["bids"] == older["asks"] == older["trades"] == legacy


@pytest.mark.parametrize(
    ("path", "params"),
    [
        ("/api/v1/market_data/latest", {}),
        ("/api/v1/market_data/full", {}),
        ("/api/v1/market_data/instrument_detail", {}),
        ("/latest_market", {}),
        ("/full_market", {}),
        ("/instrument_detail", {}),
        ("/api/v1/market_data/history", JANUARY),
        ("/hist_kline", JANUARY),
    ],
)
async def test_three_digits_are_read_by_the_range_or_today(api, path, params):
    response = await api.get(path, symbol="CF405.CZCE", **params)
    assert "CF2405.CZCE" in response.text, "no other is listed in January 2024"
    assert "decade" not in response.text


class TestHistory:
    async def test_the_sample(self, api):
        response = await api.v1("history", symbols="000001.SZ", **JANUARY)
        body = response.json()
        assert set(body) == ENVELOPE | {"total_records", "period"}
        days = ["2024-01-10", "2024-01-11", "2024-01-12"]
        assert body["data"]["000001.SZ"] == [{"date": day, **BAR} for day in days]
        assert list(body["data"]["000001.SZ"][0]) == ["date", *BAR]
        assert body["total_records"] == 3
        assert body["period"] == "1d"
        assert body["meta"]["adjust"] == {"method": "none"}
        assert '"volume":1000000,' in response.text

    async def test_minutes_carry_their_end_and_the_trading_date(self, api):
        params = {"symbols": "000001.SZ", "start_date": "2024-01-10", "end_date": "2024-01-10"}
        body = (await api.v1("history", period="1m", **params)).json()
        first = body["data"]["000001.SZ"][0]
        assert list(first)[:3] == ["time", "date", "open"]
        assert first["time"] == "2024-01-10T09:31:00+08:00"
        assert first["date"] == "2024-01-10"
        assert body["total_records"] == 3

    async def test_instants_bound_minutes(self, api):
        bounds = {"start_date": "2024-01-10T09:32:00", "end_date": "2024-01-10T09:32:00+08:00"}
        body = (await api.v1("history", symbols="000001.SZ", period="1m", **bounds)).json()
        times = [row["time"] for row in body["data"]["000001.SZ"]]
        assert times == ["2024-01-10T09:32:00+08:00"]

    async def test_a_plus_that_arrived_as_a_blank_is_still_an_offset(self, api):
        query = "symbols=000001.SZ&period=1m&start_date=2024-01-10T09:32:00+08:00"
        url = f"/api/v1/market_data/history?{query}&end_date=2024-01-10T10:32:00+09:00"
        body = (await api.client.get(url)).json()
        times = [row["time"] for row in body["data"]["000001.SZ"]]
        assert times == ["2024-01-10T09:32:00+08:00"]

    async def test_only_the_unfinished_bar_says_so(self, api):
        api.clock.advance(-5 * 3600)
        today = {"symbols": "000001.SZ", "start_date": "2024-01-12", "end_date": "2024-01-15"}
        rows = (await api.v1("history", **today)).json()["data"]["000001.SZ"]
        assert [row["date"] for row in rows] == ["2024-01-12", "2024-01-15"]
        assert "final" not in rows[0]
        assert rows[1]["final"] is False

    async def test_a_known_symbol_without_rows_is_an_empty_list(self, api):
        body = (await api.v1("history", symbols="000001.SZ,000002.SZ", **JANUARY)).json()
        assert body["data"]["000002.SZ"] == []
        assert body["total_records"] == 3
        assert "errors" not in body

    async def test_adjustment_names_its_base(self, api):
        body = (await api.v1("history", symbols="000001.SZ", adjust="pre", **JANUARY)).json()
        adjust = body["meta"]["adjust"]
        assert adjust["method"] == "pre"
        assert set(adjust["base"]) == {"000001.SZ"}

    async def test_fields_filter(self, api):
        body = (await api.v1("history", symbols="000001.SZ", fields="close", **JANUARY)).json()
        assert body["data"]["000001.SZ"][0] == {"date": "2024-01-10", "close": 12.3}

    @pytest.mark.parametrize("extra", ["date", "time", "symbol", "final", "symbol,time,date"])
    async def test_every_key_of_a_row_is_a_field(self, api, extra):
        params = {"symbols": "000001.SZ", **JANUARY}
        plain = (await api.v1("history", fields="close", **params)).json()["data"]
        more = (await api.v1("history", fields=f"{extra},close", **params)).json()["data"]
        assert more == plain
        labels = (await api.v1("history", fields=extra, **params)).json()["data"]
        assert labels["000001.SZ"][0] == {"date": "2024-01-10"}

    @pytest.mark.parametrize("base", ["2024-01-10", "20240115"])
    async def test_the_base_may_be_any_day_until_today(self, api, base):
        params = {"symbols": "000001.SZ", "adjust": "pre", "adjust_base": base}
        assert (await api.v1("history", **params, **JANUARY)).status_code == 200


class TestReference:
    async def test_instruments(self, api):
        body = (await api.v1("instrument_detail", symbols="000001.SZ")).json()
        assert set(body) == ENVELOPE
        row = body["data"]["000001.SZ"]
        sample = ["symbol", "name", "full_name", "industry", "sector", "market", "list_date"]
        sample += ["total_shares", "float_shares", "market_cap", "pe_ratio", "pb_ratio"]
        sample += ["dividend_yield"]
        assert list(row)[: len(sample)] == sample
        assert row["list_date"] == "1991-04-03"
        assert row["total_shares"] == 19405918198
        assert isinstance(row["total_shares"], int)
        assert row["kind"] == "stock"
        assert row["market_cap"] is None, "missing is null, never 0"

    async def test_trading_dates(self, api):
        body = (await api.v1("trading_dates", start_date="2024-01-01", end_date="20240108")).json()
        assert body["data"] == {
            "trading_dates": [f"2024-01-0{day}" for day in (2, 3, 4, 5, 8)],
            "total_days": 5,
            "holidays": ["2024-01-01", "2024-01-06", "2024-01-07"],
        }

    @pytest.mark.parametrize("market", ["SH", "sz", "BJ", "ALL", "SHFE", "CZCE", "ZCE", "XSHG"])
    async def test_markets(self, api, market):
        bounds = {"start_date": "2024-01-01", "end_date": "2024-01-08"}
        body = (await api.v1("trading_dates", market=market, **bounds)).json()
        assert body["data"]["total_days"] == 5

    async def test_sectors(self, api):
        own = (await api.v1("stock_list", sector="银行")).json()
        symbols = ["000001.SZ", "600519.SH"]
        assert own["data"] == {"sector": "银行", "count": 2, "symbols": symbols}
        derived = (await api.v1("stock_list", sector="沪深A股")).json()
        assert derived["data"]["count"] == 3


@pytest.mark.parametrize(
    ("path", "params", "model"),
    [
        ("latest", {"symbols": "000001.SZ,x", "explain": "1"}, schemas.LatestBody),
        ("full", {"symbols": "000001.SZ"}, schemas.FullBody),
        ("history", {"symbols": "000001.SZ", **JANUARY}, schemas.HistoryBody),
        ("history", {"symbols": "000001.SZ", "period": "5m", **JANUARY}, schemas.HistoryBody),
        ("instrument_detail", {"symbols": "000001.SZ"}, schemas.InstrumentBody),
        ("trading_dates", JANUARY, schemas.CalendarBody),
        ("stock_list", {"sector": "银行"}, schemas.SectorBody),
    ],
)
async def test_bodies_are_what_the_schema_promises(api, path, params, model):
    response = await api.v1(path, **params)
    assert response.status_code == 200
    model.model_validate_json(response.content, extra="forbid")
