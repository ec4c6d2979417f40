"""Parameters: both spellings, disagreement, unknown names, bad values, caps."""

from datetime import date, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from argus_api.query import BadValueError, Param, Params
from argus_api.reading import read_day, read_flag, read_moment, read_seconds, read_texts
from argus_core import SHANGHAI
from argus_core.errors import BadParameter

RANGE = {"start_date": "2024-01-10", "end_date": "2024-01-12"}
HISTORY = {"symbols": "000001.SZ", **RANGE}


def code(response):
    return response.status_code, response.json()["error"]["code"]


class TestSpellings:
    @pytest.mark.parametrize("path", ["/api/v1/market_data/history", "/hist_kline"])
    @pytest.mark.parametrize("symbol", ["symbol", "symbols"])
    @pytest.mark.parametrize("period", ["period", "frequency"])
    async def test_both_names_in_both_dialects(self, api, path, symbol, period):
        params = {symbol: "000001.SZ", period: "1w", **RANGE}
        response = await api.get(path, **params)
        assert response.status_code == 200
        assert '"1w"' in response.text

    @pytest.mark.parametrize("path", ["/api/v1/market_data/history", "/hist_kline"])
    @pytest.mark.parametrize(
        ("first", "last"),
        [
            ("20240110", "2024-01-12"),
            ("2024-01-10T00:00:00", "2024-01-12T15:00:00+08:00"),
            ("2024-01-09T16:00:00Z", "2024-01-12 15:00:00"),
        ],
    )
    async def test_every_date_form(self, api, path, first, last):
        params = {"symbol": "000001.SZ", "start_date": first, "end_date": last}
        plain = await api.get(path, symbol="000001.SZ", **RANGE)
        asked = await api.get(path, **params)
        assert asked.json()["data"] == plain.json()["data"]

    async def test_spellings_that_agree_are_one(self, api):
        params = {"symbol": "sz000001", "period": "1d", "frequency": "1d"}
        assert (await api.v1("history", **HISTORY, **params)).status_code == 200

    @pytest.mark.parametrize(
        ("more", "message"),
        [
            (
                {"symbol": "600519.SH"},
                "symbols and symbol are given with different values; give one",
            ),
            (
                {"period": "1d", "frequency": "1w"},
                "period and frequency are given with different values; give one",
            ),
            ({"period": ["1d", "1m"]}, "period is given twice with different values; give one"),
            (
                {"frequency": ["1d", "1m"]},
                "frequency is given twice with different values; give one",
            ),
        ],
    )
    async def test_values_that_disagree_are_refused(self, api, more, message):
        response = await api.v1("history", **HISTORY, **more)
        assert code(response) == (400, "INVALID_PARAMETER")
        assert response.json()["error"]["message"] == message

    @pytest.mark.parametrize(
        "path", ["/latest_market", "/full_market", "/instrument_detail", "/hist_kline"]
    )
    @pytest.mark.parametrize("name", ["symbol", "symbols"])
    @pytest.mark.parametrize("text", ["zz", ",".join(f"{600000 + n}.SH" for n in range(1001))])
    async def test_refusals_name_what_the_caller_wrote(self, api, path, name, text):
        bounds = RANGE if path == "/hist_kline" else {}
        response = await api.get(path, **{name: text}, **bounds)
        error = response.json()["error"]
        assert error["details"]["parameter"] == name
        assert text == "zz" or error["message"].startswith(f"{name} ")

    async def test_repeated_lists_are_joined_and_repeated_scalars_compared(self, api):
        url = "/api/v1/market_data/latest?symbols=000001.SZ&symbols=600519.SH"
        body = (await api.client.get(url)).json()
        assert list(body["data"]) == ["000001.SZ", "600519.SH"]
        twice = await api.client.get(url + "&use_cache=true&use_cache=1")
        assert twice.status_code == 200
        torn = await api.client.get(url + "&use_cache=true&use_cache=0")
        assert torn.status_code == 400


class TestRefusals:
    async def test_unknown_names_get_the_nearest_valid_one(self, api):
        response = await api.v1("latest", symbols="000001.SZ", symbolz="x")
        assert code(response) == (400, "INVALID_PARAMETER")
        error = response.json()["error"]
        assert "did you mean symbol?" in error["message"]
        assert "symbols" in error["details"]["allowed"]

    @pytest.mark.parametrize(
        ("path", "params", "name"),
        [
            ("latest", {}, "symbols"),
            ("full", {}, "symbols"),
            ("history", {"symbols": "000001.SZ", "end_date": "2024-01-01"}, "start_date"),
            ("history", {"symbols": "000001.SZ", "start_date": "2024-01-01"}, "end_date"),
            ("instrument_detail", {}, "symbols"),
            ("trading_dates", {"start_date": "2024-01-01"}, "end_date"),
            ("stock_list", {}, "sector"),
        ],
    )
    async def test_missing(self, api, path, params, name):
        response = await api.v1(path, **params)
        assert code(response) == (400, "MISSING_PARAMETER")
        assert response.json()["error"]["message"] == f"{name} is required"

    @pytest.mark.parametrize(
        ("path", "params", "allowed"),
        [
            ("latest", {"symbols": ""}, "not be empty"),
            ("latest", {"symbols": " , ,"}, "not be empty"),
            ("latest", {"symbols": "000001.SZ", "fields": "price,colour"}, "prev_close"),
            ("latest", {"symbols": "000001.SZ", "use_cache": "perhaps"}, "true or false"),
            ("latest", {"symbols": "000001.SZ", "max_staleness": "-1"}, "0 or more"),
            ("latest", {"symbols": "000001.SZ", "max_staleness": "nan"}, "0 or more"),
            ("full", {"symbols": "000001.SZ", "depth": "7"}, "5, 10 or 20"),
            ("full", {"symbols": "000001.SZ", "fields": "price"}, "basic, orderbook, trades"),
            ("history", {**HISTORY, "period": "2h"}, "1m, 5m, 15m, 30m, 1h, 1d, 1w, 1mon"),
            ("history", {**HISTORY, "adjust": "front"}, "none, pre, post"),
            ("history", {**HISTORY, "adjust_base": "yesterday"}, "YYYY-MM-DD"),
            ("history", {**HISTORY, "adjust_base": "2024-01-11"}, "adjust=pre or adjust=post"),
            (
                "history",
                {**HISTORY, "adjust": "none", "adjust_base": "2024-01-11"},
                "needs adjust=pre",
            ),
            ("history", {**HISTORY, "adjust": "pre", "adjust_base": "2024-01-16"}, "the future"),
            ("history", {**HISTORY, "start_date": "2024-02-30"}, "YYYY-MM-DD"),
            ("history", {**HISTORY, "start_date": "2024-1-5"}, "YYYY-MM-DD"),
            ("history", {**HISTORY, "start_date": "0001-01-01"}, "1900"),
            ("history", {**HISTORY, "start_date": "2024-01-13"}, "lies after"),
            ("history", {**HISTORY, "format": "xml"}, "parquet"),
            ("history", {**HISTORY, "fields": "settle"}, "turnover"),
            ("trading_dates", {**RANGE, "market": "NYSE"}, "CFFEX"),
            ("stock_list", {"sector": " "}, "not be empty"),
        ],
    )
    async def test_bad_values_name_the_parameter_and_what_is_allowed(
        self, api, path, params, allowed
    ):
        response = await api.v1(path, **params)
        assert code(response) == (400, "INVALID_PARAMETER")
        error = response.json()["error"]
        assert allowed in error["message"]
        assert error["details"]["parameter"] in error["message"]

    async def test_instants_that_run_backwards(self, api):
        bounds = {"start_date": "2024-01-10T10:00:00", "end_date": "2024-01-10T09:00:00"}
        response = await api.v1("history", symbols="000001.SZ", period="1m", **bounds)
        assert response.status_code == 400
        days = await api.v1("history", symbols="000001.SZ", period="1d", **bounds)
        assert days.status_code == 200, "for days only the dates count"

    @pytest.mark.parametrize(("path", "cap"), [("latest", 1000), ("full", 200), ("history", 100)])
    async def test_caps(self, api, path, cap):
        extra = RANGE if path == "history" else {}
        many = ",".join(f"{600000 + n}.SH" for n in range(cap + 1))
        response = await api.v1(path, symbols=many, **extra)
        assert code(response) == (413, "PAYLOAD_TOO_LARGE")
        assert str(cap) in response.json()["error"]["message"]
        again = ",".join(["000001.SZ"] * (cap + 1))
        assert (await api.v1(path, symbols=again, **extra)).status_code == 200

    async def test_one_symbol_where_one_is_asked_for(self, api):
        response = await api.get("/hist_kline", symbol="000001.SZ,600519.SH", **RANGE)
        assert code(response) == (400, "INVALID_PARAMETER")


class TestDeadlineHeader:
    @pytest.mark.parametrize("text", ["0", "-1", "61", "soon", "nan", "inf"])
    async def test_bad(self, api, text):
        headers = {"X-Argus-Deadline": text}
        response = await api.v1("latest", symbols="000001.SZ", headers=headers)
        assert code(response) == (400, "INVALID_PARAMETER")
        assert "X-Argus-Deadline" in response.json()["error"]["message"]

    @pytest.mark.parametrize(
        ("path", "params", "header", "seconds"),
        [
            ("latest", {"symbols": "000001.SZ"}, None, 3),
            ("full", {"symbols": "000001.SZ"}, None, 3),
            ("history", HISTORY, None, 15),
            ("instrument_detail", {"symbols": "000001.SZ"}, None, 10),
            ("latest", {"symbols": "000001.SZ"}, "0.5", 0.5),
            ("latest", {"symbols": "000001.SZ"}, "60", 60),
        ],
    )
    async def test_reaches_the_gateway(  # noqa: PLR0917 - one column of the table each
        self, api, monkeypatch, path, params, header, seconds
    ):
        seen = []
        for name in ("quotes", "depth", "history", "instruments"):
            real = getattr(api.gateway, name)

            async def spy(*args, real=real):
                seen.append(args[-1])
                return await real(*args)

            monkeypatch.setattr(api.gateway, name, spy)
        headers = {"X-Argus-Deadline": header} if header else {}
        assert (await api.v1(path, headers=headers, **params)).status_code == 200
        assert seen[0].deadline.remaining == seconds

    async def test_terms_reach_the_gateway(self, api, monkeypatch):
        seen = []
        real = api.gateway.quotes

        async def spy(symbols, ask):
            seen.append(ask)
            return await real(symbols, ask)

        monkeypatch.setattr(api.gateway, "quotes", spy)
        terms = {"use_cache": "false", "max_staleness": "1.5"}
        headers = {"X-Request-ID": "mine"}
        await api.v1("latest", symbols="000001.SZ", headers=headers, **terms)
        assert seen[0].use_cache is False
        assert seen[0].max_staleness == 1.5
        assert seen[0].trace_id == "mine"


def refusal(read, given, expected):
    """What ``read`` says against ``given``, empty if it takes it; other errors pass through."""
    try:
        read(given)
    except expected as error:
        return str(error)
    return ""


class TestReading:
    @given(st.dates(date(1900, 1, 1), date(2100, 12, 31)))
    def test_dates_round_trip(self, day):
        assert read_day(day.isoformat()) == day
        assert read_day(day.strftime("%Y%m%d")) == day

    @given(
        st.datetimes(datetime.fromisoformat("1995-01-01"), datetime.fromisoformat("2100-01-01")),
        st.integers(-12 * 60, 14 * 60),
    )
    def test_instants_are_the_same_instant_in_shanghai(self, moment, offset):
        aware = moment.replace(tzinfo=timezone(timedelta(minutes=offset)))
        read = read_moment(aware.isoformat())
        assert read == aware
        assert read.tzinfo is SHANGHAI
        assert read_moment(moment.isoformat()) == moment.replace(tzinfo=SHANGHAI)

    @given(st.text())
    def test_any_text_is_read_or_refused_politely(self, text):
        for read in (read_moment, read_day, read_flag, read_seconds, read_texts):
            said = refusal(read, text, BadValueError)
            assert len(said) < 250

    @given(st.lists(st.tuples(st.text(), st.text()), min_size=1))
    def test_any_query_is_read_or_refused_politely(self, pairs):
        params = Params(
            Param(name="a", also=("b",), parse=read_flag, about="", schema={}, default=False)
        )
        assert len(refusal(params.read, pairs, BadParameter)) < 400
