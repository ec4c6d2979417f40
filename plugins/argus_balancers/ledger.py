"""What a balancer remembers of each node."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from argus_core import Candidate

State = TypeVar("State")


class Ledger(Generic[State]):
    """The state of each node, by name, for as long as the node keeps turning up.

    A node that is passed over for a while (cooling down, already tried) must find its state
    again, and a node that was removed must not be remembered for ever. So names move between two
    generations: each is forgotten once it was absent from ``keep`` to twice as many picks.
    """

    def __init__(self, new: Callable[[], State], keep: int = 1000) -> None:
        self._new = new
        self._keep = keep
        self._picks = 0
        self._recent: dict[str, State] = {}
        self._older: dict[str, State] = {}

    def entries(self, candidates: Sequence[Candidate]) -> list[State]:
        """The state of each candidate, in the same order; new where the name is new."""
        self._picks += 1
        if self._picks % self._keep == 0:
            self._older, self._recent = self._recent, {}
        return [self._entry(candidate.name) for candidate in candidates]

    def get(self, name: str) -> State | None:
        """The state of one node, ``None`` if it is not remembered."""
        return self._recent.get(name) or self._older.get(name)

    def __len__(self) -> int:
        return len(self._recent) + len(self._older)

    def _entry(self, name: str) -> State:
        state = self._recent.get(name)
        if state is None:
            state = self._older.pop(name, None) or self._new()
            self._recent[name] = state
        return state
