"""What waits for one listener: bounded, whatever he does.

A listener has one lane for each pace at which he wants to be told. In a lane waits the newest
update of each topic that is conflated, and the last ones of the others in order.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from argus_core.streaming.topics import Fragment, Key, Notice

QUEUED = 256
"""Updates that wait where each one counts; the oldest go first, and that is told."""


@dataclass(slots=True)
class Batch:
    """What goes to a listener at once: for each topic what is new, and what he will not get."""

    latest: dict[Key, Fragment] = field(default_factory=dict[Key, Fragment])
    each: Sequence[tuple[Key, Fragment]] = ()
    skipped: Mapping[Key, int] = field(default_factory=dict[Key, int])
    """Updates that a newer one has replaced before they could be sent."""
    lost: Mapping[Key, int] = field(default_factory=dict[Key, int])
    """Updates that each counted, and were too many."""


class Listener(Protocol):
    """Whom a hub tells things."""

    def ready(self, lane: Lane) -> None:
        """Told that something waits in a lane where nothing waited."""
        ...

    def notice(self, notice: Notice) -> None:
        """Told what must be known beside the values; it keeps its place among them."""
        ...


class Lane:
    """What waits for a listener at one pace."""

    __slots__ = ("each", "interval", "latest", "listener", "lost", "marked", "next_at", "skipped")

    def __init__(self, listener: Listener, interval: float = 0.0) -> None:
        self.listener = listener
        self.interval = interval
        """Seconds between two batches, at least."""
        self.next_at = 0.0
        """The loop's instant before which nothing is sent."""
        self.marked = False
        """True while it is known that something waits."""
        self.latest: dict[Key, Fragment] = {}
        self.each: deque[tuple[Key, Fragment]] = deque()
        self.skipped: dict[Key, int] = {}
        self.lost: dict[Key, int] = {}

    def conflated(self, key: Key, fragment: Fragment) -> None:
        """Let the newest update of a topic wait in place of the one before."""
        latest = self.latest
        before = len(latest)
        latest[key] = fragment
        if len(latest) == before:
            self.skipped[key] = self.skipped.get(key, 0) + 1
        if not self.marked:
            self.marked = True
            self.listener.ready(self)

    def queued(self, key: Key, fragment: Fragment) -> None:
        """Let an update wait behind the others."""
        # What waits of the same topic was said before, and must not be heard after.
        earlier = (self.latest.pop(key),) if key in self.latest else ()
        for one in (*earlier, fragment):
            if len(self.each) >= QUEUED:
                gone, _ = self.each.popleft()
                self.lost[gone] = self.lost.get(gone, 0) + 1
            self.each.append((key, one))
        if not self.marked:
            self.marked = True
            self.listener.ready(self)

    def pending(self, key: Key) -> int:
        """How many updates of a topic were handed in since the last batch, lost ones included."""
        waiting = (key in self.latest) + sum(one == key for one, _ in self.each)
        return waiting + self.skipped.get(key, 0) + self.lost.get(key, 0)

    def newest(self) -> dict[Key, Fragment] | None:
        """What :meth:`taken` would give, where that is nothing but the newest of some topics.

        None where something else is to be told; then nothing has changed.
        """
        if self.each or self.skipped or self.lost:
            return None
        self.marked = False
        latest = self.latest
        if latest:
            self.latest = {}
        return latest

    def taken(self) -> Batch | None:
        """Everything that waits, which then waits no more; None if nothing does."""
        self.marked = False
        if not self.latest and not self.each and not self.lost:
            return None
        batch = Batch(self.latest, tuple(self.each), self.skipped, self.lost)
        self.latest, self.skipped, self.lost = {}, {}, {}
        self.each.clear()
        return batch

    def forget(self, keys: Sequence[Key]) -> None:
        """Let nothing of these topics wait: they are not listened to any more."""
        gone = frozenset(keys)
        for held in (self.latest, self.skipped, self.lost):
            for key in gone & held.keys():
                del held[key]
        if self.each:
            self.each = deque(entry for entry in self.each if entry[0] not in gone)


Taken = Callable[[Lane], None]
"""Takes what waits in a lane and sends it."""
