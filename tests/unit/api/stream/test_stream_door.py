"""Who may come in: keys in the handshake or in the first message, and where pages come from."""

import asyncio
import json

import httpx
import pytest
from support.clock import TestClock
from support.listening import PACKED, V2, A
from support.process import PLAINLY
from support.waiting import until
from websockets.exceptions import InvalidStatus

from argus_api.stream import audience, server
from argus_auth.key_store import KeyStore


class Guarded:
    """A server that asks for keys, and its key store."""

    def __init__(self, house, store):
        self.house = house
        self.store = store
        self.reader = store.create("reader", ["data"], None)
        self.manager = store.create("manager", ["manage"], None)

    def key(self, name="reader"):
        """The key of one of them as a header."""
        return {"X-API-Key": getattr(self, name)[1]}

    def revoke(self):
        """The reader's key is good for nothing from now on."""
        self.store.revoke(self.reader[0].id)
        self.house.clock.advance(2)


@pytest.fixture
async def guarded(serve, tmp_path):
    clock = TestClock("2024-03-15 10:00:00")
    auth = {"plugins": ["api_key"]}
    async with serve(clock=clock, auth=auth) as house:
        yield Guarded(house, KeyStore(tmp_path / "data" / "keys.json", clock))


@pytest.fixture
def impatient(monkeypatch):
    """Connections are looked at all the time."""
    monkeypatch.setattr(audience, "LOOK", 0.02)
    monkeypatch.setattr(audience, "RIGHTS", 0.05)


async def refusal(house, **connecting):
    """The status and the error with which a handshake is refused."""
    with pytest.raises(InvalidStatus) as caught:
        async with house.client(**connecting):
            pass
    response = caught.value.response
    return response.status_code, json.loads(bytes(response.body))["error"]


# -- keys -------------------------------------------------------------------------------------


@pytest.mark.parametrize("protocol", [None, V2, PACKED])
async def test_a_key_in_the_handshake(guarded, protocol):
    async with guarded.house.client(protocol, headers=guarded.key()) as client:
        assert (await client.subscribe(A))["type"] in ("subscribed", "market_data")
    bearer = {"Authorization": f"Bearer {guarded.reader[1]}"}
    async with guarded.house.client(protocol, headers=bearer) as client:
        assert await client.all_heard() in ([], client.heard[:1])


@pytest.mark.parametrize("protocol", [None, V2, PACKED])
async def test_a_key_in_the_first_message(guarded, protocol):
    async with guarded.house.client(protocol) as client:
        await client.say("auth", key=guarded.reader[1], id=1)
        assert (await client.hear("authenticated"))["id"] == 1
        assert (await client.subscribe(A))["type"] in ("subscribed", "market_data")


@pytest.mark.parametrize("key", ["argus_wrong", "x"])
async def test_a_wrong_key_in_the_handshake_is_refused_there(guarded, key):
    for headers in ({"X-API-Key": key}, {"Authorization": f"Bearer {key}"}):
        status, error = await refusal(guarded.house, headers=headers)
        assert (status, error["code"]) == (401, "UNAUTHORIZED")
        assert key not in error["message"]


async def test_a_wrong_key_in_the_first_message_ends_the_talk(guarded):
    async with guarded.house.client() as client:
        await client.say("auth", key="argus_wrong")
        assert (await client.hear("error"))["code"] == "UNAUTHORIZED"
        assert (await client.closed())[0] == 4001


async def test_whoever_asks_before_showing_a_key_is_sent_away(guarded):
    async with guarded.house.client() as client:
        await client.say("subscribe", symbols=[A])
        assert (await client.hear("error"))["code"] == "UNAUTHORIZED"
        assert (await client.closed())[0] == 4001


async def test_a_key_that_does_not_come_in_time(guarded, monkeypatch):
    monkeypatch.setattr(server, "AUTH", 0.1)
    async with guarded.house.client() as client:
        code, reason = await client.closed()
        assert code == 4001
        assert "key" in reason


@pytest.mark.usefixtures("impatient")
async def test_the_time_for_the_key_is_not_cut_short(guarded):
    """Whoever has shown nothing yet is not taken for somebody whose key has gone bad."""
    async with guarded.house.client() as client:
        await asyncio.sleep(0.3)
        await client.say("auth", key=guarded.reader[1])
        assert (await client.hear("authenticated"))["type"] == "authenticated"


async def test_a_key_without_the_right_may_not_listen(guarded):
    status, error = await refusal(guarded.house, headers=guarded.key("manager"))
    assert (status, error["code"]) == (403, "FORBIDDEN")
    async with guarded.house.client() as client:
        await client.say("auth", key=guarded.manager[1])
        assert (await client.hear("error"))["code"] == "FORBIDDEN"
        assert (await client.closed())[0] == 4001


@pytest.mark.parametrize("name", ["key", "token", "api_key"])
async def test_a_key_in_the_url_is_refused_whoever_shows_it(guarded, name):
    query = f"?{name}={guarded.reader[1]}"
    status, error = await refusal(guarded.house, headers=guarded.key(), query=query)
    assert (status, error["code"]) == (400, "INVALID_PARAMETER")
    assert guarded.reader[1] not in str(error)


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("shown", ["handshake", "message"])
async def test_a_key_that_is_revoked_while_it_streams_ends_the_talk(guarded, shown):
    house = guarded.house
    headers = guarded.key() if shown == "handshake" else None
    async with house.client(headers=headers) as client:
        if headers is None:
            await client.say("auth", key=guarded.reader[1])
        await client.subscribe(A)
        await house.market.brings(A)
        await asyncio.sleep(0.2)
        house.market.push(A)
        await client.hear("update")
        guarded.revoke()
        assert (await client.closed())[0] == 4001
    assert house.gateway.streaming.hub.subscriptions == 0


@pytest.mark.usefixtures("impatient")
async def test_only_the_revoked_key_s_connections_end(guarded):
    other = guarded.store.create("other", ["data"], None)[1]
    house = guarded.house
    async with (
        house.client(headers={"X-API-Key": other}) as stays,
        house.client(headers=guarded.key()) as goes,
    ):
        guarded.revoke()
        assert (await goes.closed())[0] == 4001
        assert await stays.all_heard() == stays.heard[:1]


@pytest.mark.usefixtures("impatient")
async def test_keys_are_judged_again_after_whoever_judges_them_failed(guarded, monkeypatch):
    house = guarded.house
    judge, failed = house.gateway.authenticate, []

    async def fails(presented):
        failed.append(presented)
        raise OSError("the disk is away")

    async with house.client(headers=guarded.key()) as client:
        await client.hear("hello")
        monkeypatch.setattr(house.gateway, "authenticate", fails)
        await until(lambda: len(failed) > 2)
        assert await client.all_heard() is not None  # nobody is sent away for that
        monkeypatch.setattr(house.gateway, "authenticate", judge)
        guarded.revoke()
        assert (await client.closed())[0] == 4001


# -- pages ------------------------------------------------------------------------------------


async def test_scripts_of_strange_pages_are_refused(house):
    evil = ("https://evil.example", "null", f"http://{house.address}.evil.example", "http://[::1")
    for origin in evil:
        status, error = await refusal(house, origin=origin)
        assert (status, error["code"]) == (403, "FORBIDDEN")
        assert "origins" in error["message"]


async def test_own_pages_and_allowed_ones_may_connect(serve):
    stream = {"origins": ["https://desk.example"]}
    async with serve(stream=stream) as house:
        for origin in (f"http://{house.address}", "https://desk.example"):
            async with house.client(origin=origin) as client:
                assert (await client.hear())["type"] == "hello"
        assert (await refusal(house, origin="http://desk.example"))[0] == 403


# -- room -------------------------------------------------------------------------------------


async def test_a_refusal_is_no_fault_in_the_log(house, caplog):
    await refusal(house, origin="https://evil.example")
    await asyncio.sleep(0.05)
    assert [record for record in caplog.records if record.levelname == "ERROR"] == []


async def test_no_more_connections_than_there_is_room_for(serve):
    async with serve(stream={"max_connections": 1}) as house:
        async with house.client():
            with pytest.raises(InvalidStatus) as caught:
                async with house.client():
                    pass
            response = caught.value.response
            assert response.status_code == 503
            assert int(response.headers["Retry-After"]) > 0
        await until(lambda: not house.audience.connections)
        async with house.client() as client:
            assert (await client.hear())["type"] == "hello"


async def test_other_paths_are_no_doors(house):
    async with httpx.AsyncClient(**PLAINLY) as client:
        answer = await client.get(f"{house.url}/ws/market_data")
        assert answer.status_code == 404


# -- other servers ----------------------------------------------------------------------------


class Visit:
    """A talk with the application itself, as servers of another kind lead it."""

    def __init__(self, *frames, headers=()):
        self.sent = []
        self._frames = list(frames)
        self.scope = {
            "type": "websocket",
            "asgi": {"version": "3.0"},
            "scheme": "ws",
            "path": "/ws/market_data",
            "raw_path": b"/ws/market_data",
            "root_path": "",
            "query_string": b"",
            "headers": [(b"host", b"argus"), *headers],
            "client": ("127.0.0.1", 1),
            "server": ("argus", 80),
            "subprotocols": ["argus.v2"],
        }

    async def receive(self):
        if "websocket.connect" not in self.scope:
            self.scope["websocket.connect"] = True
            return {"type": "websocket.connect"}
        if self._frames:
            return {"type": "websocket.receive", "text": self._frames.pop(0)}
        await asyncio.sleep(0.05)
        return {"type": "websocket.disconnect", "code": 1001}

    async def send(self, message):
        await asyncio.sleep(0)
        self.sent.append(message)

    async def led(self, app):
        async with asyncio.timeout(10):
            await app(self.scope, self.receive, self.send)
        return self.sent


async def test_any_server_can_lead_the_talk(house):
    sent = await Visit('{"action": "subscribe", "symbols": ["600519.SH"]}').led(house.app)
    assert sent[0] == {"type": "websocket.accept", "subprotocol": "argus.v2"}
    told = [json.loads(message["text"])["type"] for message in sent[1:]]
    assert told == ["hello", "subscribed", "snapshot"]
    assert house.audience.connections == {}


async def test_any_server_is_told_the_code_of_the_end(guarded):
    sent = await Visit('{"action": "auth", "key": "argus_wrong"}').led(guarded.house.app)
    assert json.loads(sent[-2]["text"])["code"] == "UNAUTHORIZED"
    assert (sent[-1]["type"], sent[-1]["code"]) == ("websocket.close", 4001)


async def test_a_server_that_cannot_answer_a_handshake_closes_it(guarded):
    visit = Visit(headers=[(b"x-api-key", b"argus_wrong")])
    (closed,) = await visit.led(guarded.house.app)
    assert (closed["type"], closed["code"]) == ("websocket.close", 4001)
