"""What waits to be written of a recording: everything, in order, up to a bound.

Nothing here is conflated. Where the disk does not follow, what comes is counted by symbol instead
of kept, and a gap row in its place says how many updates are missing.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from argus_core.clock import Clock
from argus_core.model.symbol import Symbol
from argus_core.streaming.lanes import Lane, Listener
from argus_core.streaming.rows import GAP, Entry, Heard, size_of
from argus_core.streaming.topics import Fragment, Key

REASON = "the disk did not follow"


class Intake:
    """Entries that wait to be written, no more than ``max_bytes`` and none beyond ``max_seconds``.

    While some are being written they still count: memory is bounded whatever the disk does.
    """

    def __init__(self, clock: Clock, *, max_bytes: int, max_seconds: float) -> None:
        self.lost = 0
        """Updates so far that are missing from the recording."""
        self._clock = clock
        self._max_bytes = max_bytes
        self._max_seconds = max_seconds
        self._entries: list[tuple[Entry, int]] = []
        self._taken: list[tuple[Entry, int]] = []
        self._size = 0
        self._since: float | None = None
        """The monotonic instant from which the oldest entry waits."""
        self._untold: dict[Symbol, tuple[int, datetime]] = {}

    @property
    def waiting(self) -> int:
        """Entries that are not on the disk yet."""
        return len(self._entries) + len(self._taken)

    def put(self, entry: Entry) -> None:
        """Let an entry wait behind the others, or count it as lost."""
        size = size_of(entry)
        if self._full(size):
            self.lost += 1
            many, since = self._untold.get(entry.symbol, (0, entry.at))
            self._untold[entry.symbol] = (many + 1, since)
            return
        if self._untold:
            self._tell()
        self._add(entry, size)

    def take(self) -> Sequence[Entry]:
        """Everything that waits, to be written now; :meth:`written` or :meth:`failed` ends it."""
        if self._untold and not self._full(0):
            self._tell()
        self._taken, self._entries = [*self._taken, *self._entries], []
        return [entry for entry, _ in self._taken]

    def written(self) -> None:
        """Forget what was taken: it is on the disk."""
        self._size -= sum(size for _, size in self._taken)
        self._taken = []
        self._since = self._clock.monotonic() if self._entries else None

    def failed(self) -> None:
        """Keep what was taken for the next try."""
        self._entries, self._taken = [*self._taken, *self._entries], []

    def close(self) -> None:
        """Let what is still untold be told with the last entries, full or not."""
        self._tell()

    def _full(self, more: int) -> bool:
        if self._since is not None and self._clock.monotonic() - self._since > self._max_seconds:
            return True
        return self._size + more > self._max_bytes

    def _tell(self) -> None:
        for symbol, (many, since) in self._untold.items():
            row = Heard(GAP, symbol, since, {"reason": REASON}, lost=many)
            self._add(row, size_of(row))
        self._untold.clear()

    def _add(self, entry: Entry, size: int) -> None:
        if self._since is None:
            self._since = self._clock.monotonic()
        self._entries.append((entry, size))
        self._size += size


class WholeLane(Lane):
    """A lane that hands everything to an intake: nothing in it is replaced by newer updates."""

    __slots__ = ("_intake",)

    def __init__(self, listener: Listener, intake: Intake) -> None:
        super().__init__(listener)
        self._intake = intake

    def conflated(self, key: Key, fragment: Fragment) -> None:  # noqa: ARG002 - as in Lane
        """Let an update wait, whatever waits of its topic already."""
        self._intake.put(fragment)

    def queued(self, key: Key, fragment: Fragment) -> None:  # noqa: ARG002 - as in Lane
        """Let an update wait behind the others."""
        self._intake.put(fragment)

    def forget(self, keys: Sequence[Key]) -> None:
        """Keep what waits: it was said while these topics were listened to."""
