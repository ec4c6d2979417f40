"""What is heard over the stream of another Argus, told on without a hole or a double."""

from datetime import timedelta
from itertools import pairwise

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.clock import TestClock

from argus_core import Depth, Gap, Origin, Quote, RelayedPush, Symbol, Trade, read_push_frame
from argus_core.extend.pushes import push_item
from argus_remote.heard import Heard

MAOTAI, PINGAN = Symbol("600519.SH"), Symbol("000001.SZ")
CLOCK = TestClock()
VENDOR = Origin(path=("vendor",))
KEYS = orjson.OPT_NON_STR_KEYS


def quote(symbol=MAOTAI, price=1.0):
    return Quote(symbol=symbol, price=price)


def book(price=1.0):
    trade = Trade(price=price, volume=1.0, time=CLOCK.now())
    return Depth(quote=quote(price=price), trades=(trade,))


def message(kind="update", *items, epoch="e1", **told):
    head = orjson.dumps({"type": kind, "epoch": epoch, **told}, option=KEYS)[:-1]
    return read_push_frame(head + b',"data":[' + b",".join(items) + b"]}")


def item(seq, value=None, origin=VENDOR):
    return push_item(seq, value or quote(price=float(seq)), origin, "push")


def heard(*symbols, unfit=lambda _: None):
    clock = TestClock()
    made = Heard("agent", clock, unfit)
    made.wanted |= dict.fromkeys(symbols or (MAOTAI, PINGAN), ())
    pushed = []
    made.push = pushed.append
    made.clock = clock
    return made, pushed


def prices(pushed):
    return [one.value.price for one in pushed if isinstance(one, RelayedPush)]


def gaps(pushed):
    return [one for one in pushed if isinstance(one, Gap)]


def test_values_come_in_order_with_their_origin():
    made, pushed = heard()
    origin = Origin(path=("edge", "vendor"), age=1.5, simulated=True)
    assert made.take(message("snapshot", item(3, origin=origin), item(1, quote(PINGAN)))) == set()
    made.take(message("update", item(4)))
    assert [one.symbol for one in pushed] == [MAOTAI, PINGAN, MAOTAI]
    assert pushed[0].origin == origin
    assert prices(pushed) == [3.0, 1.0, 4.0]


@given(st.lists(st.integers(1, 30), max_size=30))
def test_nothing_comes_twice_and_every_hole_is_told(numbers):
    made, pushed = heard()
    made.take(message("snapshot", item(1)))
    for number in numbers:
        made.take(message("update", item(number)))
    said = prices(pushed)
    assert said == sorted(set(said))
    holes = sum(after - before > 1 for before, after in pairwise(said))
    assert len(gaps(pushed)) == holes


def test_a_hole_is_told_before_what_follows_it():
    made, pushed = heard()
    made.alive()
    made.take(message("snapshot", item(1)))
    made.take(message("update", item(3), item(6)))
    assert [type(one) for one in pushed] == [RelayedPush, Gap, RelayedPush, RelayedPush]
    gap = pushed[1]
    assert gap.symbols == (MAOTAI,)
    assert gap.reason == "agent: there was more than could be sent"
    assert gap.since == made.clock.now()


def test_trades_of_before_are_not_new_ones():
    made, pushed = heard()
    made.take(message("snapshot", item(5, book())))
    made.take(message("update", item(6, book(2.0))))
    made.take(message("snapshot", item(7, book(3.0))))  # the one that follows, after a pause
    made.take(message("snapshot", item(9, book(4.0))))
    assert [one.value.trades is not None for one in pushed] == [False, True, True, False]


def test_what_nobody_wants_is_named():
    made, pushed = heard(MAOTAI)
    assert made.take(message("update", item(1), item(1, quote(PINGAN)))) == {PINGAN}
    assert [one.symbol for one in pushed] == [MAOTAI]


@pytest.mark.parametrize("many", [1, None])
def test_what_was_missed_in_a_pause_is_told_with_the_instant_before_it(many):
    made, pushed = heard()
    made.alive()
    before = made.clock.now()
    made.clock.advance(5)
    made.lost()
    made.clock.advance(5)
    made.alive()
    made.take(message("subscribed", missed={MAOTAI: many, PINGAN: 0}))
    (gap,) = pushed
    assert (gap.symbols, gap.since) == ((MAOTAI,), before)


def test_a_pause_in_which_nothing_was_missed_is_none():
    made, pushed = heard()
    made.lost()
    made.take(message("subscribed", missed={MAOTAI: 0, PINGAN: 0}))
    assert pushed == []


def test_gaps_and_stale_states_are_told_on_by_our_clock():
    made, pushed = heard(MAOTAI)
    made.ahead = timedelta(hours=1)
    theirs = (made.clock.now() + timedelta(hours=1) - timedelta(seconds=3)).isoformat()
    made.take(message("gap", symbols=[MAOTAI, PINGAN], reason="vendor: lost", since=theirs))
    made.take(message("status", symbols=[MAOTAI], state="stale", reason="nobody is left"))
    made.take(message("status", symbols=[MAOTAI], state="live", source="other"))
    made.take(message("status", symbols=[PINGAN], state="stale"))
    assert [gap.symbols for gap in pushed] == [(MAOTAI,), (MAOTAI,)]
    assert [gap.reason for gap in pushed] == ["agent: vendor: lost", "agent: nobody is left"]
    assert pushed[0].since == made.clock.now() - timedelta(seconds=3)


def test_where_to_go_on_is_asked_life_by_life_and_way_by_way():
    other, never = Symbol("000300.SH"), Symbol("600000.SH")
    made, _ = heard(MAOTAI, PINGAN, other, never)
    made.wanted[PINGAN] = ("gw",)
    made.take(message("snapshot", item(4), item(2, quote(PINGAN))))
    made.take(message("snapshot", item(9, quote(other)), epoch="e2"))
    parts = {tuple(part["symbols"]): part for part in made.parts(500)}
    assert parts[MAOTAI,] == {
        "symbols": [MAOTAI],
        "via": (),
        "since": {"epoch": "e1", "seq": {MAOTAI: 4}},
    }
    assert parts[PINGAN,]["via"] == ("gw",)
    assert parts[other,]["since"] == {"epoch": "e2", "seq": {other: 9}}
    assert parts[never,]["since"] == {"epoch": "", "seq": {never: 0}}
    assert all(len(part["symbols"]) == 1 for part in made.parts(1))


def test_another_life_begins_anew():
    made, pushed = heard()
    made.take(message("snapshot", item(9)))
    made.take(message("snapshot", item(1), epoch="e2"))
    made.take(message("update", item(2), epoch="e2"))
    assert prices(pushed) == [9.0, 1.0, 2.0]
    assert gaps(pushed) == []


def test_what_is_of_another_world_is_not_passed_on_and_told_once():
    made, pushed = heard(unfit=lambda origin: "is invented" if origin.simulated else None)
    invented = Origin(path=("demo",), simulated=True)
    for seq in (1, 2):
        made.take(message("update", item(seq, origin=invented)))
    made.take(message("update", item(3)))
    made.take(message("update", item(4, origin=invented)))
    assert prices(pushed) == [3.0]
    assert [gap.reason for gap in gaps(pushed)] == ["agent: is invented"] * 2


def test_what_is_forgotten_is_heard_no_more_and_begins_anew():
    made, pushed = heard()
    made.take(message("snapshot", item(4)))
    made.forget([MAOTAI, Symbol("600000.SH")])
    assert made.take(message("update", item(5))) == {MAOTAI}
    made.wanted[MAOTAI] = ()
    made.take(message("snapshot", item(4)))
    assert prices(pushed) == [4.0, 4.0]


def test_what_was_said_before_is_brought_as_what_follows_will_be():
    made, pushed = heard()
    made.take(message("subscribed", modes={MAOTAI: "poll", PINGAN: None}))
    made.take(message("snapshot", item(1), item(1, quote(PINGAN))))
    made.take(message("update", item(2)))
    assert [one.mode for one in pushed] == ["poll", "push", "push"]


def test_a_second_loss_before_all_was_asked_for_again_does_not_hide_the_first():
    made, pushed = heard()
    made.alive()
    before = made.clock.now()
    for _ in "12":
        made.lost()
        made.clock.advance(5)
        made.alive()
    made.cut("it is gone")
    made.whole()
    made.lost()
    made.cut("it is gone")
    assert [gap.since for gap in pushed] == [before, made.clock.now()]
