"""An agent beside the vendor and an edge that asks it: what people get must be the same."""

import asyncio
import contextlib
import time
from datetime import date, timedelta

import httpx
import polars as pl
import pytest
from support.agents import PLUGIN, Afternoon, ask, gateway, serving
from support.distribution import install
from support.process import PLAINLY, free_port

from argus_api import create_app
from argus_auth.key_store import KeyStore
from argus_core import (
    CalendarQuery,
    ChartPanelsQuery,
    DepthQuery,
    Exchange,
    FactorsQuery,
    InstrumentsQuery,
    ListingsQuery,
    MainContractsQuery,
    Period,
    QuotesQuery,
    SectorsQuery,
    Symbol,
    TicksQuery,
)
from argus_core.errors import AllSourcesFailed, ArgusError, Loop, NotOffered, PluginError
from argus_core.market.ranges import bars_query, bounds
from argus_core.plugins import offering

SYMBOLS = tuple(map(Symbol, ("600519.SH", "000001.SZ", "510300.SH", "rb2410.SHFE", "000300.SH")))
UNKNOWN = Symbol("600001.SH")
START, END = date(2024, 3, 11), date(2024, 3, 15)
SINCE, UNTIL = bounds(START, END, nightly=True)
QUERIES = [
    QuotesQuery(symbols=(*SYMBOLS, UNKNOWN)),
    DepthQuery(symbols=SYMBOLS, levels=10),
    bars_query(SYMBOLS, Period.D1, START, END),
    bars_query(SYMBOLS, Period.M1, END, END),
    FactorsQuery(symbols=SYMBOLS[:2], start=START, end=END),
    InstrumentsQuery(symbols=(*SYMBOLS, UNKNOWN)),
    ListingsQuery(exchanges=(Exchange.SH, Exchange.SHFE)),
    CalendarQuery(exchanges=(Exchange.SZ, Exchange.DCE), start=START, end=END),
    SectorsQuery(sectors=("白酒", "没有")),
    TicksQuery(symbols=SYMBOLS[:2], start=END, end=END, since=SINCE, until=UNTIL),
    MainContractsQuery(symbols=(Symbol("rb88.SHFE"),), day=END),
    ChartPanelsQuery(panels=("p",), symbols=SYMBOLS[:2], period=Period.D1),
]
RANGE = "start_date=2024-03-01&end_date=2024-03-15"
V1 = [
    f"/api/v1/market_data/{path}"
    for path in (
        "latest?symbols=600519.SH,000001.SZ,600001.SH",
        "full?symbols=600519.SH,rb2410.SHFE&depth=10",
        f"history?symbols=600519.SH,510300.SH&{RANGE}&period=1w&adjust=pre",
        f"history?symbols=000001.SZ&{RANGE}&period=5m",
        "instrument_detail?symbols=600519.SH",
        f"trading_dates?market=SH&{RANGE}",
        "stock_list?sector=%E7%99%BD%E9%85%92",
        "latest?symbols=600001.SH",
    )
]


@pytest.fixture(autouse=True)
def every(tmp_path, monkeypatch):
    """The plugin of the agent's source."""
    (tmp_path / "site").mkdir()
    install(
        tmp_path / "site",
        monkeypatch,
        dist="every-dist",
        module="every_module",
        source=PLUGIN,
        entry="every",
    )


@pytest.fixture
def agent(tmp_path):
    """An agent with one live source."""
    with serving(gateway(tmp_path, {"vendor": {"plugin": "every"}})) as running:
        yield running


def edge_of(tmp_path, url, *, clock=None, sources=None, environ=None, **settings):
    """An edge whose only source is the agent, unless there are others."""
    table = {"agent": {"plugin": "remote", "url": url, **settings}, **(sources or {})}
    return gateway(tmp_path, table, clock=clock, environ=environ)


def same(one, other):
    return one.equals(other) if isinstance(one, pl.DataFrame) else one == other


@pytest.mark.parametrize("compression", ["always", "never"])
async def test_every_dataset_equals_what_the_agent_itself_has(tmp_path, agent, compression):
    async with edge_of(tmp_path, agent.url, compression=compression) as edge:
        beside = gateway(tmp_path, {"vendor": {"plugin": "every"}})
        async with beside:
            for query in QUERIES:
                mine = await edge.fetch(query, ask(edge.clock))
                theirs = await beside.fetch(query, ask(beside.clock))
                assert list(mine.data) == list(theirs.data), query.dataset
                assert mine.data, query.dataset
                for key, value in theirs.data.items():
                    assert same(mine.data[key], value), (query.dataset, key)
                assert mine.absent.keys() == theirs.absent.keys()
                assert mine.errors == theirs.errors
                told = mine.provenance.values()
                assert {(p.giver, p.via) for p in told} == {("vendor", ("agent",))}


async def bodies(gateway, paths=V1):
    app = create_app(gateway)
    async with app.router.lifespan_context(app):
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://argus") as client:
            return [await client.get(path) for path in paths]


def plain(response):
    """A body without what tells one server from another."""
    body = response.json()
    for name in ("timestamp", "response_time_ms"):
        body.pop(name, None)
    for name in ("via", "trace_id"):
        body.get("meta", {}).pop(name, None)
    return response.status_code, body


async def test_people_get_the_same_bodies_of_the_edge_as_of_the_agent(tmp_path, agent):
    theirs = await asyncio.to_thread(lambda: [agent.get(path) for path in V1])
    mine = await bodies(edge_of(tmp_path, agent.url))
    for path, one, other in zip(V1, mine, theirs, strict=True):
        assert plain(one) == plain(other), path
        for header in ("X-Argus-Source", "X-Argus-Simulated", "X-Argus-Stale"):
            assert one.headers.get(header) == other.headers.get(header), (path, header)
        if "meta" in one.json() and one.json()["meta"]["source"] == "vendor":
            assert one.json()["meta"]["via"] == ["agent"]


@pytest.mark.parametrize("spelling", ["url", "socket"])
async def test_a_unix_socket_serves_as_well(tmp_path, spelling):
    path = tmp_path / "agent.sock"
    place = {"url": f"http+unix://{path}"} if spelling == "url" else {"socket": str(path)}
    source = {"plugin": "remote", "simulated": "as_told", **place}
    with serving(gateway(tmp_path, {"demo": {"plugin": "demo"}}), uds=str(path)):
        async with gateway(tmp_path, {"agent": source}) as edge:
            answer = await edge.quotes((*SYMBOLS, UNKNOWN), ask(edge.clock))
    assert set(answer.data) == set(SYMBOLS)
    assert answer.simulated
    assert answer.sources == ("demo",)


async def test_the_agents_steps_stand_in_the_explanation(tmp_path, agent):
    async with edge_of(tmp_path, agent.url) as edge:
        answer = await edge.quotes(SYMBOLS[:1], ask(edge.clock))
    steps = [step for trace in answer.traces for step in trace.steps]
    assert any(step.startswith("agent: vendor answered 1 of 1 in ") for step in steps)


@pytest.mark.parametrize("hours", [-1, 1])
async def test_ages_and_freshness_do_not_depend_on_the_clocks_of_two_machines(tmp_path, hours):
    book = tmp_path / "book"
    caches = {"caches": {"l1": {"plugin": "memory"}}}
    source = {"plugin": "every", "book": str(book)}
    theirs = gateway(tmp_path, {"vendor": source}, **caches)
    clock = Afternoon()
    clock.advance(3600 * hours)
    with serving(theirs) as agent:
        table = {"agent": {"plugin": "remote", "url": agent.url}}
        async with gateway(tmp_path, table, clock=clock, **caches) as edge:
            await edge.quotes(SYMBOLS[:1], ask(clock))
            theirs.clock.advance(2)
            # Two seconds old over there: of its three seconds of life here, one is left.
            answer = await edge.quotes(SYMBOLS[:1], ask(clock, use_cache=True))
            assert answer.cached
            clock.advance(3.5)
            answer = await edge.quotes(SYMBOLS[:1], ask(clock))
            origin = answer.provenance["600519.SH"]
            assert (clock.now() - origin.fetched_at).total_seconds() == pytest.approx(2, abs=0.01)
            assert not origin.stale
            assert 0 < (origin.fresh_until - clock.now()).total_seconds() <= 1
            daily = await edge.fetch(bars_query(SYMBOLS[:1], Period.D1, START, END), ask(clock))
            assert daily.data["600519.SH"]["final"].to_list() == [True] * 4 + [False]
            ahead = edge.sources()[0].report["clock_ahead_seconds"]
            assert ahead == pytest.approx(-3600 * hours, abs=6)
    assert len(book.read_text().splitlines()) == 2


async def test_how_long_ago_something_was_found_absent_is_passed_on_too(tmp_path):
    caches = {"caches": {"l1": {"plugin": "memory"}}}
    theirs = gateway(tmp_path, {"vendor": {"plugin": "every"}}, **caches)
    query = QuotesQuery(symbols=(UNKNOWN,))
    with serving(theirs) as agent:
        lives = []
        for wait in (0, 2):
            theirs.clock.advance(wait)
            async with edge_of(tmp_path, agent.url) as edge:
                (origin,) = (await edge.fetch(query, ask(edge.clock))).absent.values()
                lives.append((edge.clock.now() - origin.fetched_at).total_seconds())
    assert lives[0] < 1
    assert 2 <= lives[1] < 4


async def test_when_to_come_again_is_passed_on(tmp_path):
    broken = {"vendor": {"plugin": "every", "broken": True}}
    path = "/api/v1/market_data/latest?symbols=600519.SH"
    with serving(gateway(tmp_path, broken)) as agent:
        (mine,) = await bodies(edge_of(tmp_path, agent.url), [path])
    assert (mine.status_code, mine.headers["Retry-After"]) == (503, "5")


@contextlib.contextmanager
def circle(tmp_path, length):
    """So many gateways, each of which has the next one as its only source."""
    ports = [free_port() for _ in range(length)]
    with contextlib.ExitStack() as stack:
        made = []
        for place, port in enumerate(ports):
            url = f"http://127.0.0.1:{ports[(place + 1) % length]}"
            source = {"next": {"plugin": "remote", "url": url}}
            made.append(stack.enter_context(serving(gateway(tmp_path, source), port=port)))
        offering("quotes")  # a refusal names the plugins; the first one reads them all
        yield made


def test_a_circle_is_refused_at_once_and_says_so(tmp_path):
    with circle(tmp_path, 2) as (one, _):
        began = time.monotonic()
        response = one.get("/api/v1/market_data/latest?symbols=600519.SH&explain=1")
        assert time.monotonic() - began < 1
        assert response.status_code == 501
        assert response.json()["error"]["code"] == "NOT_SUPPORTED"


def test_two_in_a_circle_who_are_asked_at_once_do_not_wait_for_one_another(tmp_path):
    with circle(tmp_path, 2) as (one, other):
        path = "/api/v1/market_data/latest?symbols=600519.SH"

        async def both():
            async with httpx.AsyncClient(**PLAINLY) as client:
                return await asyncio.gather(*(client.get(a.url + path) for a in (one, other) * 4))

        began = time.monotonic()
        answers = asyncio.run(both())
        assert time.monotonic() - began < 2
        assert {answer.status_code for answer in answers} == {501}


async def test_a_question_goes_through_eight_gateways_at_the_most(tmp_path, agent):
    async with edge_of(tmp_path, agent.url) as edge:
        for via in [tuple("abcdefgh"), (edge.id,)]:
            with pytest.raises(Loop):
                await edge.raw(QUERIES[0], ask(edge.clock), via)
        assert (await edge.raw(QUERIES[0], ask(edge.clock), tuple("abcdef"))).data
        # Its own id makes eight, so the agent is the one that refuses.
        with pytest.raises(NotOffered):
            await edge.raw(QUERIES[0], ask(edge.clock), tuple("abcdefg"))


async def test_the_key_must_be_right(tmp_path):
    auth = {"auth": {"plugins": ["api_key"]}}
    theirs = gateway(tmp_path, {"vendor": {"plugin": "every"}}, **auth)
    with serving(theirs) as agent:
        keys = KeyStore(theirs.config.server.data_dir / "keys.json", theirs.clock)
        _, key = keys.create("edge", ["data"])
        told = {"key": {"env": "AGENT_KEY"}}
        async with edge_of(tmp_path, agent.url, environ={"AGENT_KEY": key}, **told) as edge:
            assert (await edge.quotes(SYMBOLS[:1], ask(edge.clock))).data
        for wrong in ({"AGENT_KEY": "argus_wrong"}, {}):
            edge = edge_of(tmp_path, agent.url, environ=wrong, **(told if wrong else {}))
            with pytest.raises(PluginError, match="refuses the key"):
                async with edge:
                    pass


@pytest.mark.parametrize("invented", [True, False])
async def test_an_answer_from_another_world_is_refused(tmp_path, invented):
    source = {"vendor": {"plugin": "every", "invented": invented}}
    with serving(gateway(tmp_path, source)) as agent:
        with pytest.raises(PluginError, match="set `simulated = "):
            async with edge_of(tmp_path, agent.url, simulated=not invented):
                pass
        async with edge_of(tmp_path, agent.url, simulated=invented) as edge:
            answer = await edge.quotes(SYMBOLS[:1], ask(edge.clock))
            assert answer.simulated is invented


async def test_what_the_agents_sources_fail_in_is_asked_of_the_next_source(tmp_path):
    broken = {"vendor": {"plugin": "every", "broken": True}}
    with serving(gateway(tmp_path, broken)) as agent:
        spare = {"spare": {"plugin": "every"}}
        async with edge_of(tmp_path, agent.url, sources=spare) as edge:
            answer = await edge.quotes(SYMBOLS[:2], ask(edge.clock))
            assert answer.sources == ("spare",)
            (told, _) = edge.sources()
            assert (told.state, told.failures, told.cooling) == ("up", 0, {})
        async with edge_of(tmp_path, agent.url) as edge:
            with pytest.raises(AllSourcesFailed):
                await edge.quotes(SYMBOLS[:2], ask(edge.clock))


GAPS = [
    f"/api/v1/market_data/{path}"
    for path in (
        "latest?symbols=600519.SH,000001.SZ",
        "latest?symbols=000001.SZ",
        "latest?symbols=600519.SH,510300.SH",
        "latest?symbols=510300.SH",
        f"history?symbols=600519.SH,000001.SZ&{RANGE}&period=1d",
        f"history?symbols=000001.SZ&{RANGE}&period=1d",
    )
]


@pytest.mark.parametrize("broken", [True, False])
async def test_gaps_are_the_same_to_people_at_the_edge_as_at_the_agent(tmp_path, broken):
    vendor = {"plugin": "every", "silent": ["000001.SZ"], "false": ["510300.SH"]}
    sources = {"vendor": vendor, "other": {**vendor, "broken": broken}}
    # Not asked of the agent itself: what fails there changes what it does next.
    theirs = await bodies(gateway(tmp_path, sources), GAPS)
    with serving(gateway(tmp_path, sources)) as agent:
        edge = edge_of(tmp_path, agent.url)
        mine = await bodies(edge, GAPS)
        (told,) = edge.sources()
        assert (told.failures, told.cooling) == (0, {})
    for path, one, other in zip(GAPS, mine, theirs, strict=True):
        (status, body), (expected, wanted) = plain(one), plain(other)
        assert status == expected, (path, body, wanted)
        for name in ("details", "message"):  # whom each asked in vain differs
            body.get("error", {}).pop(name, None)
            wanted.get("error", {}).pop(name, None)
        assert body == wanted, path


async def test_what_the_agent_does_not_have_comes_from_the_next_source(tmp_path):
    partly = {"vendor": {"plugin": "every", "lacks": ["000001.SZ"]}}
    with serving(gateway(tmp_path, partly)) as agent:
        spare = {"spare": {"plugin": "every"}}
        async with edge_of(tmp_path, agent.url, sources=spare) as edge:
            answer = await edge.quotes(SYMBOLS[:2], ask(edge.clock))
    assert {key: p.giver for key, p in answer.provenance.items()} == {
        "600519.SH": "vendor",
        "000001.SZ": "spare",
    }


async def test_an_edge_learns_what_the_agent_offers(tmp_path, agent):
    async with edge_of(tmp_path, agent.url, datasets=["quotes", "bars"]) as edge:
        (told,) = edge.sources()
        assert told.datasets == ("bars", "quotes")
        assert told.periods == ("1m", "1d")
        with pytest.raises(ArgusError):
            await edge.depth(SYMBOLS[:1], 5, ask(edge.clock))
        assert edge.sources()[0].calls == 0


async def test_an_agent_that_comes_later_is_taken_up(tmp_path):
    port = free_port()
    async with edge_of(tmp_path, f"http://127.0.0.1:{port}") as edge:
        with pytest.raises(AllSourcesFailed):
            await edge.quotes(SYMBOLS[:1], ask(edge.clock, 2.0))
        with serving(gateway(tmp_path, {"vendor": {"plugin": "every"}}), port=port):
            edge.clock.advance(60)
            assert (await edge.quotes(SYMBOLS[:1], ask(edge.clock))).data


async def test_sealed_history_needs_no_vendor_call_at_the_agent(tmp_path):
    book = tmp_path / "book"
    source = {"vendor": {"plugin": "every", "book": str(book)}}
    history = {"history": {"path": str(tmp_path / "history")}}
    with serving(gateway(tmp_path, source, **history)) as agent:
        query = bars_query(SYMBOLS[:1], Period.D1, START - timedelta(days=40), START)
        frames = []
        for _ in range(2):
            async with edge_of(tmp_path, agent.url) as edge:
                answer = await edge.fetch(query, ask(edge.clock))
                frames.append(answer.data["600519.SH"])
    assert frames[0].equals(frames[1])
    assert len(book.read_text().splitlines()) == 1
