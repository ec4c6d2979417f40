"""Headers of every data answer, conditional requests, compression, request ids."""

import gzip

import pytest
from hypothesis import given
from hypothesis import strategies as st

from argus_api.accept import best, takes_gzip, weights_of
from argus_api.etag import etag_of, matches

RANGE = {"start_date": "2024-01-10", "end_date": "2024-01-12"}
ANSWERS = [
    ("/api/v1/market_data/latest", {"symbols": "000001.SZ"}),
    ("/api/v1/market_data/full", {"symbols": "000001.SZ"}),
    ("/api/v1/market_data/history", {"symbols": "000001.SZ", **RANGE}),
    ("/api/v1/market_data/history", {"symbols": "000001.SZ", "format": "csv", **RANGE}),
    ("/api/v1/market_data/history", {"symbols": "000001.SZ", "format": "arrow", **RANGE}),
    ("/api/v1/market_data/history", {"symbols": "000001.SZ", "format": "parquet", **RANGE}),
    ("/api/v1/market_data/instrument_detail", {"symbols": "000001.SZ"}),
    ("/api/v1/market_data/trading_dates", RANGE),
    ("/api/v1/market_data/stock_list", {"sector": "银行"}),
    ("/latest_market", {"symbols": "000001.SZ"}),
    ("/full_market", {"symbol": "000001.SZ"}),
    ("/hist_kline", {"symbol": "000001.SZ", **RANGE}),
    ("/instrument_detail", {"symbol": "000001.SZ"}),
    ("/trading_dates", {}),
    ("/api/get_trading_dates", {}),
    ("/stock_list", {"sector": "银行"}),
]
PROMISED = {
    "x-request-id",
    "x-argus-source",
    "x-argus-attempts",
    "x-argus-simulated",
    "x-argus-stale",
    "cache-status",
    "age",
    "etag",
    "x-content-type-options",
}


@pytest.mark.parametrize(("path", "params"), ANSWERS)
class TestEveryAnswer:
    async def test_carries_the_promised_headers(self, api, path, params):
        response = await api.get(path, **params)
        assert response.status_code == 200
        assert set(response.headers) >= PROMISED
        assert response.headers["x-argus-source"] == "small"
        assert response.headers["x-argus-simulated"] == "false"
        assert response.headers["x-argus-stale"] == "false"

    async def test_is_not_sent_twice(self, api, path, params):
        first = await api.get(path, **params)
        etag = first.headers["etag"]
        assert etag.startswith('W/"'), "bodies of the same data differ in their envelope"
        for header in (etag, etag.removeprefix("W/"), f'"x", {etag}', "*"):
            again = await api.get(path, headers={"If-None-Match": header}, **params)
            assert again.status_code == 304
            assert again.content == b""
            assert set(again.headers) >= PROMISED
            assert again.headers["etag"] == etag
            assert again.headers["vary"] == first.headers["vary"]
        other = await api.get(path, headers={"If-None-Match": '"x"'}, **params)
        assert other.status_code == 200

    async def test_answers_head(self, api, path, params):
        response = await api.client.head(path, params=params)
        assert response.status_code == 200
        assert response.content == b""
        assert response.headers["etag"]


class TestCacheStatus:
    async def test_miss_then_hit_then_bypass(self, api):
        miss = await api.v1("latest", symbols="000001.SZ")
        assert miss.headers["cache-status"] == "argus; fwd=miss; stored"
        assert miss.headers["age"] == "0"
        api.clock.advance(1)
        hit = await api.v1("latest", symbols="000001.SZ")
        assert hit.headers["cache-status"] == "argus-l1; hit; ttl=2"
        assert hit.headers["age"] == "1"
        assert hit.headers["x-argus-attempts"] == "0"
        partial = await api.v1("latest", symbols="000001.SZ,600519.SH")
        assert partial.headers["cache-status"] == "argus; fwd=partial; stored"
        bypass = await api.v1("latest", symbols="000001.SZ", use_cache="false")
        assert bypass.headers["cache-status"] == "argus; fwd=bypass"
        assert bypass.headers["age"] == "0"

    async def test_nothing_is_called_stored_without_a_cache(self, start):
        async with start() as api:
            response = await api.v1("latest", symbols="000001.SZ")
        assert response.headers["cache-status"] == "argus; fwd=miss"

    async def test_names_that_headers_cannot_hold_are_encoded(self, start):
        async with start({"行情": {}}, caches={"内存": {"plugin": "memory"}}) as api:
            await api.v1("latest", symbols="000001.SZ")
            response = await api.v1("latest", symbols="000001.SZ")
        assert response.headers["x-argus-source"] == "%E8%A1%8C%E6%83%85"
        assert response.headers["cache-status"].startswith('"argus-%E5%86%85%E5%AD%98"; hit')
        assert response.json()["meta"]["source"] == "行情"


class TestETag:
    async def test_covers_the_data_and_nothing_else(self, api):
        first = await api.v1("latest", symbols="000001.SZ")
        api.clock.advance(2)
        later = await api.v1("latest", symbols="000001.SZ", explain="1")
        assert later.json()["timestamp"] != first.json()["timestamp"]
        assert later.headers["etag"] == first.headers["etag"]
        fewer = await api.v1("latest", symbols="000001.SZ", fields="price")
        assert fewer.headers["etag"] != first.headers["etag"]

    async def test_differs_by_format(self, api):
        forms = ["json", "json-columns", "csv", "ndjson", "arrow", "parquet"]
        params = {"symbols": "000001.SZ", **RANGE}
        tags = {(await api.v1("history", format=f, **params)).headers["etag"] for f in forms}
        assert len(tags) == len(forms)

    @given(st.binary(), st.binary())
    def test_same_data_same_tag(self, one, other):
        assert (etag_of(one) == etag_of(other)) is (one == other)
        strong = etag_of(one).removeprefix("W/")
        assert matches(f'"a", {etag_of(one)}, "b"', etag_of(one))
        assert matches(f'"a", {strong}', etag_of(one))
        assert not matches(None, etag_of(one))
        assert not matches(strong.strip('"'), etag_of(one))


class TestCompression:
    MANY = "000001.SZ,000002.SZ,600519.SH"

    async def raw(self, api, encoding, **params):
        headers = {"Accept-Encoding": encoding}
        url = "/api/v1/market_data/full"
        async with api.client.stream("GET", url, params=params, headers=headers) as response:
            return response, b"".join([part async for part in response.aiter_raw()])

    async def test_gzip_for_those_who_take_it(self, api):
        plain, body = await self.raw(api, "identity", symbols=self.MANY)
        assert "content-encoding" not in plain.headers
        zipped, small = await self.raw(api, "gzip, br", symbols=self.MANY)
        assert zipped.headers["content-encoding"] == "gzip"
        assert zipped.headers["vary"] == plain.headers["vary"] == "Accept-Encoding"
        assert len(small) < len(body)
        assert b'"000001.SZ"' in gzip.decompress(small)
        assert zipped.headers["etag"] == plain.headers["etag"]
        refused, _ = await self.raw(api, "gzip;q=0", symbols=self.MANY)
        assert "content-encoding" not in refused.headers

    async def test_both_negotiations_stand_in_vary_once(self, api):
        params = {"symbols": self.MANY, "start_date": "2023-10-10", "end_date": "2024-01-12"}
        zipped = await api.v1("history", headers={"Accept-Encoding": "gzip"}, **params)
        assert zipped.headers["content-encoding"] == "gzip"
        vary = sorted(part.strip() for part in zipped.headers["vary"].split(","))
        assert vary == ["Accept", "Accept-Encoding"]


class TestRequestId:
    async def test_a_sound_one_comes_back_and_is_the_trace_id(self, api):
        headers = {"X-Request-ID": "job-7.a~b"}
        response = await api.v1("latest", symbols="000001.SZ", headers=headers)
        assert response.headers["x-request-id"] == "job-7.a~b"
        assert response.json()["meta"]["trace_id"] == "job-7.a~b"

    @pytest.mark.parametrize("bad", ["", "a b", "x" * 129, 'quote"', "<script>", "a\tb"])
    async def test_others_are_replaced(self, api, bad):
        response = await api.get("/health", headers={"X-Request-ID": bad})
        made = response.headers["x-request-id"]
        assert made != bad
        assert len(made) == 32


class TestNegotiation:
    OFFERS = ("application/json", "text/csv", "application/x-ndjson")

    @pytest.mark.parametrize(
        ("header", "expected"),
        [
            ("*/*", "application/json"),
            ("text/csv", "text/csv"),
            ("TEXT/CSV; charset=utf-8", "text/csv"),
            ("text/*", "text/csv"),
            ("text/csv;q=0.5, application/json;q=0.4", "text/csv"),
            ("text/csv;q=0.4, application/json;q=0.5", "application/json"),
            ("application/json;q=0, */*;q=0.1", "text/csv"),
            ("application/*, text/csv", "application/json"),
            ("text/html, */*;q=0.8", "application/json"),
            ("text/html", None),
            ("text/csv;q=rubbish", None),
        ],
    )
    def test_the_client_s_favourite(self, header, expected):
        assert best(header, self.OFFERS) == expected

    @given(st.text())
    def test_any_header_is_understood_somehow(self, header):
        assert all(0 <= weight <= 1 for weight in weights_of(header).values())
        assert best(header, self.OFFERS) in (*self.OFFERS, None)
        assert takes_gzip(header) in (True, False)


class TestStale:
    """What outlived its life is served while no source answers, and says so everywhere."""

    @pytest.fixture
    async def worn(self, start, monkeypatch):
        rules = {"LATEST_DATA": {"ttl": 3, "stale_if_error": 60}}
        async with start(caches={"l1": {"plugin": "memory"}}, cache_rules=rules) as api:
            await api.v1("latest", symbols="000001.SZ")
            node = api.gateway._parts.nodes["small"]
            broken = node.source.settings.model_copy(update={"broken": True})
            monkeypatch.setattr(node.source, "settings", broken)
            api.clock.advance(20)
            yield api

    @pytest.mark.parametrize("path", ["/api/v1/market_data/latest", "/latest_market"])
    async def test_headers(self, worn, path):
        response = await worn.get(path, symbols="000001.SZ")
        assert response.status_code == 200
        told = {name: response.headers[name] for name in ("x-argus-stale", "age", "cache-status")}
        assert told == {
            "x-argus-stale": "true",
            "age": "20",
            "cache-status": "argus-l1; fwd=stale; ttl=-17",
        }
        known = {"If-None-Match": response.headers["etag"]}
        again = await worn.get(path, headers=known, symbols="000001.SZ")
        assert (again.status_code, again.headers["x-argus-stale"]) == (304, "true")

    async def test_meta(self, worn):
        meta = (await worn.v1("latest", symbols="000001.SZ")).json()["meta"]
        assert (meta["stale"], meta["age"]) == (True, 20.0)
        assert meta["reason"].startswith("no source answered")

    async def test_nobody_gets_it_who_does_not_want_it(self, worn):
        for terms in ({"max_staleness": "16"}, {"use_cache": "false"}):
            response = await worn.v1("latest", symbols="000001.SZ", **terms)
            assert response.status_code == 503
