"""Who has too little time for a slow node passes it by; who has enough asks it."""

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from support.clock import RunningClock, TestClock
from support.sources import Fixed, Scripted, lone, node, symbols
from support.virtual import run

from argus_core import QuotesQuery, SourceTimeout
from argus_core.model.ask import Deadline
from argus_core.routing.health.haste import ALIKE, IN_VAIN, SPAN, Haste
from argus_core.routing.node import EVERYTHING
from argus_core.routing.router import Router
from argus_core.telemetry.redact import Redactor

A, INDEX = symbols("600519.SH", "000300.SH")
SCOPE = "quotes:stock"


@pytest.fixture
def clock():
    return TestClock()


@pytest.fixture
def haste(clock):
    return Haste(clock)


def late(haste, *seconds):
    for had in seconds:
        haste.late(SCOPE, had=had)


def test_only_several_late_calls_speak_and_only_of_what_all_of_them_had(haste):
    late(haste, 0.9, 0.4)
    assert not haste.too_little(SCOPE, 0.1)
    late(haste, 0.6)
    assert haste.too_little(SCOPE, 0.4)
    assert haste.too_little(SCOPE, 0.43), "as good as the same"
    assert not haste.too_little(SCOPE, 0.45)
    assert not haste.too_little("bars:1d:stock", 0.1)


def test_an_answer_refutes_those_that_had_as_much_time(haste):
    late(haste, *[0.4] * IN_VAIN)
    haste.answered(SCOPE, ran=2.0)
    assert haste.too_little(SCOPE, 0.4), "it was as slow as they say"
    haste.answered(SCOPE, ran=0.3)
    assert not haste.too_little(SCOPE, 0.1)
    assert not haste.noted


def test_it_is_tried_again_after_a_while_and_one_late_call_is_enough_then(clock, haste):
    late(haste, *[0.4] * IN_VAIN)
    clock.advance(SPAN - 1)
    assert haste.too_little(SCOPE, 0.4)
    clock.advance(1)
    assert not haste.too_little(SCOPE, 0.4)
    late(haste, 0.4)
    assert haste.too_little(SCOPE, 0.4)


def test_a_node_that_checks_bring_back_has_a_clean_slate(clock):
    subject = node(Scripted("one", clock))
    subject.health.vouched = True
    late(subject.haste, *[0.4] * IN_VAIN)
    subject.cool(EVERYTHING, SourceTimeout("hangs"))
    assert subject.haste.too_little(SCOPE, 0.4)
    subject.check_passed()
    assert not subject.haste.noted


class Hurries(RuleBasedStateMachine):
    """Whatever happened: nobody passes by who has more time than a late call had lately."""

    def __init__(self):
        super().__init__()
        self.clock = TestClock()
        self.haste = Haste(self.clock)
        self.seen = []

    @rule(had=st.floats(0.01, 5))
    def late(self, had):
        self.haste.late(SCOPE, had=had)
        self.seen.append(had)

    @rule(ran=st.floats(0.01, 5))
    def answered(self, ran):
        self.haste.answered(SCOPE, ran=ran)
        self.seen = [had for had in self.seen if had < ran]

    @rule(seconds=st.floats(0, 40))
    def wait(self, seconds):
        self.clock.advance(seconds)

    @rule(seconds=st.floats(0.01, 5))
    def ask(self, seconds):
        if self.haste.too_little(SCOPE, seconds):
            assert sum(had * ALIKE >= seconds for had in self.seen) >= IN_VAIN

    @invariant()
    def nothing_unseen_is_noted(self):
        assert self.haste.noted <= bool(self.seen)


TestHurries = Hurries.TestCase


def test_a_slow_node_is_asked_by_who_has_the_time_and_by_nobody_else():
    async def story():
        clock = RunningClock()
        slow, quick = Scripted("slow", clock, 0.6), Scripted("quick", clock)
        nodes = [node(slow), node(quick)]
        nodes[0].health.vouched = True  # its checks are answered: no cool-down for hasty calls
        router = Router(Fixed(lone(*nodes)), clock=clock, redactor=Redactor())

        async def ask(seconds, symbol=A):
            query = QuotesQuery(symbols=(symbol,))
            routed = await router.fetch(query, Deadline.within(seconds, clock))
            return routed.found[symbol].source, routed.trace.skipped

        for _ in range(IN_VAIN):
            assert (await ask(1.0))[0] == "quick"
        assert len(slow.asked) == IN_VAIN
        source, skipped = await ask(1.0)
        assert source == "quick"
        assert [(s.source, s.reason) for s in skipped] == [
            ("slow", "too slow for the little time that it would get")
        ]
        assert len(slow.asked) == IN_VAIN
        assert (await ask(3.0))[0] == "slow", "the patient get its answer"
        assert (await ask(1.0))[0] == "quick", "which was as slow as the hasty had found"
        assert (await ask(1.0, INDEX))[0] == "quick"
        assert slow.asked[-1] == (INDEX,), "of other parts nothing is known"

    run(story())


def test_a_slow_node_is_asked_all_the_same_where_nobody_else_answers(clock):
    async def story():
        slow = Scripted("slow", clock, 0.6)
        nodes = [node(slow)]
        nodes[0].health.vouched = True
        router = Router(Fixed(lone(*nodes)), clock=clock, redactor=Redactor())
        for _ in range(IN_VAIN):
            nodes[0].haste.late(SCOPE, had=1.0)
        query = QuotesQuery(symbols=(A,))
        routed = await router.fetch(query, Deadline.within(1.0, clock))
        assert routed.found[A].source == "slow"

    run(story())
