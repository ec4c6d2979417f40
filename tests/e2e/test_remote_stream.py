"""An agent beside the vendor pushes, and edges pass it on: nothing lost unsaid, nothing renamed."""

import asyncio
import contextlib
import json

import pytest
from support.agents import serving as in_a_thread
from support.clock import TestClock
from support.faultproxy import FaultProxy
from support.listening import running
from support.relaying import PATIENCE, Ear, Market, installed
from support.waiting import until
from websockets.asyncio.client import connect

from argus_api import create_app
from argus_api.stream import audience
from argus_api.stream.relay_talk import RelayTalk
from argus_api.vouched import Guarded
from argus_auth.key_store import KeyStore
from argus_cli.processes.derived import edge_config
from argus_cli.processes.words import Door
from argus_core import LoginFailed, NotOffered, PermissionDenied, Symbol, Trade
from argus_core.config import Config
from argus_core.gateway import Gateway
from argus_core.model.codec import as_of
from argus_core.streaming.topics import DEPTH, FEED, QUOTES, TRADES, Carrier
from argus_remote.settings import RemoteSettings
from argus_remote.stream import Stream

A, B = Symbol("600519.SH"), Symbol("000001.SZ")
FAST = {"stream": {"poll_interval": 0.2}}


@pytest.fixture(autouse=True)
def feeding(tmp_path, monkeypatch):
    """The plugin of the agent's source."""
    installed(tmp_path / "plugin", monkeypatch)


@pytest.fixture
def clock():
    """A Friday's trading; its hours and seconds are the test's."""
    return TestClock("2024-03-15 10:00:00")


class Argus:
    """A gateway behind a server in the test's own loop."""

    def __init__(self, gateway, port):
        self.gateway = gateway
        self.port = port
        self.url = f"http://127.0.0.1:{port}"
        self.market = None
        """What its vendor pushes, if it has one."""


def made(tmp_path, clock, sources, environ=None, **tables):
    number = len(list(tmp_path.iterdir()))
    server = {"data_dir": str(tmp_path / f"data-{number}")}
    config = Config.parse({"server": server, "sources": sources, **tables}, environ or {})
    return Gateway(config, clock=clock)


@contextlib.asynccontextmanager
async def serving(gateway, wrapped=lambda app: app):
    """The gateway, open and served until the block ends."""
    app = create_app(gateway)
    served = wrapped(app)
    served.state = app.state
    async with app.router.lifespan_context(app), running(served) as (_, port):
        yield Argus(gateway, port)


@contextlib.asynccontextmanager
async def agent(tmp_path, clock, name="vendor", wrapped=lambda app: app, **tables):
    """An agent with one vendor that pushes."""
    gateway = made(tmp_path, clock, {name: {"plugin": "feeding"}}, **tables)
    async with serving(gateway, wrapped) as served:
        served.market = Market(clock, A, B, name=name)
        yield served


@contextlib.asynccontextmanager
async def edge(tmp_path, clock, url, *, name="agent", sources=None, environ=None, **settings):
    """An edge of what listens there, itself not served."""
    table = {name: {"plugin": "remote", "url": url, **settings}, **(sources or {})}
    gateway = made(tmp_path, clock, table, environ, **FAST)
    async with gateway:
        yield gateway


def remote(gateway, name="agent"):
    """The stream of an edge to its agent."""
    return gateway._parts.nodes[name].source._stream


async def pushed_by(there, *symbols):
    """Return when an edge listens to these at the agent."""
    topics = there.gateway.streaming.hub.topics
    await until(lambda: all((t := topics.get((FEED, s))) and t.lanes for s in symbols))


async def test_what_the_agent_is_pushed_comes_out_of_the_edge_as_the_agent_says_it(tmp_path, clock):
    async with agent(tmp_path, clock) as there, edge(tmp_path, clock, there.url) as here:
        mine, theirs = Ear(here), Ear(there.gateway)
        for ear in (theirs, mine):
            for channel in (QUOTES, DEPTH, TRADES):
                await ear.listen(A, channel=channel)
        await pushed_by(there, A)
        market = there.market
        trade = Trade(price=10.0, volume=100.0, time=clock.now(), direction="buy")
        for trades in ((trade,), None, (), (trade, trade)):
            quote = market.push(A, trades=trades)
            said = await mine.hears(quote)
            assert said.carrier == Carrier("vendor", "push", via=("agent",))
            assert said.value == (await theirs.hears(quote)).value
            assert (await mine.hears(quote, DEPTH)).value == (
                await theirs.hears(quote, DEPTH)
            ).value
            assert not said.stale
        assert mine.values(TRADES, A) == theirs.values(TRADES, A) == [trade] * 3
        assert here.streaming.mode(A) == "push"
        assert [notice.kind for notice in mine.notices] == []


async def test_the_agent_is_asked_once_however_many_edges_listen(tmp_path, clock):
    async with agent(tmp_path, clock) as there, contextlib.AsyncExitStack() as stack:
        edges = [await stack.enter_async_context(edge(tmp_path, clock, there.url)) for _ in "123"]
        ears = [await Ear(one).listen(A, B) for one in edges for _ in "ab"]
        for one in edges:
            await until(lambda one=one: remote(one).connections == 1)
            await pushed_by(there, A, B)
        market = there.market
        await market.brings(A, B)
        calls = []
        market.source.subscribe = calls.append
        quotes = [market.push(A), market.push(B)]
        for ear in ears:
            for quote in quotes:
                await ear.hears(quote)
        assert calls == []
        assert market.source.takers.keys() == {A, B}
        assert [remote(one).connections for one in edges] == [1, 1, 1]
        assert len(there.gateway.streaming.feeds) == 3
        for ear in ears:
            ear.leave()
        for one in edges:
            one.streaming.hub.close()


@pytest.mark.parametrize("hops", [2, 3])
async def test_the_whole_way_is_told_however_long_it_is(tmp_path, clock, hops):
    async with agent(tmp_path, clock) as there, contextlib.AsyncExitStack() as stack:
        url, names = there.url, [f"hop{number}" for number in range(hops)]
        for name in names[:-1]:
            gateway = made(tmp_path, clock, {name: {"plugin": "remote", "url": url}})
            url = (await stack.enter_async_context(serving(gateway))).url
        last = await stack.enter_async_context(edge(tmp_path, clock, url, name=names[-1]))
        ear = await Ear(last).listen(A)
        market = there.market
        await market.brings(A)
        said = await ear.hears(market.push(A))
        assert said.carrier == Carrier("vendor", "push", via=tuple(reversed(names)))


async def test_what_the_agent_asks_for_is_told_as_asked_for(tmp_path, clock):
    async with (
        agent(tmp_path, clock, **FAST) as there,
        edge(tmp_path, clock, there.url) as here,
    ):
        there.market.source.mute = True
        ear = await Ear(here).listen(A)
        await pushed_by(there, A)
        for _ in "123":
            quote = there.market.moves(A).quote
            said = await ear.hears(quote)
            assert said.carrier == Carrier("vendor", "poll", via=("agent",))
        assert here.streaming.mode(A) == "poll"


async def test_gaps_and_the_end_of_every_source_are_told_on(tmp_path, clock):
    async with (
        agent(tmp_path, clock, **FAST) as there,
        edge(tmp_path, clock, there.url) as here,
    ):
        ear = await Ear(here).listen(A)
        market = there.market
        await market.brings(A)
        quote = market.push(A)
        await ear.hears(quote)
        market.gap(A, reason="the line to the exchange broke")
        await until(lambda: ear.told("gap"))
        assert ear.told("gap") == [
            {"reason": "agent: the line to the exchange broke", "since": None}
        ]
        market.source.away = True
        supplier = there.gateway.streaming.supplier
        supplier.rearrange(list(supplier.lines.values()), "it went silent")
        await until(lambda: any(update.stale for update in ear.updates))
        assert as_of(ear.updates[-1].value) == quote.as_of
        await until(lambda: len(ear.told("gap")) > 1)
        assert "vendor" in ear.told("gap")[-1]["reason"]


@contextlib.asynccontextmanager
async def behind_proxy(tmp_path, clock, **settings):
    """An agent, the way to it, and an edge on the other side that hears of A."""
    async with agent(tmp_path, clock) as there:
        with FaultProxy(there.port) as proxy:
            async with edge(tmp_path, clock, proxy.url, **settings) as here:
                ear = await Ear(here).listen(A)
                await there.market.brings(A)
                await pushed_by(there, A)
                await ear.hears(there.market.push(A))
                yield there, proxy, here, ear


async def test_a_short_loss_in_which_nothing_was_said_is_no_gap(tmp_path, clock):
    async with behind_proxy(tmp_path, clock) as (there, proxy, here, ear):
        await asyncio.to_thread(proxy.cut)
        await until(lambda: remote(here).connections == 2)
        await pushed_by(there, A)
        await until(lambda: len(there.gateway.streaming.hub.listeners) == 1)
        await ear.hears(there.market.push(A))
        assert ear.notices == []
        assert [update.stale for update in ear.updates] == [False] * len(ear.updates)


async def test_what_was_said_during_a_loss_is_a_gap_from_the_last_that_was_heard(tmp_path, clock):
    async with behind_proxy(tmp_path, clock) as (there, proxy, here, ear):
        heard = clock.now()
        clock.advance(2)
        with contextlib.ExitStack() as stack:
            await asyncio.to_thread(stack.enter_context, proxy.refusing())
            for _ in "12":
                quote = there.market.push(A)
            await until(lambda: ear.told("gap"))
            await asyncio.to_thread(stack.close)
        assert (await ear.hears(quote)).carrier.via == ("agent",)
        reasons = [told["reason"] for told in ear.told("gap")]
        assert all(reason.startswith("agent: ") for reason in reasons)
        assert {told["since"] for told in ear.told("gap")} == {heard.isoformat()}
        assert remote(here).connections == 2


async def test_trades_come_once_over_a_loss_and_what_is_missing_of_them_is_told(tmp_path, clock):
    async with behind_proxy(tmp_path, clock) as (there, proxy, here, ear):
        await ear.listen(A, channel=TRADES)
        trades = [Trade(price=10.0, volume=float(n), time=clock.now()) for n in range(1, 6)]
        for trade in trades[:2]:
            there.market.push(A, trades=(trade,))
        await until(lambda: len(ear.values(TRADES, A)) == 2)
        with contextlib.ExitStack() as stack:
            await asyncio.to_thread(stack.enter_context, proxy.refusing())
            there.market.push(A, trades=(trades[2],))
            there.market.push(A, trades=(trades[3],))
            await asyncio.to_thread(stack.close)
        await until(lambda: remote(here).connections == 2)
        hub = there.gateway.streaming.hub  # what comes before it listens again is in the gap
        await until(lambda: [bool(hub.heard(each)) for each in hub.listeners] == [True])
        await ear.hears(there.market.push(A, trades=(trades[4],)))
        await until(lambda: trades[4] in ear.values(TRADES, A))
        assert ear.values(TRADES, A) == [trades[0], trades[1], trades[4]]
        assert ear.told("gap")


async def test_an_agent_that_is_gone_is_a_gap_and_the_next_source_takes_over(tmp_path, clock):
    spare = {"spare": {"plugin": "feeding"}}
    async with behind_proxy(tmp_path, clock, sources=spare) as (_, proxy, _, ear):
        other = Market(clock, A, name="spare")
        with contextlib.ExitStack() as stack:
            await asyncio.to_thread(stack.enter_context, proxy.refusing())
            await until(lambda: ear.told("gap"))
            for _ in range(200):  # the seconds within which it would have been heard again
                clock.advance(1)
                other.moves(A)
                if A in other.source.takers:
                    break
                await asyncio.sleep(0.05)
            assert (await ear.hears(other.push(A))).carrier == Carrier("spare", "push")
            assert any(told.get("source") == "spare" for told in ear.told("status"))


@contextlib.asynccontextmanager
async def circle(tmp_path, clock):
    """Two gateways, each of which has the other one as its only source."""
    with FaultProxy(0) as way:
        one = made(tmp_path, clock, {"next": {"plugin": "remote", "url": way.url}}, **FAST)
        async with serving(one) as first:
            other = made(tmp_path, clock, {"next": {"plugin": "remote", "url": first.url}})
            async with serving(other) as second:
                way._upstream = second.port
                yield first, second


async def test_gateways_that_listen_to_one_another_in_a_circle_refuse_it(tmp_path, clock):
    async with circle(tmp_path, clock) as (first, second):
        stream = Stream("next", RemoteSettings(url=second.url), clock, lambda _: None)
        for via in ((second.gateway.id,), ("a", second.gateway.id, "b")):
            with pytest.raises(NotOffered, match="leads back here"):
                await stream.subscribe((A,), lambda _: None, via)
        ear = Ear(first.gateway)
        ear.hear(A)
        await until(lambda: any(told["state"] == "stale" for told in ear.told("status")))
        assert ear.updates == []
        assert set(second.gateway.streaming.supplier.lines) <= {A}


async def test_the_gateways_behind_are_told_from_one_to_the_next(tmp_path, clock, monkeypatch):
    told = []
    before = RelayTalk._subscribe

    async def noted(talk, body):
        told.append((talk._audience.gateway.id, body["via"]))
        await before(talk, body)

    monkeypatch.setattr(RelayTalk, "_subscribe", noted)
    async with agent(tmp_path, clock) as there:
        middle = made(tmp_path, clock, {"agent": {"plugin": "remote", "url": there.url}})
        async with serving(middle) as between, edge(tmp_path, clock, between.url) as last:
            await Ear(last).listen(A)
            await there.market.brings(A)
            await Ear(between.gateway).listen(B)
            await there.market.brings(B)
            ids = [last.id, between.gateway.id]
            assert told == [
                (between.gateway.id, [last.id]),
                (there.gateway.id, ids),
                (there.gateway.id, ids[1:]),
            ]
            (lane,) = there.gateway.streaming.feeds
            assert lane.behind == {A: frozenset(ids), B: frozenset(ids[1:])}
        await until(lambda: not lane.behind)


async def test_a_key_that_is_revoked_ends_the_stream_and_is_told(tmp_path, clock, monkeypatch):
    monkeypatch.setattr(audience, "LOOK", 0.05)
    monkeypatch.setattr(audience, "RIGHTS", 0.05)
    auth = {"auth": {"plugins": ["api_key"]}}
    async with agent(tmp_path, clock, **auth) as there:
        keys = KeyStore(there.gateway.config.server.data_dir / "keys.json", clock)
        record, key = keys.create("edge", ["data"])
        secret = {"environ": {"AGENT_KEY": key}, "key": {"env": "AGENT_KEY"}}
        async with edge(tmp_path, clock, there.url, **secret) as here:
            ear = await Ear(here).listen(A)
            await there.market.brings(A)
            await ear.hears(there.market.push(A))
            keys.revoke(record.id)
            clock.advance(60)
            await until(lambda: ear.told("gap"))
            assert "refuses the key" in ear.told("gap")[0]["reason"]


async def test_who_may_not_listen_is_told_so_in_the_handshake(tmp_path, clock):
    auth = {"auth": {"plugins": ["api_key"]}}
    async with agent(tmp_path, clock, **auth) as there:
        keys = KeyStore(there.gateway.config.server.data_dir / "keys.json", clock)
        _, operator = keys.create("operator", ["manage"])
        for key, cls in (
            (operator, PermissionDenied),
            ("argus_wrong", LoginFailed),
            (None, LoginFailed),
        ):
            settings = RemoteSettings(url=there.url, key=key)
            with pytest.raises(cls):
                await Stream("agent", settings, clock, lambda _: None).subscribe((A,), print, ())
        assert not there.gateway.streaming.supplier.lines
    async with agent(tmp_path, clock, wrapped=lambda app: Guarded(app, "the-door")) as there:
        stream = Stream("agent", RemoteSettings(url=there.url), clock, lambda _: None)
        with pytest.raises(LoginFailed):
            await stream.subscribe((A,), print, ())


class Older:
    """An Argus of before there were live updates."""

    def __init__(self, app):
        self.app = app

    async def __call__(self, scope, receive, send):
        if scope["type"] != "websocket":
            await self.app(scope, receive, send)
            return
        await receive()
        await send({"type": "websocket.close", "code": 1000})


async def test_an_older_agent_is_asked_again_and_again(tmp_path, clock):
    async with (
        agent(tmp_path, clock, wrapped=Older) as there,
        edge(tmp_path, clock, there.url) as here,
    ):
        ear = await Ear(here).listen(A)
        await until(lambda: here.streaming.mode(A) == "poll")
        quote = there.market.moves(A).quote
        assert (await ear.hears(quote)).carrier == Carrier("vendor", "poll", via=("agent",))


async def test_what_is_invented_is_told_so(tmp_path, clock):
    gateway = made(tmp_path, clock, {"demo": {"plugin": "demo"}}, **FAST)
    async with (
        serving(gateway) as there,
        edge(tmp_path, clock, there.url, simulated="as_told") as here,
    ):
        ear = await Ear(here).listen(A)
        await pushed_by(there, A)
        clock.advance(10)
        await until(lambda: len(ear.updates) > 1)
        assert {update.carrier.simulated for update in ear.updates} == {True}


async def test_an_edge_of_the_same_server_names_the_vendor_alone(tmp_path, clock):
    key = "the-door"
    async with agent(tmp_path, clock, wrapped=lambda app: Guarded(app, key)) as there:
        config = there.gateway.config
        door = Door(key=key, port=there.port)
        gateway = Gateway(edge_config(config, door, tmp_path / "private"), clock=clock)
        async with serving(gateway) as here:
            url = f"ws://127.0.0.1:{here.port}/ws/market_data"
            async with connect(url, subprotocols=["argus.v2"], proxy=None) as client:
                await client.send(json.dumps({"action": "subscribe", "symbols": [A]}))
                await there.market.brings(A)
                quote = there.market.push(A)
                told = await asyncio.wait_for(item_of(client, quote), PATIENCE)
                feeds = there.gateway.streaming.feeds
                assert [lane.behind for lane in feeds] == [{A: {gateway.id}}]
        assert told["source"] == "vendor"
        assert "via" not in told


async def item_of(client, quote):
    async for message in client:
        body = json.loads(message)
        for item in body.get("data", ()):
            if body["type"] == "update" and item["volume"] == quote.volume:
                return item
    raise AssertionError("the connection ended")


async def test_a_unix_socket_and_any_server_serve_as_well(tmp_path, clock):
    path = tmp_path / "agent.sock"
    gateway = made(tmp_path, clock, {"vendor": {"plugin": "feeding"}})
    source = {"plugin": "remote", "socket": str(path)}
    with in_a_thread(gateway, uds=str(path)):
        market = Market(clock, A)
        async with made(tmp_path, clock, {"agent": source}) as here:
            ear = await Ear(here).listen(A)
            await market.brings(A)
            said = await ear.hears(market.push(A))
            assert said.carrier == Carrier("vendor", "push", via=("agent",))


async def test_an_edge_may_listen_to_more_than_a_consumer_may(tmp_path, clock):
    async with agent(tmp_path, clock, stream={"max_symbols": 1}) as there:
        stream = Stream("agent", RemoteSettings(url=there.url), clock, lambda _: None)
        stranger = Symbol("600001.SH")
        taken = await stream.subscribe((A, B, stranger), lambda _: None, ())
        assert {A, B} <= set(taken)
        assert set(stream.symbols) == set(taken)
        await stream.aclose()
        await until(lambda: not there.gateway.streaming.hub.listeners)
