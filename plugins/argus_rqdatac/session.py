"""One account's session: one call at a time, bounded in time, no refusal swallowed."""

from __future__ import annotations

import logging
import threading
import warnings
from collections.abc import Callable
from datetime import date, datetime, time
from typing import Any, TypeVar

from argus_core import ArgusError, Clock, SourceTimeout, SourceUnavailable, Throttled
from argus_rqdatac.quota import Quota
from argus_rqdatac.refusals import meaning, swallowed
from argus_rqdatac.sdk import Login, load
from argus_rqdatac.settings import RqdatacSettings, is_loopback

logger = logging.getLogger(__name__)

BEFORE_OPEN = time(8, 45)
"""When the vendor's caches are emptied for the day, once more after midnight."""
FRESH_LISTING = 3600.0
"""Seconds between two emptyings of the caches for the sake of an instrument nobody knows."""
_GRACE = 5.0
"""Seconds for a call under way to end; the vendor's client pauses up to three before it does."""

R = TypeVar("R")
Work = Callable[[Any], R]
"""Takes the vendor's package and calls it."""


class Session:
    """The vendor's package, used by one thread at a time.

    It keeps its state per process and answers refusals of minutes and ticks with a warning and a
    part of the rows. Warnings are caught for the whole process while a call runs, which is why
    such a source belongs into a process of its own.
    """

    def __init__(self, name: str, settings: RqdatacSettings, clock: Clock) -> None:
        self.name = name
        self._settings = settings
        self._clock = clock
        self._lock = threading.Lock()
        self._login: Login | None = None
        self._fresh: tuple[date, bool] | None = None
        self._renewed: float | None = None
        self.version: str | None = None
        self.quota = Quota(name, clock, every=settings.quota_every, guard=settings.quota_guard)

    @property
    def connections(self) -> int:
        """Connections to the data server that are open."""
        login = self._login
        return 0 if login is None else login.sockets.count

    def open(self) -> None:
        """Import the vendor's package and hand it the account; blocks for a second."""
        if self._login is not None:
            return
        settings = self._settings
        if not is_loopback(settings.host):
            logger.warning("%s: RQData's protocol sends the password unencrypted", self.name)
        sdk = load()
        login = Login(sdk, settings, self._clock.monotonic)
        login.sockets.allow_until(self._clock.monotonic() + settings.timeout)
        login.begin(self._clock.now())
        self.version = str(sdk.__version__)
        self._login = login

    def close(self) -> None:
        """Close the connections, a call under way included; safe to call twice."""
        login, self._login = self._login, None
        if login is None:
            return
        login.sockets.refuse()
        held = self._lock.acquire(timeout=_GRACE)
        try:
            login.end(idle=held)
        finally:
            if held:
                self._lock.release()

    def call(self, what: str, work: Work[R], *, free: bool = False) -> R:
        """What ``work`` returns; ``what`` names the question in errors.

        ``free`` calls go on when the quota is used up. Raises the :class:`SourceError` or
        :class:`NotOffered` that a failure means, without a word of the vendor's.
        """
        if not free:
            self.quota.check()
        if not self._lock.acquire(timeout=self._settings.timeout):
            raise SourceTimeout(f"{self.name} still waits for an earlier call")
        try:
            login = self._login
            if login is None:
                raise SourceUnavailable(f"{self.name} is not open")
            self._freshen(login)
            return self._run(login, what, work)
        finally:
            self._lock.release()

    def renew(self) -> bool:
        """Empty the vendor's caches if that was not done lately; true if it was done now.

        A listing of today may be missing in them for three hours.
        """
        now = self._clock.monotonic()
        if self._renewed is not None and now - self._renewed < FRESH_LISTING:
            return False
        self._renewed = now
        self.call("its caches", _flush, free=True)
        return True

    def read_quota(self) -> None:
        """Ask for the quota, if that is due."""
        if self.quota.due:
            self.quota.asking()
            self.quota.told(self.call("the quota", _quota, free=True))

    def _freshen(self, login: Login) -> None:
        """Empty the caches after midnight and before the open, for they hide what changed."""
        mark = freshness(self._clock.now())
        if self._fresh is not None and self._fresh != mark:
            _flush(login.sdk)
        self._fresh = mark

    def _run(self, login: Login, what: str, work: Work[R]) -> R:
        login.sockets.allow_until(self._clock.monotonic() + self._settings.timeout)
        answers: list[R] = []
        error: ArgusError | None = None
        torn = False
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            try:
                answers.append(work(login.sdk))
            except Exception as raised:  # noqa: BLE001 - whatever the vendor's code trips over
                # Raised below, so that nothing holds the vendor's frames, with the password.
                error = meaning(raised, what, self._clock.now())
                torn = error is not raised
        if error is None:
            error = swallowed([str(each.message) for each in told], what)
            torn = error is not None
        if torn:
            # The vendor's pool has lost the connection over which the server refused something.
            login.sdk.reset()
            login.sockets.close_all()
        login.sockets.keep_newest()
        if error is None:
            return answers[0]
        if isinstance(error, Throttled):
            error = self.quota.refused()
        raise error


def freshness(now: datetime) -> tuple[date, bool]:
    """What must be equal for caches to be good still: the day, and whether the open is near."""
    return now.date(), now.time() >= BEFORE_OPEN


def _flush(sdk: Any) -> None:
    sdk.reset(flush_cache=True)


def _quota(sdk: Any) -> Any:
    return sdk.user.get_quota()
