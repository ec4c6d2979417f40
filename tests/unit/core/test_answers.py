"""Stale, early, negative and shared answers: what the tiers allow and what it costs."""

import asyncio
from datetime import timedelta
from random import Random

import pytest
from support.clock import RunningClock
from support.sources import symbols

from argus_core import Cache, CacheError, CacheStats, Lease, Quote, QuotesQuery
from argus_core.answers import Answers
from argus_core.answers import claims as claims_module
from argus_core.caching.freshness import Freshness
from argus_core.caching.level import Level
from argus_core.caching.rules import Rules
from argus_core.caching.tiers import Looked, Tiers
from argus_core.errors import AllSourcesFailed, DeadlineExceeded
from argus_core.model.answer import Found, Trace
from argus_core.model.ask import Ask, Deadline
from argus_core.model.request import current_request
from argus_core.routing.router import Routed

pytestmark = pytest.mark.virtual

A, B = symbols("600519.SH", "000001.SZ")
QUERY = QuotesQuery(symbols=(A,))
BOTH = QuotesQuery(symbols=(A, B))


class MovedClock(RunningClock):
    """The market's instant is moved by the test, the monotonic seconds are the loop's and so."""

    ahead = 0.0
    seconds_a_look = 0.0
    """What passes from one look at the market's instant to the next."""

    def now(self):
        self._now += timedelta(seconds=self.seconds_a_look)
        return super().now()

    def monotonic(self):
        return super().monotonic() + self.ahead

    def advance(self, seconds):
        self.ahead += seconds
        self._now += timedelta(seconds=seconds)


class Route:
    """A router whose source answers by script and counts."""

    def __init__(self, clock):
        self.clock = clock
        self.calls = []
        self.price = 1.0
        self.error = None
        self.lacks = set()
        self.unsure = False
        self.gate = None
        self.seconds = 0.0
        self.age = 0.0
        self.outdated = None

    async def fetch(self, query, deadline, only=None):
        self.calls.append(query.keys)
        price = self.price
        if self.gate:
            await self.gate.wait()
        if self.seconds:
            self.clock.advance(self.seconds)
        if self.error:
            raise self.error
        routed = Routed(trace=Trace(dataset=query.dataset))
        for key in query.keys:
            if key in self.lacks:
                routed.absent[key] = Found(None, "one", self.clock.now(), simulated=False)
                if self.unsure:
                    routed.unsure.add(key)
            else:
                quote = Quote(symbol=key, price=price, as_of=self.clock.now())
                at = self.clock.now() - timedelta(seconds=self.age)
                found = Found(quote, "one", at, simulated=False, outdated=self.outdated)
                routed.found[key] = found
        return routed


class Store:
    """What several processes share."""

    def __init__(self):
        self.values, self.leases, self.down = {}, {}, False


class Shared(Cache):
    """A tier over a store that lends leases."""

    def __init__(self, store, clock):
        super().__init__("shared", None, clock)
        self.store = store

    def _up(self):
        if self.store.down:
            raise CacheError("gone")

    async def get_many(self, keys):
        self._up()
        return {k: self.store.values[k] for k in keys if k in self.store.values}

    async def set_many(self, values, ttl):
        self._up()
        self.store.values.update(values)

    async def delete_many(self, keys):
        return 0, 0

    async def delete_prefix(self, prefix):
        return 0, 0

    async def stats(self):
        return CacheStats(entries=None, bytes=None)

    async def lease(self, keys, owner, seconds):
        self._up()
        now, leases = self.clock.monotonic(), self.store.leases
        for key in keys:
            held = leases.get(key)
            if held is None or held[1] <= now or held[0].note is not None or held[0].owner == owner:
                leases[key] = (Lease(owner), now + seconds)
        return {key: leases[key][0].owner for key in keys}

    async def settle(self, keys, owner, note, seconds):
        self._up()
        for key in keys:
            if key in self.store.leases and self.store.leases[key][0].owner == owner:
                self.store.leases[key] = (Lease(owner, note), self.clock.monotonic() + seconds)

    async def leases(self, keys):
        self._up()
        now, leases = self.clock.monotonic(), self.store.leases
        return {k: leases[k][0] for k in keys if k in leases and leases[k][1] > now}


class Kept(Shared):
    """The same for one process alone: no leases."""

    lease = Cache.lease
    settle = Cache.settle
    leases = Cache.leases


@pytest.fixture
async def clock():
    return MovedClock()


@pytest.fixture
async def route(clock):
    return Route(clock)


def answers_of(route, clock, cache=None, rules=None, **more):
    rules = rules or Rules()
    cache = cache or Kept(Store(), clock)
    freshness = Freshness(rules, Random(1))
    tiers = Tiers([Level(1, cache, "x", clock)], clock, rules=rules, freshness=freshness)
    return Answers(route, tiers, clock, **{"random": Random(1), **more})


def ask(clock, **terms):
    return Ask(deadline=Deadline.within(terms.pop("seconds", 3.0), clock), **terms)


async def landed(answers):
    """Let what is fetched behind the answers' backs land."""
    await asyncio.gather(*answers._refreshes)


class TestStale:
    async def test_if_no_source_answers_the_old_value_is_served_flagged(self, clock, route):
        answers = answers_of(route, clock)
        await answers.fetch(QUERY, ask(clock))
        clock.advance(30)
        route.error = AllSourcesFailed("none")
        told = (await answers.fetch(QUERY, ask(clock))).provenance[A]
        assert (told.stale, told.cache) == (True, "shared")
        assert told.reason == "no source answered: SERVICE_UNAVAILABLE"
        assert clock.now() - told.fetched_at == timedelta(seconds=30)

    @pytest.mark.parametrize("cap", [0, 26.9])
    async def test_the_asker_may_cap_it(self, clock, route, cap):
        answers = answers_of(route, clock)
        await answers.fetch(QUERY, ask(clock))
        clock.advance(30)
        route.error = AllSourcesFailed("none")
        with pytest.raises(AllSourcesFailed):
            await answers.fetch(QUERY, ask(clock, max_staleness=cap))
        assert (await answers.fetch(QUERY, ask(clock, max_staleness=27.1))).stale

    async def test_the_rule_caps_it(self, clock, route):
        answers = answers_of(route, clock)
        await answers.fetch(QUERY, ask(clock))
        clock.advance(3 + 60.5)
        route.error = AllSourcesFailed("none")
        with pytest.raises(AllSourcesFailed):
            await answers.fetch(QUERY, ask(clock))

    async def test_a_working_source_that_lacks_it_is_believed(self, clock, route):
        answers = answers_of(route, clock)
        await answers.fetch(QUERY, ask(clock))
        clock.advance(30)
        route.lacks = {A}
        answer = await answers.fetch(QUERY, ask(clock))
        assert (dict(answer.data), set(answer.absent)) == ({}, {A})

    async def test_where_a_source_could_not_be_heard_about_it_the_old_value_stands(
        self, clock, route
    ):
        answers = answers_of(route, clock)
        await answers.fetch(QUERY, ask(clock))
        clock.advance(30)
        route.lacks, route.unsure = {A}, True
        answer = await answers.fetch(QUERY, ask(clock))
        assert answer.stale
        assert (dict(answer.absent), answer.unsure) == ({}, frozenset())

    async def test_while_it_is_fetched_anew_the_old_value_is_served_once_a_rule_allows(
        self, clock, route
    ):
        rules = Rules()
        rules.change("LATEST_DATA", stale_while_revalidate=10, early_refresh=False)
        answers = answers_of(route, clock, rules=rules)
        await answers.fetch(QUERY, ask(clock))
        clock.advance(5)
        route.price, route.gate = 2.0, asyncio.Event()
        for _ in range(3):
            answer = await answers.fetch(QUERY, ask(clock))
            assert (answer.data[A].price, answer.stale) == (1.0, True)
            assert answer.reason == "it is being fetched anew"
        await asyncio.sleep(0)
        assert len(route.calls) == 2, "one refresh for all who ask"
        route.gate.set()
        await landed(answers)
        answer = await answers.fetch(QUERY, ask(clock))
        assert (answer.data[A].price, answer.stale) == (2.0, False)
        assert answers._tiers.counters.stale == 3

    async def test_a_cap_of_zero_waits_for_the_fresh_value(self, clock, route):
        rules = Rules()
        rules.change("LATEST_DATA", stale_while_revalidate=10)
        answers = answers_of(route, clock, rules=rules)
        await answers.fetch(QUERY, ask(clock))
        clock.advance(5)
        route.price = 2.0
        answer = await answers.fetch(QUERY, ask(clock, max_staleness=0))
        assert (answer.data[A].price, answer.stale) == (2.0, False)


class Fixed(Random):
    """Draws what the test says."""

    def __init__(self, value):
        super().__init__()
        self.value = value

    def random(self):
        return self.value


class TestEarly:
    async def fetched(self, clock, route, draw, left):
        """Calls after a hit, `left` seconds before the end of a life whose fetch took 0.2 s."""
        answers = answers_of(route, clock, random=Fixed(draw))
        route.seconds = 0.2
        await answers.fetch(QUERY, ask(clock))
        route.seconds = 0.0
        clock.advance(3.0 - left)
        answer = await answers.fetch(QUERY, ask(clock))
        assert not answer.stale
        assert answer.cached
        await landed(answers)
        return len(route.calls) - 1

    async def test_a_value_is_fetched_before_its_life_ends_the_likelier_the_nearer_that_is(
        self, clock, route
    ):
        # -ln(1 - 0.9) = 2.3 costs of 0.2 s are 0.46 s
        assert await self.fetched(clock, route, 0.9, left=0.4) == 1

    async def test_not_long_before_it(self, clock, route):
        assert await self.fetched(clock, route, 0.9, left=0.6) == 0

    async def test_most_askers_leave_it_to_others(self, clock, route):
        assert await self.fetched(clock, route, 0.1, left=0.4) == 0

    async def test_a_value_that_stands_until_the_open_is_not_fetched_early(self, clock, route):
        clock.advance(3600 * 6 + 60)  # 16:01, the market rests until the next morning
        answers = answers_of(route, clock, random=Fixed(0.999999))
        route.seconds = 5.0
        await answers.fetch(QUERY, ask(clock, seconds=60))
        route.seconds = 0.0
        clock.advance(3600)
        await answers.fetch(QUERY, ask(clock))
        await landed(answers)
        assert len(route.calls) == 1


class TestNegative:
    async def test_that_a_working_source_lacks_it_is_remembered(self, clock, route):
        route.lacks = {A}
        answers = answers_of(route, clock)
        for _ in range(3):
            answer = await answers.fetch(BOTH, ask(clock))
            assert set(answer.absent) == {A}
            assert set(answer.data) == {B}
        assert route.calls == [(A, B)]
        assert answer.absent[A].cache == "shared"
        clock.advance(31)
        await answers.fetch(BOTH, ask(clock))
        assert route.calls[1:] == [(A, B)]

    async def test_what_nobody_could_be_heard_about_is_not(self, clock, route):
        route.lacks, route.unsure = {A}, True
        answers = answers_of(route, clock)
        for _ in range(2):
            await answers.fetch(QUERY, ask(clock))
        assert len(route.calls) == 2


class TestOffline:
    async def test_everything_is_served_and_says_so_nothing_is_asked(self, clock, route):
        store = Store()
        online = answers_of(route, clock, Kept(store, clock))
        await online.fetch(QUERY, ask(clock))
        offline = answers_of(route, clock, Kept(store, clock), offline=True)
        answer = await offline.fetch(QUERY, ask(clock))
        assert (answer.stale, answer.reason) == (False, "offline")
        clock.advance(86400)
        answer = await offline.fetch(BOTH, ask(clock))
        assert (answer.stale, answer.reason, set(answer.data)) == (True, "offline", {A})
        assert "offline" in answer.errors[B].message
        with pytest.raises(AllSourcesFailed, match="offline"):
            await offline.fetch(QUERY, ask(clock, max_staleness=60))
        assert len(route.calls) == 1


class TestAcrossProcesses:
    @pytest.fixture
    def four(self, clock, route):
        store = Store()
        return [answers_of(route, clock, Shared(store, clock)) for _ in range(4)], store

    async def test_a_thousand_askers_of_four_processes_make_one_call(self, clock, route, four):
        processes, _ = four
        route.gate = asyncio.Event()
        asked = [
            asyncio.ensure_future(processes[n % 4].fetch(BOTH, ask(clock))) for n in range(1000)
        ]
        await asyncio.sleep(0.05)
        route.gate.set()
        answers = await asyncio.gather(*asked)
        assert route.calls == [(A, B)]
        assert all(answer.data[A].price == 1.0 for answer in answers)

    async def test_an_error_is_everybodys_and_the_next_asker_tries_again(self, clock, route, four):
        processes, _ = four
        route.gate, route.error = asyncio.Event(), AllSourcesFailed("refused", retry_after=7)
        asked = [asyncio.ensure_future(each.fetch(QUERY, ask(clock))) for each in processes]
        await asyncio.sleep(0.05)
        route.gate.set()
        ended = await asyncio.gather(*asked, return_exceptions=True)
        assert len(route.calls) == 1
        assert [(type(e), e.message, e.retry_after) for e in ended] == [
            (AllSourcesFailed, "refused", 7)
        ] * 4
        route.error = None
        assert (await processes[2].fetch(QUERY, ask(clock))).data
        assert len(route.calls) == 2

    async def test_that_nobody_has_it_is_everybodys_too(self, clock, route, four):
        processes, _ = four
        route.gate, route.lacks, route.unsure = asyncio.Event(), {A}, True
        asked = [asyncio.ensure_future(each.fetch(BOTH, ask(clock))) for each in processes]
        await asyncio.sleep(0.05)
        route.gate.set()
        for answer in await asyncio.gather(*asked):
            assert (set(answer.absent), answer.unsure, set(answer.data)) == ({A}, {A}, {B})
        assert route.calls == [(A, B)]

    async def test_a_holder_that_died_loses_its_leases(self, clock, route, four, monkeypatch):
        monkeypatch.setattr(claims_module, "HELD", 0.05)
        processes, store = four
        await Shared(store, clock).lease([f"quotes:{A}"], "somebody who died", 0.05)
        answer = await processes[0].fetch(BOTH, ask(clock))
        assert set(answer.data) == {A, B}
        assert sorted(route.calls) == [(B,), (A,)]

    async def test_one_that_works_longer_than_a_lease_keeps_it(
        self, clock, route, four, monkeypatch
    ):
        monkeypatch.setattr(claims_module, "HELD", 0.1)
        monkeypatch.setattr(claims_module, "RENEWED", 0.03)
        processes, _ = four
        route.gate = asyncio.Event()
        asked = [asyncio.ensure_future(each.fetch(QUERY, ask(clock))) for each in processes]
        await asyncio.sleep(0.3)
        route.gate.set()
        await asyncio.gather(*asked)
        assert len(route.calls) == 1

    async def test_who_waits_has_a_deadline_of_its_own(self, clock, route, four):
        processes, store = four
        await Shared(store, clock).lease([f"quotes:{A}"], "somebody slow", 60)
        with pytest.raises(DeadlineExceeded, match="another process"):
            await processes[0].fetch(QUERY, ask(clock, seconds=0.3))

    async def test_without_the_store_each_process_asks_for_itself(self, clock, route, four):
        processes, store = four
        store.down = True
        for each in processes:
            assert (await each.fetch(QUERY, ask(clock))).data
        assert len(route.calls) == 4


class TestAnew:
    """Who must not go back in time is told what a source says now; a cache is the last resort."""

    async def test_while_the_market_moves_a_source_is_asked_though_a_cache_is_fresh(
        self, clock, route
    ):
        answers = answers_of(route, clock)
        await answers.fetch(BOTH, ask(clock))
        clock.advance(0.5)
        route.price = 2.0
        answer = await answers.fetch(QUERY, ask(clock, anew=True))
        assert (answer.data[A].price, answer.cached) == (2.0, False)
        assert (await answers.fetch(BOTH, ask(clock))).data[A].price == 2.0

    @pytest.mark.parametrize("seconds", [0.5, 30])
    async def test_where_none_can_be_heard_the_cache_answers_and_that_is_flagged(
        self, clock, route, seconds
    ):
        answers = answers_of(route, clock)
        await answers.fetch(QUERY, ask(clock))
        clock.advance(seconds)
        route.error = AllSourcesFailed("none")
        answer = await answers.fetch(BOTH, ask(clock, anew=True))
        assert answer.provenance[A].stale
        assert (answer.data[A].price, list(answer.errors)) == (1.0, [B])

    async def test_that_there_is_none_stands_as_long_as_for_others_and_no_longer(
        self, clock, route
    ):
        answers = answers_of(route, clock)
        route.lacks = {B}
        await answers.fetch(BOTH, ask(clock))
        answer = await answers.fetch(BOTH, ask(clock, anew=True))
        assert (list(answer.data), list(answer.absent)) == ([A], [B])
        assert route.calls[1:] == [(A,)]
        clock.advance(30)
        route.error = AllSourcesFailed("none")
        answer = await answers.fetch(BOTH, ask(clock, anew=True))
        assert (list(answer.data), list(answer.errors)) == ([A], [B])

    async def test_what_is_still_fresh_is_a_last_resort_where_nothing_old_may_be_served(
        self, clock, route
    ):
        rules = Rules()
        rules.change("LATEST_DATA", stale_if_error=0.0)
        answers = answers_of(route, clock, rules=rules)
        await answers.fetch(QUERY, ask(clock))
        clock.advance(0.5)
        route.error = AllSourcesFailed("none")
        for terms in ({}, {"max_staleness": 0.0}):
            answer = await answers.fetch(QUERY, ask(clock, anew=True, **terms))
            assert (answer.data[A].price, answer.stale) == (1.0, True)
        clock.advance(30)
        with pytest.raises(AllSourcesFailed):
            await answers.fetch(QUERY, ask(clock, anew=True))

    async def test_what_is_kept_goes_before_what_a_source_passes_on_that_is_older(
        self, clock, route
    ):
        answers = answers_of(route, clock)
        await answers.fetch(QUERY, ask(clock))
        clock.advance(0.5)
        route.price, route.outdated = 0.5, "nobody could be heard there"
        route.age = 300.0
        answer = await answers.fetch(QUERY, ask(clock, anew=True))
        assert (answer.data[A].price, answer.stale) == (1.0, True)
        route.age = 0.0
        answer = await answers.fetch(QUERY, ask(clock, anew=True))
        assert answer.data[A].price == 0.5

    @pytest.mark.parametrize("anew", [True, False])
    async def test_what_another_gateway_kept_is_asked_for_once(self, clock, route, anew):
        clock.seconds_a_look = 1e-6
        answers = answers_of(route, clock)
        route.age = 300.0
        answer = await answers.fetch(BOTH, ask(clock, anew=anew))
        assert list(answer.data) == [A, B]
        assert len(route.calls) == 1

    async def test_it_counts_as_what_the_caches_did_not_have(self, clock, route):
        answers = answers_of(route, clock)
        for terms in ({}, {"anew": True}):
            await answers.fetch(QUERY, ask(clock, **terms))
        counters = answers._tiers.counters
        assert (counters.requests, counters.fresh, counters.missed) == (2, 0, 2)

    async def test_whoever_is_behind_is_told(self, clock, route):
        answers, told = answers_of(route, clock), []
        route.fetch, fetch = None, route.fetch

        async def noted(*given):
            told.append(current_request().anew)
            return await fetch(*given)

        route.fetch = noted
        for anew in (True, False):
            await answers.fetch(QUERY, ask(clock, anew=anew))
            clock.advance(30)
        assert told == [True, False]

    async def test_out_of_session_what_is_kept_is_what_a_source_would_say(self, clock, route):
        clock.advance(6 * 3600)
        answers = answers_of(route, clock)
        await answers.fetch(QUERY, ask(clock))
        assert (await answers.fetch(QUERY, ask(clock, anew=True))).cached
        assert len(route.calls) == 1


class TestPast:
    """What an asker wants past the caches comes from the source, whoever else is there."""

    @pytest.fixture
    def two(self, clock, route):
        store = Store()
        return [answers_of(route, clock, Shared(store, clock)) for _ in range(2)]

    async def test_a_shared_tier_is_passed_too(self, clock, route, two):
        for each in two:
            await each.fetch(QUERY, ask(clock))
        clock.advance(0.5)
        route.price = 2.0
        for calls, each in enumerate(two, 2):
            answer = await each.fetch(QUERY, ask(clock, use_cache=False))
            assert (answer.data[A].price, answer.cached) == (2.0, False)
            assert len(route.calls) == calls
            clock.advance(0.5)

    async def test_so_is_what_a_flight_found_there_that_was_under_way(self, clock, route, two):
        one, other = two
        await one.fetch(QUERY, ask(clock))
        clock.advance(0.5)
        read, gate = other._lender.cache.get_many, asyncio.Event()
        other._tiers.get = _holding_nothing  # as if it had looked a moment too soon

        async def held(keys):
            await gate.wait()
            return await read(keys)

        other._lender.cache.get_many = held
        plain = asyncio.ensure_future(other.fetch(QUERY, ask(clock)))
        await asyncio.sleep(0.02)
        route.price = 2.0
        past = asyncio.ensure_future(other.fetch(QUERY, ask(clock, use_cache=False)))
        await asyncio.sleep(0)
        gate.set()
        assert (await plain).data[A].price == 1.0
        assert (await past).data[A].price == 2.0

    async def test_what_is_fetched_early_replaces_what_is_shared(self, clock, route):
        store = Store()
        shared = answers_of(route, clock, Shared(store, clock), random=Fixed(0.999))
        route.seconds = 0.2
        await shared.fetch(QUERY, ask(clock))
        route.seconds, route.price = 0.0, 2.0
        clock.advance(2.7)
        await shared.fetch(QUERY, ask(clock))
        await landed(shared)
        assert len(route.calls) == 2
        assert (await shared.fetch(QUERY, ask(clock))).data[A].price == 2.0


async def _holding_nothing(_query, *, note=True):
    return Looked()


class TestOutlived:
    """One life ends while the others of the question are being fetched."""

    async def half(self, clock, route, **terms):
        answers = answers_of(route, clock)
        await answers.fetch(QUERY, ask(clock))
        clock.advance(2.5)
        route.price, route.seconds = 2.0, 1.0
        return await answers.fetch(BOTH, ask(clock, **terms))

    async def test_it_is_served_flagged(self, clock, route):
        answer = await self.half(clock, route)
        assert [answer.provenance[key].stale for key in (A, B)] == [True, False]
        assert "while" in answer.reason
        assert route.calls == [(A,), (B,)]

    async def test_or_fetched_too_where_the_asker_forbids_that(self, clock, route):
        answer = await self.half(clock, route, max_staleness=0)
        assert (answer.stale, answer.data[A].price) == (False, 2.0)
        assert list(answer.data) == [A, B]
        assert route.calls == [(A,), (B,), (A,)]


class TestForeignWords:
    """What others leave in a shared tier may be anything."""

    @pytest.mark.parametrize(
        "note", [b"\xff", b"[]", b"7", b"{}", b'{"absent":1}', b'{"code":"X"}', b'{"error":null}']
    )
    async def test_a_note_that_cannot_be_read_is_none(self, clock, route, note):
        store = Store()
        shared = Shared(store, clock)
        answers = answers_of(route, clock, shared)
        await shared.lease([f"quotes:{A}"], "another", 60)
        asked = asyncio.ensure_future(answers.fetch(QUERY, ask(clock)))
        await asyncio.sleep(0.03)
        await shared.settle([f"quotes:{A}"], "another", note, 60)
        assert (await asked).data[A].price == 1.0
        assert len(route.calls) == 1

    async def test_leases_that_contradict_each_other_hold_nobody_up_for_ever(self, clock, route):
        class Confused(Shared):
            async def lease(self, keys, owner, seconds):
                return dict.fromkeys(keys, "somebody else")

            async def leases(self, keys):
                return {}

        answers = answers_of(route, clock, Confused(Store(), clock))
        with pytest.raises(DeadlineExceeded):
            await answers.fetch(QUERY, ask(clock, seconds=0.2))
        await asyncio.sleep(0.05)
        assert answers.flights == 0

    async def test_who_has_other_sources_is_not_spoken_for(self, clock, route):
        store = Store()
        two = [answers_of(route, clock, Shared(store, clock)) for _ in range(2)]
        for n, each in enumerate(two):
            each._tiers.witnesses = lambda _query, _key, _only, n=n: ["one", "two"][n:]
        route.lacks, route.gate = {A}, asyncio.Event()
        asked = [asyncio.ensure_future(each.fetch(QUERY, ask(clock))) for each in two]
        await asyncio.sleep(0.03)
        assert len(route.calls) == 2
        route.gate.set()
        await asyncio.gather(*asked)

    async def test_a_tier_that_stops_answering_costs_two_readings_not_a_patient_wait(
        self, clock, route
    ):
        shared = Shared(Store(), clock)
        for method in ("get_many", "set_many", "lease", "settle", "leases"):
            setattr(shared, method, _silent)
        answers = answers_of(route, clock, shared)
        began = clock.monotonic()
        assert (await answers.fetch(QUERY, ask(clock))).data
        assert clock.monotonic() - began < 0.5


async def _silent(*_given):
    await asyncio.Event().wait()
