"""Single flight across processes: whoever holds a key's lease fetches it, the others wait."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import uuid4

import orjson

from argus_core.answers.draft import Landing
from argus_core.caching.level import BUDGET, PATIENT_BUDGET, Level
from argus_core.errors import (
    AllSourcesFailed,
    ArgusError,
    DeadlineExceeded,
    NotOffered,
    NotReady,
    Overloaded,
)
from argus_core.extend.cache import Lease
from argus_core.model.answer import Failure, Found, Provenance, Trace
from argus_core.model.ask import Deadline
from argus_core.model.query import Query
from argus_core.routing.router import Routed

log = logging.getLogger(__name__)

HELD = 2.0
"""Seconds after which a lease whose holder died is free again."""
RENEWED = 0.6
"""Seconds between two prolongations of a lease by its living holder."""
REMEMBERED = 2.0
"""Seconds for which a holder's last word stands, for those who wait."""
_LAST_WORD = 0.02
"""Seconds that it may take to leave word when the time is up."""
_FIRST_PAUSE, _LONGEST_PAUSE = 0.01, 0.05

Fetch = Callable[[Query], Awaitable[Landing]]
Look = Callable[[Query], Awaitable[Mapping[str, tuple[Found, Provenance]]]]

_ERRORS: Mapping[str, type[ArgusError]] = {
    cls.__name__: cls
    for cls in (AllSourcesFailed, Overloaded, DeadlineExceeded, NotReady, NotOffered)
}


@dataclass(slots=True)
class _Catch:
    """What has come so far of one flight's keys, from here and from elsewhere."""

    routed: Routed
    origins: dict[str, Provenance] = field(default_factory=dict[str, Provenance])
    errors: dict[str, ArgusError] = field(default_factory=dict[str, ArgusError])
    late: bool = False

    def add(self, landing: Landing) -> None:
        routed = landing.routed
        self.routed.found.update(routed.found)
        self.routed.absent.update(routed.absent)
        self.routed.unsure.update(routed.unsure)
        self.routed.failures.update(routed.failures)
        self.routed.trace.attempts.extend(routed.trace.attempts)
        self.routed.trace.skipped.extend(routed.trace.skipped)
        self.routed.trace.steps.extend(routed.trace.steps)
        self.routed.trace.route = self.routed.trace.route or routed.trace.route
        self.origins.update(landing.origins)
        self.late = self.late or landing.late

    def seen(self, found: Mapping[str, tuple[Found, Provenance]]) -> None:
        for key, (item, origin) in found.items():
            if item.value is None:
                self.routed.absent[key] = item
            else:
                self.routed.found[key] = item
                self.origins[key] = origin

    def open(self, keys: Iterable[str]) -> list[str]:
        routed = self.routed
        done = (routed.found, routed.absent, routed.failures, self.errors)
        return [key for key in keys if not any(key in each for each in done)]

    def landing(self) -> Landing:
        """Everything as one flight's result; raises if all of it ended in one error."""
        if self.errors and not self.routed.found and not self.routed.absent:
            raise next(iter(self.errors.values()))
        for key, error in self.errors.items():
            self.routed.failures[key] = Failure(code=error.code, message=error.message)
        return Landing(self.routed, self.origins, self.late)


@dataclass(frozen=True, slots=True, kw_only=True)
class Joint:
    """What a flight wants that several processes may share.

    ``texts`` are the keys' texts by key; ``fetch`` asks the sources, ``look`` looks where other
    processes put what they brought.
    """

    query: Query
    texts: Mapping[str, str]
    deadline: Deadline
    fetch: Fetch
    look: Look


class Claims:
    """Leases of one shared tier. Where the tier is away, every process fetches for itself."""

    def __init__(self, level: Level) -> None:
        self._level = level

    async def fetched(self, joint: Joint) -> Landing:
        """What came of the keys that nobody else fetches, and what the others brought.

        An error that met another process while this one waited for it is raised here too.
        """
        turn = _Turn(self._level, joint)
        while pending := turn.catch.open(joint.query.keys):
            await turn.take(pending)
            turn.give_up_if_late()
        return turn.catch.landing()


class _Turn:
    """One flight among those of other processes."""

    def __init__(self, level: Level, joint: Joint) -> None:
        self._level = level
        self._joint = joint
        self._owner = uuid4().hex
        self.catch = _Catch(Routed(trace=Trace(dataset=joint.query.dataset)))

    async def take(self, pending: Sequence[str]) -> None:
        """Fetch those keys whose leases are to be had, and wait for the others."""
        texts = self._joint.texts
        holders = await self._lease([texts[key] for key in pending])
        mine = [key for key in pending if holders.get(texts[key], self._owner) == self._owner]
        theirs = {key: holders[texts[key]] for key in pending if key not in mine}
        work = self._fetched if not holders else self._held
        await asyncio.gather(work(mine), self._others(theirs))

    def give_up_if_late(self) -> None:
        """Let what is still open when the time is up be an error."""
        if self._joint.deadline.remaining > 0:
            return
        late = DeadlineExceeded("the deadline passed while another process was fetching")
        self.catch.errors.update(dict.fromkeys(self.catch.open(self._joint.query.keys), late))

    async def _held(self, mine: Sequence[str]) -> None:
        """Fetch what is leased, keep the leases meanwhile, and leave word of what became of it."""
        if not mine:
            return
        held = [self._joint.texts[key] for key in mine]
        renewing = asyncio.get_running_loop().create_task(self._renew(held))
        try:
            # Somebody may have finished between the look into the tiers and the lease.
            self.catch.seen(await self._joint.look(self._joint.query.only(tuple(mine))))
            await self._fetched(self.catch.open(mine))
        finally:
            renewing.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await renewing
            await self._settle(mine)

    async def _fetched(self, keys: Sequence[str]) -> None:
        if not keys:
            return
        try:
            self.catch.add(await self._joint.fetch(self._joint.query.only(tuple(keys))))
        except ArgusError as error:
            self.catch.errors.update(dict.fromkeys(keys, error))

    async def _renew(self, held: list[str]) -> None:
        while True:
            await asyncio.sleep(RENEWED)
            await self._lease(held)

    async def _lease(self, texts: list[str]) -> Mapping[str, str]:
        lease = functools.partial(self._level.cache.lease, texts, self._owner, HELD)
        # An answer waits for this: patience is for a tier that has just answered.
        budget = BUDGET if self._level.shaky else PATIENT_BUDGET
        return await self._level.tried(lease, budget) or {}

    async def _settle(self, mine: Iterable[str]) -> None:
        notes: dict[bytes, list[str]] = {}
        for key in mine:
            notes.setdefault(_note(key, self.catch), []).append(self._joint.texts[key])
        # What was brought must not come too late for want of a word about it.
        left = max(self._joint.deadline.remaining, _LAST_WORD)
        await self._level.tried(functools.partial(self._leave, notes), min(left, PATIENT_BUDGET))

    async def _leave(self, notes: Mapping[bytes, Sequence[str]]) -> None:
        for note, held in notes.items():
            await self._level.cache.settle(held, self._owner, note, REMEMBERED)

    async def _others(self, theirs: Mapping[str, str]) -> None:
        """Wait for other processes; the keys of those that went away stay open."""
        waiting = dict(theirs)
        deadline = self._joint.deadline
        pause = _FIRST_PAUSE
        while waiting:
            await asyncio.sleep(min(pause, deadline.remaining))
            pause = min(pause * 1.5, _LONGEST_PAUSE)
            asked = [self._joint.texts[key] for key in waiting]
            ask = functools.partial(self._level.cache.leases, asked)
            leases = await self._level.tried(ask, PATIENT_BUDGET)
            if leases is None:
                return  # the tier went away: each for itself
            await self._heard(waiting, leases)
            if deadline.remaining <= 0:
                return

    async def _heard(self, waiting: dict[str, str], leases: Mapping[str, Lease]) -> None:
        """Take those keys off ``waiting`` that are held no more, and see what became of them."""
        texts = self._joint.texts
        over = [key for key in waiting if _over(leases.get(texts[key]), waiting[key])]
        if not over:
            return
        self.catch.seen(await self._joint.look(self._joint.query.only(tuple(over))))
        for key in over:
            owner = waiting.pop(key)
            lease = leases.get(texts[key])
            if lease is not None and lease.owner == owner and self.catch.open([key]):
                _read_note(key, lease.note or b"", self.catch)


def _over(lease: Lease | None, owner: str) -> bool:
    """True if the one who was waited for holds the lease no more."""
    return lease is None or lease.owner != owner or lease.note is not None


def _note(key: str, catch: _Catch) -> bytes:
    """What those who wait should know of a key, nothing if they find the value themselves."""
    routed = catch.routed
    if key in catch.errors:
        error = catch.errors[key]
        kind = next((n for n, cls in _ERRORS.items() if isinstance(error, cls)), "")
        wait = getattr(error, "retry_after", None)
        return orjson.dumps({"error": kind, "message": error.message, "retry_after": wait})
    if key in routed.failures:
        failure = routed.failures[key]
        return orjson.dumps({"code": failure.code, "message": failure.message})
    if key in routed.absent and key not in routed.found:
        silent = routed.absent[key]
        told = {"absent": silent.source, "at": silent.fetched_at.isoformat()}
        unsure = key in routed.unsure
        return orjson.dumps({**told, "simulated": silent.simulated, "unsure": unsure})
    return b""


def _read_note(key: str, note: bytes, catch: _Catch) -> None:
    """Book another process' last word; without one the key stays open and is fetched here."""
    if not note:
        return
    try:
        _book(key, orjson.loads(note), catch)
    except (ValueError, KeyError, TypeError):
        log.warning("what another process says of %s cannot be read", key)


def _book(key: str, told: Mapping[str, Any], catch: _Catch) -> None:
    if "absent" in told:
        at, unsure = datetime.fromisoformat(told["at"]), bool(told["unsure"])
        source, simulated = str(told["absent"]), bool(told["simulated"])
        catch.routed.absent[key] = Found(None, source, at, simulated=simulated)
        if unsure:
            catch.routed.unsure.add(key)
    elif "code" in told:
        catch.routed.failures[key] = Failure(code=str(told["code"]), message=str(told["message"]))
    else:
        catch.errors[key] = _error(told)


def _error(told: Mapping[str, Any]) -> ArgusError:
    cls, message = _ERRORS.get(told["error"], AllSourcesFailed), str(told["message"])
    if issubclass(cls, NotOffered):
        return cls(message)
    wait = told["retry_after"]
    return cls(message, retry_after=wait and float(wait))  # type: ignore[call-arg]
