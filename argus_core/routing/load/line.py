"""Who waits for a place in a pool, and whose turn it is."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from argus_core.model.request import Priority

PASSED_OVER = 9
"""How often a lower class is passed over while it waits; every tenth place is its own."""


@dataclass(slots=True, eq=False)
class Waiter:
    """A call that waits. Its ``turn`` comes as a result, or as the reason why it never will."""

    client: str
    priority: Priority
    turn: asyncio.Future[None]


class Line:
    """Waiters by class and client.

    The higher class goes first, but for every tenth place, so that a lower one moves too. Within
    a class each client in turn gets one, and a client's own calls keep their order.
    """

    def __init__(self) -> None:
        self._classes: dict[Priority, dict[str, dict[Waiter, None]]] = {p: {} for p in Priority}
        self._passed = dict.fromkeys(Priority, 0)

    def __len__(self) -> int:
        return self.ahead(max(Priority))

    def ahead(self, priority: Priority) -> int:
        """How many wait of this class and those above it."""
        return sum(
            len(queue)
            for one, clients in self._classes.items()
            if one <= priority
            for queue in clients.values()
        )

    def join(self, waiter: Waiter) -> None:
        """Take a waiter in, as the last of his client's."""
        self._classes[waiter.priority].setdefault(waiter.client, {})[waiter] = None

    def leave(self, waiter: Waiter) -> None:
        """Let a waiter go, be he here or not."""
        clients = self._classes[waiter.priority]
        queue = clients.get(waiter.client, {})
        queue.pop(waiter, None)
        if not queue:
            clients.pop(waiter.client, None)
        if not clients:
            self._passed[waiter.priority] = 0

    def next(self) -> Waiter | None:
        """The waiter whose turn it is, who is in the line no more; None if nobody waits."""
        waiting = [priority for priority, clients in self._classes.items() if clients]
        if not waiting:
            return None
        clients = self._classes[self._served(waiting)]
        client, queue = next(iter(clients.items()))
        waiter = next(iter(queue))
        clients[client] = clients.pop(client)  # behind the other clients
        self.leave(waiter)
        return waiter

    def last_below(self, priority: Priority) -> Waiter | None:
        """Who gives way to a newcomer of that class: the last of the lowest class below it."""
        lower = [one for one, clients in self._classes.items() if one > priority and clients]
        if not lower:
            return None
        longest = max(self._classes[lower[-1]].values(), key=len)
        return next(reversed(longest))

    def _served(self, waiting: list[Priority]) -> Priority:
        first, *lower = waiting
        due = next((one for one in lower if self._passed[one] >= PASSED_OVER), None)
        if due is not None:
            self._passed[due] = 0
            return due
        for one in lower:
            self._passed[one] += 1
        return first
