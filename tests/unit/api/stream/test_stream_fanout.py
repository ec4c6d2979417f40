"""What goes over a shared cache: each update once, numbered, with beats about it."""

import asyncio
import contextlib
from datetime import timedelta

from support.clock import TestClock
from support.waiting import until

from argus_api.stream.fanout import Fanout
from argus_api.stream.relay import Relay
from argus_core import CacheError, Quote, Symbol, fanout_channel, read_push_frame
from argus_core.streaming.feed import SilentLane
from argus_core.streaming.hub import Hub
from argus_core.streaming.topics import FEED, Carrier, Notice

A, B = Symbol("600519.SH"), Symbol("000001.SZ")
CARRIER = Carrier("vendor", "push")
CLOCK = TestClock()


class Supply:
    def want(self, symbols):
        pass

    def drop(self, symbols):
        pass


class Store:
    name = "l2"

    def __init__(self):
        self.sent = []
        self.channels = set()
        self.fault = None

    async def publish(self, channel, messages):
        if self.fault is not None:
            raise self.fault
        self.channels.add(channel)
        self.sent += [read_push_frame(message) for message in messages]

    def of(self, kind):
        return [frame for frame in self.sent if frame.type == kind]


class Gateway:
    """One that follows: it hears nothing on its connection but what it is told in words."""

    def __init__(self, house):
        self.house = house
        self.told = []
        self.lane = SilentLane(self, house.fanout.release)

    def ready(self, lane):
        raise AssertionError("what goes over the cache does not come here too")

    def notice(self, notice):
        self.told.append(notice)

    def say(self, message):
        self.told.append(read_push_frame(message))

    def listen(self, *symbols):
        self.house.hub.listen(self.lane, self.house.view, symbols)
        self.house.fanout.hold(symbols)


class House:
    def __init__(self):
        self.store = Store()
        self.hub = Hub(epoch="e1", grace=0, supply=Supply(), later=lambda _, act: Soon(act))
        relay = Relay("e1", frozenset(), CLOCK)
        self.view = relay.view(FEED, None)
        self.fanout = Fanout(self.store, self.hub, relay)
        self.price = 0

    def gateway(self):
        made = Gateway(self)
        self.fanout.enter(made)
        return made

    def say(self, symbol=A):
        self.price += 1
        quote = Quote(symbol=symbol, price=float(self.price))
        return self.hub.say((FEED, symbol), quote, CARRIER, CLOCK.now() - timedelta(seconds=1))


class Soon:
    def __init__(self, act):
        self.handle = asyncio.get_running_loop().call_soon(act)

    def cancel(self):
        self.handle.cancel()


@contextlib.asynccontextmanager
async def house():
    built = House()
    try:
        yield built
    finally:
        await built.fanout.aclose()


async def test_each_update_is_published_once_however_many_follow():
    async with house() as built:
        one, two = built.gateway(), built.gateway()
        one.listen(A)
        two.listen(A, B)
        said = [built.say(A), built.say(B), built.say(A)]
        await until(lambda: built.store.of("update"))
        items = [item for frame in built.store.of("update") for item in frame.items]
        heard = [(item.value.symbol, item.seq) for item in items]
        assert sorted(heard) == sorted((update.symbol, update.seq) for update in said)
        assert [seq for symbol, seq in heard if symbol == A] == [said[0].seq, said[2].seq]
        assert built.store.channels == {fanout_channel(built.fanout.id)}
        assert {frame.epoch for frame in built.store.sent} == {"e1"}


async def test_messages_are_numbered_and_beats_tell_the_last_number_of_each_symbol():
    async with house() as built:
        gateway = built.gateway()
        gateway.listen(A, B)
        await until(lambda: built.store.of("beat"))
        built.say(A)
        last = built.say(A).seq
        await until(lambda: len(built.store.of("beat")) >= 3)
        assert [frame.n for frame in built.store.sent] == list(range(1, len(built.store.sent) + 1))
        first, second, third = built.store.of("beat")[:3]
        assert first.seq == {}
        assert second.seq == {str(A): last}
        assert third.seq == {}


async def test_a_cache_that_fails_is_told_once_and_nothing_is_kept_for_later():
    async with house() as built:
        gateway = built.gateway()
        gateway.listen(A)
        await until(lambda: built.store.of("beat"))
        built.store.fault = CacheError("redis at there did not answer")
        built.say(A)
        await until(lambda: gateway.told)
        (told,) = gateway.told
        assert (told.type, told.state) == ("fanout", "lost")
        assert "did not answer" in told.reason
        assert not built.fanout.follows(gateway)
        built.say(A)
        await asyncio.sleep(1.2)
        assert gateway.told == [told]
        published = len(built.store.sent)
        built.store.fault = None
        await until(lambda: built.fanout.follows(gateway))
        (beat,) = built.store.sent[published:]
        assert beat.type == "beat"
        assert beat.seq.get(str(A)) in (None, 2)
        # What was lost meanwhile has numbers, so that whoever was not told misses them.
        assert beat.n > built.store.sent[published - 1].n + 1


async def test_a_notice_keeps_its_place_among_the_values():
    async with house() as built:
        gateway = built.gateway()
        gateway.listen(A)
        await until(lambda: built.store.of("beat"))
        built.say(A)
        built.hub.tell(Notice("gap", (A, B), {"reason": "lost at the vendor"}))
        built.say(A)
        await until(lambda: len(built.store.of("update")) == 2)
        kinds = [frame.type for frame in built.store.sent if frame.type != "beat"]
        assert kinds == ["update", "gap", "update"]
        (gap,) = built.store.of("gap")
        assert gap.symbols == (A,)
        assert [frame.n for frame in built.store.sent] == list(range(1, len(built.store.sent) + 1))
        assert [notice.kind for notice in gateway.told] == ["gap"]


async def test_what_nobody_hears_this_way_any_more_is_published_until_the_next_beat():
    async with house() as built:
        one, two = built.gateway(), built.gateway()
        one.listen(A)
        two.listen(A)
        built.hub.leave(one)
        await until(lambda: len(built.store.of("beat")) >= 2)
        assert (FEED, A) in built.hub.heard(built.fanout)
        built.hub.stop(two, [(FEED, A)])
        two.listen(A)  # over again, before the beat
        beats = len(built.store.of("beat"))
        await until(lambda: len(built.store.of("beat")) > beats + 1)
        assert (FEED, A) in built.hub.heard(built.fanout)
        built.hub.leave(two)
        await until(lambda: not built.hub.heard(built.fanout))
        assert built.fanout.symbols == 0


async def test_without_followers_there_are_no_beats():
    async with house() as built:
        gateway = built.gateway()
        gateway.listen(A)
        await until(lambda: built.store.sent)
        built.hub.leave(gateway)
        built.fanout.leave(gateway)
        await until(lambda: not built.hub.heard(built.fanout))
        count = len(built.store.sent)
        await asyncio.sleep(1.3)
        assert len(built.store.sent) == count
        built.fanout.enter(gateway)
        await until(lambda: len(built.store.sent) > count)
        assert built.store.sent[-1].n == count + 1
