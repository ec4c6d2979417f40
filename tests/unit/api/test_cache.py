"""``/api/v1/cache``: the published shapes, honest figures, clears that clear, effects that hold."""

import pytest
from support.distribution import install

from argus_api.v1 import cache_schemas as schemas
from argus_core import Principal

CACHE = "/api/v1/cache"

# The shapes as they were published; the numbers in them are examples.
STATS = {
    "success": True,
    "data": {
        "total_keys": 1250,
        "hit_rate": 0.87,
        "miss_rate": 0.13,
        "memory_usage_mb": 245.6,
        "cache_levels": {
            "L1": {"keys": 450, "hit_rate": 0.92, "memory_mb": 89.2},
            "L2": {"keys": 600, "hit_rate": 0.85, "memory_mb": 123.4},
            "L3": {"keys": 200, "hit_rate": 0.78, "memory_mb": 33.0},
        },
    },
}
CLEARED = {"success": True, "message": "缓存清理完成", "cleared_keys": 450, "freed_memory_mb": 89.2}
OPTIMIZED = {
    "success": True,
    "message": "缓存优化完成",
    "optimizations": ["调整了 market_data 的 TTL 从 30s 到 45s"],
    "performance_improvement": {
        "hit_rate_before": 0.82,
        "hit_rate_after": 0.87,
        "memory_saved_mb": 23.4,
    },
}
CONFIG = {
    "success": True,
    "data": {
        "cache_rules": {
            "LATEST_DATA": {"ttl": 30, "max_size": 1000, "level": "L1", "priority": "high"},
            "HISTORY_DATA": {"ttl": 300, "max_size": 5000, "level": "L2", "priority": "medium"},
            "BASIC_INFO": {"ttl": 3600, "max_size": 2000, "level": "L3", "priority": "low"},
        }
    },
}

BROKEN = """
    from argus_core import Cache, CacheError, hookimpl

    class Broken(Cache):
        async def get_many(self, keys):
            raise CacheError("redis://:secret@host is gone")

        set_many = delete_prefix = delete_many = purge = stats = get_many

    @hookimpl
    def register_cache():
        return Broken
"""

SYMBOLS = ("000001.SZ", "000002.SZ", "600519.SH")
MEMORY = {"plugin": "memory"}
ROUTES = [("GET", "stats"), ("GET", "config"), ("DELETE", "clear"), ("POST", "optimize")]


@pytest.fixture(autouse=True)
def morning(clock):
    """The market moves, so that a quote's life is its ttl."""
    clock.advance(-5.5 * 3600)


@pytest.fixture
def three(start):
    """An application over three tiers in memory."""
    return start(caches={"near": MEMORY, "middle": MEMORY, "far": MEMORY})


@pytest.fixture
def broken(start, tmp_path, monkeypatch):
    """An application whose second tier is broken."""
    (tmp_path / "broken").mkdir()
    install(
        tmp_path / "broken",
        monkeypatch,
        dist="broken-dist",
        module="broken_module",
        source=BROKEN,
        entry="broken",
    )
    return start(caches={"near": MEMORY, "away": {"plugin": "broken"}})


def shaped(given, sample):
    """Assert that ``given`` has the sample's keys, each with a value of the sample's type."""
    for key, value in sample.items():
        assert key in given, key
        if isinstance(value, dict):
            shaped(given[key], value)
        elif isinstance(value, bool):
            assert given[key] is value
        elif isinstance(value, float):
            assert isinstance(given[key], int | float), key
        else:
            assert type(given[key]) is type(value), key


async def called(api, method, name, status=200, *, headers=None, **params):
    answer = await api.client.request(method, f"{CACHE}/{name}", params=params, headers=headers)
    assert answer.status_code == status, answer.text
    assert answer.headers["Cache-Control"] == "no-store"
    body = answer.json()
    if status != 200:
        return body["error"]
    model = {
        "stats": schemas.CacheBody,
        "config": schemas.CacheConfigBody,
        "clear": schemas.ClearedBody,
        "optimize": schemas.OptimizedBody,
    }[name]
    model.model_validate_json(answer.content, extra="forbid")
    return body


async def quotes(api, *symbols, every=0.0, times=1):
    for _ in range(times):
        api.clock.advance(every)
        answer = await api.v1("latest", symbols=",".join(symbols))
        assert answer.status_code == 200


class TestShapes:
    async def test_stats(self, three):
        async with three as api:
            await quotes(api, "000001.SZ", times=2)
            shaped(await called(api, "GET", "stats"), STATS)

    async def test_clear(self, api):
        await quotes(api, "000001.SZ")
        body = await called(api, "DELETE", "clear")
        shaped(body, CLEARED)
        assert body["message"] == CLEARED["message"]

    async def test_config(self, api):
        shaped(await called(api, "GET", "config"), CONFIG)


class TestStats:
    async def test_nothing_is_claimed_before_anything_was_asked(self, api):
        data = (await called(api, "GET", "stats"))["data"]
        assert (data["hit_rate"], data["miss_rate"]) == (None, None)
        assert data["cache_levels"]["L1"]["hit_rate"] is None
        assert (data["total_keys"], data["memory_usage_mb"], data["requests"]) == (0, 0.0, 0)
        assert data["since"] == "2024-01-15T10:00:00+08:00"
        assert data["history"] is None

    async def test_every_key_is_a_hit_or_a_miss(self, api):
        await quotes(api, "000001.SZ", "600519.SH")
        await quotes(api, "000001.SZ", "600519.SH", "000002.SZ", times=3)
        data = (await called(api, "GET", "stats"))["data"]
        assert (data["requests"], data["fresh_hits"], data["misses"]) == (11, 8, 3)
        assert data["hit_rate"] == 0.7273
        assert data["hit_rate"] + data["miss_rate"] == 1
        level = data["cache_levels"]["L1"]
        assert (level["name"], level["plugin"], level["state"]) == ("l1", "memory", "up")
        assert (level["keys"], level["lookups"], level["hits"]) == (3, 11, 8)
        assert data["total_keys"] == data["known_keys"] == 3

    async def test_a_tier_that_is_down_knows_nothing_and_tells_no_secret(self, broken):
        async with broken as api:
            await quotes(api, "000001.SZ", every=3, times=3)
            answer = await api.get(f"{CACHE}/stats")
            assert "secret" not in answer.text
            data = answer.json()["data"]
        assert (data["total_keys"], data["memory_usage_mb"], data["known_keys"]) == (None, None, 1)
        level = data["cache_levels"]["L2"]
        assert (level["state"], level["reason"]) == ("resting", "redis://***@host is gone")
        assert (level["keys"], level["memory_mb"]) == (None, None)

    async def test_without_caches_there_are_no_levels(self, start):
        async with start() as api:
            data = (await called(api, "GET", "stats"))["data"]
            assert (data["cache_levels"], data["total_keys"]) == ({}, 0)
            assert (await called(api, "DELETE", "clear"))["cleared_keys"] == 0
            assert (await called(api, "POST", "optimize"))["optimizations"] == []


class TestConfig:
    async def test_rules_of_the_file_and_what_the_clock_makes_of_them(self, start):
        rules = {"LATEST_DATA": {"ttl": 5, "max_size": 777, "level": "L1", "stale_if_error": 1.5}}
        async with start(caches={"near": MEMORY}, cache_rules=rules) as api:
            data = (await called(api, "GET", "config"))["data"]
            latest = data["cache_rules"]["LATEST_DATA"]
            assert (latest["ttl"], latest["effective_ttl"], latest["max_size"]) == (5, 5, 777)
            assert (latest["level"], latest["priority"]) == ("L1", "high")
            assert latest["stale_if_error"] == 1.5
            assert latest["datasets"] == ["quotes", "depth"]
            assert data["tiers"] == [
                {
                    "level": "L1",
                    "name": "near",
                    "plugin": "memory",
                    "persistent": False,
                    "shared": False,
                }
            ]
            api.clock.advance(2 * 3600)  # noon
            latest = (await called(api, "GET", "config"))["data"]["cache_rules"]["LATEST_DATA"]
            assert (latest["ttl"], latest["effective_ttl"]) == (5, 3600)


class TestClear:
    async def test_it_clears_what_it_says_and_nothing_else(self, api):
        await quotes(api, "000001.SZ", "600519.SH")
        await api.v1("instrument_detail", symbols="000001.SZ")
        before = (await called(api, "GET", "stats"))["data"]
        body = await called(api, "DELETE", "clear", cache_type="market_data")
        after = (await called(api, "GET", "stats"))["data"]
        assert body["cleared_keys"] == before["total_keys"] - after["total_keys"] == 2
        freed = before["memory_usage_mb"] - after["memory_usage_mb"]
        assert body["freed_memory_mb"] == pytest.approx(freed, abs=0.002)
        assert body["complete"] is True
        assert body["levels"]["L1"]["cleared_keys"] == 2
        assert (await api.v1("latest", symbols="000001.SZ")).json()["cache_hit"] is False
        answer = await api.v1("instrument_detail", symbols="000001.SZ")
        assert "hit" in answer.headers["Cache-Status"]

    @pytest.mark.parametrize(("method", "name"), [("DELETE", "clear"), ("POST", "optimize")])
    async def test_what_stands_in_a_body_is_not_done_to_everything(self, api, method, name):
        await quotes(api, "000001.SZ")
        told = {"cache_type": "market_data"}
        answer = await api.client.request(method, f"{CACHE}/{name}", json=told)
        assert answer.status_code == 400
        assert "no body" in answer.json()["error"]["message"]
        assert (await api.v1("latest", symbols="000001.SZ")).json()["cache_hit"] is True

    async def test_the_archive_is_left_and_that_is_said(self, api):
        body = await called(api, "DELETE", "clear", cache_type="history_data")
        assert body["cleared_keys"] == 0
        assert "[history]" in body["message"]

    @pytest.mark.parametrize(
        ("params", "allowed"),
        [
            ({"cache_type": "quotes"}, "market_data, history_data, basic_info, all"),
            ({"level": "L4"}, "L1, L2, L3"),
            ({"level": "l1"}, "L1, L2, L3"),
            ({"level": "L2"}, "L1"),
            ({"type": "all"}, "cache_type, level"),
        ],
    )
    async def test_what_is_not_known_is_refused_with_what_is(self, api, params, allowed):
        error = await called(api, "DELETE", "clear", 400, **params)
        assert error["code"] == "INVALID_PARAMETER"
        assert allowed in error["message"]
        assert error["details"]["allowed"] == allowed.split(", ")

    async def test_a_tier_that_is_down_is_told_of(self, broken):
        async with broken as api:
            await quotes(api, "000001.SZ")
            body = await called(api, "DELETE", "clear")
            assert (body["cleared_keys"], body["complete"]) == (1, False)
            assert body["levels"]["L2"]["error"]
            assert "L2" in body["message"]
            error = await called(api, "DELETE", "clear", 500, level="L2")
            assert error["code"] == "CACHE_ERROR"
            assert error["details"]["levels"]["L2"]["cleared_keys"] == 0
            assert "secret" not in str(error)


class TestOptimize:
    async def test_too_little_changes_nothing_and_says_why(self, api):
        await quotes(api, "000001.SZ", every=4.0, times=10)
        before = (await called(api, "GET", "config"))["data"]
        body = await called(api, "POST", "optimize")
        effect = body["performance_improvement"]
        assert (effect["hit_rate_before"], effect["hit_rate_after"]) == (None, None)
        assert effect["reason"] == "10 keys were asked for lately; judging takes 1000"
        assert effect["reason"] in body["message"]
        assert body["changes"] == []
        assert (await called(api, "GET", "config"))["data"] == before

    async def test_what_expired_goes(self, start):
        rules = {"LATEST_DATA": {"ttl": 3, "stale_if_error": 0}}
        async with start(caches={"l1": MEMORY}, cache_rules=rules) as api:
            await quotes(api, "000001.SZ", "600519.SH")
            before = (await called(api, "GET", "stats"))["data"]["total_keys"]
            api.clock.advance(60)
            body = await called(api, "POST", "optimize")
            assert body["optimizations"] == ["清理了 2 个过期键"]
            assert body["performance_improvement"]["memory_saved_mb"] >= 0
            assert (await called(api, "GET", "stats"))["data"]["total_keys"] == before - 2

    async def test_the_effect_is_estimated_and_comes_true(self, api):
        async def hit_rate(times):
            """Quotes every four seconds, with a ttl of three at first."""
            known = (await called(api, "GET", "stats"))["data"]
            await quotes(api, *SYMBOLS, every=4.0, times=times)
            data = (await called(api, "GET", "stats"))["data"]
            hits = data["fresh_hits"] - known["fresh_hits"]
            return hits / (data["requests"] - known["requests"])

        assert await hit_rate(340) == 0
        body = await called(api, "POST", "optimize")
        shaped(body, OPTIMIZED)
        assert body["message"] == OPTIMIZED["message"]
        assert "调整了 LATEST_DATA 的 TTL 从 3s 到 4.5s" in body["optimizations"]
        effect = body["performance_improvement"]
        assert effect["estimated"] is True
        assert effect["hit_rate_before"] == effect["measured_hit_rate"] == 0
        assert body["observed"] == {"keys": 1020, "seconds": 1356}
        change = next(change for change in body["changes"] if change["field"] == "ttl")
        assert (change["rule"], change["old"]) == ("LATEST_DATA", 3)
        rule = (await called(api, "GET", "config"))["data"]["cache_rules"]["LATEST_DATA"]
        assert rule["ttl"] == change["new"]
        assert rule["configured"]["ttl"] == 3
        assert effect["hit_rate_after"] > 0.4
        assert await hit_rate(100) == pytest.approx(effect["hit_rate_after"], abs=0.002)


class TestScopes:
    @pytest.fixture
    def scoped(self, api, monkeypatch):
        async def scoped(*scopes):
            async def authenticate(_presented):
                return Principal(id="someone", scopes=frozenset(scopes))

            monkeypatch.setattr(api.gateway, "authenticate", authenticate)
            return api

        return scoped

    @pytest.mark.parametrize(("method", "name"), ROUTES)
    async def test_managing_needs_the_scope_to_manage(self, scoped, method, name):
        error = await called(await scoped("data"), method, name, 403)
        assert error["details"] == {"scope": "manage"}
        await called(await scoped("manage"), method, name)

    @pytest.mark.parametrize(("method", "name"), ROUTES)
    async def test_and_credentials_where_they_are_asked_for(self, start, method, name):
        async with start(auth={"plugins": ["api_key"]}) as api:
            answer = await api.client.request(method, f"{CACHE}/{name}")
            assert answer.status_code == 401

    @pytest.mark.parametrize(("method", "name"), ROUTES)
    async def test_other_parameters_are_refused(self, api, method, name):
        error = await called(api, method, name, 400, all=1)
        assert error["code"] == "INVALID_PARAMETER"
