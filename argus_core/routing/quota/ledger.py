"""The account book of one source: a tally an interface, and the vendor's own meters."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from argus_core.clock import Clock
from argus_core.errors import A_DAY
from argus_core.extend.quota import EVERY_CALL, Allowance, Charge, Meter
from argus_core.extend.source import Source
from argus_core.model.query import Query
from argus_core.model.request import Priority
from argus_core.routing.quota.daybook import Page
from argus_core.routing.quota.spent import Rest, of_calls
from argus_core.routing.quota.tally import Tally, day_of, until_midnight
from argus_core.routing.workers.isolated import Isolated

log = logging.getLogger(__name__)

WARMUP_SHARE = 0.8
"""The part of an allowance that warm-up may use up; the rest is kept for those who wait."""

Bill = tuple[Charge, ...]
"""What a question takes: at most one charge an interface."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QuotaStatus:
    """One limit of one interface as it stands. ``limit`` is None where none is known.

    ``unit`` is calls, bytes or logins; ``window`` is minute or day, None for what is not counted
    over time; ``resets_in`` are the seconds until what is used now is forgotten.
    """

    interface: str
    unit: str
    limit: float | None
    used: float
    window: str | None
    resets_in: float | None


class Ledger:
    """What a source has used of its allowances; ``page`` holds what its account used by day."""

    def __init__(self, source: Source, clock: Clock, page: Page | None = None) -> None:
        self._source = source
        self._clock = clock
        self._page = page or Page()
        self._tallies: dict[str, Tally] = {}
        self._full: dict[str, Meter] = {}
        self._complained = False

    # -- what a question takes ----------------------------------------------------------------

    def bill(self, query: Query) -> Bill:
        """What the source says that a question takes; nothing where it says nothing."""
        try:
            return summed(self._source.charges(query))
        except Exception as error:  # noqa: BLE001 - a plugin may raise anything
            self._complain("charges", error)
            return ()

    def rest(
        self, bill: Bill, priority: Priority, *, ahead: Mapping[str, int], alone: bool
    ) -> Rest | None:
        """Until when a question has to wait, and for what; None if it may be asked now.

        ``ahead`` are the calls of others that wait already, by interface. A question about one
        key cannot be asked in parts: ``alone``, it fits also where it takes more than all.
        """
        self._look()
        now = self._clock.monotonic()
        warming = priority is Priority.WARMUP
        share = WARMUP_SHARE if warming else 1.0
        rests: list[Rest] = []
        for charge in bill:
            name = charge.allowance.interface
            tally = self._tally(charge.allowance)
            wait = tally.wait(charge.calls, share, ahead=ahead.get(name, 0), alone=alone)
            if wait > 0:
                rests.append(Rest(now + wait, of_calls(tally, warming=warming)))
        names = {EVERY_CALL, *(charge.allowance.interface for charge in bill)}
        rests += [_exhausted(m, now) for name, m in self._full.items() if bill and name in names]
        return max(rests, key=lambda rest: rest.until, default=None)

    # -- what happens -------------------------------------------------------------------------

    def begin(self, bill: Bill) -> None:
        """Book a call to the source that is about to begin."""
        for charge in bill:
            self._tally(charge.allowance).promise(charge.calls)

    def end(self, bill: Bill) -> None:
        """Book that it is over, whatever came of it."""
        self._look()
        for charge in bill:
            self._tally(charge.allowance).ended(charge.calls)

    def refused(self, bill: Bill, seconds: float) -> None:
        """Learn from the vendor's own refusal that its quota is used up for so long."""
        for charge in bill:
            self._tally(charge.allowance).refuse(seconds)

    # -- what is told -------------------------------------------------------------------------

    def status(self) -> tuple[QuotaStatus, ...]:
        """Every limit of every interface that was used."""
        meters = self._look()
        told = [entry for tally in self._tallies.values() for entry in self._told(tally)]
        told += self._earlier()
        told += [
            QuotaStatus(
                interface=meter.interface,
                unit=meter.unit,
                limit=_finite(meter.limit),
                used=meter.used,
                window=meter.window,
                resets_in=_finite(meter.resets_in),
            )
            for meter in meters
            if meter.window is not None or meter.unit != "calls"
        ]
        if isinstance(self._source, Isolated):
            told.append(_logins(self._source))
        return tuple(sorted(told, key=lambda entry: (entry.interface, entry.unit)))

    def _told(self, tally: Tally) -> Iterable[QuotaStatus]:
        allowance, shut = tally.allowance, tally.refused
        yield QuotaStatus(
            interface=allowance.interface,
            unit="calls",
            limit=allowance.calls_per_minute,
            used=tally.minute,
            window="minute",
            resets_in=max(shut, tally.forgotten_in),
        )
        if allowance.calls_per_day is not None:
            yield QuotaStatus(
                interface=allowance.interface,
                unit="calls",
                limit=allowance.calls_per_day,
                used=tally.today,
                window="day",
                resets_in=max(shut, until_midnight(self._clock)),
            )

    def _earlier(self) -> Iterable[QuotaStatus]:
        """What was used before this began; its limit is known once the source is asked again."""
        for interface, days in self._page:
            shown = interface in self._tallies or not days.lasting
            used = 0 if shown else days.used(day_of(self._clock))
            if used:
                yield QuotaStatus(
                    interface=interface,
                    unit="calls",
                    limit=None,
                    used=used,
                    window="day",
                    resets_in=until_midnight(self._clock),
                )

    # -- the meters ---------------------------------------------------------------------------

    def _look(self) -> tuple[Meter, ...]:
        try:
            meters = tuple(m for m in self._source.meters() if math.isfinite(m.used))
        except Exception as error:  # noqa: BLE001 - a plugin may raise anything
            self._complain("meters", error)
            return ()
        self._full = {meter.interface: meter for meter in meters if meter.exhausted}
        for meter in meters:
            if meter.unit != "calls" or meter.window is not None:
                continue
            if meter.used > 0 or meter.interface in self._tallies:
                self._tally(Allowance(interface=meter.interface)).seen(int(meter.used))
        return meters

    def _tally(self, allowance: Allowance) -> Tally:
        tally = self._tallies.get(allowance.interface)
        if tally is None:
            days = self._page.days(allowance.interface)
            tally = self._tallies[allowance.interface] = Tally(allowance, self._clock, days)
        elif tally.allowance != allowance and _states(allowance):
            tally.allowance = allowance
        return tally

    def _complain(self, what: str, error: Exception) -> None:
        if not self._complained:
            self._complained = True
            log.warning("%s: its %s cannot be used", self._source.name, what, exc_info=error)


def summed(charges: Iterable[Charge]) -> Bill:
    """One charge an interface."""
    bill: dict[str, Charge] = {}
    for charge in charges:
        name = charge.allowance.interface
        before = bill[name].calls if name in bill else 0
        bill[name] = replace(charge, calls=before + charge.calls)
    return tuple(charge for charge in bill.values() if charge.calls > 0)


def _finite(number: float | None) -> float | None:
    return number if number is not None and math.isfinite(number) else None


def _states(allowance: Allowance) -> bool:
    return allowance != Allowance(interface=allowance.interface)


def _exhausted(meter: Meter, now: float) -> Rest:
    name = "" if meter.interface == EVERY_CALL else f" for {meter.interface}"
    quota = f"its quota of {meter.limit:.0f} {meter.unit} a {meter.window}{name} is used up"
    told = meter.resets_in
    return Rest(now + (told if told is not None and 0 <= told < A_DAY else A_DAY), quota)


def _logins(source: Isolated) -> QuotaStatus:
    """How many of the sessions that the vendor allows one account are taken."""
    return QuotaStatus(
        interface=EVERY_CALL,
        unit="logins",
        limit=source.logins,
        used=int(source.worker == "up"),
        window=None,
        resets_in=None,
    )
