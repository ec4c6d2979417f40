"""Whatever comes, leaves, is given up and is resized in whatever order: the counts hold."""

import asyncio

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from support.clock import TestClock

from argus_core.model.request import Priority, requesting
from argus_core.routing.load.gate import Full, Gate
from argus_core.tables import PoolLimits

LIMITS = PoolLimits(min_size=1, max_size=6, initial_size=2, max_waiting=4, max_idle_time=5.0)


class Doors(RuleBasedStateMachine):
    """A gate against what those who entered and wait there know themselves."""

    def __init__(self):
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.clock = TestClock()
        self.gate = Gate("pool", LIMITS, self.clock)
        self.tasks = []
        self.places = []
        self.beyond = []

    def run(self, *steps):
        async def go():
            for step in steps:
                step()
            for _ in range(6):
                await asyncio.sleep(0)

        self.loop.run_until_complete(go())

    async def call(self, client, priority):
        with requesting(client=client, priority=priority):
            try:
                place = await self.gate.enter(1000)
            except Full:
                return
        self.places.append(place)
        figures = self.gate.figures()
        if figures.in_use > figures.size:
            self.beyond.append(figures)

    @rule(client=st.sampled_from("ab"), priority=st.sampled_from(Priority))
    def comes(self, client, priority):
        self.run(lambda: self.tasks.append(self.loop.create_task(self.call(client, priority))))

    @precondition(lambda self: self.places)
    @rule(data=st.data())
    def leaves(self, data):
        place = self.places.pop(data.draw(st.integers(0, len(self.places) - 1)))
        self.run(place.leave)

    @precondition(lambda self: any(not task.done() for task in self.tasks))
    @rule(data=st.data(), leaver=st.booleans())
    def is_given_up(self, data, leaver):
        waiting = [task for task in self.tasks if not task.done()]
        steps = [waiting[data.draw(st.integers(0, len(waiting) - 1))].cancel]
        if leaver and self.places:
            steps.insert(0, self.places.pop().leave)  # his turn comes in the same moment
        self.run(*steps)

    @rule(size=st.integers(0, 10))
    def is_resized(self, size):
        self.run(lambda: self.gate.resize(size))

    @rule(seconds=st.floats(0.1, 30))
    def time_passes(self, seconds):
        self.clock.advance(seconds)

    @rule(ok=st.booleans(), strain=st.booleans(), seconds=st.floats(0, 3))
    def a_call_is_booked(self, ok, strain, seconds):
        self.run(lambda: self.gate.note("n", ok=ok, seconds=seconds, strain=strain))

    @invariant()
    def the_counts_hold(self):
        figures = self.gate.figures()
        assert LIMITS.min_size <= figures.size <= LIMITS.max_size
        self.run()
        figures = self.gate.figures()
        assert figures.in_use == len(self.places)
        assert figures.waiting == sum(not task.done() for task in self.tasks)
        assert figures.waiting <= LIMITS.max_waiting
        if figures.waiting:
            assert figures.in_use >= figures.size, "nobody waits before an empty place"
        assert self.beyond == [], "nobody enters a pool that is full"

    def teardown(self):
        for task in self.tasks:
            task.cancel()
        while self.places:
            self.places.pop().leave()
        self.run()
        while self.places:
            self.places.pop().leave()
        figures = self.gate.figures()
        assert (figures.in_use, figures.waiting) == (0, 0)
        self.loop.close()


TestDoors = Doors.TestCase
TestDoors.settings = settings(max_examples=40, stateful_step_count=30, deadline=None)
