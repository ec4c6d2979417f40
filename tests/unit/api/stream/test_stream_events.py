"""Server-sent events: the messages of ``argus.v2`` over plain HTTP."""

import asyncio
import contextlib
import json

import httpx
import pytest
from support.clock import TestClock
from support.listening import PATIENCE, A, B, C
from support.process import PLAINLY
from support.waiting import until

from argus_api.stream import audience, events
from argus_auth.key_store import KeyStore

PATH = "/api/v1/market_data/stream"


class Listener:
    """Whoever reads an event stream."""

    def __init__(self, response, described):
        self.response = response
        self.described = described
        self.lines = response.aiter_lines()
        self.comments = []
        self.retry = None

    async def event(self):
        """The next event: its name and its data. Comments and the pause to retry are kept."""
        name, data = None, []
        async with asyncio.timeout(PATIENCE):
            async for line in self.lines:
                field, _, value = line.partition(": ")
                match field:
                    case "event":
                        name = value
                    case "data":
                        data.append(value)
                    case "retry":
                        self.retry = int(value)
                    case "" if value:
                        self.comments.append(value)
                    case "" if name is not None:
                        told = json.loads("\n".join(data))
                        self.described.check("events", told)
                        assert told["type"] == name
                        return told
        return None

    async def hear(self, name):
        """The next event of this name."""
        while (told := await self.event()) is not None:
            if told["type"] == name:
                return told
        raise AssertionError(f"the stream ended without {name}")


@pytest.fixture
def quick(monkeypatch):
    """Connections are looked at all the time."""
    monkeypatch.setattr(audience, "LOOK", 0.02)
    monkeypatch.setattr(audience, "RIGHTS", 0.05)


@contextlib.asynccontextmanager
async def listening(house, *, headers=None, **query):
    """An open event stream."""
    async with (
        httpx.AsyncClient(**PLAINLY) as client,
        client.stream("GET", house.url + PATH, params=query, headers=headers) as response,
    ):
        assert response.status_code == 200, await response.aread()
        yield Listener(response, house.described)


async def gone(house):
    """Return when nobody is counted as a listener any more."""
    await until(lambda: not house.audience.connections)
    assert house.gateway.streaming.hub.listeners == []


async def test_events_come_in_the_order_of_a_talk(house):
    async with listening(house, symbols=f"{A},{B}") as listener:
        headers = listener.response.headers
        assert headers["content-type"].startswith("text/event-stream")
        assert headers["cache-control"] == "no-store"
        assert "content-length" not in headers
        assert headers["x-request-id"]
        told = await listener.event()
        assert (told["type"], told["symbols"]) == ("subscribed", [A, B])
        assert told["epoch"] == house.gateway.streaming.hub.epoch
        assert listener.retry == events.RETRY
        snapshot = await listener.event()
        assert snapshot["type"] == "snapshot"
        before = {item["symbol"]: item["seq"] for item in snapshot["data"]}
        assert before.keys() == {A, B}
        await house.market.brings(A)
        house.market.push(A)
        (item,) = (await listener.hear("update"))["data"]
        assert item["seq"] == before[A] + 1
        house.market.gap(A)
        assert (await listener.event())["type"] == "gap"


async def test_fields_channels_and_paces_as_everywhere(house):
    query = {"symbols": A, "fields": "price", "channel": "quotes", "interval_ms": 200}
    async with listening(house, **query) as listener:
        (item,) = (await listener.hear("snapshot"))["data"]
        assert set(item) == {"symbol", "timestamp", "price", "seq", "source"}
        await house.market.brings(A)
        for _ in range(2):
            for _ in range(3):
                house.market.push(A)
            told = await listener.hear("update")
            assert told["conflated"] == {A: 2}


async def test_bars_are_a_channel_too(house):
    async with listening(house, symbols=A, channel="bars.1m") as listener:
        assert (await listener.event())["channel"] == "bars.1m"


async def test_without_a_grace_the_snapshot_comes_too(serve):
    async with serve(stream={"grace": 0}) as house, listening(house, symbols=A) as listener:
        assert (await listener.event())["type"] == "subscribed"
        assert (await listener.event())["type"] == "snapshot"


async def test_who_leaves_is_forgotten(house):
    async with listening(house, symbols=A) as listener:
        await listener.hear("snapshot")
        assert len(house.audience.connections) == 1
    await gone(house)


@pytest.mark.usefixtures("quick")
async def test_silence_is_a_comment(house, monkeypatch):
    monkeypatch.setattr(audience, "HEARTBEAT", 0.1)
    async with listening(house, symbols=A) as listener:
        await listener.hear("snapshot")
        await house.market.brings(A)
        await asyncio.sleep(0.4)
        house.market.push(A)
        await listener.hear("update")
        assert listener.comments


async def test_what_cannot_be_heard_is_rejected_and_the_rest_is_heard(serve):
    async with serve(sources={"pushing": {"lacks": [C]}}) as house:
        async with listening(house, symbols=f"{A},{C}") as listener:
            told = await listener.event()
            assert told["symbols"] == [A]
            assert [(one["symbol"], one["code"]) for one in told["rejected"]] == [(C, "NOT_FOUND")]
        async with httpx.AsyncClient(**PLAINLY) as client:
            answer = await client.get(house.url + PATH, params={"symbols": C})
            assert (answer.status_code, answer.json()["error"]["code"]) == (404, "NOT_FOUND")


@pytest.mark.parametrize(
    ("query", "status", "code"),
    [
        ({}, 400, "MISSING_PARAMETER"),
        ({"symbols": "600519.SH", "channel": "news"}, 400, "INVALID_PARAMETER"),
        ({"symbols": "600519.SH", "fields": "shoe"}, 400, "INVALID_PARAMETER"),
        ({"symbols": "600519.SH", "interval_ms": "-1"}, 400, "INVALID_PARAMETER"),
        ({"symbols": "600519.SH", "interval_ms": "3600001"}, 400, "INVALID_PARAMETER"),
        ({"symbols": "600519.SH", "nonsense": "1"}, 400, "INVALID_PARAMETER"),
        ({"symbols": "600519.SH", "api_key": "x"}, 400, "INVALID_PARAMETER"),
    ],
)
async def test_bad_questions_get_an_answer_and_no_stream(house, query, status, code):
    async with httpx.AsyncClient(**PLAINLY) as client:
        answer = await client.get(house.url + PATH, params=query)
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)


async def test_too_many_symbols(serve):
    async with serve(stream={"max_symbols": 1}) as house, httpx.AsyncClient(**PLAINLY) as client:
        answer = await client.get(house.url + PATH, params={"symbols": f"{A},{B}"})
        assert (answer.status_code, answer.json()["error"]["code"]) == (413, "PAYLOAD_TOO_LARGE")


async def test_all_sources_away(house):
    house.market.source.broken = True
    async with httpx.AsyncClient(**PLAINLY) as client:
        answer = await client.get(house.url + PATH, params={"symbols": A})
    assert answer.status_code == 503
    assert house.audience.connections == {}


async def test_no_more_streams_than_there_is_room_for(serve):
    async with (
        serve(stream={"max_connections": 1}) as house,
        listening(house, symbols=A),
        httpx.AsyncClient(**PLAINLY) as client,
    ):
        answer = await client.get(house.url + PATH, params={"symbols": A})
        assert answer.status_code == 503
        assert int(answer.headers["Retry-After"]) > 0


@pytest.mark.usefixtures("quick")
async def test_a_revoked_key_ends_the_stream_with_the_reason(serve, tmp_path):
    clock = TestClock("2024-03-15 10:00:00")
    async with serve(clock=clock, auth={"plugins": ["api_key"]}) as house:
        store = KeyStore(tmp_path / "data" / "keys.json", clock)
        record, key = store.create("reader", ["data"], None)
        async with httpx.AsyncClient(**PLAINLY) as client:
            assert (await client.get(house.url + PATH, params={"symbols": A})).status_code == 401
        async with listening(house, headers={"X-API-Key": key}, symbols=A) as listener:
            await listener.hear("snapshot")
            store.revoke(record.id)
            clock.advance(2)
            told = await listener.hear("close")
            assert told["code"] == 4001
            assert await listener.event() is None
        await gone(house)


async def test_the_end_of_the_server_is_an_event(house):
    async with listening(house, symbols=A) as listener:
        await listener.hear("snapshot")
        house.server.drain()
        assert (await listener.hear("shutdown"))["reconnect_after_ms"] >= 0
        assert (await listener.hear("close"))["code"] == 1012


async def test_whoever_takes_nothing_is_let_go(monkeypatch):
    """The last word waits a few seconds for a client that reads nothing, not for ever."""
    monkeypatch.setattr(events, "LAST_BYTES", 0.05)
    wire = events.HttpWire()
    taken = []

    async def send(message):
        taken.append(message)
        await asyncio.Event().wait()

    running = asyncio.create_task(wire.run(send))
    wire.write(b"data: 1\n\n", binary=False)
    await asyncio.sleep(0)
    assert wire.full
    wire.end(4008, "this client reads too slowly")
    async with asyncio.timeout(5):
        await wire.cut.wait()
    running.cancel()
    assert len(taken) == 1


async def test_whoever_asks_for_the_head_alone_does_not_listen(house):
    async with httpx.AsyncClient(**PLAINLY) as client:
        response = await client.head(house.url + PATH, params={"symbols": A})
    assert (response.status_code, response.content) == (200, b"")
    assert response.headers["content-type"].startswith("text/event-stream")
    assert not house.audience.connections


async def test_no_more_come_in_at_once_than_there_is_room_for(serve):
    async with serve(stream={"max_connections": 2}) as house, contextlib.AsyncExitStack() as stack:
        client = await stack.enter_async_context(httpx.AsyncClient(**PLAINLY))

        async def come():
            asked = client.stream("GET", house.url + PATH, params={"symbols": A})
            return (await stack.enter_async_context(asked)).status_code

        codes = await asyncio.gather(*(come() for _ in range(8)))
        assert sorted(codes) == [200] * 2 + [503] * 6
        assert len(house.audience.connections) == 2
