"""Pools over the API: every key of the published samples, with the same kind of value."""

import pytest
from support.distribution import install

from argus_api.v1 import pool_schemas as schemas
from argus_core import Principal

POOLS = "/api/v1/connection_pool/pools"

# The bodies as they were published; the numbers in them are examples.
ASKED = {
    "name": "market_data_pool",
    "config": {
        "min_size": 5,
        "max_size": 50,
        "initial_size": 10,
        "timeout": 30.0,
        "max_idle_time": 300.0,
        "health_check_interval": 60.0,
        "auto_scale": True,
        "scale_factor": 1.5,
        "scale_threshold": 0.8,
        "load_balance_strategy": "round_robin",
    },
    "server_nodes": [{"host": "localhost", "port": 8001, "weight": 1.0, "max_connections": 100}],
}
CREATED = {
    "success": True,
    "message": "Connection pool 'market_data_pool' created successfully",
    "pool_name": "market_data_pool",
    "config": {"min_size": 5, "max_size": 50, "auto_scale": True},
    "server_nodes_count": 1,
}
LISTED = {
    "success": True,
    "pools": [
        {
            "name": "market_data_pool",
            "active_connections": 8,
            "idle_connections": 12,
            "total_connections": 20,
            "pool_utilization": 0.4,
            "health_status": "healthy",
            "server_nodes_count": 2,
            "last_update": "2024-01-15T09:30:00Z",
        }
    ],
    "total_pools": 1,
}
DETAIL = {
    "success": True,
    "pool_name": "market_data_pool",
    "metrics": {
        "active_connections": 8,
        "idle_connections": 12,
        "total_connections": 20,
        "pool_utilization": 0.4,
        "avg_response_time": 25.6,
        "error_rate": 0.02,
        "throughput": 1250.5,
        "server_nodes": [
            {
                "host": "localhost",
                "port": 8001,
                "health_status": True,
                "current_connections": 10,
                "response_time": 23.4,
            }
        ],
        "last_update": "2024-01-15T09:30:00Z",
    },
    "config": {
        "min_size": 5,
        "max_size": 50,
        "timeout": 30.0,
        "auto_scale": True,
        "load_balance_strategy": "round_robin",
    },
}
SCALED = {
    "success": True,
    "message": "Pool 'market_data_pool' scaled from 10 to 30 connections",
    "previous_size": 20,
    "new_size": 30,
    "target_size": 30,
}
CHECKED = {
    "success": True,
    "message": "Health check completed for pool 'market_data_pool'",
    "total_nodes": 2,
    "healthy_nodes": 2,
    "unhealthy_nodes": 0,
    "node_details": [
        {
            "host": "localhost",
            "port": 8001,
            "health_status": True,
            "current_connections": 10,
            "last_health_check": "2024-01-15T09:30:00Z",
        }
    ],
}

PEER = """
    from argus_core import Quote, Settings, Source, SourceUnavailable, hookimpl

    SICK = set()

    class Peer(Source):
        class Settings(Settings):
            url: str
            address: str
            max_connections: int = 100

        async def ping(self):
            if self.settings.url in SICK:
                raise SourceUnavailable("refused")

        async def quotes(self, query):
            await self.ping()
            return [Quote(symbol=s, price=7.0, name=self.settings.url) for s in query.symbols]

    @hookimpl
    def register_source():
        return Peer
"""
ALLOWED = {"server_nodes": {"allow": ["localhost:8001-8009", "10.0.0.0/24:8001"]}}


@pytest.fixture
def peer(tmp_path, monkeypatch):
    root = tmp_path / "peer"
    root.mkdir()
    install(root, monkeypatch, dist="peer-dist", module="peer_module", source=PEER, entry="peer")
    monkeypatch.setattr("argus_api.v1.pools.NODES", "peer")
    import peer_module

    return peer_module


@pytest.fixture
async def api(start, peer):
    async with start(**ALLOWED) as running:
        yield running


async def make(api, **changes):
    return await api.client.post(POOLS, json={**ASKED, **changes})


def alike(sample, given, where="the body"):
    """Every key of the sample is there, with a value of its kind; null stands for no value yet."""
    if isinstance(sample, dict):
        for key, value in sample.items():
            assert key in given, f"{where} lacks {key}"
            alike(value, given[key], f"{where}.{key}")
    elif isinstance(sample, list):
        assert isinstance(given, list)
        alike(sample[0], given[0], f"{where}[0]")
    elif isinstance(sample, bool) or not isinstance(sample, int | float):
        assert type(given) is type(sample), f"{where} is {given!r}"
    elif given is not None:
        number = int if isinstance(sample, int) else (int, float)
        assert isinstance(given, number), f"{where} is {given!r}"
        assert not isinstance(given, bool), where


async def test_create_answers_as_published(api):
    answer = await make(api)
    assert answer.status_code == 200, answer.text
    body = answer.json()
    alike(CREATED, body)
    assert body["message"] == CREATED["message"]
    assert {key: body["config"][key] for key in CREATED["config"]} == CREATED["config"]
    schemas.PoolMadeBody.model_validate(body)


async def test_the_list_answers_as_published(api):
    assert (await api.get(POOLS)).json()["pools"] == []
    await make(api)
    body = (await api.get(POOLS)).json()
    alike(LISTED, body)
    assert body["total_pools"] == 1
    row = body["pools"][0]
    assert (row["active_connections"], row["idle_connections"], row["total_connections"]) == (
        0,
        10,
        10,
    )
    schemas.PoolsBody.model_validate(body)


async def test_the_detail_answers_as_published(api):
    await make(api)
    body = (await api.get(f"{POOLS}/market_data_pool")).json()
    alike(DETAIL, body)
    config = {key: body["config"][key] for key in DETAIL["config"]}
    assert config == DETAIL["config"]
    assert body["metrics"]["error_rate"] is None, "nothing was called yet"
    schemas.PoolBody.model_validate(body)


async def test_its_figures_come_from_its_calls(api):
    await make(api)
    put = await api.client.put("/api/v1/routes/quotes", json={"pools": ["market_data_pool"]})
    assert put.status_code == 200, put.text
    answer = (await api.v1("latest", symbols="600519.SH")).json()
    assert answer["meta"]["source"] == "market_data_pool@localhost:8001"
    metrics = (await api.get(f"{POOLS}/market_data_pool")).json()["metrics"]
    assert metrics["error_rate"] == 0
    assert metrics["avg_response_time"] is not None
    assert metrics["server_nodes"][0]["response_time"] is not None


async def test_scale_answers_as_published(api):
    await make(api)
    body = (
        await api.client.post(f"{POOLS}/market_data_pool/scale", json={"target_size": 30})
    ).json()
    alike(SCALED, body)
    assert body["message"] == SCALED["message"]
    assert (body["previous_size"], body["new_size"]) == (10, 30)
    assert (await api.get(POOLS)).json()["pools"][0]["total_connections"] == 30
    schemas.ScaledBody.model_validate(body)


async def test_health_check_answers_as_published(api, peer):
    await make(api, server_nodes=[{"host": "localhost", "port": p} for p in (8001, 8002)])
    path = f"{POOLS}/market_data_pool/health_check"
    body = (await api.client.post(path)).json()
    alike(CHECKED, body)
    assert (body["total_nodes"], body["healthy_nodes"], body["unhealthy_nodes"]) == (2, 2, 0)
    schemas.CheckedBody.model_validate(body)
    peer.SICK.add("http://localhost:8002")
    for _ in range(4):
        body = (await api.client.post(path)).json()
    assert body["unhealthy_nodes"] == 1
    assert (await api.get(POOLS)).json()["pools"][0]["health_status"] == "degraded"


async def test_patch_and_delete(api):
    await make(api)
    path = f"{POOLS}/market_data_pool"
    change = {
        "config": {"max_size": 20, "load_balance_strategy": "least_connections"},
        "server_nodes": [{"host": "10.0.0.7", "port": 8001}],
    }
    body = (await api.client.patch(path, json=change)).json()
    assert body["config"]["max_size"] == 20
    assert body["config"]["min_size"] == 5
    assert body["config"]["load_balance_strategy"] == "least_connections"
    node = (await api.get(path)).json()["metrics"]["server_nodes"][0]
    assert (node["host"], node["port"]) == ("10.0.0.7", 8001)
    await api.client.put("/api/v1/routes/quotes", json={"pools": ["market_data_pool"]})
    refused = await api.client.delete(path)
    assert refused.status_code == 409
    assert "quotes" in refused.json()["error"]["message"]
    assert (await api.client.delete("/api/v1/routes/quotes")).status_code == 200
    assert (await api.client.delete(path)).status_code == 200
    assert (await api.get(path)).status_code == 404


BAD = [
    ({"name": ""}, 400, "empty"),
    ({"name": "a/b"}, 400, "slash"),
    ({"name": "small"}, 409, "named 'small' already"),
    ({"server_nodes": []}, 400, "server_nodes"),
    ({"server_nodes": [{"host": "localhost"}]}, 400, "port"),
    ({"server_nodes": [{"host": "localhost", "port": 8001}] * 2}, 400, "twice"),
    ({"server_nodes": [{"host": "localhost", "port": 9000}]}, 403, "[server_nodes]"),
    ({"server_nodes": [{"host": "http://localhost", "port": 8001}]}, 400, "host"),
    ({"server_nodes": [{"host": "169.254.169.254", "port": 80}]}, 403, "metadata"),
    ({"config": {"min_size": 9, "max_size": 3}}, 400, "min_size"),
    ({"config": {"max_sise": 3}}, 400, "max_size"),
    ({"config": {"timeout": -1}}, 400, "timeout"),
    ({"config": {"load_balance_strategy": "round_robbin"}}, 400, "'round_robin'"),
    ({"config": {"load_balance_strategy": ""}}, 400, "round_robin"),
    ({"config": []}, 400, "config must be a JSON object"),
    ({"server_nodes": {}}, 400, "server_nodes must be a JSON array"),
    ({"colour": 1}, 400, "colour"),
]


async def test_bad_pools_are_refused_in_words(api):
    for change, status, words in BAD:
        answer = await make(api, **change)
        assert answer.status_code == status, answer.text
        assert words in answer.json()["error"]["message"]
    assert (await api.get(POOLS)).json()["total_pools"] == 0


async def test_bad_bodies_and_sizes(api):
    assert (await api.client.post(POOLS, content=b"{")).status_code == 400
    for body in (b"[]", b"null", b'"x"'):
        answer = await api.client.post(POOLS, content=body)
        assert answer.status_code == 400
        assert answer.json()["error"]["message"] == "the body must be a JSON object"
    missing = await api.client.post(POOLS, json={"name": "x"})
    assert missing.json()["error"]["code"] == "MISSING_PARAMETER"
    await make(api)
    assert (await make(api)).status_code == 409
    scale = f"{POOLS}/market_data_pool/scale"
    for size in (4, 51, -1, "7", True, None):
        answer = await api.client.post(scale, json={"target_size": size})
        assert answer.status_code == 400, size
    assert "5" in (await api.client.post(scale, json={"target_size": 4})).json()["error"]["message"]
    absent = await api.client.post(f"{POOLS}/market_data_pol/scale", json={"target_size": 9})
    assert absent.status_code == 404
    assert "market_data_pool" in absent.json()["error"]["message"]


async def test_a_pool_of_the_file_is_shown_checked_scaled_and_not_changed(start, peer):
    two = {"a": {}, "b": {}}
    pools = {"both": {"sources": ["a", "b"], "balancer": "random", "max_size": 8}}
    async with start(two, pools=pools, **ALLOWED) as api:
        row = (await api.get(POOLS)).json()["pools"][0]
        assert (row["name"], row["defined_by"], row["routes"]) == ("both", "file", ["default"])
        node = (await api.get(f"{POOLS}/both")).json()["metrics"]["server_nodes"][0]
        assert (node["host"], node["port"], node["name"]) == (None, None, "a")
        checked = await api.client.post(f"{POOLS}/both/health_check")
        assert checked.json()["healthy_nodes"] == 2
        scaled = await api.client.post(f"{POOLS}/both/scale", json={"target_size": 3})
        assert scaled.json()["new_size"] == 3
        for answer in (
            await api.client.patch(f"{POOLS}/both", json={"config": {"max_size": 9}}),
            await api.client.delete(f"{POOLS}/both"),
            await make(api, name="both"),
        ):
            assert answer.status_code == 409


async def test_everything_needs_the_scope_manage(api, monkeypatch):
    async def reader(_presented):
        return Principal(id="reader", scopes=frozenset({"data"}))

    monkeypatch.setattr(api.gateway, "authenticate", reader)
    for method, path in (
        ("POST", POOLS),
        ("GET", POOLS),
        ("GET", f"{POOLS}/x"),
        ("PATCH", f"{POOLS}/x"),
        ("DELETE", f"{POOLS}/x"),
        ("POST", f"{POOLS}/x/scale"),
        ("POST", f"{POOLS}/x/health_check"),
        ("GET", "/api/v1/routes/bars"),
        ("PUT", "/api/v1/routes/bars"),
        ("DELETE", "/api/v1/routes/bars"),
        ("PATCH", "/api/v1/sources/small"),
        ("POST", "/api/v1/admin/reload"),
    ):
        assert (await api.client.request(method, path)).status_code == 403, path
