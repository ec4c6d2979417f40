"""When warm-up runs: once a trading date, before the market opens."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Collection, Iterable
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from argus_core.clock import SHANGHAI, Clock
from argus_core.market import preopen
from argus_core.market.hours import next_trading_date
from argus_core.model.symbol import Exchange
from argus_core.routing.pace import Sleep
from argus_core.warmup.plan import BASIC, QUICK

log = logging.getLogger(__name__)

Claim = Callable[[str, float], Awaitable[bool]]
"""True if this process may do what the name says, alone for so many seconds."""
Run = Callable[[Collection[str]], Awaitable[None]]
"""Warms these datasets."""

SECURITIES = time(9, 15)
"""The opening auction of the stock exchanges."""
FUTURES = time(8, 55)
"""The day's opening auction of the futures exchanges."""

_NAP = 600.0
"""The longest sleep in one piece: clocks are set, and computers sleep too."""
_RETRY = 60.0
_A_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Day:
    """The hours of a trading date that matter to warm-up, Shanghai wall-clock time."""

    opens: time
    """When the first market opens; afterwards warm-up comes too late."""
    tables: time
    """When the last market's tables of the day are out."""
    before: timedelta
    """How long before the open warm-up begins."""

    @classmethod
    def of(cls, exchanges: Iterable[Exchange], before: timedelta) -> Day:
        """The hours for symbols of these exchanges; those of securities if there are none."""
        futures = {exchange.trades_futures for exchange in exchanges} or {False}
        return cls(
            opens=FUTURES if True in futures else SECURITIES,
            tables=preopen.SECURITIES if False in futures else preopen.FUTURES,
            before=before,
        )

    def open_on(self, day: date) -> datetime:
        """The instant of the open."""
        return datetime.combine(day, self.opens, SHANGHAI)

    def steps(self, day: date) -> tuple[tuple[datetime, Collection[str]], ...]:
        """When to begin with which datasets."""
        begin = self.open_on(day) - self.before
        tables = datetime.combine(day, self.tables, SHANGHAI)
        if begin >= tables:
            return ((begin, QUICK | BASIC),)
        return ((begin, QUICK), (tables, BASIC))


async def daily(
    run: Run, hours: Day, *, clock: Clock, sleep: Sleep, claim: Claim | None = None
) -> None:
    """Run once before the open of each trading date, whatever becomes of it; never returns.

    A start between the begin and the open runs at once, a later one waits for the next date.
    """
    done: date | None = None
    while True:
        day = _next(hours, clock.now(), done)
        await _until(hours.steps(day)[0][0], clock, sleep)
        if await _claimed(claim, day, hours.open_on(day), clock, sleep):
            for at, datasets in hours.steps(day):
                await _until(at, clock, sleep)
                await _survived(run, datasets)
        done = day


def _next(hours: Day, now: datetime, done: date | None) -> date:
    """The first trading date after ``done`` whose open lies ahead."""
    today = now.date() - _A_DAY
    day = next_trading_date(max(today, done) if done else today)
    while hours.open_on(day) <= now:
        day = next_trading_date(day)
    return day


async def _until(at: datetime, clock: Clock, sleep: Sleep) -> None:
    while (left := (at - clock.now()).total_seconds()) > 0:
        await sleep(min(left, _NAP))


async def _claimed(
    claim: Claim | None, day: date, until: datetime, clock: Clock, sleep: Sleep
) -> bool:
    """Whether it falls to this process; asked until the open where it cannot be told."""
    if claim is None:
        return True
    while (left := (until - clock.now()).total_seconds()) > 0:
        try:
            return await claim(f"warmup:{day}", left)
        except Exception as error:  # noqa: BLE001 - a store may raise anything; it may come back
            log.warning("who warms up cannot be settled: %s", type(error).__name__)
        await sleep(min(left, _RETRY))
    return False


async def _survived(run: Run, datasets: Collection[str]) -> None:
    try:
        await run(datasets)
    except Exception:
        log.exception("warm-up broke off; it runs again before the next open")
