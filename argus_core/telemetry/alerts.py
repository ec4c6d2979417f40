"""Alerts on their way to people, never in the way of a request."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence

from argus_core.clock import Clock
from argus_core.extend.alerter import Alert, Alerter

log = logging.getLogger(__name__)


class Alerts:
    """Hands each alert to every alerter, in the background."""

    def __init__(self, alerters: Sequence[Alerter], clock: Clock) -> None:
        self._alerters = tuple(alerters)
        self._clock = clock
        self._tasks: set[asyncio.Task[None]] = set()

    def tell(self, subject: str, event: str, message: str) -> None:
        """Send one alert and return at once. Needs a running event loop if there are alerters."""
        alert = Alert(at=self._clock.now(), subject=subject, event=event, message=message)
        log.info("%s is %s: %s", subject, event, message)
        for alerter in self._alerters:
            task = asyncio.ensure_future(self._send(alerter, alert))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def aclose(self, patience: float = 5.0) -> None:
        """Return when every alert is out, or after ``patience`` seconds."""
        if self._tasks:
            _, late = await asyncio.wait(self._tasks, timeout=patience)
            for task in late:
                task.cancel()

    async def _send(self, alerter: Alerter, alert: Alert) -> None:
        try:
            await alerter.send(alert)
        except Exception as error:  # noqa: BLE001 - a broken alerter must not harm anything else
            log.warning("alerter %s failed: %s", alerter.name, type(error).__name__)
