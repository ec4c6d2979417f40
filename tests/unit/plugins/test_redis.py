"""The Redis tier over a server of its own: keys, lives, figures, leases, messages."""

from __future__ import annotations

import asyncio
import importlib
import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.clock import TestClock
from support.redis import redis_server
from support.waiting import until

from argus_core import CacheError, CacheStats, Lease, PluginError
from argus_redis import cache as module
from argus_redis import listening, register_cache
from argus_redis.link import Link
from argus_redis.settings import RedisSettings

FRESH = itertools.count()


@pytest.fixture(scope="module")
def server():
    with redis_server() as running:
        yield running


def build(server, **more):
    plugin = register_cache()
    given = {"url": server.url, "timeout": 5.0, "prefix": f"test{next(FRESH)}"} | more
    return plugin("l2", plugin.Settings(**given), TestClock())


@pytest.fixture
async def cache(server):
    opened = build(server)
    await opened.open()
    yield opened
    await opened.close()


@pytest.fixture
async def redis(server):
    """A plain client, to look at the server behind the tier's back."""
    from redis.asyncio import Redis

    async with Redis.from_url(server.url, protocol=2) as client:
        yield client


async def test_what_lies_on_the_server_is_the_value_itself_for_its_milliseconds(cache, redis):
    await cache.set_many({"quotes:600519.SH": b"\0\xff", "b": memoryview(b"xyz")}, ttl=1.5)
    name = f"{cache.settings.prefix}:value:quotes:600519.SH"
    assert await redis.get(name) == b"\0\xff"
    assert 1000 < await redis.pttl(name) <= 1500
    assert await cache.get_many(["b"]) == {"b": b"xyz"}


@pytest.mark.parametrize("ttl", [0.0001, 1e12, float("inf")])
async def test_very_short_and_very_long_lives_are_no_error(cache, ttl):
    await cache.set_many({"a": b"1"}, ttl=ttl)
    await asyncio.sleep(0.003)
    assert bool(await cache.get_many(["a"])) == (ttl > 1)


async def test_prefixes_are_apart_and_foreign_keys_are_left_alone(cache, server, redis):
    await redis.set("foreign", b"1")
    other = build(server)
    await other.open()
    await cache.set_many({"a": b"mine"}, 60)
    await other.set_many({"a": b"theirs"}, 60)
    assert await cache.delete_prefix("") == (1, 4)
    assert await other.get_many(["a"]) == {"a": b"theirs"}
    assert await redis.get("foreign") == b"1"
    await other.close()


async def test_deleting_goes_over_many_pages_and_counts_each_entry_once(cache, monkeypatch):
    monkeypatch.setattr(module, "PAGE", 10)
    values = {f"quotes:{n}": b"x" * n for n in range(300)} | {"bars:1": b"x"}
    await cache.set_many(values, 60)
    assert await cache.delete_prefix("quotes:") == (300, sum(range(300)))
    assert await cache.get_many(values) == {"bars:1": b"x"}
    await cache.set_many(values, 60)
    some = [f"quotes:{n}" for n in range(100)]
    assert await cache.delete_many([*some, "never", *some]) == (100, sum(range(100)))
    assert len(await cache.get_many(values)) == 201
    assert await cache.delete_many([]) == (0, 0)


AWKWARD = st.text(alphabet="*?[]^-\\a{}中", max_size=4)


@settings(max_examples=40, deadline=None)
@given(keys=st.sets(AWKWARD, max_size=8), prefix=AWKWARD)
def test_deleting_a_prefix_equals_a_dictionary_for_any_text(server, keys, prefix):
    async def run():
        cache = build(server)
        await cache.open()
        await cache.set_many(dict.fromkeys(keys, b"12"), 60)
        gone = await cache.delete_prefix(prefix)
        left = set(await cache.get_many(keys))
        await cache.close()
        return gone, left

    gone, left = asyncio.run(run())
    assert left == {key for key in keys if not key.startswith(prefix)}
    assert gone == (len(keys - left), 2 * len(keys - left))


async def test_a_small_store_is_counted_at_every_question(cache):
    for number in range(3):
        assert await cache.stats() == CacheStats(entries=number, bytes=number * 5)
        await cache.set_many({f"{number}": b"12345"}, 60)


async def test_a_count_that_took_several_steps_is_remembered_for_a_while(cache, monkeypatch):
    monkeypatch.setattr(module, "PAGE", 10)
    await cache.set_many({f"{n}": b"12345" for n in range(100)}, 60)
    assert await cache.stats() == CacheStats(entries=100, bytes=500)
    await cache.set_many({"more": b"12345"}, 60)
    assert await cache.stats() == CacheStats(entries=100, bytes=500)
    cache.clock.advance(module.REMEMBERED)
    assert await cache.stats() == CacheStats(entries=101, bytes=505)
    await cache.delete_many(["more"])
    assert await cache.stats() == CacheStats(entries=100, bytes=500), "who clears looks at once"


async def test_what_would_take_long_to_count_is_not_known(cache, monkeypatch):
    await cache.set_many({f"{n}": b"12345" for n in range(20)}, 60)
    monkeypatch.setattr(module, "COUNTED", 19)
    assert await cache.stats() == CacheStats(entries=None, bytes=None)
    monkeypatch.setattr(module, "COUNTED", 20)
    assert (await cache.stats()).entries == 20
    monkeypatch.setattr(module, "SCANNED", 19)
    assert await cache.stats() == CacheStats(entries=None, bytes=None)


OWNERS = st.sampled_from(["eins", "zwei", "三:*"])
KEYS = st.lists(st.sampled_from("abc"), max_size=3, unique=True)
DEEDS = st.lists(
    st.one_of(
        st.tuples(st.just("lease"), KEYS, OWNERS),
        st.tuples(st.just("settle"), KEYS, OWNERS, st.binary(max_size=3)),
    ),
    max_size=12,
)


@settings(max_examples=40, deadline=None)
@given(deeds=DEEDS)
def test_leases_equal_a_dictionary(server, deeds):
    model: dict[str, Lease] = {}

    def expected(deed, keys, owner, note=None):
        for key in keys:
            held = key in model and model[key].note is None
            if deed == "lease" and not held:
                model[key] = Lease(owner)
            elif deed == "settle" and model.get(key) == Lease(owner):
                model[key] = Lease(owner, note)
        return {key: model[key].owner for key in keys} if deed == "lease" else None

    async def run():
        cache = build(server)
        await cache.open()
        for deed in deeds:
            name, keys, *rest = deed
            assert await getattr(cache, name)(keys, *rest, 600) == expected(*deed)
            assert await cache.leases("abc") == model
        await cache.close()

    asyncio.run(run())


async def test_a_lease_is_no_entry_and_ends_by_the_clock_of_the_server(cache, redis):
    await cache.lease(["a"], "me", 2.5)
    assert await cache.stats() == CacheStats(entries=0, bytes=0)
    name = f"{cache.settings.prefix}:lease:a"
    assert 2000 < await redis.pttl(name) <= 2500
    await cache.lease(["a"], "me", 60)
    assert 59_000 < await redis.pttl(name) <= 60_000
    await cache.lease(["a"], "you", 600)
    assert await redis.pttl(name) <= 60_000, "only the holder prolongs"


async def heard_by(cache, wanted):
    """What a listener of the cache hears up to the message that is wanted."""
    heard = []
    end = asyncio.get_running_loop().create_future()

    def hear(message):
        heard.append(message)
        if message == wanted and not end.done():
            end.set_result(None)

    return heard, asyncio.create_task(cache.listen("news", hear)), end


def without(*commands):
    return [word for name in commands for word in ("--rename-command", name, "")]


async def test_a_server_without_sharded_channels_is_spoken_to_on_plain_ones():
    with redis_server(*without("SPUBLISH", "SSUBSCRIBE")) as older:
        cache = build(older)
        await cache.open()
        heard, task, end = await heard_by(cache, b"last")
        await until(lambda: heard == [None])
        await cache.publish("news", (b"first",))
        await cache.publish("news", (b"second", b"last"))
        async with asyncio.timeout(5):
            await end
        assert heard == [None, b"first", b"second", b"last"]
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await cache.close()


async def test_databases_and_prefixes_do_not_hear_each_other(server):
    prefix = f"test{next(FRESH)}"
    first = build(server, prefix=prefix)
    others = [
        build(server, prefix=prefix, url=server.url.removesuffix("0") + "1"),
        build(server, prefix=prefix + "b"),
    ]
    for cache in (first, *others):
        await cache.open()
    heard, task, end = await heard_by(first, b"mine")
    await until(lambda: heard == [None])
    for cache in others:
        await cache.publish("news", (b"theirs",))
    await first.publish("other", (b"theirs",))
    await first.publish("news", (b"mine",))
    async with asyncio.timeout(5):
        await end
    assert heard == [None, b"mine"]
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    for cache in (first, *others):
        await cache.close()


def test_pauses_grow_to_a_bound_and_differ():
    rounds = [list(itertools.islice(listening.pauses(), 20)) for _ in range(5)]
    for pauses in rounds:
        assert listening.FIRST_PAUSE / 2 <= pauses[0] <= listening.FIRST_PAUSE
        assert all(0 < pause <= listening.LONGEST_PAUSE for pause in pauses)
        assert pauses[-1] >= listening.LONGEST_PAUSE / 2
    assert len({tuple(pauses) for pauses in rounds}) == len(rounds)


async def test_before_open_and_after_close_every_call_is_a_cache_error(server):
    cache = build(server)
    for _ in range(2):
        with pytest.raises(CacheError, match="not open"):
            await cache.get_many(["a"])
        with pytest.raises(CacheError):
            await cache.set_many({"a": b"1"}, 1)
        await cache.open()
        await cache.set_many({"a": b"1"}, 60)
        await cache.close()
        await cache.close()


async def test_without_the_package_opening_says_what_to_install(server, monkeypatch):
    def absent(name):
        raise ModuleNotFoundError(f"No module named {name!r}", name=name.partition(".")[0])

    monkeypatch.setattr(importlib, "import_module", absent)
    with pytest.raises(PluginError) as caught:
        await build(server).open()
    assert caught.value.message == "the redis plugin needs the package redis"
    assert caught.value.fix == 'pip install "argus-marketdata[redis]"'


async def test_a_wrong_password_is_a_cache_error_that_does_not_tell_it(server):
    with redis_server("--requirepass", "right") as guarded:
        place = f"127.0.0.1:{guarded.port}"
        right = build(guarded, url=f"redis://:right@{place}/2")
        await right.open()
        await right.set_many({"a": b"1"}, 60)
        assert await right.get_many(["a"]) == {"a": b"1"}
        await right.close()
        for user in (":hunter2@", "somebody:hunter2@", ""):
            cache = build(guarded, url=f"redis://{user}{place}/2")
            await cache.open()
            with pytest.raises(CacheError, match=place) as caught:
                await cache.get_many(["a"])
            await cache.close()
            assert "hunter2" not in str(caught.value)
            assert "hunter2" not in f"{caught.value.__cause__!r} {vars(caught.value)}"


async def test_a_unix_socket_leads_to_the_server_too(tmp_path):
    socket = tmp_path / "redis.sock"
    with redis_server("--unixsocket", str(socket)) as running:
        cache = build(running, url=f"unix://{socket}")
        await cache.open()
        await cache.set_many({"a": b"1"}, 60)
        assert await cache.get_many(["a"]) == {"a": b"1"}
        running.kill()
        with pytest.raises(CacheError, match=r"redis\.sock"):
            await cache.get_many(["a"])
        await cache.close()


async def test_the_options_of_an_encrypted_connection_are_handed_on():
    url = "rediss://u:p@localhost/3?ssl_cert_reqs=none&ssl_check_hostname=false&ssl_ca_certs=/x"
    client = Link(RedisSettings(url=url, host="::1")).client(1)
    connection = client.connection_pool.make_connection()
    assert (connection.host, connection.port, connection.db) == ("::1", 6379, 3)
    assert connection.ca_certs == "/x"
    await client.aclose()


async def test_a_full_server_is_a_cache_error_and_reading_goes_on(cache, redis):
    await cache.set_many({"a": b"1"}, 60)
    await redis.config_set("maxmemory", "1")
    with pytest.raises(CacheError) as caught:
        await cache.set_many({"secret name": b"secret value"}, 60)
    assert "secret" not in str(caught.value), "the server's own text quotes the command"
    assert await cache.get_many(["a"]) == {"a": b"1"}
    await redis.config_set("maxmemory", "0")
    await cache.set_many({"b": b"2"}, 60)


async def test_more_calls_than_connections_wait_their_turn(server, redis):
    cache = build(server, max_connections=3)
    await cache.open()
    before = len(await redis.client_list())
    await cache.set_many({f"{n}": f"{n}".encode() for n in range(200)}, 60)
    found = await asyncio.gather(*(cache.get_many([f"{n}"]) for n in range(200)))
    assert found == [{f"{n}": f"{n}".encode()} for n in range(200)]
    assert len(await redis.client_list()) <= before + 3
    await cache.close()
    async with asyncio.timeout(5):
        while len(await redis.client_list()) > before:  # noqa: ASYNC110 - the same
            await asyncio.sleep(0.005)


async def test_scripts_that_the_server_forgot_are_sent_again(cache, redis):
    assert await cache.lease(["a"], "me", 60) == {"a": "me"}
    await redis.script_flush()
    assert await cache.lease(["a"], "you", 60) == {"a": "me"}
