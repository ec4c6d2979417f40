"""Too many requests at once: refused before any work, the less urgent first; operators get in."""

import asyncio
import contextlib

import pytest

from argus_core.model.request import Priority, current_request

LATEST = "/api/v1/market_data/latest"
ASKED = {"symbols": "000001.SZ"}


@pytest.fixture
def crowded(start, tmp_path):
    """A function that starts an application with so many requests under way, of so many."""

    @contextlib.asynccontextmanager
    async def crowded(busy, most):
        server = {"data_dir": str(tmp_path), "max_in_flight": most}
        async with start({"small": {"slow": 30}}, server=server) as api:
            under_way = [asyncio.ensure_future(api.get(LATEST, **ASKED)) for _ in range(busy)]
            await asyncio.sleep(0.02)
            yield api
            for task in under_way:
                task.cancel()
            await asyncio.gather(*under_way, return_exceptions=True)

    return crowded


async def answered(api, path=LATEST, priority=None):
    """True if the request is let in."""
    headers = None if priority is None else {"X-Argus-Priority": priority}
    asking = asyncio.ensure_future(api.get(path, headers=headers, **ASKED))
    done, _ = await asyncio.wait([asking], timeout=0.05)
    if not done:
        asking.cancel()
        return True
    return asking.result().status_code != 503


async def test_one_too_many_is_refused_at_once_and_told_when_to_come_again(crowded):
    async with crowded(busy=2, most=2) as api:
        response = await api.get(LATEST, headers={"X-Request-ID": "mine"}, **ASKED)
    assert response.status_code == 503
    assert response.headers["Retry-After"] == "1"
    assert response.headers["X-Request-ID"] == "mine"
    body = response.json()
    assert (body["success"], body["error"]["code"]) == (False, "SERVICE_UNAVAILABLE")
    assert body["error"]["details"] == {"in_flight": 2, "allowed": 2}
    assert body["timestamp"].startswith("2024-01-15T15:30:00")


@pytest.mark.parametrize(
    "path", ["/latest_market", "/api/v1/market_data/history", "/api/v1/datasets/quotes"]
)
async def test_every_door_to_data_is_kept(crowded, path):
    async with crowded(busy=1, most=1) as api:
        assert (await api.get(path, **ASKED)).status_code == 503


@pytest.mark.parametrize(
    "path", ["/health", "/docs", "/openapi.json", "/api/v1/sources", "/api/v1/cache/stats"]
)
async def test_operators_and_watchers_get_through(crowded, path):
    async with crowded(busy=1, most=1) as api:
        assert (await api.get(path)).status_code == 200


@pytest.mark.parametrize(
    ("busy", "let_in"),
    [
        (5, {"interactive", "batch", "warmup"}),
        (6, {"interactive", "batch"}),
        (8, {"interactive"}),
        (10, set()),
    ],
)
async def test_the_less_urgent_give_way_first(crowded, busy, let_in):
    async with crowded(busy=busy, most=10) as api:
        found = {
            name for name in ("interactive", "batch", "warmup") if await answered(api, LATEST, name)
        }
        assert found == let_in


async def test_places_are_free_again_afterwards(start, tmp_path):
    server = {"data_dir": str(tmp_path), "max_in_flight": 1}
    async with start(server=server) as api:
        for _ in range(3):
            assert (await api.get(LATEST, **ASKED)).status_code == 200
        assert (await api.get(LATEST)).status_code == 400
        assert (await api.get(LATEST, **ASKED)).status_code == 200


async def test_an_unknown_class_is_the_callers_fault(api):
    response = await api.get(LATEST, headers={"X-Argus-Priority": "urgent"}, **ASKED)
    assert response.status_code == 400
    error = response.json()["error"]
    assert error["code"] == "INVALID_PARAMETER"
    assert error["details"]["allowed"] == ["interactive", "batch", "warmup"]
    assert "'urgent'" in error["message"] or '"urgent"' in error["message"]


async def test_sources_learn_who_asks_how_urgently_and_until_when(start, monkeypatch):
    seen = []
    async with start() as api:
        source = api.gateway._parts.nodes["small"].source

        async def noting(self):
            seen.append(current_request())

        monkeypatch.setattr(type(source), "_pass", noting)
        headers = {"X-Argus-Priority": "Batch", "X-Argus-Deadline": "7"}
        await api.get(LATEST, headers=headers, use_cache="false", **ASKED)
        await api.get(LATEST, use_cache="false", **ASKED)
    assert [request.priority for request in seen] == [Priority.BATCH, Priority.INTERACTIVE]
    assert seen[0].client
    assert 6 < seen[0].time_left <= 7
    assert current_request().client == "", "nothing of it stays behind"
