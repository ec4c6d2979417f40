"""What a gateway believes of a tier that others write too, or that outlived its configuration."""

from types import SimpleNamespace

import pytest
from support.clock import TestClock
from support.sources import symbols

from argus_core import Cache, CacheStats, Quote, QuotesQuery
from argus_core.caching.level import Level
from argus_core.model.answer import Found
from argus_core.quality.trusted import TrustedTiers

A, B = symbols("600519.SH", "000001.SZ")
QUERY = QuotesQuery(symbols=(A, B))


class Shared(Cache):
    """A dict that gateways share."""

    instant = True

    def __init__(self, values, clock):
        super().__init__("shared", None, clock)
        self.values = values

    async def get_many(self, keys):
        return {key: self.values[key] for key in keys if key in self.values}

    async def set_many(self, values, ttl):
        self.values.update(values)

    async def delete_many(self, keys):
        return 0, 0

    async def delete_prefix(self, prefix):
        return 0, 0

    async def stats(self):
        return CacheStats(entries=None, bytes=None)


class Live:
    simulated = False
    relays = False


class Invented:
    simulated = True
    relays = False


def node(name, kind=Live, down=None):
    return SimpleNamespace(
        name=name, source=kind(), down=down, off=None, quarantine=SimpleNamespace(in_force=False)
    )


@pytest.fixture
def clock():
    return TestClock()


@pytest.fixture
def gateway(clock):
    """Makes gateways over one store; each is given the nodes of its route, best first."""
    values = {}

    def make(*nodes, of=lambda key, nodes: nodes):
        def ranked(query):
            return {key: (of(key, nodes),) for key in query.keys}

        level = Level(1, Shared(values, clock), "x", clock)
        return TrustedTiers([level], clock, {n.name: n for n in nodes}, ranked)

    return make


def found(clock, source, *, simulated=False):
    quote = Quote(symbol=A, price=1.0, as_of=clock.now())
    return {A: Found(quote, source, clock.now(), simulated)}


def nothing(clock, source):
    return {A: Found(None, source, clock.now(), simulated=False)}


async def fresh(tiers):
    return set((await tiers.get(QUERY)).fresh)


async def test_what_a_source_said_that_is_not_configured_here_is_not_served(gateway, clock):
    await gateway(node("mine"), node("theirs")).put(QUERY, found(clock, "theirs"))
    assert await fresh(gateway(node("mine"))) == set()
    assert await fresh(gateway(node("theirs"))) == {A}


async def test_nor_what_was_invented_by_one_of_the_same_name(gateway, clock):
    demo = gateway(node("a", Invented))
    await demo.put(QUERY, found(clock, "a", simulated=True))
    assert await fresh(demo) == {A}
    assert await fresh(gateway(node("a", Live))) == set()


async def test_nor_what_a_source_said_that_the_keys_route_does_not_name(gateway, clock):
    def split(key, nodes):
        return tuple(n for n in nodes if n.name == ("one" if key == B else "two"))

    nodes = node("one"), node("two")
    await gateway(*nodes).put(QUERY, found(clock, "one"))
    assert await fresh(gateway(*nodes)) == {A}
    assert await fresh(gateway(*nodes, of=split)) == set()


async def test_that_nobody_has_it_is_believed_of_those_who_asked_all_that_could_be_asked_here(
    gateway, clock
):
    await gateway(node("one"), node("two")).put(QUERY, {}, nothing(clock, "one"))
    assert await fresh(gateway(node("one"), node("two"))) == {A}
    assert await fresh(gateway(node("one"))) == {A}
    assert await fresh(gateway(node("one"), node("two"), node("three"))) == set()
    assert await fresh(gateway(node("one"), node("three", down="no login"))) == {A}


async def test_a_source_that_was_down_then_may_know_it_now(gateway, clock):
    before = gateway(node("one"), node("two", down="no login"))
    await before.put(QUERY, {}, nothing(clock, "one"))
    assert await fresh(before) == {A}
    assert await fresh(gateway(node("one"), node("two"))) == set()


async def test_what_only_some_of_the_route_were_asked_is_not_remembered_for_all(gateway, clock):
    tiers = gateway(node("one"), node("two"))
    await tiers.put(QUERY, {}, nothing(clock, "one"), only={"one"})
    assert await fresh(tiers) == set()


async def test_in_quarantine_sources_are_not_believed_for_what_they_said_before(
    gateway, clock, monkeypatch
):
    one = node("one")
    tiers = gateway(one, node("two"))
    await tiers.put(QUERY, found(clock, "one"))
    monkeypatch.setattr("argus_core.quality.trusted.doubted", lambda node, query: {A})
    assert await fresh(tiers) == {A}
    one.quarantine.in_force = True
    assert await fresh(tiers) == set()
    assert await tiers.look_below(QUERY, tiers.levels[0]) == {}
    clock.advance(10)
    assert (await tiers.get(QUERY)).stale == {}
