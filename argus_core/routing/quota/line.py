"""Those who wait for a vendor's quota: questions of one shape stand together."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator
from contextvars import Context, copy_context
from dataclasses import dataclass, field

from argus_core.errors import NotOffered, SourceError
from argus_core.market.normalise import Reading
from argus_core.model.ask import Deadline
from argus_core.model.query import Query
from argus_core.model.request import Priority, Request, current_request
from argus_core.routing.quota.ledger import Bill
from argus_core.routing.reply import Reply

Outcome = tuple[tuple[str, ...], Reading | SourceError | NotOffered]
"""The keys that a call asked for, and its reading, or the error that ended it."""

Shape = tuple[Priority, str, str]
"""What questions must have in common to be asked in one call: urgency, scope and variant."""


@dataclass(eq=False, slots=True)
class Asker:
    """Somebody who waits for a part of a call's outcome."""

    keys: tuple[str, ...]
    reply: Reply
    """Where the node notes what has come of it."""
    outcome: asyncio.Future[Outcome]
    request: Request = field(default_factory=current_request)
    context: Context = field(default_factory=copy_context)


@dataclass(eq=False, slots=True)
class Group:
    """Questions of one shape, the first asker first."""

    query: Query
    priority: Priority
    number: int
    askers: list[Asker] = field(default_factory=list[Asker])
    bill: Bill | None = None
    """What all that they ask takes; None until somebody has asked the plugin."""
    held: bool = False
    """True if it is the quota that they wait for, and not a free place."""
    _keys: dict[str, None] = field(default_factory=dict[str, None])

    @property
    def keys(self) -> tuple[str, ...]:
        """What they ask, each key once."""
        return tuple(self._keys)

    def join(self, asker: Asker) -> None:
        """Put one more at the end."""
        self.askers.append(asker)
        self._keys.update(dict.fromkeys(asker.keys))
        self.bill = None

    def hold(self, now: float, *, held: bool) -> None:
        """Note whether it is the quota that they wait for; ``now`` in monotonic seconds."""
        if held is not self.held:
            self.held = held
            for asker in self.askers:
                asker.reply.pauses.hold(asker, now, held=held)

    def keep(self, askers: list[Asker]) -> None:
        """Let only these stand in the line."""
        self.askers = askers
        self._keys = dict.fromkeys(key for asker in askers for key in asker.keys)
        self.bill = None

    @property
    def place(self) -> tuple[Priority, int]:
        """Who goes first: the smaller one."""
        return self.priority, self.number

    def served_by(self, keys: Iterable[str]) -> list[Asker]:
        """The askers who want some of the keys; they stand in the line no longer."""
        asked = frozenset(keys)
        served = [asker for asker in self.askers if not asked.isdisjoint(asker.keys)]
        self.keep([asker for asker in self.askers if asked.isdisjoint(asker.keys)])
        return served


class Line:
    """The groups that wait, by urgency and then in the order of their coming."""

    def __init__(self) -> None:
        self._groups: dict[Shape, Group] = {}
        self._number = 0

    def __iter__(self) -> Iterator[Group]:
        return iter(sorted(self._groups.values(), key=lambda group: group.place))

    def __len__(self) -> int:
        return len(self._groups)

    def like(self, scope: str, query: Query, priority: Priority) -> Group | None:
        """The group that a question would join, if there is one."""
        return self._groups.get((priority, scope, query.variant))

    def join(self, scope: str, query: Query, asker: Asker, now: float) -> None:
        """Put an asker to the others of his question's shape, or at the end.

        ``now`` is in monotonic seconds.
        """
        priority = asker.request.priority
        shape = (priority, scope, query.variant)
        group = self._groups.get(shape)
        if group is None:
            self._number += 1
            group = self._groups[shape] = Group(query, priority, self._number)
        group.join(asker)
        asker.reply.pauses.hold(asker, now, held=group.held)

    def leave(self, asker: Asker) -> None:
        """Take out an asker who wants to know no more; one who is not there is no error."""
        for group in self._groups.values():
            if asker in group.askers:
                group.keep([other for other in group.askers if other is not asker])
        self.tidy()

    def tidy(self) -> None:
        """Take out the groups in which nobody is left."""
        self._groups = {shape: group for shape, group in self._groups.items() if group.askers}


def latest(askers: Iterable[Asker]) -> Deadline | None:
    """The deadline of those who wait longest; None if one of them waits for ever."""
    deadlines = [asker.request.deadline for asker in askers]
    known = [deadline for deadline in deadlines if deadline is not None]
    return max(known, key=lambda d: d.remaining) if len(known) == len(deadlines) else None
