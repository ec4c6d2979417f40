"""What a listener heard, held against what the sources pushed: a list of everything untrue."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Item:
    """A value that came."""

    kind: Literal["snapshot", "update"]
    epoch: str
    seq: int
    number: int
    """Which state of the share it is."""
    source: str
    stale: bool = False
    skipped: int = 0
    """How many updates the message said were replaced or lost before this one."""


@dataclass(frozen=True)
class Joined:
    """A subscription was acknowledged; ``missed`` as the server said it."""

    epoch: str
    missed: int | None = None


@dataclass(frozen=True)
class Told:
    """Something was announced that explains a hole in what the sources pushed."""

    kind: Literal["gap", "status", "left"]


Event = Item | Joined | Told
Pushed = Mapping[str, Sequence[int]]
"""By source: the numbers that it pushed, ascending."""


@dataclass
class _Place:
    """Where a listener is in the stream of one share."""

    epoch: str | None = None
    seq: int | None = None
    """The last one of this epoch; None where nothing came yet."""
    credit: int = 0
    """Updates that are announced as missing."""
    hole: bool = False
    """True if something was announced of which nobody knows how much it is."""
    explained: bool = True
    """True if between the last item and now something was announced."""
    last: Item | None = None


def judged(events: Sequence[Event], pushed: Pushed, final: int | None = None) -> list[str]:
    """What is wrong with one share's events; ``final`` is the state at which the market ended."""
    wrong: list[str] = []
    place = _Place()
    for event in events:
        match event:
            case Told(kind):
                place.explained = True
                place.hole = place.hole or kind == "gap"
            case Joined(epoch, missed):
                _joined(place, epoch, missed)
            case Item():
                wrong += _numbered(place, event)
                wrong += _ordered(place, event)
                wrong += _complete(place, event, pushed)
                place.seq, place.last = event.seq, event
                place.credit, place.hole, place.explained = 0, False, False
    if final is not None:
        wrong += _converged(place, final)
    return wrong


def _joined(place: _Place, epoch: str, missed: int | None) -> None:
    place.explained = True
    if epoch != place.epoch:
        place.epoch, place.seq, place.credit, place.hole = epoch, None, 0, False
    elif missed is None:
        place.hole = True
    else:
        place.credit = missed


def _numbered(place: _Place, item: Item) -> list[str]:
    """Every number follows from the one before and what was announced."""
    if item.epoch != place.epoch:
        return [f"{item} belongs to another epoch than {place.epoch}"]
    if place.seq is None:
        if item.kind == "snapshot":
            return []
        # Nothing is known before the first value, so there is no snapshot, and the first is new.
        return [] if place.last is None else [f"{item} came before a snapshot"]
    expected = place.seq + 1 + place.credit + item.skipped
    if item.seq == expected or (place.hole and item.seq > place.seq):
        return []
    what = "twice" if item.seq == place.seq else "after"
    return [f"{item} came {what} {place.seq}, expected was {expected}"]


def _ordered(place: _Place, item: Item) -> list[str]:
    """No state comes after a later one, and none twice."""
    last = place.last
    if last is None or item.number > last.number:
        return []
    if item.number < last.number:
        return [f"{item} is older than {last}"]
    again = item.kind == "update" and not last.stale and not place.explained
    return [f"{item} repeats {last}"] if again else []


def _complete(place: _Place, item: Item, pushed: Pushed) -> list[str]:
    """What one source pushed between two items is counted in the numbers."""
    last = place.last
    if last is None or place.explained or last.source != item.source:
        return []
    if last.kind == "snapshot":  # it may be an answer from before the feed began
        return []
    own = pushed.get(item.source, ())
    between = bisect_left(own, item.number) - bisect_right(own, last.number)
    counted = item.seq - last.seq - 1
    if between <= counted:
        return []
    return [f"{item.source} pushed {between} states between {last} and {item}; nobody told"]


def _converged(place: _Place, final: int) -> list[str]:
    last = place.last
    if last is None:
        return [f"nothing came, but the market ended at {final}"]
    if last.number != final or last.stale:
        return [f"the last was {last}, but the market ended at {final}"]
    return []
