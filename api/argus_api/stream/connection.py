"""One listener on a socket: its lanes, what must not wait, and when it is too slow."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Protocol

from argus_api.stream.codes import SLOW
from argus_api.stream.wire import Wire
from argus_core import Principal
from argus_core.stream_table import StreamTable
from argus_core.streaming.lanes import Batch, Lane
from argus_core.streaming.topics import Fragment, Key, Notice, View
from argus_core.streaming.turns import Turns


class Dialect(Protocol):
    """How one kind of client is talked to."""

    name: str
    binary: bool

    def view(self, channel: str, fields: tuple[str, ...] | None) -> View:
        """The view of a channel with these fields, the same object for the same ones."""
        ...

    def frames(self, batch: Batch) -> Iterable[bytes]:
        """The messages that tell a batch."""
        ...

    def newest(self, pieces: Mapping[Key, Fragment]) -> Iterable[bytes]:
        """The same where nothing but the newest of some topics is to be told."""
        ...

    def notice(self, notice: Notice) -> bytes | None:
        """The message of a notice; None where the dialect has none."""
        ...

    def message(self, body: Mapping[str, Any]) -> bytes:
        """Any other message."""
        ...


class Connection:
    """A socket and what waits for it. Bounded, whatever the other side does."""

    def __init__(
        self,
        wire: Wire,
        dialect: Dialect,
        turns: Turns,
        table: StreamTable,
        *,
        client: str,
        since: datetime,
    ) -> None:
        self.wire = wire
        self.dialect = dialect
        self.principal: Principal | None = None
        self.client = client
        """Where it comes from."""
        self.since = since
        """When it came."""
        self.sent = 0
        """Messages so far."""
        self.skipped = 0
        """Updates that a newer one replaced before they could be sent."""
        self.lost = 0
        self.ready = turns.mark
        """Has a lane emptied as soon as its pace allows."""
        self._turns = turns
        self._table = table
        self._lanes: dict[float, Lane] = {}
        self._held: dict[Lane, None] = {}
        """Lanes whose turn has come while the wire was full."""
        self._urgent: deque[bytes] = deque()
        """Messages that keep their place: answers, notices and what came before these."""
        self._urgent_bytes = 0
        self._full_since: float | None = None
        self._sent_before = 0
        self._quiet_since = 0.0

    def lane(self, interval: float, kind: type[Lane] = Lane) -> Lane:
        """The lane of a pace, in seconds between two batches."""
        lane = self._lanes.get(interval)
        if lane is None:
            lane = self._lanes[interval] = kind(self, interval)
        return lane

    def keep(self, lanes: Iterable[Lane]) -> None:
        """Forget the lanes of paces at which nothing is listened to any more."""
        kept = frozenset(lanes)
        for interval, lane in list(self._lanes.items()):
            if lane not in kept:
                self._turns.forget(lane)
                self._held.pop(lane, None)
                lane.taken()  # nothing: but it may be marked still, and has no turn any more
                del self._lanes[interval]

    @property
    def backlog(self) -> int:
        """Updates and messages that wait."""
        lanes = self._lanes.values()
        return len(self._urgent) + sum(len(lane.latest) + len(lane.each) for lane in lanes)

    # -- what is said -----------------------------------------------------------------------------

    def notice(self, notice: Notice) -> None:
        """Say what must be known, after everything that was said before it."""
        message = self.dialect.notice(notice)
        if message is not None:
            self.say(message)

    def say(self, *messages: bytes) -> None:
        """Send messages that must not be lost, after everything that waits already.

        Whoever lets too much of it lie already is let go instead.
        """
        if not self.wire.open:
            return
        if self._urgent_bytes > self._table.max_queued_bytes:
            self._too_slow()
            return
        for lane in self._lanes.values():
            self._push(self._frames(lane))
        self._push(messages)
        self.flush()

    def taken(self, lane: Lane) -> Iterable[bytes]:
        """The messages of what waits in a lane, to be written before anything else.

        There are none where the wire is full: then it goes on waiting, and changing.
        """
        if self.wire.full or self._urgent:
            self._held[lane] = None
            return ()
        newest = lane.newest()
        return self._frames(lane) if newest is None else self.dialect.newest(newest)

    def write(self, message: bytes) -> None:
        """Hand a message to the wire."""
        self.sent += 1
        self.wire.write(message, binary=self.dialect.binary)

    def flush(self) -> bool:
        """Send what waits as far as the wire takes it; true if nothing waits any more."""
        urgent = self._urgent
        while urgent and not self.wire.full:
            frame = urgent.popleft()
            self._urgent_bytes -= len(frame)
            self.write(frame)
        if not urgent and not self.wire.full and self._held:
            held, self._held = self._held, {}
            for lane in held:
                for message in self.taken(lane):
                    self.write(message)
        return not urgent and not self._held

    def _frames(self, lane: Lane) -> Iterable[bytes]:
        batch = lane.taken()
        if batch is None:
            return ()
        if batch.skipped:
            self.skipped += sum(batch.skipped.values())
        if batch.lost:
            self.lost += sum(batch.lost.values())
        return self.dialect.frames(batch)

    def _push(self, frames: Iterable[bytes]) -> None:
        for frame in frames:
            self._urgent.append(frame)
            self._urgent_bytes += len(frame)

    # -- its life ---------------------------------------------------------------------------------

    def looked_at(self, now: float, heartbeat: float) -> None:
        """Called about once a second: send on, tell that it lives, or let it go as too slow."""
        if not self.wire.open:
            return
        if self.wire.full:
            self._full_since = self._full_since or now
        elif self.flush():
            self._full_since = None
        late = self._full_since is not None and now - self._full_since > self._table.write_deadline
        if late or self._urgent_bytes > self._table.max_queued_bytes:
            self._too_slow()
            return
        if self.sent != self._sent_before:
            self._sent_before, self._quiet_since = self.sent, now
        elif now - self._quiet_since >= heartbeat and not self.wire.full:
            self._quiet_since = now
            self.heartbeat()

    def heartbeat(self) -> None:
        """Say that there is nothing to say, where the dialect has a word for it."""
        beat = self.dialect.notice(Notice("heartbeat", ()))
        if beat is not None:
            self.write(beat)
            self._sent_before = self.sent

    def _too_slow(self) -> None:
        self.end(SLOW, "this client reads too slowly")

    def end(self, code: int, reason: str) -> None:
        """Close it; what still waits is not sent."""
        self._urgent.clear()
        self._urgent_bytes = 0
        self.wire.end(code, reason)

    def close(self) -> None:
        """Forget what waits."""
        for lane in self._lanes.values():
            self._turns.forget(lane)
            lane.taken()
        self._lanes.clear()  # each knows its listener
        self._held.clear()
        self._urgent.clear()
