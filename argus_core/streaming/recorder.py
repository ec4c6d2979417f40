"""The recorder: a listener of the hub that writes down everything it is told."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from argus_core.clock import Clock
from argus_core.errors import ArgusError
from argus_core.model.answer import Failure
from argus_core.model.symbol import Symbol
from argus_core.streaming.desk import Streaming
from argus_core.streaming.intake import Intake, WholeLane
from argus_core.streaming.lanes import Lane
from argus_core.streaming.parts import Parts
from argus_core.streaming.rows import Entry, Heard, frame_of
from argus_core.streaming.topics import DEPTH, QUOTES, TRADES, Notice, Update

log = logging.getLogger(__name__)

CHANNELS = (QUOTES, DEPTH, TRADES)
"""What is recorded where nothing else is said."""
FLUSH_SECONDS = 5.0
ROTATE_BYTES = 64 * 1024 * 1024
MAX_BYTES = 256 * 1024 * 1024
MAX_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class RecordedView:
    """The view of a recorder: the updates as they are."""

    channel: str

    @property
    def lasting(self) -> bool:
        """True: it is the update itself."""
        return True

    def fragment(self, update: Update) -> Update:
        """The update itself."""
        return update


class Recorder:
    """Records channels of symbols: :meth:`begin`, then :meth:`run` until it is told to stop.

    At most the last ``flush_seconds`` are lost when the process is killed. ``max_bytes`` and
    ``max_seconds`` bound what waits for a disk that does not follow; what is beyond is counted,
    and the recording says so.
    """

    def __init__(
        self,
        streaming: Streaming,
        folder: Path,
        *,
        clock: Clock,
        channels: Sequence[str] = CHANNELS,
        flush_seconds: float = FLUSH_SECONDS,
        rotate_bytes: int = ROTATE_BYTES,
        max_bytes: int = MAX_BYTES,
        max_seconds: float = MAX_SECONDS,
    ) -> None:
        self.parts = Parts(folder, began=clock.now(), rotate_bytes=rotate_bytes)
        self.trouble: str | None = None
        """Why the last try to write failed; None if it did not."""
        self._streaming = streaming
        self._clock = clock
        self._channels = tuple(channels)
        self._flush_seconds = flush_seconds
        self._intake = Intake(clock, max_bytes=max_bytes, max_seconds=max_seconds)
        self._lane = WholeLane(self, self._intake)
        self._lock = asyncio.Lock()

    @property
    def waiting(self) -> int:
        """Updates that are not on the disk yet."""
        return self._intake.waiting

    @property
    def lost(self) -> int:
        """Updates that are missing because the disk did not follow."""
        return self._intake.lost

    async def begin(self, symbols: Sequence[Symbol]) -> Mapping[str, Failure]:
        """Listen from now on; the symbols that cannot be listened to come back, and why.

        What is known of a symbol already is recorded first.
        """
        rejected: dict[str, Failure] = {}
        hub = self._streaming.hub
        with self._streaming.held(symbols):
            for channel in self._channels:
                wanted = tuple(one for one in symbols if one not in rejected)
                try:
                    ready = await self._streaming.ready(channel, wanted)
                except ArgusError as error:
                    # Nobody knows a state yet; what comes later is recorded all the same.
                    log.warning("no %s to begin with: %s", channel, error.message)
                else:
                    rejected.update(ready.rejected)
                    wanted = ready.symbols
                for caught in hub.listen(self._lane, RecordedView(channel), wanted):
                    for update in caught.fragments:
                        self._intake.put(update)
        return rejected

    async def run(self, stop: asyncio.Event) -> None:
        """Write down what is heard until ``stop`` is set, and then what is left.

        OSError if that cannot be written.
        """
        try:
            while not stop.is_set():
                try:
                    async with asyncio.timeout(self._flush_seconds):
                        await stop.wait()
                except TimeoutError:
                    await self.flush()
        finally:
            await self.close()

    async def flush(self) -> None:
        """Bring to the disk what waits; what cannot be written is kept for the next try."""
        async with self._lock:
            entries = self._intake.take()
            if not entries:
                return
            writing = asyncio.get_running_loop().run_in_executor(None, self._write, entries)
            try:
                await asyncio.shield(writing)
            except OSError as error:
                self._intake.failed()
                self.trouble = f"{type(error).__name__}: {error.strerror or error}"
                log.warning("the recording cannot be written: %s", self.trouble)
            except asyncio.CancelledError:
                await asyncio.wait([writing])
                self._intake.failed() if writing.exception() else self._intake.written()
                raise
            else:
                self._intake.written()
                self.trouble = None

    async def close(self) -> None:
        """Hear nothing more and write what is left; OSError if that cannot be."""
        self._streaming.hub.leave(self)
        self._intake.close()
        await self.flush()
        if self._intake.waiting:
            raise OSError(f"{self._intake.waiting} updates were not written: {self.trouble}")
        await asyncio.to_thread(self.parts.close)

    def _write(self, entries: Sequence[Entry]) -> None:
        self.parts.write(frame_of(entries, self._streaming.hub.epoch))

    # -- what a listener is told: see lanes.Listener ----------------------------------------------

    def ready(self, lane: Lane) -> None:
        """Nothing: what is told is taken at its own pace."""

    def notice(self, notice: Notice) -> None:
        """Write down what is told beside the values, for each symbol of its own."""
        at = self._clock.now()
        for symbol in notice.symbols:
            self._intake.put(Heard(notice.kind, symbol, at, notice.told))
