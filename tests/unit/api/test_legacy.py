"""The legacy dialect's bodies, as its users know them."""

import pytest

from argus_api.legacy import schemas
from argus_api.schemas import InstrumentRow

QUOTE = {
    "symbol": "000001.SZ",
    "name": "平安银行",
    "time": "2024-01-15 09:30:00",
    "price": 12.34,
    "open": 12.25,
    "high": 12.45,
    "low": 12.2,
    "prev_close": 12.22,
    "volume": 1234567,
    "amount": 15234567.89,
    "change": 0.12,
    "change_pct": 0.98,
}


async def test_hist_kline_by_days(api):
    params = {"symbol": "000001.SZ", "start_date": "20240110", "end_date": "20240111"}
    response = await api.get("/hist_kline", frequency="1d", **params)
    row = {"open": 12.0, "high": 12.5, "low": 11.8, "close": 12.3}
    row |= {"volume": 1000000, "amount": 12150000.0}
    assert response.json() == {
        "symbol": "000001.SZ",
        "frequency": "1d",
        "data": [
            {"time": "2024-01-10 00:00:00", **row},
            {"time": "2024-01-11 00:00:00", **row},
        ],
    }
    assert list(response.json()) == ["symbol", "frequency", "data"]


async def test_hist_kline_by_minutes(api):
    params = {"symbol": "000001.SZ", "start_date": "20240110", "end_date": "20240110"}
    rows = (await api.get("/hist_kline", frequency="1m", **params)).json()["data"]
    assert [row["time"] for row in rows] == [f"2024-01-10 09:3{n}:00" for n in (1, 2, 3)]


async def test_hist_kline_of_nothing(api):
    params = {"symbol": "000002.SZ", "start_date": "20240110", "end_date": "20240111"}
    assert (await api.get("/hist_kline", **params)).json()["data"] == []


async def test_latest_market(api):
    response = await api.get("/latest_market", symbols="000001.SZ,600519.SH")
    body = response.json()
    assert list(body) == ["data"]
    assert body["data"][0] == QUOTE
    assert [row["symbol"] for row in body["data"]] == ["000001.SZ", "600519.SH"]
    assert '"volume":1234567,' in response.text


async def test_latest_market_tells_what_it_could_not_answer(api):
    body = (await api.get("/latest_market", symbols="000001.SZ,688981.SH,rubbish")).json()
    assert [row["symbol"] for row in body["data"]] == ["000001.SZ"]
    assert {key: why["code"] for key, why in body["errors"].items()} == {
        "rubbish": "INVALID_PARAMETER",
        "688981.SH": "NOT_FOUND",
    }


class TestFullMarket:
    async def test_whole(self, api):
        body = (await api.get("/full_market", symbol="000001.SZ")).json()
        assert list(body) == [*QUOTE, "bids", "asks", "trades"]
        assert {name: body[name] for name in QUOTE} == QUOTE
        assert body["bids"][0] == {"price": 12.33, "volume": 1000}
        assert len(body["asks"]) == 5
        trade = {"price": 12.34, "volume": 100, "direction": "buy"}
        assert body["trades"] == [{"time": "2024-01-15 09:30:00", **trade}]

    @pytest.mark.parametrize(
        ("fields", "names"),
        [
            ("price", ["symbol", "price"]),
            ("asks,price", ["symbol", "price", "asks"]),
            ("orderbook", ["symbol", "bids", "asks"]),
            ("basic", list(QUOTE)),
            ("trades", ["symbol", "trades"]),
            ("all", [*QUOTE, "bids", "asks", "trades"]),
        ],
    )
    async def test_fields_pick(self, api, fields, names):
        body = (await api.get("/full_market", symbol="000001.SZ", fields=fields)).json()
        assert list(body) == names

    async def test_unknown_field(self, api):
        response = await api.get("/full_market", symbol="000001.SZ", fields="colour")
        assert response.status_code == 400
        assert "orderbook" in response.json()["error"]["message"]


async def test_instrument_detail_is_v1_s_entry(api):
    legacy = (await api.get("/instrument_detail", symbol="000001.SZ")).json()
    v1 = (await api.v1("instrument_detail", symbols="000001.SZ")).json()["data"]["000001.SZ"]
    assert legacy == v1


async def test_stock_list(api):
    body = (await api.get("/stock_list", sector="沪深A股")).json()
    symbols = ["000001.SZ", "000002.SZ", "600519.SH"]
    assert sorted(body["data"]) == symbols
    assert (body["sector"], body["count"]) == ("沪深A股", 3)
    assert list(body) == ["sector", "count", "data"]


@pytest.mark.parametrize("path", ["/trading_dates", "/api/get_trading_dates"])
class TestTradingDates:
    async def test_of_a_range(self, api, path):
        bounds = {"start_date": "20240101", "end_date": "20240105"}
        body = (await api.get(path, market="SZ", **bounds)).json()
        days = ["20240102", "20240103", "20240104", "20240105"]
        assert body == {"market": "SZ", "data": days}

    async def test_of_this_year_until_today(self, api, path):
        body = (await api.get(path)).json()
        assert body["market"] == "SH"
        assert (body["data"][0], body["data"][-1]) == ("20240102", "20240115")

    @pytest.mark.parametrize(
        ("bound", "first", "last"),
        [
            ({"end_date": "20220630"}, "20220103", "20220630"),
            ({"start_date": "20220603"}, "20220603", "20240115"),
            ({"start_date": "20240103"}, "20240103", "20241231"),
        ],
    )
    async def test_one_bound_decides_on_the_other(self, api, path, bound, first, last):
        days = (await api.get(path, **bound)).json()["data"]
        assert (days[0], days[-1]) == (first, last)


@pytest.mark.parametrize(
    "path", ["/hist_kline", "/full_market", "/instrument_detail", "/latest_market"]
)
async def test_errors_have_v1_s_body(api, path):
    bounds = {"start_date": "20240101", "end_date": "20240105"} if path == "/hist_kline" else {}
    unknown = await api.get(path, symbol="688981.SH", **bounds)
    assert unknown.status_code == 404
    assert unknown.json()["error"]["code"] == "NOT_FOUND"
    unreadable = await api.get(path, symbol="rubbish", **bounds)
    assert unreadable.status_code == 400
    missing = await api.get(path, **bounds)
    assert missing.json()["error"]["code"] == "MISSING_PARAMETER"


async def test_one_symbol_without_data_is_not_found(start):
    async with start({"small": {"lacks": ["000001.SZ"]}}) as api:
        response = await api.get("/full_market", symbol="000001.SZ")
    assert response.status_code == 404
    assert "no source has data" in response.json()["error"]["message"]


async def test_chart_panels_are_nobody_s(api):
    body = {"symbols": ["000001.SZ"], "period": "1d"}
    response = await api.client.post("/create_chart_panel", json=body)
    assert response.status_code == 501
    assert response.json()["error"]["code"] == "NOT_SUPPORTED"


@pytest.mark.parametrize(
    ("body", "code", "word"),
    [
        (b"", "INVALID_PARAMETER", "the body"),
        (b"[]", "INVALID_PARAMETER", "the body"),
        (b"{}", "MISSING_PARAMETER", "symbols"),
        (b'{"symbols": []}', "INVALID_PARAMETER", "symbols"),
        (b'{"symbols": ["000001.SZ"], "period": "7m"}', "INVALID_PARAMETER", "period"),
        (b'{"symbols": ["000001.SZ"], "colour": "red"}', "INVALID_PARAMETER", "colour"),
        (b'{"symbols": ["nobody"]}', "INVALID_PARAMETER", "nobody"),
        (b'{"symbols": ["000001.SZ"], "symbol": "600519.SH"}', "INVALID_PARAMETER", "twice"),
    ],
)
async def test_a_panel_that_nobody_can_draw_is_refused_by_name(api, body, code, word):
    response = await api.client.post("/create_chart_panel", content=body)
    assert response.status_code == 400
    error = response.json()["error"]
    assert error["code"] == code
    assert word in error["message"]


async def test_a_panel_is_asked_for_in_either_spelling(api):
    body = {"symbol": "000001.SZ", "frequency": "5m"}
    response = await api.client.post("/create_chart_panel", json=body)
    assert response.status_code == 501, "understood, but nobody has a screen"


@pytest.mark.parametrize(
    ("path", "params", "model"),
    [
        ("/latest_market", {"symbols": "000001.SZ,x"}, schemas.LegacyQuotes),
        ("/full_market", {"symbol": "000001.SZ"}, schemas.LegacyFull),
        (
            "/hist_kline",
            {"symbol": "000001.SZ", "start_date": "20240110", "end_date": "20240111"},
            schemas.LegacyBars,
        ),
        ("/instrument_detail", {"symbol": "000001.SZ"}, InstrumentRow),
        ("/stock_list", {"sector": "银行"}, schemas.LegacySector),
        ("/trading_dates", {}, schemas.LegacyCalendar),
    ],
)
async def test_bodies_are_what_the_schema_promises(api, path, params, model):
    response = await api.get(path, **params)
    assert response.status_code == 200
    model.model_validate_json(response.content, extra="forbid")
