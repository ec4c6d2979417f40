"""What waits goes out soon, at the listener's pace, and nobody keeps it from the others."""

import asyncio
from itertools import pairwise

import pytest

from argus_core.streaming import turns as turns_module
from argus_core.streaming.lanes import Lane
from argus_core.streaming.turns import PAUSE, TURN, Turns


class Loop:
    """An event loop whose time a test moves."""

    def __init__(self):
        self.now = 100.0
        self.due = []
        self.number = 0

    def time(self):
        return self.now

    def call_soon(self, act, *arguments):
        return self.call_at(self.now, act, *arguments)

    def call_later(self, seconds, act, *arguments):
        return self.call_at(self.now + seconds, act, *arguments)

    def call_at(self, at, act, *arguments):
        self.number += 1
        handle = Handle(at, self.number, act, arguments)
        self.due.append(handle)
        return handle

    def run(self, seconds=0.0):
        """Let time pass; what is due is done in order."""
        end = self.now + seconds
        while due := [one for one in self.due if one.at <= end + 1e-9]:
            first = min(due, key=lambda one: (one.at, one.number))
            self.due.remove(first)
            self.now = max(self.now, first.at)
            if not first.cancelled:
                first.act(*first.arguments)
        self.now = end

    @property
    def waiting(self):
        return [one for one in self.due if not one.cancelled]


class Coarse(Loop):
    """One that counts whole milliseconds, as uvloop does: what is due in less is due at once."""

    def time(self):
        return round(self.now * 1000) / 1000

    def call_at(self, at, act, *arguments):
        assert self.number < 10_000, "it waits in a circle"
        wait = round((at - self.time()) * 1000)
        return super().call_at(self.time() + wait / 1000, act, *arguments)


class Handle:
    def __init__(self, at, number, act, arguments):
        self.at, self.number, self.act, self.arguments = at, number, act, arguments
        self.cancelled = False

    def cancel(self):
        self.cancelled = True


class Listener:
    def __init__(self, turns, interval=0.0):
        self.lane = Lane(self, interval)
        self.turns = turns
        self.sent = []

    def ready(self, lane):
        self.turns.mark(lane)

    def say(self, what):
        self.lane.conflated("key", what)


class Hall:
    def __init__(self, loop):
        self.loop = loop
        self.turns = Turns(loop, self.take, lambda: None)
        self.fails = set()

    def take(self, lane):
        batch = lane.taken()
        if lane in self.fails:
            raise OSError("this one's socket is gone")
        if batch is not None:
            lane.listener.sent.append((self.loop.now, batch.latest["key"]))

    def listener(self, interval=0.0):
        return Listener(self.turns, interval)


@pytest.fixture
def loop():
    return Loop()


@pytest.fixture
def hall(loop):
    return Hall(loop)


def test_the_first_thing_said_goes_out_at_once(hall, loop):
    one = hall.listener()
    one.say(1)
    loop.run()
    assert one.sent == [(100.0, 1)]


def test_what_is_said_within_a_pause_goes_out_together(hall, loop):
    one = hall.listener()
    one.say(1)
    loop.run()
    for what in range(2, 9):
        one.say(what)
    loop.run(PAUSE)
    assert [what for _, what in one.sent] == [1, 8]
    assert one.sent[1][0] == pytest.approx(100.0 + PAUSE)


def test_nobody_waits_for_the_pause_of_another(hall, loop):
    early, late = hall.listener(), hall.listener()
    early.say(1)
    loop.run(PAUSE / 2)
    early.say(2)
    late.say(1)
    loop.run()
    assert late.sent == [(pytest.approx(100.0 + PAUSE / 2), 1)]
    assert [what for _, what in early.sent] == [1]
    loop.run(PAUSE)
    assert early.sent[1] == (pytest.approx(100.0 + PAUSE), 2)


def test_it_begins_at_once_where_nothing_more_is_to_come(hall, loop):
    one = hall.listener()
    hall.turns.begin()
    one.say(1)
    assert hall.turns.busy
    hall.turns.begin()
    assert one.sent == [(100.0, 1)]
    assert not hall.turns.busy
    assert not loop.waiting
    one.say(2)
    hall.turns.begin()  # its pause is kept all the same
    assert len(one.sent) == 1
    assert not hall.turns.busy
    loop.run(PAUSE)
    assert [what for _, what in one.sent] == [1, 2]


def test_it_is_busy_until_the_last_one_has_had_a_turn(hall, loop):
    everybody = [hall.listener() for _ in range(TURN + 1)]
    for one in everybody:
        one.say(1)
    hall.turns.begin()
    assert hall.turns.busy
    assert not everybody[-1].sent
    loop.run()
    assert everybody[-1].sent
    assert not hall.turns.busy


def test_to_begin_makes_no_turn_longer(hall, loop):
    everybody = [hall.listener() for _ in range(3 * TURN)]
    for one in everybody:
        one.say(1)
    hall.turns.begin()
    hall.turns.begin()
    assert sum(bool(one.sent) for one in everybody) == TURN
    loop.run()
    assert all(len(one.sent) == 1 for one in everybody)


@pytest.mark.parametrize("began", [100.0, 5000.001, 50_000.123, 864_000.007])
@pytest.mark.parametrize("interval", [0.0, 0.116])
def test_a_clock_that_counts_milliseconds_makes_nobody_wait_in_a_circle(began, interval):
    loop = Coarse()
    loop.now = began
    hall = Hall(loop)
    for _ in range(200):
        loop.now += 0.001
        one = hall.listener(interval)
        one.say(1)
        loop.run()
        one.say(2)
        loop.run()
        before = loop.number
        loop.run(max(PAUSE, interval) + 0.002)
        assert [what for _, what in one.sent] == [1, 2]
        assert loop.number - before <= 1


def test_many_are_served_in_turns_and_the_loop_turns_to_others_in_between(hall, loop):
    everybody = [hall.listener() for _ in range(2 * TURN + 5)]
    for one in everybody:
        one.say(1)
    others = []
    loop.call_soon(lambda: others.append(sum(bool(one.sent) for one in everybody)))
    loop.run()
    assert others == [TURN]
    assert all(len(one.sent) == 1 for one in everybody)


def test_a_pace_is_kept(hall, loop):
    slow, fast = hall.listener(interval=1.0), hall.listener()
    for what in range(100):
        slow.say(what)
        fast.say(what)
        loop.run(0.05)
    times = [at for at, _ in slow.sent]
    assert all(later - earlier >= 1.0 for earlier, later in pairwise(times))
    assert len(times) == 6
    assert len(fast.sent) == 100
    loop.run(1.1)
    assert slow.sent[-1][1] == 99  # the last thing said is never left over


def test_one_who_cannot_be_sent_anything_does_not_keep_it_from_the_others(hall, loop):
    broken, good = hall.listener(), hall.listener()
    hall.fails.add(broken.lane)
    for what in range(3):
        broken.say(what)
        good.say(what)
        loop.run(PAUSE)
    assert [what for _, what in good.sent] == [0, 1, 2]


def test_one_who_is_forgotten_leaves_no_timer(hall, loop):
    one = hall.listener(interval=10.0)
    one.say(1)
    loop.run()
    one.say(2)
    loop.run(PAUSE)
    assert loop.waiting
    hall.turns.forget(one.lane)
    assert not loop.waiting


def test_one_who_is_answered_again_and_again_between_two_batches_has_one_timer(hall, loop):
    one = hall.listener(interval=3600.0)
    one.say(0)
    loop.run()
    for what in range(1, 50):
        one.say(what)
        loop.run(PAUSE)
        one.lane.taken()  # as every answer takes along what waits
    one.say(50)
    loop.run(PAUSE)
    assert len(loop.waiting) == 1
    hall.turns.forget(one.lane)
    assert not loop.waiting


def test_one_who_leaves_before_the_next_turn_leaves_no_timer(hall, loop):
    one = hall.listener(interval=3600.0)
    one.say(1)
    loop.run()
    one.say(2)
    hall.turns.forget(one.lane)
    one.lane.taken()
    loop.run(1.0)
    assert not loop.waiting


def test_after_the_end_nothing_is_sent_and_no_timer_is_left(hall, loop):
    quick, slow = hall.listener(), hall.listener(interval=10.0)
    for one in (quick, slow):
        one.say(1)
    loop.run()
    for one in (quick, slow):
        one.say(2)
    loop.run(0.001)
    hall.turns.close()
    assert not loop.waiting
    quick.lane.taken()
    quick.say(3)
    loop.run(1.0)
    assert [what for _, what in quick.sent] == [1]
    assert not loop.waiting


def test_whoever_ends_it_all_amid_a_turn_does_no_harm(hall, loop):
    ears = [hall.listener() for _ in range(3)]
    hall.take = lambda _lane: hall.turns.close()
    hall.turns._take = hall.take
    for one in ears:
        one.say(1)
    loop.run(1.0)
    assert not loop.waiting


async def test_it_runs_on_a_real_loop(monkeypatch):
    monkeypatch.setattr(turns_module, "PAUSE", 0.001)
    sent = asyncio.Event()
    turns = Turns(asyncio.get_running_loop(), lambda _lane: sent.set(), lambda: None)
    one = Listener(turns)
    one.say(1)
    await asyncio.wait_for(sent.wait(), 5)
    turns.close()
