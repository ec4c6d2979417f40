"""Any order of changes, reloads and restarts keeps what must always hold."""

import asyncio
import tempfile
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from support.clock import TestClock
from support.distribution import install
from support.peers import PLUGIN, POOL, TABLES, config, node, source_of

from argus_core.control.records import Switch
from argus_core.control.refusals import Conflict, NoSuch
from argus_core.errors import AllSourcesFailed, BadParameter, Forbidden
from argus_core.gateway import Gateway

NAMES = st.sampled_from(["p", "q", "both", "one"])
MEMBERS = st.lists(st.integers(1, 4), min_size=1, max_size=3, unique=True)
ROUTED = st.lists(st.sampled_from(["p", "q", "both", "one", "two"]), min_size=1, unique=True)
FILES = (
    {},
    {"pools": {**TABLES["pools"], "p": {"sources": ["two"]}}},
    {"routes": {"default": ["two"], "quotes": ["one"]}},
    {"server_nodes": {"allow": ["10.0.0.1:8001"]}},
    {"sources": {n: TABLES["sources"][n] for n in ("one", "sim")}, "pools": {}, "routes": {}},
)
REFUSED = (Conflict, NoSuch, BadParameter, Forbidden)  # the last: a file narrowed its allow-list


class Changes(RuleBasedStateMachine):
    """One gateway that operators never leave alone."""

    def __init__(self):
        super().__init__()
        self.runner = asyncio.Runner()
        self.patch = pytest.MonkeyPatch()
        self.directory = tempfile.TemporaryDirectory()
        self.root = Path(self.directory.name)
        install(
            self.root,
            self.patch,
            dist="peer-dist",
            module="peer_module",
            source=PLUGIN,
            entry="peer",
        )
        import peer_module

        self.peer = peer_module
        self.file = FILES[0]
        self.argus = None

    @initialize()
    def start(self):
        self.argus = Gateway(config(self.root, **self.file), clock=TestClock())
        self.run(self.argus.__aenter__())

    def run(self, work):
        return self.runner.run(work)

    def attempt(self, work):
        with suppress(*REFUSED):
            self.run(work)

    @rule(name=NAMES, members=MEMBERS, size=st.integers(1, 9))
    def create(self, name, members, size):
        made = {**POOL, "config": {"max_size": size}}
        nodes = [node(last) for last in members]
        self.attempt(self.argus.pools.create(name, server_nodes=nodes, **made))

    @rule(name=NAMES, members=MEMBERS)
    def alter(self, name, members):
        nodes = [node(last) for last in members]
        self.attempt(self.argus.pools.alter(name, server_nodes=nodes))

    @rule(name=NAMES, size=st.integers(0, 10))
    def scale(self, name, size):
        self.attempt(self.argus.pools.scale(name, size))

    @rule(name=NAMES)
    def delete(self, name):
        self.attempt(self.argus.pools.delete(name))

    @rule(dataset=st.sampled_from(["quotes", "default"]), pools=ROUTED)
    def put(self, dataset, pools):
        self.attempt(self.argus.routes.put(dataset, tuple(pools)))

    @rule(dataset=st.sampled_from(["quotes", "default"]))
    def take_back(self, dataset):
        self.run(self.argus.routes.delete(dataset))

    @rule(name=st.sampled_from(["one", "two", "p@10.0.0.1:8001"]), how=st.booleans())
    def switch(self, name, how):
        self.attempt(self.argus.switches.set(name, enabled=how))

    @rule(name=st.sampled_from(["one", "two"]), how=st.booleans())
    def drain(self, name, how):
        self.attempt(self.argus.switches.set(name, drain=how))

    @rule(file=st.sampled_from(FILES))
    def reload(self, file):
        with suppress(BadParameter):
            routes = {"default": ["one"], "calendar": ["sim"]}
            file = {**file, "routes": file.get("routes") or routes} if "sources" in file else file
            self.run(self.argus.reload(config(self.root, **file)))
            self.file = file

    @rule()
    def restart(self):
        before = self.argus.control.stored
        self.run(self.argus.__aexit__(None, None, None))
        assert not any(self.peer.OPEN.values()), "something was left open"
        self.start()
        assert self.argus.control.stored == before

    @rule()
    def ask(self):
        with suppress(AllSourcesFailed):
            name = self.run(source_of(self.argus))
            assert self.argus._parts.nodes[name].off is None

    @invariant()
    def holds(self):
        if self.argus is None:
            return
        control = self.argus.control
        self.run(control.settled())
        parts, effective = control.parts, control.overlaid.config
        for _, pools in effective.routes.all_routes():
            assert set(pools) <= set(parts.routes.pools), "a route names a missing pool"
        for name, table in control.file.pools.items():
            assert effective.pools[name] == table, "the file wins by name"
        for pool in parts.routes.pools.values():
            assert all(parts.nodes[m.name] is m.node for m in pool.members)
            assert pool.gate is None or pool.gate.figures().in_use == 0
        assert all(n.load == 0 for n in parts.nodes.values())
        switches = control.stored.switches
        closed = {n for n in parts.nodes if not switches.get(n, Switch()).enabled}
        down = {n.name for n in parts.nodes.values() if n.down is not None}
        opened = {name for name, count in self.peer.OPEN.items() if count}
        assert opened == parts.nodes.keys() - closed - down - {"sim"}
        assert all(count in (0, 1) for count in self.peer.OPEN.values())

    def teardown(self):
        if self.argus is not None:
            self.run(self.argus.__aexit__(None, None, None))
            assert not any(self.peer.OPEN.values()), "something was left open"
        self.runner.close()
        self.patch.undo()
        self.directory.cleanup()


TestChanges = Changes.TestCase
TestChanges.settings = settings(max_examples=6, stateful_step_count=15, deadline=None)
