"""``/api/v1/quality``: proof results, quarantines and their end, sources against one another."""

import pytest
from support.distribution import install

from argus_api.v1 import quality_schemas as schemas
from argus_core import Principal
from argus_core.gateway import Gateway
from argus_core.series import MOST_ROWS

PLUGIN = """
    from datetime import date, timedelta
    from argus_core import (
        Instrument, NotOffered, Period, Quote, Settings, Source, SourceUnavailable, Symbol, Units,
        hookimpl,
    )

    DAYS = [date(2024, 1, 2) + timedelta(days=i) for i in range(9)]
    DAYS = [day for day in DAYS if day.weekday() < 5]

    class Twin(Source):
        class Settings(Settings):
            lots: bool = False
            flipped: tuple[str, ...] = ()
            lacks: tuple[str, ...] = ()
            broken: bool = False
            unpaid: bool = False
            dear: float = 0.0
            more: float = 0.0
            until: date = DAYS[-1]

        def __init__(self, name, settings, clock):
            super().__init__(name, settings, clock)
            self.asked = []
            if settings.lots:
                steps = dict(volume_step=100, turnover_step=1000)
                self.units = (Units(volume=100, turnover=1000, **steps),)

        def bars(self, query):
            self.asked.append(query.symbols)
            if self.settings.broken:
                raise SourceUnavailable("no route to host")
            return [row for s in query.symbols if s not in self.settings.lacks
                    for row in self.rows(s, query)]

        def rows(self, symbol, query):
            for n, day in enumerate(DAYS):
                if not query.start <= day <= min(query.end, self.settings.until):
                    continue
                volume, turnover = 123456.0 + n, (123456.0 + n) * 10
                if self.settings.lots:
                    volume, turnover = volume // 100, round(turnover / 1000)
                volume += self.settings.more * (n == 2)
                if symbol in self.settings.flipped and n >= 3:
                    volume *= 100
                yield dict(
                    symbol=symbol, time=day, open=10.0, high=10.0 + self.settings.dear, low=10.0,
                    close=10.0, prev_close=10.0, volume=volume,
                    turnover=None if self.settings.unpaid else turnover,
                )

    class Quotes(Source):
        async def quotes(self, query):
            return [Quote(symbol=s, price=10.0) for s in query.symbols]

    @hookimpl
    def register_source():
        return Twin
"""
QUOTES_ONLY = PLUGIN.replace("return Twin", "return Quotes")
QUALITY = "/api/v1/quality"
RANGE = {"start_date": "2024-01-01", "end_date": "2024-01-12"}


@pytest.fixture
def twins(start, tmp_path, monkeypatch):
    """A function that starts an application over several twins."""
    for name, source in (("twin", PLUGIN), ("only_quotes", QUOTES_ONLY)):
        root = tmp_path / name
        root.mkdir()
        module = f"{name}_module"
        install(root, monkeypatch, dist=f"{name}-dist", module=module, source=source, entry=name)

    def twins(caches=False, **sources):
        tables = {"caches": {"l1": {"plugin": "memory"}}} if caches else {}
        given = {name: {"plugin": "twin", **settings} for name, settings in sources.items()}
        return start(given, **tables)

    return twins


async def history(api, symbols="600519.SH", **params):
    return await api.v1("history", **{"symbols": symbols, **RANGE, **params})


async def reconciled(api, status=200, **params):
    answer = await api.get(f"{QUALITY}/reconcile", **{"symbols": "600519.SH", **RANGE, **params})
    assert answer.status_code == status, answer.text
    if status != 200:
        return answer.json()["error"]
    schemas.ReconciliationBody.model_validate_json(answer.content, extra="forbid")
    assert answer.headers["Cache-Control"] == "no-store"
    return answer.json()["data"]


async def quality(api):
    answer = await api.get(f"{QUALITY}/sources")
    schemas.QualityBody.model_validate_json(answer.content, extra="forbid")
    return {row.pop("name"): row for row in answer.json()["data"]}


class TestSources:
    async def test_nothing_asked_nothing_proved(self, twins):
        async with twins(one={}) as api:
            assert await quality(api) == {
                "one": {
                    "rows": {},
                    "failed": {},
                    "last_failure": None,
                    "freshness": {},
                    "quarantined": [],
                }
            }

    async def test_rows_failures_freshness_and_quarantines(self, twins):
        async with twins(one={"flipped": ["600519.SH"]}, two={}) as api:
            body = (await history(api, "600519.SH,000001.SZ")).json()
            assert body["meta"]["sources"] == {"600519.SH": "two", "000001.SZ": "one"}
            api.clock.advance(30)
            found = await quality(api)
        assert found["two"]["rows"] == {
            "bars:1d": {"proved": 7, "off": 0, "unproved": 0, "inferred": 0}
        }
        assert found["two"]["quarantined"] == []
        one = found["one"]
        assert one["rows"] == found["two"]["rows"]
        assert one["failed"] == {"disproved": 1}
        assert one["freshness"]["bars:1d"] == {
            "as_of": "2024-01-10T00:00:00+08:00",
            "last_ok_at": "2024-01-15T15:30:00+08:00",
            "age": 30.0,
        }
        (held,) = one["quarantined"]
        assert (held["scope"], held["symbol"], held["times"]) == ("bars:1d:stock", "600519.SH", 1)
        assert held["since"] == "2024-01-15T15:30:00+08:00"
        assert held["until"] == "2024-01-15T15:40:00+08:00"
        assert held["reason"] == (
            "the bar of 2024-01-05 00:00:00+08:00 disproves its units: turnover 1234590.0 ÷ "
            "volume 12345900.0 = 0.1 lies outside [10.0, 10.0]"
        )
        last = one["last_failure"]
        assert (last["dataset"], last["key"], last["check"]) == (
            "bars:1d",
            "600519.SH",
            "disproved",
        )
        assert last["reason"] == held["reason"]

    async def test_the_list_of_sources_shows_quarantines_too(self, twins):
        many = ["600519.SH", "000001.SZ", "600000.SH"]
        async with twins(one={"flipped": many}, two={}) as api:
            await history(api, many[0])
            one = (await api.get("/api/v1/sources")).json()["data"][0]
            assert one["state"] == "up"
            assert [held["symbol"] for held in one["quarantined"]] == [many[0]]
            await history(api, ",".join(many))
            one = (await api.get("/api/v1/sources")).json()["data"][0]
            assert (one["state"], one["reason"]) == ("quarantined", "BAD_DATA")
            assert (await api.get("/health")).json()["services"]["one"] == "degraded"

    async def test_parameters_are_refused(self, twins):
        async with twins(one={}) as api:
            assert (await api.get(f"{QUALITY}/sources", all=1)).status_code == 400


class TestCache:
    async def test_what_a_source_said_before_it_was_caught_is_not_served_meanwhile(self, twins):
        early = {"start_date": "2024-01-02", "end_date": "2024-01-04"}
        async with twins(caches=True, one={"flipped": ["600519.SH"]}, two={}) as api:

            async def source(symbol="600519.SH", **params):
                body = (await history(api, symbol, **params)).json()
                return body["meta"]["source"], body["meta"].get("age") is not None

            assert await source(**early) == ("one", False)
            assert await source(**early) == ("one", True), "out of the cache"
            assert await source("000001.SZ", **early) == ("one", False)
            assert await source() == ("two", False), "the whole range disproves the first"
            assert await source(**early) == ("two", False)
            assert await source(**early) == ("two", True)
            assert await source("000001.SZ", **early) == ("one", True), "nobody doubts this one"

    async def test_where_everybody_is_in_quarantine_nothing_comes_out_of_the_cache(self, twins):
        early = {"start_date": "2024-01-02", "end_date": "2024-01-04"}
        async with twins(caches=True, one={"flipped": ["600519.SH"]}) as api:
            assert (await history(api, **early)).status_code == 200
            for params in ({}, {}, early):
                answer = await history(api, **params)
                assert answer.status_code == 503
            error = answer.json()["error"]
            assert "quarantined until 2024-01-15T15:40:00+08:00" in error["message"]
            assert "turnover 1234590.0 ÷ volume 12345900.0" in error["message"]
            assert answer.headers["Retry-After"] == "600"


class TestRelease:
    async def test_all_or_one_symbol(self, twins):
        flipped = ["600519.SH", "000001.SZ"]
        async with twins(one={"flipped": flipped}, two={}) as api:
            await history(api, ",".join(flipped))
            one = await api.client.delete(f"{QUALITY}/quarantine/one?symbol=sh600519")
            schemas.ReleasedBody.model_validate_json(one.content, extra="forbid")
            assert [held["symbol"] for held in one.json()["data"]] == ["600519.SH"]
            left = (await quality(api))["one"]["quarantined"]
            assert [held["symbol"] for held in left] == ["000001.SZ"]
            rest = await api.client.delete(f"{QUALITY}/quarantine/one")
            assert len(rest.json()["data"]) == 1
            again = await api.client.delete(f"{QUALITY}/quarantine/one")
            assert (again.status_code, again.json()["data"]) == (200, [])

    async def test_no_such_source_or_symbol(self, twins):
        async with twins(one={}) as api:
            answer = await api.client.delete(f"{QUALITY}/quarantine/nobody")
            assert answer.status_code == 404
            assert answer.json()["error"]["details"] == {"sources": ["one"]}
            answer = await api.client.delete(f"{QUALITY}/quarantine/one?symbol=x")
            assert answer.status_code == 400

    async def test_it_needs_the_scope_to_operate(self, twins, monkeypatch):
        async def reader(_self, _presented):
            return Principal(id="reader", scopes=frozenset({"data"}))

        monkeypatch.setattr(Gateway, "authenticate", reader)
        async with twins(one={}) as api:
            refused = await api.client.delete(f"{QUALITY}/quarantine/one")
            assert refused.status_code == 403
            assert refused.json()["error"]["details"] == {"scope": "manage"}
            assert (await api.get(f"{QUALITY}/sources")).status_code == 200


class TestReconcile:
    async def test_equal_at_the_coarser_resolution(self, twins):
        async with twins(one={}, two={"lots": True}) as api:
            found = await reconciled(api, symbols="600519.SH,000001.SZ")
        assert found["verdict"] == "identical"
        assert found["sources"] == ["one", "two"]
        assert (found["period"], found["adjust"], found["start"]) == ("1d", "none", "2024-01-01")
        for report in found["symbols"].values():
            (comparison,) = report["comparisons"]
            assert (comparison["rows"], comparison["identical"]) == (7, True)

    async def test_weeks_add_up_what_days_round(self, twins):
        async with twins(one={}, two={"lots": True}) as api:
            assert (await reconciled(api, period="1w"))["verdict"] == "identical"

    async def test_between_sources_that_round_alike_one_lot_is_a_difference(self, twins):
        async with twins(one={"lots": True}, two={"lots": True, "more": 1}) as api:
            (report,) = (await reconciled(api))["symbols"].values()
        (comparison,) = report["comparisons"]
        assert comparison["fields"]["volume"]["rows"] == 1
        worst = comparison["fields"]["volume"]["worst"]
        assert worst["b"] - worst["a"] == 100

    async def test_a_step_of_the_finer_source_is_a_difference_between_equals(self, twins):
        async with twins(one={"lots": True}, two={"lots": True}, three={"dear": 0.5}) as api:
            assert (await reconciled(api, sources="one,two"))["verdict"] == "identical"
            found = await reconciled(api)
        (report,) = found["symbols"].values()
        assert found["verdict"] == report["verdict"] == "different"
        same, other = report["comparisons"]
        assert (same["a"], same["b"], same["identical"]) == ("one", "two", True)
        assert (other["a"], other["b"], other["identical"]) == ("one", "three", False)
        worst = {"bar": "2024-01-02", "field": "high", "a": 10.0, "b": 10.5}
        assert other["fields"] == {"high": {"rows": 7, "worst": worst}}
        assert other["examples"][0] == worst
        assert len(other["examples"]) == 7

    async def test_a_tolerance_makes_them_equal(self, twins):
        async with twins(one={}, two={"dear": 0.5}) as api:
            assert (await reconciled(api, tolerance="high=0.05"))["verdict"] == "identical"
            error = await reconciled(api, 400, tolerance="hgih=0.05")
            assert error["details"]["parameter"] == "tolerance"
            assert "high" in error["details"]["allowed"]

    async def test_rows_and_fields_that_one_lacks(self, twins):
        async with twins(one={}, two={"until": "2024-01-05", "unpaid": True}) as api:
            (report,) = (await reconciled(api))["symbols"].values()
        (comparison,) = report["comparisons"]
        assert comparison["rows"] == 4
        assert comparison["only_in"] == {
            "one": {"rows": 3, "first": ["2024-01-08", "2024-01-09", "2024-01-10"]}
        }
        assert comparison["missing_fields"] == {"turnover": ["two"]}
        assert comparison["fields"] == {}

    async def test_a_source_that_cannot_answer_is_reported(self, twins):
        async with twins(
            one={"broken": True}, two={"flipped": ["600519.SH"]}, three={}, four={}
        ) as api:
            (report,) = (await reconciled(api))["symbols"].values()
            assert report["verdict"] == "identical"
            assert report["answered"] == ["three", "four"]
            assert report["errors"]["one"]["code"] == "SERVICE_UNAVAILABLE"
            assert report["errors"]["one"]["message"] == "no route to host"
            assert report["errors"]["two"]["code"] == "BAD_DATA"
            assert "lies outside [10.0, 10.0]" in report["errors"]["two"]["message"]
            (held,) = (await quality(api))["two"]["quarantined"]
            assert held["symbol"] == "600519.SH", "what was found out counts"
            (report,) = (await reconciled(api))["symbols"].values()
            assert "quarantined until" in report["errors"]["two"]["message"]

    async def test_one_that_has_nothing_differs_from_one_that_has(self, twins):
        async with twins(one={"lacks": ["600519.SH"]}, two={}) as api:
            (report,) = (await reconciled(api))["symbols"].values()
            (comparison,) = report["comparisons"]
            assert (comparison["a"], comparison["b"]) == ("two", "one")
            assert comparison["only_in"]["two"]["rows"] == 7

    async def test_nothing_to_compare(self, twins):
        lacks = {"lacks": ["600519.SH"]}
        async with twins(one=lacks, two=lacks, three={"broken": True}) as api:
            error = await reconciled(api, 404, sources="one,two")
            assert error["code"] == "NOT_FOUND"
            error = await reconciled(api, 503, symbols="000001.SZ", sources="one,three")
            assert error["message"] == "nothing could be compared: fewer than two sources answered"
            told = error["details"]["symbols"]["000001.SZ"]
            assert set(told) == {"three"}
            both = await reconciled(api, symbols="600519.SH,000001.SZ", sources="one,two")
            assert both["verdict"] == "not compared", "not all of it was"
            assert both["symbols"]["000001.SZ"]["verdict"] == "identical"

    async def test_every_source_is_asked_alone_and_past_the_cache(self, twins):
        async with twins(caches=True, one={}, two={}) as api:
            await history(api)
            await reconciled(api)
            asked = [len(node.source.asked) for node in api.gateway._parts.nodes.values()]
        assert asked == [2, 1]

    async def test_a_range_that_history_refuses_is_refused(self, twins):
        async with twins(one={}, two={}) as api:
            error = await reconciled(api, 413, start_date="1991-01-02", period="1m")
            assert f"{MOST_ROWS:,}" in error["message"]
            error = await reconciled(api, 413, symbols=",".join(f"{n:06}.SZ" for n in range(101)))

    async def test_what_was_asked_wrongly(self, twins):
        async with twins(one={}, two={}) as api:
            error = await reconciled(api, 400, sources="one,nobody")
            assert error["details"] == {"parameter": "sources", "allowed": ["one", "two"]}
            assert (await reconciled(api, 400, symbols="600519.SH,what"))["details"] == {
                "parameter": "symbols"
            }
            await reconciled(api, 400, start_date="2024-01-12", end_date="2024-01-11")
            error = await reconciled(api, 501, sources="one")
            assert error["message"].endswith("there is one")

    async def test_only_sources_with_bars_are_taken_unasked(self, twins):
        async with twins(one={}, q={"plugin": "only_quotes"}) as api:
            await reconciled(api, 501)
            error = await reconciled(api, 503, sources="one,q")
            assert error["details"]["symbols"]["600519.SH"]["q"]["code"] == "NOT_SUPPORTED"

    async def test_a_source_that_is_down_is_reported(self, twins):
        async with twins(one={}, two={}, three={}) as api:
            api.gateway._parts.nodes["three"].down = "the token was refused"
            (report,) = (await reconciled(api))["symbols"].values()
        assert report["errors"] == {
            "three": {"code": "SERVICE_UNAVAILABLE", "message": "down: the token was refused"}
        }
