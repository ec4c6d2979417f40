"""Who writes the daybook of quotas down, every few seconds and at the end."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from uuid import uuid4

from argus_core.control.quotas import Counts, QuotaTable
from argus_core.routing.quota.daybook import Daybook

log = logging.getLogger(__name__)

EVERY = 5.0
"""Seconds between two writings; a process that is killed forgets no more than these."""


class Bookkeeper:
    """Keeps a daybook and its file alike. Nothing here raises: without it, questions go on."""

    def __init__(self, daybook: Daybook, table: QuotaTable) -> None:
        self._daybook = daybook
        self._table = table
        self._process = uuid4().hex
        self._lock = asyncio.Lock()
        self._exchanges: set[asyncio.Task[None]] = set()
        self._ending = asyncio.Event()
        self._running: asyncio.Task[None] | None = None
        self._told = ""

    def start(self) -> None:
        """Begin to write every few seconds; safe to call twice."""
        if self._running is None:
            self._ending.clear()
            self._running = asyncio.get_running_loop().create_task(self._run())

    async def aclose(self) -> None:
        """Write what is left and stop; safe to call twice."""
        self._ending.set()
        if self._running is not None:
            await self._running
            self._running = None
        await self.write()

    async def write(self) -> None:
        """Write the calls that are not written yet, if there are any."""
        if self._unwritten():
            await self.exchange()

    async def exchange(self) -> None:
        """Write them, and learn what other processes counted, those before this one too."""
        # Whoever gives up waiting must not let a later writing overtake this one.
        task = asyncio.get_running_loop().create_task(self._exchange())
        self._exchanges.add(task)
        task.add_done_callback(self._exchanges.discard)
        await asyncio.shield(task)

    async def _exchange(self) -> None:
        async with self._lock:
            own = self._unwritten()
            pages = dict(self._daybook)
            try:
                heard = await asyncio.to_thread(
                    self._table.exchange, self._process, own, tuple(pages)
                )
            except Exception as error:  # noqa: BLE001 - whatever it is, questions go on
                self._failed(error)
                return
            self._told = ""
            for owner, interfaces in own.items():
                for interface, days in interfaces.items():
                    pages[owner].days(interface).wrote(days)
            for owner, interfaces in heard.items():
                for interface, days in interfaces.items():
                    pages[owner].days(interface).hear(days)

    async def _run(self) -> None:
        while not self._ending.is_set():
            with suppress(TimeoutError):
                async with asyncio.timeout(EVERY):
                    await self._ending.wait()
            await self.write()

    def _unwritten(self) -> Counts:
        found: Counts = {}
        for owner, page in self._daybook:
            days = {interface: fresh for interface, d in page if (fresh := d.unwritten())}
            if days:
                found[owner] = days
        return found

    def _failed(self, error: Exception) -> None:
        why = f"{type(error).__name__}: {error}"
        if why != self._told:  # a full disk stays full for many writings
            log.warning(
                "the calls that count for a day's quota cannot be kept in %s: %s; what is not "
                "there, a restart forgets",
                *(self._table.path, why),
            )
        self._told = why
