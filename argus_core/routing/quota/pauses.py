"""When a question to one source waited for nothing but the vendor's quota."""

from __future__ import annotations


class Pauses:
    """The pauses of one question: all that is left of it waits for the quota.

    The vendor knows nothing of the question then, so a pause says nothing of the source. Parts of
    a question are any objects. Instants are monotonic seconds.
    """

    __slots__ = ("_done", "_held", "_open", "_since", "_stopped")

    def __init__(self) -> None:
        self._open: set[object] = set()
        self._held: set[object] = set()
        self._done: list[tuple[float, float]] = []
        self._since: float | None = None
        self._stopped = False

    def begin(self, part: object, now: float) -> None:
        """Note that a part is on its way."""
        if not self._stopped:
            self._open.add(part)
            self._turn(now)

    def hold(self, part: object, now: float, *, held: bool = True) -> None:
        """Note that the quota keeps a part from being asked, or no longer does."""
        if not self._stopped:
            (self._held.add if held else self._held.discard)(part)
            self._turn(now)

    def end(self, part: object, now: float) -> None:
        """Note that a part was answered, or failed."""
        if not self._stopped:
            self._open.discard(part)
            self._held.discard(part)
            self._turn(now)

    def stop(self, now: float) -> None:
        """Note that nobody waits any longer; what comes after that is not heard."""
        self._close(now)
        self._stopped = True

    @property
    def lasting(self) -> bool:
        """True in a pause, or if one lasted to the very end."""
        return bool(self._open) and self._open == self._held

    def seconds(self, since: float) -> float:
        """The pauses that are over, as far as they lie after an instant."""
        return sum(max(0.0, end - max(begin, since)) for begin, end in self._done)

    def _turn(self, now: float) -> None:
        if not self.lasting:
            self._close(now)
        elif self._since is None:
            self._since = now

    def _close(self, now: float) -> None:
        if self._since is not None:
            self._done.append((self._since, now))
            self._since = None
