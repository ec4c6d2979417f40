"""Control where changes meet one another, or something outside of it breaks."""

import asyncio
import sqlite3

import pytest
from support.clock import TestClock
from support.peers import TABLES, config, make, node, running, source_of

from argus_core.control import control as controls
from argus_core.control.records import MOST_NODES, Stored
from argus_core.control.state import FILE, State, StateError
from argus_core.errors import BadParameter, ConfigError

pytestmark = pytest.mark.usefixtures("peer")


def many(count):
    return [node(n // 9 + 1, 8001 + n % 9) for n in range(count)]


async def test_more_nodes_than_a_pool_may_have_are_refused_in_words(tmp_path):
    async with running(tmp_path) as argus:
        with pytest.raises(BadParameter, match=str(MOST_NODES)):
            await make(argus, "p", *many(MOST_NODES + 1))
        await make(argus)
        with pytest.raises(BadParameter, match=str(MOST_NODES)):
            await argus.pools.alter("p", server_nodes=many(MOST_NODES + 1))
        assert len(argus.pools.one("p").nodes) == 1


async def test_two_who_change_different_keys_of_a_pool_at_once_both_get_their_way(tmp_path):
    async with running(tmp_path) as argus:
        await make(argus)
        await asyncio.gather(
            argus.pools.alter("p", config={"max_size": 9}),
            argus.pools.alter("p", server_nodes=[node(2)]),
            argus.pools.alter("p", balancer="random"),
        )
        pool = argus.pools.one("p")
        assert pool.limits.max_size == 9
        assert [n.host for n in pool.nodes] == ["10.0.0.2"]
        assert pool.balancer == "random"


async def test_a_pool_that_one_process_scales_is_scaled_in_the_others(tmp_path):
    async with running(tmp_path) as first, running(tmp_path) as second:
        await make(first, config={"max_size": 20, "auto_scale": False})
        await second.control.look()
        await first.pools.scale("p", 5)
        await second.control.look()
        assert second.pools.one("p").load.size == 5


async def test_a_name_that_is_not_resolved_for_once_leaves_a_node_where_it_is(tmp_path):
    gone = False

    async def resolve(_host, _port):
        if gone:
            raise OSError("no name server")
        return ["10.0.0.7"]

    async with running(tmp_path) as argus:
        control = argus.control
        control._resolve = resolve
        control._door = control._door_of(control.file)
        await make(argus, "p", {"host": "agent.lan", "port": 8001})
        kept = argus._parts.nodes["p@agent.lan:8001"]
        gone = True
        assert (await argus.pools.check("p")).nodes[0].healthy
        await argus.reload(config(tmp_path, cache_rules={"LATEST_DATA": {"ttl": 9}}))
        assert argus._parts.nodes["p@agent.lan:8001"] is kept
        # Who may no longer go there is not let through for having been there.
        await argus.reload(config(tmp_path, server_nodes={"allow": []}))
        assert "allow-list" in argus.pools.one("p").nodes[0].reason


async def test_a_change_does_not_wait_for_sources_that_are_down_already(tmp_path, peer):
    opened = []
    sources = {**TABLES["sources"], "bad": {"plugin": "peer", "required": False}}
    before = peer.Peer.open

    async def fails(self):
        opened.append(self.name)
        if self.name == "bad":
            raise OSError("nobody listens")
        await before(self)

    peer.Peer.open = fails
    async with running(tmp_path, sources=sources) as argus:
        assert opened.count("bad") == 1
        await make(argus)
        await argus.routes.put("quotes", ("p",))
        assert opened.count("bad") == 1, "the checks open it anew, at their own pace"
        await argus.reload(config(tmp_path, sources=sources))
        assert opened.count("bad") == 2


async def test_the_switches_of_nodes_go_with_their_pool(tmp_path):
    async with running(tmp_path) as argus:
        await make(argus)
        await argus.switches.set("p@10.0.0.1:8001", drain=True)
        await argus.pools.delete("p")
        await make(argus)
        assert argus.pools.one("p").nodes[0].healthy


async def test_a_plugin_that_ends_the_process_while_it_opens_ends_nothing(tmp_path, peer):
    async def leaves(_self):
        raise SystemExit(1)

    async with running(tmp_path) as argus:
        peer.Peer.open = leaves
        await make(argus)
        assert "SystemExit" in argus.pools.one("p").nodes[0].reason
        sources = {**TABLES["sources"], "three": {"plugin": "peer"}}
        with pytest.raises(ConfigError, match="SystemExit"):
            await argus.reload(config(tmp_path, sources=sources))
        peer.Peer.close = leaves
        await argus.pools.delete("p")
        assert await source_of(argus) in {"one", "two"}


async def test_the_watch_outlives_what_nobody_expected(tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(controls, "LOOK", 0.001)
    looks = []
    async with running(tmp_path) as argus:

        async def look():
            looks.append(1)
            raise RuntimeError("a plugin's fault") if len(looks) < 3 else StateError("full disk")

        argus.control.look = look
        async with asyncio.timeout(2):
            while len(looks) < 8:  # noqa: ASYNC110 - it is the looks that are counted
                await asyncio.sleep(0.001)
        told = [record for record in caplog.records if "full disk" in record.getMessage()]
        assert len(told) == 1, "the same trouble is told once"


async def test_what_is_being_closed_at_the_end_is_closed(tmp_path, peer):
    closing, closed = asyncio.Event(), []
    before = peer.Peer.close

    async def slow(self):
        if self.name.startswith("p@") and not closing.is_set():
            closing.set()
            await asyncio.sleep(10)
        closed.append(self.name)
        await before(self)

    async with running(tmp_path) as argus:
        await make(argus)
        peer.Peer.close = slow
        await argus.pools.delete("p")
        await closing.wait()
    assert closed.count("p@10.0.0.1:8001") == 1


# -- the database -------------------------------------------------------------------------------


async def test_a_database_whose_making_broke_off_holds_nothing(tmp_path):
    path = tmp_path / FILE
    state = State(path, TestClock())
    path.touch()  # the disk was full
    assert await state.read() == Stored()
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE generation (only_one INTEGER PRIMARY KEY, number INTEGER)")
    connection.close()
    assert (await state.read(), await state.generation()) == (Stored(), 0)
    path.unlink()
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE entries (kind TEXT, name TEXT, value TEXT)")
        connection.execute("CREATE TABLE generation (only_one INTEGER PRIMARY KEY, number INTEGER)")
    connection.close()
    assert (await state.read(), await state.generation()) == (Stored(), 0)
    async with running(tmp_path) as argus:
        await argus.switches.set("one", drain=True)


async def test_a_damaged_database_that_cannot_be_set_aside_is_told(tmp_path, monkeypatch):
    state = State(tmp_path / FILE, TestClock())
    state.path.write_bytes(b"garbage" * 1000)

    def held(*_arguments):
        raise PermissionError("another process has it open")

    monkeypatch.setattr("pathlib.Path.replace", held)
    with pytest.raises(StateError, match="set aside"):
        await state.read()


# -- closed nodes, and the end --------------------------------------------------------------------


async def test_a_node_that_is_switched_off_is_not_pinged(tmp_path, peer):
    pinged = []

    async def ping(self):
        pinged.append(self.name)

    peer.Peer.ping = ping
    async with running(tmp_path) as argus:
        await argus.switches.set("one", enabled=False)
        pinged.clear()
        shown = await argus.pools.check("both")
        assert "one" not in pinged
        assert "two" in pinged
        assert [n.healthy for n in shown.nodes] == [False, True]


async def test_sources_are_closed_though_what_is_kept_cannot_be(tmp_path, peer):
    async def full():
        raise OSError("no space left on device")

    with pytest.raises(OSError, match="no space"):
        async with running(tmp_path) as argus:
            before, argus._kept.aclose = argus._kept.aclose, full
    assert not any(peer.OPEN.values())
    await before()
