"""BAL: load balancers."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from random import Random

from argus_core.extend.balancer import Balancer, Candidate
from argus_core.testing.check import Check, check, demand
from argus_core.testing.exercise import Member
from argus_core.testing.subject import Subject

_MOST = 100e-6
"""Seconds that one choice among twenty nodes may take; a request waits for it."""
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
        balancer.pick(both)
    for _ in range(10):
        demand(balancer.pick([both[1]]) is both[1], "it picked a node that was not offered")
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

    Otherwise nobody can repeat what happened.
    """
    nodes = [Member(name) for name in "abcdefgh"]
    first, second = (_choices(_balancer(subject), nodes) for _ in range(2))
    demand(first == second, "two balancers with one seed chose differently: use self.random")


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


CHECKS: tuple[Check, ...] = (
    one_of_them,
    changing_sets,
    left_alone,
    quick_choice,
    nobody_starves,
    own_chance,
    own_state,
    tolerant_reports,
)


def _balancer(subject: Subject) -> Balancer:
    made: Balancer = subject.make()
    return made


def _sets() -> list[list[Member]]:
    dice = Random(7)
    many = [Member(f"n{n}", dice.choice((0.001, 1.0, 7.5, 1000.0)), n % 5) for n in range(40)]
    return [[Member("only")], [Member("a"), Member("b", 5.0, 3)], many[:20], many]


def _picked(balancer: Balancer, nodes: Sequence[Candidate]) -> str:
    chosen = balancer.pick(nodes)
    balancer.report(chosen, ok=True, seconds=0.01)
    return chosen.name


def _choices(balancer: Balancer, nodes: Sequence[Candidate]) -> list[str]:
    return [_picked(balancer, nodes) for _ in range(50)]


def _seconds(balancer: Balancer, nodes: Sequence[Candidate]) -> float:
    """Seconds for one choice, the mean of a batch."""
    began = time.perf_counter()
    for _ in range(_PICKS):
        balancer.pick(nodes)
    return (time.perf_counter() - began) / _PICKS
