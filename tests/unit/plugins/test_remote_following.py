"""Whether values come over a shared cache: proved by beats, and given up as soon as they fail."""

import asyncio
import contextlib

import orjson
import pytest
from support.clock import TestClock

from argus_core import (
    Gap,
    Origin,
    PushFrame,
    Quote,
    RelayedPush,
    SourceUnavailable,
    Symbol,
    fanout_channel,
)
from argus_core.extend.pushes import push_item
from argus_remote import following
from argus_remote.following import Following
from argus_remote.heard import Heard

MAOTAI, PINGAN = Symbol("600519.SH"), Symbol("000001.SZ")
EPOCH, FANOUT = "e1", "f1"


class Store:
    """A cache, as far as it carries messages."""

    name = "l2"

    def __init__(self):
        self.channel = None
        self.heard = None

    async def listen(self, channel, heard):
        self.channel, self.heard = channel, heard
        heard(None)
        await asyncio.Event().wait()


class Other:
    """The other gateway: its numbers, what it publishes, and what it is asked."""

    def __init__(self):
        self.clock = TestClock()
        self.pushed = []
        self.heard = Heard("agent", self.clock, lambda _: None)
        self.heard.push = self.pushed.append
        self.heard.wanted = {MAOTAI: (), PINGAN: ()}
        self.following = Following("agent", self.clock, self.heard)
        self.store = Store()
        self.carrier = self.store
        self.asked = []
        self.fails = False
        self.holds = None
        self.said = {MAOTAI: 0, PINGAN: 0}
        self.told = {}
        self.number = 0
        seqs = {str(symbol): 0 for symbol in self.said}
        self.connection({"type": "subscribed", "epoch": EPOCH, "seq": seqs})

    async def ask(self, over, symbols):
        wanted = self.heard.wanted if symbols is None else symbols
        parts = list(self.heard.parts(500, symbols))
        self.asked.append((over, {str(one) for one in wanted}))
        if self.holds is not None:
            await self.holds.wait()
        if self.fails:
            raise SourceUnavailable("it does not answer")
        for part in parts:
            self.acknowledge(part)

    def acknowledge(self, part):
        """As a gateway does: how much was missed since, and what was said last."""
        since, keys = part["since"], [str(symbol) for symbol in part["symbols"]]
        known = since["epoch"] == EPOCH
        missed = {k: self.said[k] - since["seq"][k] if known else None for k in keys}
        left = {k: many and many - 1 for k, many in missed.items()}
        body = {"type": "subscribed", "epoch": EPOCH, "missed": left}
        self.connection({**body, "seq": {k: self.said[k] for k in keys}})
        self.snapshot(*(k for k in keys if missed[k] != 0 and self.said[k]))

    def connection(self, body):
        self.heard.take(following.read_push_frame(orjson.dumps(body)))

    def items(self, kind, *pairs, **more):
        bodies = [
            push_item(seq, Quote(symbol=Symbol(s), price=float(seq)), Origin(path=("v",)), "push")
            for s, seq in pairs
        ]
        head = orjson.dumps({"type": kind, "epoch": EPOCH, **more})
        return head[:-1] + b',"data":[' + b",".join(bodies) + b"]}"

    def snapshot(self, *keys):
        pairs = [(key, self.said[key]) for key in keys]
        self.heard.take(following.read_push_frame(self.items("snapshot", *pairs)))

    def direct(self, symbol=MAOTAI):
        """Push over the connection."""
        self.said[symbol] += 1
        pair = (symbol, self.said[symbol])
        self.heard.take(following.read_push_frame(self.items("update", pair)))

    def publish(self, symbol=MAOTAI, *, lost=False):
        """Push over the cache."""
        self.said[symbol] += 1
        self.told[str(symbol)] = self.said[symbol]
        self.number += 1
        if not lost:
            self.store.heard(self.items("update", (symbol, self.said[symbol]), n=self.number))

    def beat(self, *, lost=False):
        self.number += 1
        told, self.told = self.told, {}
        body = {"type": "beat", "epoch": EPOCH, "n": self.number, "seq": told}
        if not lost:
            self.store.heard(orjson.dumps(body))

    def prices(self, symbol=MAOTAI):
        values = [one.value for one in self.pushed if isinstance(one, RelayedPush)]
        return [value.price for value in values if value.symbol == symbol]

    @property
    def gaps(self):
        return [one for one in self.pushed if isinstance(one, Gap)]


async def turns(count=20):
    for _ in range(count):
        await asyncio.sleep(0)


@contextlib.asynccontextmanager
async def running():
    other = Other()
    run = other.following.run(FANOUT, lambda: other.carrier, other.ask)
    task = asyncio.create_task(run)
    await turns()
    try:
        yield other
        assert not task.done() or other.carrier is not other.store
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@contextlib.asynccontextmanager
async def over():
    """One whose values come over the cache, the first of which is heard."""
    async with running() as other:
        other.direct()
        other.beat()
        await turns()
        assert other.following.over == FANOUT
        other.asked.clear()
        yield other


async def test_values_come_over_the_cache_once_a_beat_was_heard_there():
    async with running() as other:
        assert other.store.channel == fanout_channel(FANOUT)
        other.direct()
        assert other.following.over is None
        assert other.asked == []
        other.beat()
        await turns()
        assert other.following.over == FANOUT
        assert other.asked == [(FANOUT, {MAOTAI, PINGAN})]
        other.publish()
        other.publish()
        assert other.prices() == [1.0, 2.0, 3.0]
        assert other.gaps == []


async def test_what_is_published_before_values_are_to_come_this_way_is_not_taken():
    async with running() as other:
        other.publish()
        assert other.pushed == []


async def test_what_is_published_while_they_move_waits_and_is_not_lost():
    async with running() as other:
        other.direct()
        other.holds = asyncio.Event()
        other.beat()
        await turns()
        other.publish()
        assert other.prices() == [1.0]
        other.holds.set()
        other.said[MAOTAI] = 1  # the answer was made before the value was said
        await turns()
        assert other.prices() == [1.0, 2.0]
        assert other.gaps == []


async def test_a_message_that_is_lost_is_asked_for_again_and_told():
    async with over() as other:
        other.publish(lost=True)
        other.publish(PINGAN)
        await turns()
        assert other.asked == [(FANOUT, {MAOTAI, PINGAN})]
        assert other.prices() == [1.0, 2.0]
        assert other.gaps == [], "what was said last came, and nothing else had been said"
        other.publish(lost=True)
        other.publish(lost=True)
        other.beat()
        await turns()
        assert other.prices() == [1.0, 2.0, 4.0]
        assert [gap.symbols for gap in other.gaps] == [(MAOTAI,)]


async def test_the_last_message_that_is_lost_is_missed_at_the_next_beat():
    async with over() as other:
        other.publish(lost=True)
        await turns()
        assert other.prices() == [1.0]
        other.beat()
        await turns()
        assert other.prices() == [1.0, 2.0]


async def test_a_beat_that_is_lost_makes_it_ask_for_everything():
    async with over() as other:
        other.publish(lost=True)
        other.beat(lost=True)
        other.beat()
        await turns()
        assert other.prices() == [1.0, 2.0]


async def test_a_connection_that_stands_anew_may_have_missed_something():
    async with over() as other:
        other.publish(lost=True)
        other.store.heard(None)
        other.number = 70  # as if nothing were missing
        other.publish(PINGAN)
        await turns()
        assert other.asked == [(FANOUT, {MAOTAI, PINGAN})]
        assert other.prices() == [1.0, 2.0]


async def test_one_whose_beat_knows_more_of_a_symbol_is_asked_for_it():
    async with over() as other:
        other.said[MAOTAI] = 4
        other.told = {str(MAOTAI): 4}
        other.beat()
        await turns()
        assert other.asked == [(FANOUT, {MAOTAI})]
        assert other.prices() == [1.0, 4.0]
        assert other.gaps


async def test_without_beats_everything_comes_over_the_connection_again():
    async with over() as other:
        other.said[MAOTAI] = 3
        other.clock.advance(following.SILENT + 0.1)
        await asyncio.sleep(following.LOOK + 0.1)
        assert other.following.over is None
        assert other.asked == [(None, {MAOTAI, PINGAN})]
        assert other.prices() == [1.0, 3.0]
        assert [gap.symbols for gap in other.gaps] == [(MAOTAI,)]


async def test_a_way_that_was_lost_is_not_taken_again_at_once():
    async with over() as other:
        other.following.lost("the agent says so")
        await turns()
        assert other.asked == [(None, {MAOTAI, PINGAN})]
        other.beat()
        await turns()
        assert other.following.over is None
        other.clock.advance(following.AWAY)
        other.beat()
        await turns()
        assert other.following.over == FANOUT
        assert other.gaps == []


async def test_where_the_answer_fails_they_stay_on_the_connection():
    async with running() as other:
        other.direct()
        other.fails = True
        other.beat()
        await turns()
        assert other.following.over is None
        other.fails = False
        await asyncio.sleep(following.LOOK + 0.1)
        assert other.asked[-1] == (None, {MAOTAI, PINGAN})
        other.publish()
        assert other.prices() == [1.0], "what comes over the cache is not taken"


@pytest.mark.parametrize("junk", [b"", b"{", b'{"type": 3}', b'{"n": "x"}'])
async def test_what_cannot_be_understood_counts_as_lost(junk):
    async with over() as other:
        other.publish(lost=True)
        other.store.heard(junk)
        other.number = 90
        other.beat()
        await turns()
        assert other.prices() == [1.0, 2.0]


async def test_without_the_cache_it_ends_and_everything_is_asked_for_over_the_connection():
    async with over() as other:
        other.carrier = None
        await asyncio.sleep(following.LOOK + 0.2)
        assert other.asked == [(None, {MAOTAI, PINGAN})]
        assert other.following.over is None


async def test_a_way_that_is_lost_while_values_move_is_not_relied_on():
    async with running() as other:
        other.direct()
        other.holds = asyncio.Event()
        other.beat()
        await turns()
        other.following.lost("the agent says so")
        other.publish(lost=True)
        other.holds.set()
        await asyncio.sleep(following.LOOK + 0.1)
        assert other.following.over is None
        assert other.asked[-1] == (None, {MAOTAI, PINGAN})
        assert other.prices() == [1.0, 2.0]


async def test_one_late_beat_moves_nothing():
    async with running() as other:
        other.following.lost("the agent says so")
        other.beat()
        other.clock.advance(following.AWAY)
        await asyncio.sleep(following.LOOK + 0.1)
        assert other.asked == []


async def test_a_way_that_loses_again_and_again_is_given_up():
    async with over() as other:
        for _ in range(following.MOST_AGAIN):
            other.publish(lost=True)
            other.beat()
            await turns()
        assert other.following.over == FANOUT
        other.publish(lost=True)
        other.beat()
        await turns()
        assert other.following.over is None
        assert other.asked[-1] == (None, {MAOTAI, PINGAN})
        assert other.prices()[-1] == other.said[MAOTAI]


async def test_a_notice_keeps_its_place_among_the_values():
    async with over() as other:
        other.publish()
        other.number += 1
        body = {"type": "gap", "symbols": [MAOTAI], "reason": "lost there", "n": other.number}
        other.store.heard(orjson.dumps(body, option=orjson.OPT_PASSTHROUGH_SUBCLASS, default=str))
        other.publish()
        kinds = [type(one) for one in other.pushed[-3:]]
        assert kinds == [RelayedPush, Gap, RelayedPush]
        assert other.asked == []


async def test_a_value_of_a_symbol_that_is_still_to_be_acknowledged_is_left_to_its_snapshot():
    third = Symbol("000300.SH")
    async with over() as other:
        other.heard.wanted[third] = ()
        other.said[third] = 0
        other.publish(third)
        assert other.prices(third) == []
        other.connection({"type": "subscribed", "epoch": EPOCH, "seq": {str(third): 1}})
        other.snapshot(third)
        other.publish(third)
        assert other.prices(third) == [1.0, 2.0]
        assert other.gaps == []


async def test_a_hole_after_an_acknowledgement_without_a_value_is_told():
    async with over() as other:
        other.publish(PINGAN, lost=True)
        other.publish(PINGAN)
        assert [gap.symbols for gap in other.gaps] == [(PINGAN,)]


def test_what_is_accepted_and_not_wanted_any_more_is_a_stray():
    other = Other()
    told = PushFrame(type="subscribed", epoch=EPOCH, accepted=(MAOTAI, Symbol("000300.SH")))
    assert other.heard.take(told) == {Symbol("000300.SH")}


def test_a_beat_speaks_of_other_lives_and_other_symbols_in_vain():
    other = Other()
    other.direct()
    assert other.heard.behind(PushFrame(type="beat", epoch="e2", seq={str(MAOTAI): 9})) == set()
    assert other.heard.behind(PushFrame(type="beat", epoch=EPOCH, seq={"000300.SH": 9})) == set()
    assert other.heard.behind(PushFrame(type="beat", epoch=EPOCH, seq={str(MAOTAI): 9})) == {MAOTAI}
