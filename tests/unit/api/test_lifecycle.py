"""Readiness, and what a server that drains tells its connections."""

import httpx
import pytest

from argus_api import create_app
from argus_core.config import Config
from argus_core.gateway import Gateway


@pytest.fixture
def app():
    return create_app(Gateway(Config.parse({"sources": {"demo": {"plugin": "demo"}}}, {})))


async def test_readiness_follows_the_life_and_liveness_does_not(app):
    life = app.state.lifecycle
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://a") as client:

        async def told():
            ready = await client.get("/health/ready")
            assert (await client.get("/health/live")).json() == {"live": True}
            return ready.status_code, ready.json(), ready.headers.get("connection")

        assert await told() == (503, {"ready": False, "reason": "starting"}, None)
        life.begin()
        assert await told() == (200, {"ready": True}, None)
        life.drain()
        assert await told() == (503, {"ready": False, "reason": "draining"}, "close")
        life.begin()
        assert life.draining, "the end is not taken back"
