"""What an edge passes on to its agent, and whom the agent believes."""

import httpx
import pytest

from argus_api import create_app
from argus_api.inside import answered
from argus_api.passing import RELOAD_PATH, Elsewhere
from argus_api.vouched import Guarded, vouched
from argus_core import Principal
from argus_core.config import Config
from argus_core.gateway import Gateway

CONFIG = {"sources": {"demo": {"plugin": "demo"}}, "caches": {"l1": {"plugin": "memory"}}}
KEY = "the key of the door"


CLEARED = {"cleared_keys": 2, "freed_memory_mb": 0.5, "complete": True}


class Edges:
    """Two edges, one of which says nothing."""

    def __init__(self):
        self.asked = []
        self.told = {
            "edge-1": {"success": True, **CLEARED, "timestamp": "now"},
            "edge-2": None,
        }
        self.reloads = 0

    async def answers(self, method, path, query):
        self.asked.append((method, path, query))
        return self.told

    def reloaded(self):
        self.reloads += 1


@pytest.fixture
def gateway(tmp_path):
    return Gateway(Config.parse({**CONFIG, "server": {"data_dir": str(tmp_path)}}, {}))


def edge(gateway, answer):
    """An edge in front of an agent that answers so; the client, the edges, what the agent heard."""
    heard, edges = [], Edges()

    async def handle(request):
        await request.aread()
        heard.append(request)
        told = answer(request)
        body = httpx.ByteStream(told.content)  # not yet read, as over a connection
        return httpx.Response(told.status_code, headers=told.headers, stream=body)

    agent = httpx.AsyncClient(transport=httpx.MockTransport(handle), base_url="http://agent")
    app = create_app(gateway)
    app.router.routes.insert(0, Elsewhere(agent, edges))
    client = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://edge")
    return client, edges, heard


def fine(request):
    return httpx.Response(201, content=b"as it is", headers={"X-Own": "1", "Keep-Alive": "9"})


class TestPassing:
    async def test_a_request_and_its_answer_go_through_as_they_are(self, gateway):
        client, _, heard = edge(gateway, fine)
        headers = {"X-Argus-Deadline": "7", "X-Request-ID": "mine", "Connection": "keep-alive"}
        reply = await client.patch("/api/v1/sources/a%20b?x=1", content=b"{}", headers=headers)
        assert (reply.status_code, reply.content) == (201, b"as it is")
        assert reply.headers["x-own"] == "1"
        assert "keep-alive" not in reply.headers
        assert reply.headers["x-request-id"] == "mine"
        (told,) = heard
        assert (told.method, told.url.query, told.content) == ("PATCH", b"x=1", b"{}")
        assert told.url.path == "/api/v1/sources/a b"
        assert told.headers["x-argus-deadline"] == "7"
        assert told.headers["x-request-id"] == "mine"

    async def test_whose_page_it_is_is_judged_here_too(self, gateway):
        client, _, heard = edge(gateway, fine)
        strange = {"Origin": "https://evil.example"}
        refused = await client.post("/api/v1/cache/optimize", headers=strange)
        assert (refused.status_code, heard) == (403, [])
        own = {"Origin": "http://edge", "Sec-Fetch-Site": "same-origin"}
        await client.patch("/api/v1/sources/a", content=b"{}", headers=own)
        (told,) = heard
        assert not {"origin", "sec-fetch-site"} & set(told.headers), "the agent has another name"

    async def test_who_asks_is_judged_here_and_nobody_vouches_for_himself(self, gateway):
        client, _, heard = edge(gateway, fine)
        lies = {"X-Argus-Asker": "root", "X-Argus-Asker-Scopes": "manage", "X-API-Key": "secret"}
        await client.get("/api/v1/quality/sources", headers=lies)
        (told,) = heard
        assert told.headers["x-argus-asker"] == "anonymous"
        assert told.headers["x-argus-asker-scopes"] == "data,manage"
        assert "x-api-key" not in told.headers
        refused = await client.get("/api/v1/sources?api_key=secret")
        assert refused.status_code == 400
        assert len(heard) == 1

    @pytest.mark.parametrize("path", ["/docs", "/health/live", "/api/v1/market_data/latest"])
    async def test_what_an_edge_knows_is_not_passed_on(self, gateway, path):
        client, _, heard = edge(gateway, fine)
        reply = await client.get(path)
        assert reply.status_code in (200, 400)
        assert heard == []

    async def test_without_the_agent_it_is_503_and_health_is_degraded(self, gateway):
        def gone(request):
            raise httpx.ConnectError("refused", request=request)

        client, _, _ = edge(gateway, gone)
        reply = await client.get("/api/v1/sources")
        assert reply.status_code == 503
        assert reply.headers["retry-after"] == "1"
        health = await client.get("/health")
        assert (health.status_code, health.json()["status"]) == (200, "degraded")

    async def test_a_clear_is_the_sum_of_all_and_tells_who_was_silent(self, gateway):
        body = {"success": True, "cleared_keys": 3, "freed_memory_mb": 1.0, "complete": True}
        client, edges, _ = edge(gateway, lambda _: httpx.Response(200, json=body))
        reply = await client.delete("/api/v1/cache/clear?level=L1")
        told = reply.json()
        assert edges.asked == [("DELETE", "/api/v1/cache/clear", "level=L1")]
        assert (told["cleared_keys"], told["freed_memory_mb"]) == (5, 1.5)
        assert told["complete"] is False
        assert told["edges"] == {
            "edge-1": CLEARED,
            "edge-2": None,
        }

    @pytest.mark.parametrize(
        ("told", "complete"),
        [
            ({"edge-1": CLEARED, "edge-2": CLEARED}, True),
            ({"edge-1": CLEARED, "edge-2": {**CLEARED, "complete": False}}, False),
            ({}, False),
        ],
    )
    async def test_a_clear_is_complete_if_every_edge_says_so(self, gateway, told, complete):
        body = {"success": True, "cleared_keys": 3, "freed_memory_mb": 1.0, "complete": True}
        client, edges, _ = edge(gateway, lambda _: httpx.Response(200, json=body))
        edges.told = told
        reply = await client.delete("/api/v1/cache/clear")
        assert reply.json()["complete"] is complete

    async def test_what_the_agent_refuses_no_edge_is_asked(self, gateway):
        client, edges, _ = edge(gateway, lambda _: httpx.Response(400, json={"success": False}))
        assert (await client.delete("/api/v1/cache/clear?level=L9")).status_code == 400
        assert edges.asked == []

    async def test_a_reload_is_told_only_if_it_was_one(self, gateway):
        statuses = iter([409, 200])
        client, edges, _ = edge(gateway, lambda _: httpx.Response(next(statuses)))
        await client.post(RELOAD_PATH)
        assert edges.reloads == 0
        await client.post(RELOAD_PATH)
        assert edges.reloads == 1


class TestDoor:
    def client(self, gateway):
        app = Guarded(create_app(gateway), KEY)
        return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://agent")

    @pytest.mark.parametrize("headers", [{}, {"X-API-Key": "another"}, {"X-API-Key": "ключ"}])
    async def test_without_the_key_nobody_comes_in(self, gateway, headers):
        headers = {name: value.encode() for name, value in headers.items()}
        reply = await self.client(gateway).get("/health/live", headers=headers)
        assert (reply.status_code, reply.content) == (401, b"")

    async def test_an_edge_asks_for_itself_or_for_somebody(self, gateway):
        client = self.client(gateway)
        path = "/api/v1/cache/config"
        assert (await client.get(path, headers={"X-API-Key": KEY})).status_code == 200
        reader = vouched(Principal(id="读者, 1", scopes=frozenset({"data"})))
        reply = await client.get(path, headers={"X-API-Key": KEY, **reader})
        assert reply.status_code == 403
        assert (
            await client.get("/api/v1/sources", headers={"X-API-Key": KEY, **reader})
        ).is_success


async def test_a_request_from_inside_needs_no_key_and_passes_nothing_on(gateway):
    _, _, heard = edge(gateway, fine)
    app = create_app(gateway)
    told = await answered(app, "GET", "/api/v1/cache/config", "")
    assert told["success"] is True
    assert await answered(app, "GET", "/api/v1/nothing", "") is None
    assert heard == []


async def test_what_an_edge_lacks_it_need_not_clear_and_people_are_told_of_it(gateway):
    app = create_app(gateway)
    told = await answered(app, "DELETE", "/api/v1/cache/clear", "level=L2")
    assert (told["cleared_keys"], told["freed_memory_mb"], told["complete"]) == (0, 0.0, True)
    assert told["levels"] == {}
    assert await answered(app, "DELETE", "/api/v1/cache/clear", "level=L9") is None
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://argus") as client:
        refused = await client.delete("/api/v1/cache/clear?level=L2")
    assert refused.status_code == 400
    assert "configured: L1" in refused.text
