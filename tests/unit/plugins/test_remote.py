"""What another Argus' answers mean for who asked it."""

import json

import httpx
import pytest
from support.clock import TestClock

from argus_core import (
    BadData,
    LoginFailed,
    NotOffered,
    Origin,
    PermissionDenied,
    Priority,
    Quote,
    QuotesQuery,
    SourceError,
    SourceTimeout,
    SourceUnavailable,
    Symbol,
    Throttled,
    Told,
)
from argus_core.model.ask import Deadline
from argus_core.model.request import requesting
from argus_core.model.told import told_records
from argus_remote import refusals
from argus_remote.link import Response
from argus_remote.settings import RemoteSettings
from argus_remote.source import RemoteSource

QUERY = QuotesQuery(symbols=(Symbol("600519.SH"), Symbol("000001.SZ")))


def error(status, code="X", message="why", headers=None, **details):
    body = {"success": False, "error": {"code": code, "message": message, "details": details}}
    return Response(status, httpx.Headers(headers or {}), json.dumps(body).encode())


class Canned:
    """A link that answers without a network."""

    def __init__(self, response):
        self.response = response
        self.sent = []
        self.busy = 0

    async def post(self, path, body, headers):
        self.sent.append((path, json.loads(body), headers))
        return self.response

    async def get(self, path, seconds):
        return self.response[path]

    async def aclose(self):
        pass


def source(response, **settings):
    made = RemoteSource("agent", RemoteSettings(**settings), TestClock())
    made._link = Canned(response)
    return made


def told(**fields):
    fields.setdefault("now", TestClock().now())
    return Response(200, httpx.Headers({}), told_records("quotes", Told(**fields)))


@pytest.mark.parametrize(
    ("response", "cls", "word"),
    [
        (error(400), NotOffered, "why"),
        (error(413), NotOffered, "why"),
        (error(501), NotOffered, "why"),
        (error(508), NotOffered, "leads back here"),
        (error(401), LoginFailed, "key"),
        (error(403), PermissionDenied, "why"),
        (error(404), SourceUnavailable, "older"),
        (error(429, headers={"Retry-After": "7"}), Throttled, "too often"),
        (error(500), SourceUnavailable, "500"),
        (error(503, headers={"Retry-After": "2"}), refusals.Busy, "why"),
        (Response(503, {}, b"<html>"), SourceUnavailable, "503"),
        (Response(504, {}, b"<html>"), SourceUnavailable, "504"),
        (Response(302, {}, b""), SourceUnavailable, "redirects are not followed"),
        (Response(204, {}, b""), SourceUnavailable, "HTTP 204$"),
        (Response(400, {}, b"plain"), SourceUnavailable, "400"),
        (Response(200, {}, b"plain"), BadData, "damaged"),
    ],
)
async def test_a_refusal_is_the_error_that_the_router_can_act_upon(response, cls, word):
    with pytest.raises(cls, match=word) as caught:
        await source(response).quotes(QUERY)
    assert type(caught.value) is cls
    seconds = response.headers.get("Retry-After")
    if seconds:
        assert caught.value.cool_seconds == float(seconds)


@pytest.mark.parametrize(
    ("response", "cls"),
    [
        (error(503, "SERVICE_UNAVAILABLE", sources="failed"), SourceError),
        (error(503, "PREPARING", headers={"Retry-After": "3"}, sources="failed"), SourceError),
        (error(504, "TIMEOUT"), SourceTimeout),
    ],
)
async def test_what_its_sources_failed_in_is_told_key_by_key(response, cls):
    reply = await source(response).quotes(QUERY)
    assert reply.reply == []
    assert set(reply.failures) == set(QUERY.keys)
    assert all(isinstance(failure, cls) for failure in reply.failures.values())
    if response.headers:
        assert reply.failures["600519.SH"].preparing
        assert reply.failures["600519.SH"].retry_after == 3


async def test_an_answer_is_passed_on_with_its_origins():
    quote = Quote(symbol=Symbol("600519.SH"), price=1.0)
    origins = {"600519.SH": Origin(path=("vendor",), age=2.0, stale=True, reason="old")}
    made = source(told(values={"600519.SH": quote}, origins=origins, steps=("a step",)))
    reply = await made.quotes(QUERY)
    assert (reply.reply, reply.origins, reply.steps) == ([quote], origins, ("a step",))
    assert made.report()["clock_ahead_seconds"] == 0.0


async def test_why_each_key_failed_is_heard_where_all_did():
    each = {"600519.SH": {"code": "BAD_DATA", "message": "false"}}
    refused = error(503, "SERVICE_UNAVAILABLE", sources="failed", errors=each)
    reply = await source(refused).quotes(QUERY)
    assert [type(failure) for failure in reply.failures.values()] == [BadData, SourceError]
    assert [failure.message for failure in reply.failures.values()] == ["false", "why"]


async def test_what_it_says_nothing_about_is_not_what_it_does_not_have():
    made = source(told(origins={"600519.SH": Origin(path=("vendor",))}))
    reply = await made.quotes(QUERY)
    assert list(reply.failures) == ["000001.SZ"]
    assert isinstance(reply.failures["000001.SZ"], BadData)


async def test_a_value_from_nobody_knows_where_is_refused():
    quote = Quote(symbol=Symbol("600519.SH"), price=1.0)
    for settings in ({}, {"simulated": "as_told"}):
        with pytest.raises(BadData, match=r"does not say where its 600519\.SH"):
            await source(told(values={"600519.SH": quote}), **settings).quotes(QUERY)


@pytest.mark.parametrize("simulated", [True, False])
async def test_another_world_is_refused_and_how_to_mend_it_told(simulated):
    origins = {"600519.SH": Origin(path=("vendor",), simulated=simulated)}
    answer = told(origins=origins)
    word = "true" if simulated else "false"
    with pytest.raises(BadData, match=f"set `simulated = {word}` in"):
        await source(answer, simulated=not simulated).quotes(QUERY)
    assert (await source(answer, simulated=simulated).quotes(QUERY)).origins == origins
    assert (await source(answer, simulated="as_told").quotes(QUERY)).origins == origins


async def test_the_request_is_told_on():
    made = source(told())
    clock = TestClock()
    terms = {"use_cache": False, "max_staleness": 30.0, "trace_id": "t1", "via": ("a", "b")}
    with requesting(deadline=Deadline.within(2, clock), priority=Priority.BATCH, **terms):
        await made.quotes(QUERY)
    ((path, body, headers),) = made._link.sent
    assert path == "/api/v1/datasets/quotes"
    assert body == {
        "symbols": ["600519.SH", "000001.SZ"],
        "use_cache": False,
        "max_staleness": 0.0,
        "compress": False,
    }
    assert headers == {
        "X-Argus-Priority": "batch",
        "X-Request-ID": "t1",
        "X-Argus-Via": "a, b",
        "X-Argus-Deadline": "1.900",
    }


@pytest.mark.parametrize(("left", "told_seconds"), [(0.5, "0.450"), (0.0, "0.010"), (90, "60.000")])
async def test_the_deadline_leaves_time_to_hand_the_answer_over(left, told_seconds):
    made = source(told())
    with requesting(deadline=Deadline.within(left, TestClock())):
        await made.quotes(QUERY)
    assert made._link.sent[0][2]["X-Argus-Deadline"] == told_seconds


async def test_a_listener_who_comes_is_told_on_too():
    made = source(told())
    with requesting(anew=True):
        await made.quotes(QUERY)
    assert made._link.sent[0][2]["Cache-Control"] == "no-cache"


async def test_who_believes_each_answer_takes_what_the_asker_takes():
    made = source(told(), simulated="as_told")
    with requesting(max_staleness=30.0):
        await made.quotes(QUERY)
    assert made._link.sent[0][1]["max_staleness"] == 30.0


def listed(**changes):
    entry = {
        "datasets": ["quotes", "bars", "later_invention"],
        "exchanges": ["SH", "NYSE"],
        "kinds": ["stock"],
        "periods": ["1d"],
        "simulated": False,
    }
    return {"data": [entry | changes]}


def served(status=200, uptime=5, sources=None):
    health = {"version": "9", "uptime_seconds": uptime}
    return {
        "/health": Response(status, {}, json.dumps(health).encode()),
        "/api/v1/sources": Response(200, {}, json.dumps(sources or listed()).encode()),
    }


async def test_what_it_offers_is_learned_and_learned_anew_after_a_restart():
    made = source(served())
    await made.ping()
    assert made.datasets == {"quotes", "bars", "later_invention"}
    assert made.exchanges == {"SH"}
    made._link.response = served(uptime=6, sources=listed(datasets=["depth"]))
    await made.ping()
    assert "depth" not in made.datasets
    made._link.response = served(uptime=1, sources=listed(datasets=["depth"]))
    await made.ping()
    assert made.datasets == {"depth"}
    made._link.response = served(uptime=2)
    made.clock.advance(301)
    await made.ping()
    assert "bars" in made.datasets
    assert made.report()["version"] == "9"


async def test_a_ping_fails_where_nothing_can_answer():
    with pytest.raises(SourceUnavailable, match="none of its sources"):
        await source(served(status=503)).ping()
    for body in (b"<html>", b"{}"):
        with pytest.raises(BadData, match="is it an Argus"):
            await source({"/health": Response(200, {}, body)}).ping()


async def test_a_source_that_is_not_open_is_unavailable():
    made = RemoteSource("agent", RemoteSettings(), TestClock())
    with pytest.raises(SourceUnavailable, match="not open"):
        await made.quotes(QUERY)
    await made.close()
