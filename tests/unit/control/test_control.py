"""Pools, routes and switches at run time: what holds now, after a restart, and for others."""

import asyncio
import sqlite3
from random import Random

import pytest
from support.clock import TestClock
from support.peers import TABLES, config, make, node, running, source_of

from argus_core import SourceUnavailable
from argus_core.control.control import Control
from argus_core.control.overlay import DRAINING, OFF
from argus_core.control.records import Stored, Switch
from argus_core.control.refusals import Conflict, NoSuch
from argus_core.control.state import StateError
from argus_core.errors import AllSourcesFailed, BadParameter, ConfigError, Forbidden
from argus_core.gateway import Gateway

pytestmark = pytest.mark.usefixtures("peer")


# -- pools --------------------------------------------------------------------------------------


async def test_a_new_pool_answers_only_once_a_route_names_it(tmp_path):
    async with running(tmp_path) as argus:
        await make(argus)
        assert {await source_of(argus) for _ in range(20)} <= {"one", "two"}
        await argus.routes.put("quotes", ("p", "both"))
        assert await source_of(argus) == "p@10.0.0.1:8001"
        assert argus.pools.one("p").routes == ("quotes",)


async def test_what_was_made_survives_a_restart(tmp_path, peer):
    async with running(tmp_path) as argus:
        await make(argus, "p", node(1, weight=2.0), node(2), config={"max_size": 7, "min_size": 2})
        await argus.pools.scale("p", 5)
        await argus.routes.put("quotes", ("p",))
        await argus.switches.set("one", drain=True)
    assert not any(peer.OPEN.values()), "nothing is left open"
    async with running(tmp_path) as argus:
        pool = argus.pools.one("p")
        assert (pool.limits.max_size, pool.load.size) == (7, 5)
        assert [n.weight for n in pool.nodes] == [2.0, 1.0]
        assert (await source_of(argus)).startswith("p@")
        assert argus._parts.nodes["one"].off == DRAINING


async def test_the_file_wins_by_name(tmp_path):
    async with running(tmp_path) as argus:
        await make(argus)
        await argus.routes.put("quotes", ("p",))
        pools = {**TABLES["pools"], "p": {"sources": ["two"]}}
        report = await argus.reload(config(tmp_path, pools=pools))
        assert report.ignored == ("pool 'p': the file defines 'p'",)
        assert argus.pools.one("p").made == "file"
        assert await source_of(argus) == "two"
        with pytest.raises(Conflict, match=r"plugins\.toml"):
            await argus.pools.delete("p")
        await argus.reload(config(tmp_path))
        assert argus.pools.one("p").made == "api"


async def test_nodes_that_the_list_no_longer_allows_are_down(tmp_path, peer):
    async with running(tmp_path) as argus:
        await make(argus)
        await argus.reload(config(tmp_path, server_nodes={"allow": []}))
        (shown,) = argus.pools.one("p").nodes
        assert not shown.healthy
        assert "allow-list" in shown.reason
        await argus.control.settled()
        assert peer.OPEN["p@10.0.0.1:8001"] == 0
        await argus.reload(config(tmp_path))
        assert argus.pools.one("p").nodes[0].healthy


async def test_nodes_that_stay_are_not_touched_by_a_change(tmp_path):
    async with running(tmp_path) as argus:
        await make(argus, "p", node(1), node(2))
        kept = argus._parts.nodes["p@10.0.0.1:8001"]
        await argus.pools.alter("p", server_nodes=[node(1), node(3)])
        assert argus._parts.nodes["p@10.0.0.1:8001"] is kept
        assert [n.name for n in argus.pools.one("p").nodes] == [
            "p@10.0.0.1:8001",
            "p@10.0.0.3:8001",
        ]
        await argus.control.settled()
        assert len(argus.control.opened.parts) == len(argus._parts.nodes)


async def test_a_pool_needs_allowed_nodes_and_installed_plugins(tmp_path):
    async with running(tmp_path) as argus:
        with pytest.raises(Forbidden):
            await make(argus, "p", {"host": "10.0.1.1", "port": 8001})
        with pytest.raises(BadParameter, match="no plugin named 'nothing'"):
            await make(argus, plugin="nothing")
        with pytest.raises(BadParameter, match=r"allowed: .*least_connections"):
            await make(argus, balancer="best")
        with pytest.raises(Conflict):
            await make(argus, "one")
        assert argus.control.stored == Stored()


async def test_what_cannot_be_stored_does_not_hold(tmp_path, peer):
    async with running(tmp_path) as argus:

        async def broken(_before, _after):
            raise StateError("the disk is full")

        argus.control.state.write = broken
        with pytest.raises(StateError):
            await make(argus)
        assert "p" not in argus._parts.routes.pools
        assert peer.OPEN["p@10.0.0.1:8001"] == 0


async def test_names_are_resolved_once_and_again_by_a_check(tmp_path):
    found = [["10.0.0.7"], ["10.0.0.8"], ["169.254.169.254"], OSError("gone")]
    asked = []

    async def resolve(host, _port):
        asked.append(host)
        answer = found[0] if len(found) == 1 else found.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    async with running(tmp_path) as argus:
        control = argus.control
        control._resolve = resolve
        control._door = control._door_of(control.file)
        await make(argus, "p", {"host": "Agent.lan", "port": 8001})
        source = argus._parts.nodes["p@agent.lan:8001"].source
        assert source.settings.url == "http://agent.lan:8001"
        first = source.settings.address
        await argus.routes.put("quotes", ("p",))
        assert argus._parts.nodes["p@agent.lan:8001"].source.settings.address == first
        looked = len(asked)
        await argus.routes.delete("quotes")
        assert len(asked) == looked, "a change elsewhere resolves nothing"
        shown = (await argus.pools.check("p")).nodes[0]
        assert not shown.healthy
        assert "metadata" in shown.reason
        assert "resolved" in (await argus.pools.check("p")).nodes[0].reason
        found[:] = [["10.0.0.9"]]
        await control.refresh()
        assert argus._parts.nodes["p@agent.lan:8001"].source.settings.address == "10.0.0.9"


# -- routes -------------------------------------------------------------------------------------


async def test_a_route_holds_over_the_files_until_it_is_taken_back(tmp_path):
    async with running(tmp_path) as argus:
        assert argus.routes.one("quotes").made == "default"
        assert argus.routes.one("calendar").made == "file"
        view = await argus.routes.put("quotes", ("two",))
        assert (view.made, view.pools) == ("api", ("two",))
        assert await source_of(argus) == "two"
        await argus.reload(config(tmp_path, cache_rules={"LATEST_DATA": {"ttl": 9}}))
        assert await source_of(argus) == "two"
        view = await argus.routes.delete("quotes")
        assert (view.made, view.pools) == ("default", ("both",))


async def test_a_route_may_go_by_quality_also_after_a_restart(tmp_path):
    async with running(tmp_path) as argus:
        assert argus.routes.one("quotes").order == "written"
        view = await argus.routes.put("quotes", ("two", "one"), "quality")
        assert (view.made, view.order) == ("api", "quality")
    async with running(tmp_path) as argus:
        assert argus.routes.one("quotes") == view
        assert argus.config.routes.order("quotes") == "written", "the file is as it was"
        assert argus._parts.routes.routes.order("quotes") == "quality"
        view = await argus.routes.put("quotes", ("two", "one"))
        assert view.order == "written", "what is put holds as a whole"


async def test_the_files_own_pools_in_another_order_are_another_route(tmp_path):
    async with running(tmp_path) as argus:
        view = await argus.routes.put("calendar", ("sim",), "quality")
        assert (view.made, view.order) == ("api", "quality")
        view = await argus.routes.delete("calendar")
        assert (view.made, view.order) == ("file", "written")
        await argus.routes.put("calendar", ("sim",), "quality")
        by_merit = {"pools": ["sim"], "order": "quality"}
        routes = {"default": ["both"], "calendar": by_merit}
        report = await argus.reload(config(tmp_path, routes=routes))
        assert report.ignored == ("route 'calendar': the file's own was changed since",)
        assert argus.routes.one("calendar").made == "file"
        await argus.routes.delete("calendar")
        report = await argus.reload(config(tmp_path))
        assert report.changed == ("routes.calendar",), "the same pools in another order"


async def test_a_route_that_was_stored_before_there_were_orders_still_holds(tmp_path):
    async with running(tmp_path) as argus:
        await argus.routes.put("calendar", ("sim",), "quality")
        path = argus.control.state.path
    with sqlite3.connect(path) as connection:
        row = '{"pools": ["sim"], "over": ["sim"]}'
        connection.execute("UPDATE entries SET value = ? WHERE kind = 'routes'", (row,))
    connection.close()
    routes = {"default": ["both"], "calendar": {"pools": ["sim"], "order": "quality"}}
    async with running(tmp_path, routes=routes) as argus:
        view = argus.routes.one("calendar")
        assert (view.made, view.order) == ("api", "written")


async def test_a_file_that_changed_its_own_route_is_believed(tmp_path):
    async with running(tmp_path) as argus:
        await argus.routes.put("default", ("two",))
        routes = {"default": ["one"], "calendar": ["sim"]}
        report = await argus.reload(config(tmp_path, routes=routes))
        assert report.ignored == ("route 'default': the file's own was changed since",)
        assert await source_of(argus) == "one"


async def test_a_route_whose_pool_is_gone_from_the_file_is_not_in_force(tmp_path):
    async with running(tmp_path) as argus:
        await argus.routes.put("quotes", ("two",))
        sources = {"one": {"plugin": "peer"}, "sim": {"plugin": "demo"}}
        fewer = {"sources": sources, "pools": {}, "routes": {"default": ["one"]}}
        report = await argus.reload(config(tmp_path, **fewer))
        assert report.ignored == ("route 'quotes': there is no pool two",)
        assert await source_of(argus) == "one"
    async with running(tmp_path, **fewer) as argus:
        assert await source_of(argus) == "one"


@pytest.mark.parametrize(
    ("dataset", "pools", "kind", "words"),
    [
        ("quotes", ("bth",), BadParameter, "'both'"),
        ("quotes", (), BadParameter, "at least one"),
        ("quotes", ("one", "one"), BadParameter, "once"),
        ("quotes", ("one", "sim"), BadParameter, "mixes simulated"),
        ("quote", ("one",), NoSuch, "'quotes'"),
        ("quotes", ("p@10.0.0.1:8001",), BadParameter, "no pool"),
    ],
)
async def test_bad_routes_change_nothing(tmp_path, dataset, pools, kind, words):
    async with running(tmp_path) as argus:
        await make(argus)
        with pytest.raises(kind, match=words):
            await argus.routes.put(dataset, pools)
        assert argus.routes.one("quotes").made == "default"


async def test_what_a_source_said_before_is_judged_by_the_new_route(tmp_path):
    caches = {"l1": {"plugin": "memory"}}
    async with running(tmp_path, caches=caches) as argus:
        await argus.routes.put("quotes", ("one",))
        assert await source_of(argus, use_cache=True) == "one"
        assert await source_of(argus, use_cache=True) == "one"
        await argus.routes.put("quotes", ("two",))
        assert await source_of(argus, use_cache=True) == "two"


# -- switches -----------------------------------------------------------------------------------


async def test_a_drained_source_takes_no_new_calls_and_stays_open(tmp_path, peer):
    async with running(tmp_path) as argus:
        await argus.switches.set("one", drain=True)
        assert {await source_of(argus) for _ in range(10)} == {"two"}
        assert peer.OPEN["one"] == 1
        status = next(s for s in argus.sources() if s.name == "one")
        assert (status.state, status.reason) == ("off", DRAINING)
        await argus.switches.set("one", drain=False)
        assert "one" in {await source_of(argus) for _ in range(40)}


async def test_one_that_is_switched_off_is_closed_and_opened_again(tmp_path, peer):
    async with running(tmp_path) as argus:
        await argus.switches.set("one", enabled=False)
        await argus.control.settled()
        assert peer.OPEN["one"] == 0
        assert {await source_of(argus) for _ in range(10)} == {"two"}
        assert argus._parts.nodes["one"].off == OFF
    async with running(tmp_path) as argus:
        assert peer.OPEN["one"] == 0
        assert await argus.switches.set("one", enabled=True) == Switch()
        assert peer.OPEN["one"] == 1
        assert argus.control.stored.switches == {}
        assert "one" in {await source_of(argus) for _ in range(40)}


async def test_where_everything_is_switched_off_nobody_is_asked(tmp_path):
    async with running(tmp_path) as argus:
        for name in ("one", "two"):
            await argus.switches.set(name, enabled=False)
        with pytest.raises(AllSourcesFailed) as caught:
            await source_of(argus)
        assert not caught.value.attempts


async def test_unknown_and_disabled_sources_cannot_be_switched(tmp_path):
    sources = {**TABLES["sources"], "off": {"plugin": "peer", "enabled": False}}
    async with running(tmp_path, sources=sources) as argus:
        with pytest.raises(NoSuch, match="'one'"):
            await argus.switches.set("onne", drain=True)
        with pytest.raises(Conflict, match="enabled = true"):
            await argus.switches.set("off", enabled=True)


async def test_one_that_does_not_open_again_stays_off(tmp_path, peer, monkeypatch):
    async with running(tmp_path) as argus:
        await argus.switches.set("one", enabled=False)

        async def refused(_self):
            raise SourceUnavailable("no more logins")

        with monkeypatch.context() as patch:
            patch.setattr(peer.Peer, "open", refused)
            with pytest.raises(Conflict, match="no more logins"):
                await argus.switches.set("one", enabled=True)
        assert argus._parts.nodes["one"].off == OFF
        await argus.switches.set("one", enabled=True)


# -- several processes, restarts ------------------------------------------------------------------


async def test_processes_that_share_the_directory_see_each_others_changes(tmp_path):
    async with running(tmp_path) as first, running(tmp_path) as second:
        await make(first)
        await second.control.look()
        assert second.pools.one("p").made == "api"
        # Who changes without having looked builds on what the other did.
        await first.routes.put("quotes", ("p",))
        await second.switches.set("one", drain=True)
        await first.control.look()
        assert first.control.stored == second.control.stored
        assert second.routes.one("quotes").pools == ("p",)
        with pytest.raises(Conflict, match="quotes"):
            await second.pools.delete("p")
        await asyncio.gather(make(first, "q"), make(second, "r"))
        await first.control.look()
        await second.control.look()
        assert {pool.name for pool in first.pools.every()} == {"both", "p", "q", "r"}
        assert {pool.name for pool in second.pools.every()} == {"both", "p", "q", "r"}


async def test_two_who_make_the_same_pool_at_once_make_one(tmp_path):
    async with running(tmp_path) as first, running(tmp_path) as second:
        ended = await asyncio.gather(make(first), make(second), return_exceptions=True)
        assert sorted(isinstance(e, Conflict) for e in ended) == [False, True]


async def test_a_damaged_database_costs_what_it_held_and_nothing_else(tmp_path, caplog):
    async with running(tmp_path) as argus:
        await make(argus)
    argus.control.state.path.write_bytes(b"garbage" * 1000)
    async with running(tmp_path) as argus:
        assert await source_of(argus) in {"one", "two"}
        assert [pool.name for pool in argus.pools.every()] == ["both"]
    assert "damaged" in caplog.text


async def test_what_no_longer_goes_together_with_the_file_does_not_stop_the_start(tmp_path, caplog):
    async with running(tmp_path) as argus:
        await argus.routes.put("quotes", ("sim",))
        await make(argus)
        path = argus.control.state.path
    with sqlite3.connect(path) as connection:
        row = '{"pools": ["sim", "one"], "over": null}'
        connection.execute("UPDATE entries SET value = ? WHERE kind = 'routes'", (row,))
    connection.close()
    async with running(tmp_path) as argus:
        assert argus.routes.one("quotes").made == "default"
        assert argus.pools.one("p").made == "api"
    assert "mixes simulated" in caplog.text


async def test_a_file_without_sources_is_refused(tmp_path):
    control = Control(config(tmp_path), clock=TestClock(), random=Random(1))
    with pytest.raises(ConfigError, match="no source"):
        await control.reload(config(tmp_path, sources={}, pools={}, routes={}))


async def test_an_offline_gateway_connects_to_nobody(tmp_path, peer):
    async with running(tmp_path) as argus:
        await make(argus)
    caches = {"l3": {"plugin": "sqlite", "path": str(tmp_path / "cache.sqlite3")}}
    gateway = Gateway(config(tmp_path, caches=caches), clock=TestClock(), offline=True)
    async with gateway as argus:
        assert not any(peer.OPEN.values())
        assert not argus.pools.one("p").nodes[0].healthy
