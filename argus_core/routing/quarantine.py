"""What a source is not asked any more, because its own numbers disproved each other.

A wrong unit is no hiccup: whoever asks again gets the same wrong numbers. So the symbol is kept
from that source for a while, and with several of them everything of their scope.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from argus_core.clock import Clock
from argus_core.errors import A_DAY, Disproved

SEVERAL = 3
"""So many symbols in quarantine at once put their whole scope there, unless more are well."""
RECENT = 3600.0
"""Seconds for which a good answer about a symbol speaks for the rest of its scope."""
_SHOWN = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Quarantined:
    """One symbol of one scope, or with ``symbol`` None the whole scope, kept from being asked.

    ``until`` is in monotonic seconds, ``ends_at`` the same on the wall; ``times`` counts how often
    it happened with less than a day in between. ``cured`` says that it was answered well since.
    """

    scope: str
    symbol: str | None
    since: datetime
    ends_at: datetime
    until: float
    times: int
    error: Disproved
    cured: bool = False

    @property
    def subject(self) -> str:
        """What is kept from being asked, for people."""
        return f"{self.symbol} of {self.scope}" if self.symbol else f"all of {self.scope}"

    def why(self, _now: float) -> str:
        """The sentence for ``explain``."""
        return (
            f"quarantined until {self.ends_at.isoformat(timespec='seconds')}: {self.error.message}"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class QuarantineStatus:
    """A quarantine in force, as operators see it; ``symbol`` is None for the whole scope."""

    scope: str
    symbol: str | None
    since: datetime
    until: datetime
    times: int
    reason: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one answer changed: quarantines that began, and past ones that it showed cured."""

    caught: tuple[Quarantined, ...] = ()
    cured: tuple[Quarantined, ...] = ()


@dataclass(slots=True)
class Quarantine:
    """The quarantines of one source, in force and, for a day, remembered."""

    clock: Clock
    _known: dict[tuple[str, str | None], Quarantined] = field(
        default_factory=dict[tuple[str, str | None], Quarantined]
    )
    _well: dict[str, dict[str, float]] = field(default_factory=dict[str, dict[str, float]])
    """By scope, when each symbol was last answered well."""

    def holds(self, scope: str, symbol: str) -> Quarantined | None:
        """The quarantine in force that keeps ``symbol`` from being asked, the longer of two."""
        if not self._known:
            return None
        now = self.clock.monotonic()
        found = (self._known.get((scope, name)) for name in (symbol, None))
        held = [entry for entry in found if entry is not None and entry.until > now]
        return max(held, key=lambda entry: entry.until, default=None)

    def holds_all(self, scope: str) -> bool:
        """True if the whole scope is in quarantine."""
        whole = self._known.get((scope, None))
        return whole is not None and whole.until > self.clock.monotonic()

    @property
    def in_force(self) -> tuple[Quarantined, ...]:
        """Every quarantine that is not over, whole scopes first."""
        now = self.clock.monotonic()
        held = [entry for entry in self._known.values() if entry.until > now]
        return tuple(sorted(held, key=lambda entry: (entry.symbol is not None, entry.since)))

    def judge(self, scope: str, disproved: Mapping[str, str], well: Iterable[str]) -> Verdict:
        """Book what an answer of ``scope`` proved: who was caught, with reasons, and who was well.

        Of a scope with :data:`SEVERAL` symbols in quarantine at once, everything is put there, if
        not more than these were answered well within the last :data:`RECENT` seconds: three odd
        symbols among thousands are their own trouble, not the source's.
        """
        good = set(well)
        spoken = self._well.setdefault(scope, {})
        spoken.update(dict.fromkeys(good, self.clock.monotonic()))
        if not self._known and not disproved:
            return Verdict()
        self._forget()
        caught = [
            self._hold(scope, symbol, reason)
            for symbol, reason in disproved.items()
            if self._absent(scope, symbol)
        ]
        cured = self._cure(scope, good)
        for symbol in disproved:
            spoken.pop(symbol, None)
        if caught and self._spoiled(scope):
            last = caught[-1]
            reason = f"{len(self._held(scope))} symbols at once, such as {last.symbol}: "
            caught.append(self._hold(scope, None, reason + last.error.message))
        return Verdict(tuple(caught), tuple(cured))

    def lift(self, symbol: str | None = None) -> tuple[Quarantined, ...]:
        """End and forget every quarantine, or those of ``symbol``; returns what was in force."""
        lifted = [entry for entry in self.in_force if symbol in (None, entry.symbol)]
        for key in [key for key in self._known if symbol in (None, key[1])]:
            del self._known[key]
        return tuple(lifted)

    def _hold(self, scope: str, symbol: str | None, reason: str) -> Quarantined:
        now, at = self.clock.monotonic(), self.clock.now()
        before = self._known.get((scope, symbol))
        times = before.times + 1 if before is not None else 1
        seconds = min(Disproved.cool_down * 2.0 ** min(times - 1, 16), A_DAY)
        entry = self._known[scope, symbol] = Quarantined(
            scope=scope,
            symbol=symbol,
            since=at,
            ends_at=at + timedelta(seconds=seconds),
            until=now + seconds,
            times=times,
            error=Disproved(reason, retry_after=seconds),
        )
        return entry

    def _absent(self, scope: str, symbol: str | None) -> bool:
        """True unless it is in quarantine already, as when two askers met the same wrong bar."""
        entry = self._known.get((scope, symbol))
        return entry is None or entry.until <= self.clock.monotonic()

    def _held(self, scope: str) -> list[str]:
        return [q.symbol for q in self.in_force if q.scope == scope and q.symbol is not None]

    def _spoiled(self, scope: str) -> bool:
        held, since = len(self._held(scope)), self.clock.monotonic() - RECENT
        well = sum(at > since for at in self._well[scope].values())
        return held >= max(SEVERAL, well) and self._absent(scope, None)

    def _cure(self, scope: str, good: set[str]) -> list[Quarantined]:
        """Past quarantines whose symbols, or whose scope, were answered well for the first time."""
        now = self.clock.monotonic()
        past = [
            (key, entry)
            for key, entry in self._known.items()
            if entry.scope == scope and entry.until <= now and not entry.cured
        ]
        cured = [(key, e) for key, e in past if (e.symbol in good if e.symbol else good)]
        for key, entry in cured:
            # Remembered all the same: a source that is well between two lapses has lapsed twice.
            self._known[key] = replace(entry, cured=True)
        return [entry for _, entry in cured]

    def _forget(self) -> None:
        now = self.clock.monotonic()
        for key in [key for key, entry in self._known.items() if entry.until + A_DAY <= now]:
            del self._known[key]


def status(entry: Quarantined) -> QuarantineStatus:
    """A quarantine as operators see it."""
    return QuarantineStatus(
        scope=entry.scope,
        symbol=entry.symbol,
        since=entry.since,
        until=entry.ends_at,
        times=entry.times,
        reason=entry.error.message,
    )


def listed(entries: Iterable[Quarantined], *, past: bool = False) -> str:
    """Several quarantines in a sentence: the first few subjects, and the first one's reason."""
    found = list(entries)
    found = [entry for entry in found if entry.symbol is None] or found
    subjects = ", ".join(entry.subject for entry in found[:_SHOWN])
    if len(found) > _SHOWN:
        subjects += f" and {len(found) - _SHOWN} more"
    return f"{subjects}: " + ("in quarantine no longer" if past else found[0].why(0.0))
