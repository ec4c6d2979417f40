"""Calls, writings, restarts, kills, other accounts and days, in any order, against a model."""

import asyncio
import tempfile
from collections import Counter
from itertools import count
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from support.clock import TestClock

from argus_core import Allowance
from argus_core.control.bookkeeper import Bookkeeper
from argus_core.control.quotas import QuotaTable
from argus_core.control.state import FILE
from argus_core.routing.quota.daybook import Daybook, Owner
from argus_core.routing.quota.identity import identity_of
from argus_core.routing.quota.tally import Tally, day_of

OWNERS = [Owner("m", identity_of("p", {"token": token})) for token in ("one", "two")]
DAY = 86_400
numbers = count()


class Model:
    """What one process must show: the calls that it made, and those that it has heard of."""

    def __init__(self):
        self.id = next(numbers)
        self.made = Counter()
        self.heard = Counter()
        self.known = set()
        self.written = {}

    def unwritten(self):
        return {key: n for key, n in self.made.items() if self.written.get(key) != n}

    def exchange(self, file):
        for key, n in self.unwritten().items():
            file[self.id, *key] = self.written[key] = n
        told = Counter()
        for (process, owner, day), n in file.items():
            if process != self.id and owner in self.known:
                told[owner, day] += n
        self.heard |= told

    def used(self, owner, day):
        return sum(c[owner, d] for c in (self.made, self.heard) for d in (day, day + 1))


class Process:
    """One process as it is, beside its model."""

    def __init__(self, table, clock, owner):
        self.clock = clock
        self.book = Daybook()
        self.keeper = Bookkeeper(self.book, table)
        self.model = Model()
        self.turn_to(owner)

    def turn_to(self, owner):
        """Use the account from now on, as another configuration would."""
        self.owner = owner
        self.model.known.add(owner)
        days = self.book.page(owner).days("daily")
        self.tally = Tally(Allowance(interface="daily", calls_per_day=9), self.clock, days)

    def call(self, calls):
        self.tally.promise(calls)
        self.tally.ended(calls)
        self.model.made[self.owner, day_of(self.clock)] += calls


processes = st.integers(0, 1)
owners = st.sampled_from(OWNERS)


class Restarts(RuleBasedStateMachine):
    """Two processes over one file. Whoever is killed loses what it has not written, no more."""

    def __init__(self):
        super().__init__()
        self.directory = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        self.runner = asyncio.Runner()
        self.clock = TestClock("2024-03-15 22:00:00")
        self.latest = day_of(self.clock)
        # One table for all: its fingerprints take their time.
        self.table = QuotaTable(Path(self.directory.name) / FILE, self.clock)
        self.file = {}
        self.processes = [self.begun(OWNERS[0]), self.begun(OWNERS[0])]

    def begun(self, owner):
        process = Process(self.table, self.clock, owner)
        self.exchange(process)
        return process

    def exchange(self, process):
        self.runner.run(process.keeper.exchange())
        process.model.exchange(self.file)

    @rule(which=processes, calls=st.integers(1, 4))
    def call(self, which, calls):
        self.processes[which].call(calls)

    @rule(which=processes)
    def write(self, which):
        process = self.processes[which]
        self.runner.run(process.keeper.write())
        if process.model.unwritten():
            process.model.exchange(self.file)

    @rule(which=processes, owner=owners)
    def reload(self, which, owner):
        self.processes[which].turn_to(owner)
        self.exchange(self.processes[which])

    @rule(which=processes, owner=owners)
    def restart(self, which, owner):
        self.runner.run(self.processes[which].keeper.aclose())
        model = self.processes[which].model
        if model.unwritten():
            model.exchange(self.file)
        self.processes[which] = self.begun(owner)

    @rule(which=processes, owner=owners)
    def kill(self, which, owner):
        self.processes[which] = self.begun(owner)

    @rule(seconds=st.sampled_from([1, 3600, 7200, DAY]))
    def pass_time(self, seconds):
        self.clock.advance(seconds)
        self.latest = max(self.latest, day_of(self.clock))

    @precondition(lambda self: day_of(self.clock) == self.latest)
    @rule(seconds=st.sampled_from([1, 7200, DAY]))
    def set_back(self, seconds):
        self.clock.set_back(seconds)

    @invariant()
    def each_shows_what_was_made(self):
        day = day_of(self.clock)
        for process in self.processes:
            assert process.tally.today == process.model.used(process.owner, day)
            left = 9 - process.model.used(process.owner, day)
            assert (process.tally.wait(1) == 0) == (left >= 1)

    @invariant()
    def nobody_shows_less_than_he_made_today(self):
        for process in self.processes:
            made = process.model.made[process.owner, day_of(self.clock)]
            assert process.tally.today >= made

    def teardown(self):
        for process in self.processes:
            self.runner.run(process.keeper.aclose())
            if process.model.unwritten():
                process.model.exchange(self.file)
        day = day_of(self.clock)
        for owner in OWNERS:
            last = self.begun(owner)
            every = sum(
                n for (_, o, d), n in self.file.items() if o == owner and d in (day, day + 1)
            )
            assert last.tally.today == every
        self.runner.close()
        self.directory.cleanup()


TestRestarts = Restarts.TestCase
TestRestarts.settings = settings(max_examples=25, stateful_step_count=20, deadline=None)
