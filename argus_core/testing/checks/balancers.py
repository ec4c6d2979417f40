"""BAL: load balancers."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from random import Random

from argus_core.extend.balancer import Balancer, Candidate
from argus_core.testing.check import Check, check, demand, skip
from argus_core.testing.exercise import Member, Ticking
from argus_core.testing.subject import Subject

_MOST = 100e-6
"""Seconds that one choice among twenty nodes may take; a request waits for it."""
_MOST_EACH = 20e-6
"""Seconds that it may take for one key of many among ten nodes."""
_BATCHES = 20
_PICKS = 100
_TURNS = 400


@check("BAL-01")
async def one_of_them(subject: Subject) -> None:
    """`pick` returns one of the candidates that it was given, the object itself.

    However many there are, whatever they weigh, and however busy they are.
    """
    balancer = _balancer(subject)
    for nodes in _sets():
        for _ in range(20):
            chosen = balancer.pick(nodes)
            demand(
                any(chosen is node for node in nodes),
                f"of {[node.name for node in nodes]} it picked {chosen!r}: return one of them",
            )


@check("BAL-02")
async def changing_sets(subject: Subject) -> None:
    """Nodes come and go: one that is gone is never picked, a new one gets its turn.

    A node that cools down is absent for a while. State kept by position mixes them up.
    """
    balancer = _balancer(subject)
    both = [Member("a"), Member("b")]
    for _ in range(10):
        _picked(balancer, both)
    for _ in range(10):
        chosen = balancer.pick([both[1]])
        demand(chosen is both[1], "it picked a node that was not offered")
        balancer.report(chosen, ok=True, seconds=0.01)
    late = [*both, Member("c")]
    picked = Counter(_picked(balancer, late) for _ in range(_TURNS))
    demand(picked["c"], f"a node that joined later was not picked in {_TURNS} calls")
    demand(picked["a"], f"a node that came back was not picked in {_TURNS} calls")


@check("BAL-03")
async def left_alone(subject: Subject) -> None:
    """The candidates and their list stay as they are; a tuple will do as well as a list."""
    balancer = _balancer(subject)
    nodes = [Member(f"n{number}", in_flight=number % 3) for number in range(8)]
    given = list(nodes)
    for _ in range(20):
        balancer.pick(given)
    demand(
        len(given) == len(nodes) and all(a is b for a, b in zip(given, nodes, strict=True)),
        "the caller's list was changed or reordered: copy it first",
    )
    balancer.pick(tuple(nodes))


@check("BAL-04")
async def quick_choice(subject: Subject) -> None:
    """One choice among twenty nodes takes less than a tenth of a millisecond.

    It is made for every call, on the event loop: no waiting, no file, no network.
    """
    balancer = _balancer(subject)
    nodes = [Member(f"n{number}", weight=1 + number % 3) for number in range(20)]
    best = min(_seconds(balancer, nodes) for _ in range(_BATCHES))
    demand(best < _MOST, f"a choice took {best * 1e6:.0f} µs at best")


@check("BAL-05")
async def nobody_starves(subject: Subject) -> None:
    """Among equal and idle nodes each is picked, sooner or later.

    A balancer that always takes the first is none.
    """
    balancer = _balancer(subject)
    nodes = [Member(name) for name in "abcde"]
    picked = Counter(_picked(balancer, nodes) for _ in range(_TURNS))
    starved = [node.name for node in nodes if not picked[node.name]]
    demand(not starved, f"in {_TURNS} calls {', '.join(starved)} got none of {len(nodes)} equals")


@check("BAL-06")
async def own_chance(subject: Subject) -> None:
    """The same seed gives the same choices: chance comes from `self.random` and nothing else.

    Otherwise nobody can repeat what happened. Time comes from `self.clock`.
    """
    nodes = [Member(name) for name in "abcdefgh"]
    first, second = (_choices(_balancer(subject), nodes) for _ in range(2))
    demand(first == second, "two balancers with one seed chose differently: use self.random")
    one, other = (_names(_balancer(subject), nodes, _keys(200)) for _ in range(2))
    demand(one == other, "two balancers with one seed chose differently for the same keys")


@check("BAL-07")
async def own_state(subject: Subject) -> None:
    """Two pools do not disturb each other: a balancer keeps its state in itself."""
    nodes = [Member(name) for name in "abcdefgh"]
    alone = _choices(_balancer(subject), nodes)
    one, other = _balancer(subject), _balancer(subject)
    among = [pair[0] for pair in ((_picked(one, nodes), _picked(other, nodes)) for _ in alone)]
    demand(alone == among, "what one balancer chose depends on another: keep state in self")


@check("BAL-08")
async def tolerant_reports(subject: Subject) -> None:
    """`report` takes whatever became of a node, also of one that is gone, and harms nobody.

    However often nodes fail, one of them is picked: whom not to ask is the router's business.
    """
    balancer = _balancer(subject)
    nodes = [Member("a"), Member("b", weight=0.001)]
    balancer.report(Member("stranger"), ok=False, seconds=1.0)
    for ok, seconds in ((True, 0.0), (False, 1e6), (False, 0.0), (True, 1e-9)):
        for _ in range(50):
            chosen = balancer.pick(nodes)
            demand(any(chosen is node for node in nodes), f"it picked {chosen!r}")
            balancer.report(chosen, ok=ok, seconds=seconds)


@check("BAL-09")
async def each_key(subject: Subject) -> None:
    """`pick_each` names one of the candidates for every key, the object itself.

    However many keys there are, and whatever they are called. What is left out, and whoever was
    not offered, goes to the first candidate. Skipped where `pick_each` is not overridden.
    """
    balancer = _by_key(subject)
    for nodes in _sets():
        for keys in (["600519.SH"], ["银行", "", "\ud800"], list(_keys(300))):
            given, offered = list(keys), list(nodes)
            chosen = balancer.pick_each(offered, given)
            missing = [key for key in keys if key not in chosen]
            demand(not missing, f"{len(missing)} of {len(keys)} keys got no node: {missing[:3]}")
            demand(
                all(any(chosen[key] is node for node in nodes) for key in keys),
                f"of {[node.name for node in nodes]} it named {chosen[keys[0]]!r} and others: "
                "return candidates that were given",
            )
            same = all(a is b for a, b in zip(offered, nodes, strict=True))
            demand(same and given == keys, "the caller's list was changed or reordered")
    balancer.pick_each((Member("a"), Member("b")), ("600519.SH", "000001.SZ"))


@check("BAL-10")
async def quick_batch(subject: Subject) -> None:
    """A choice for each of a thousand keys among ten nodes takes less than 20 ms.

    A whole market is five thousand, and it is made on the event loop. Skipped where `pick_each` is
    not overridden.
    """
    balancer = _by_key(subject)
    nodes, keys = [Member(f"n{number}") for number in range(10)], _keys(1000)
    best = min(_seconds_each(balancer, nodes, keys) for _ in range(5))
    demand(best < _MOST_EACH, f"a key took {best * 1e6:.0f} µs at best")


@check("BAL-11")
async def calls_given_up(subject: Subject) -> None:
    """A node whose calls were given up is picked again: `gave_up` comes instead of `report`.

    Callers hang up, and hedged calls are won by another node. Who counts picks less reports must
    count these too.
    """
    balancer = _balancer(subject)
    nodes = [Member(name) for name in "abc"]
    balancer.gave_up(Member("stranger"), seconds=0.01)
    for _ in range(_TURNS):
        chosen = balancer.pick(nodes)
        if chosen.name == "a":
            balancer.gave_up(chosen, seconds=0.01)
        else:
            balancer.report(chosen, ok=True, seconds=0.01)
    picked = Counter(_picked(balancer, nodes) for _ in range(_TURNS))
    demand(picked["a"], f"a node whose calls were given up got none of {_TURNS} later ones")


CHECKS: tuple[Check, ...] = (
    one_of_them,
    changing_sets,
    left_alone,
    quick_choice,
    nobody_starves,
    own_chance,
    own_state,
    tolerant_reports,
    each_key,
    quick_batch,
    calls_given_up,
)


def _balancer(subject: Subject) -> Balancer:
    made: Balancer = subject.make(clock=Ticking())
    return made


def _by_key(subject: Subject) -> Balancer:
    if subject.cls.pick_each is Balancer.pick_each:
        skip("it has no choice for each key: `pick_each` is not overridden")
    return _balancer(subject)


def _keys(count: int) -> tuple[str, ...]:
    return tuple(f"{600000 + number}.SH" for number in range(count))


def _sets() -> list[list[Member]]:
    dice = Random(7)
    many = [Member(f"n{n}", dice.choice((0.001, 1.0, 7.5, 1000.0)), n % 5) for n in range(40)]
    return [[Member("only")], [Member("a"), Member("b", 5.0, 3)], many[:20], many]


def _picked(balancer: Balancer, nodes: Sequence[Candidate]) -> str:
    chosen = balancer.pick(nodes)
    balancer.report(chosen, ok=True, seconds=0.01)
    return chosen.name


def _names(balancer: Balancer, nodes: Sequence[Candidate], keys: Sequence[str]) -> list[str]:
    return [chosen.name for chosen in balancer.pick_each(nodes, keys).values()]


def _choices(balancer: Balancer, nodes: Sequence[Candidate]) -> list[str]:
    return [_picked(balancer, nodes) for _ in range(50)]


def _seconds(balancer: Balancer, nodes: Sequence[Candidate]) -> float:
    """Seconds for one choice, the mean of a batch."""
    began = time.perf_counter()
    for _ in range(_PICKS):
        balancer.pick(nodes)
    return (time.perf_counter() - began) / _PICKS


def _seconds_each(balancer: Balancer, nodes: Sequence[Candidate], keys: Sequence[str]) -> float:
    """Seconds for one key of a batch."""
    began = time.perf_counter()
    balancer.pick_each(nodes, keys)
    return (time.perf_counter() - began) / len(keys)
