"""The wanted subscriptions, made again whenever the client may have forgotten them.

The vendor makes nothing again by itself after a reconnect, and a feed may fall silent while its
subscription looks alive. So the list of what is wanted is kept here, and a watchdog looks every
few seconds whether the link is the same and whether something was pushed in trading hours.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from argus_core import (
    ArgusError,
    Clock,
    NotOffered,
    Push,
    SourceUnavailable,
    Symbol,
    Throttled,
)
from argus_xtquant.feed import Feed
from argus_xtquant.hours import open_since
from argus_xtquant.session import Session
from argus_xtquant.settings import XtquantSettings
from argus_xtquant.surface import Xtdata
from argus_xtquant.symbols import spelled

logger = logging.getLogger(__name__)

_BEAT = 2.0
"""Seconds between two looks of the watchdog."""


@dataclass(frozen=True, slots=True)
class _Subscription:
    """What the client calls a subscription, what is in it, and over which link it was made."""

    number: int
    codes: frozenset[str]
    generation: int


class Stream:
    """The subscriptions of one source. Thread-safe."""

    def __init__(self, session: Session, settings: XtquantSettings, clock: Clock) -> None:
        self.feed = Feed(session.name, clock)
        self._session = session
        self._settings = settings
        self._clock = clock
        self._lock = threading.Lock()
        self._made: list[_Subscription] = []
        self._generation = 0
        self._lost = False
        self._mended_at: datetime | None = None
        self._in_vain = 0
        self._closed = False
        self._wake = threading.Event()
        self._watchdog: threading.Thread | None = None
        session.on_new_client = self._wake.set

    def subscribe(self, symbols: Sequence[Symbol], push: Push) -> None:
        """Return when the client has accepted these symbols too."""
        today = self._clock.now().date()
        asked = {spelt.code: spelt.symbol for spelt in spelled(symbols, today, today)}
        if strange := sorted(set(symbols) - set(asked.values())):
            raise NotOffered(f"the client has no quotes of {', '.join(strange)} now")
        with self._lock:
            fresh = {code: s for code, s in asked.items() if code not in self.feed.codes}
            self._check_room(len(fresh))
            for code, symbol in asked.items():
                self.feed.add(code, symbol, push)
            try:
                self._make(sorted(fresh))
            except ArgusError:
                self.feed.remove(fresh.values())
                raise
            self._watch()

    def unsubscribe(self, symbols: Iterable[Symbol]) -> None:
        """Listen to these no more; the client hears of it once a whole subscription is unused."""
        with self._lock:
            self.feed.remove(symbols)
            wanted = self.feed.codes
            unused = [made for made in self._made if not made.codes & wanted]
            self._made = [made for made in self._made if made.codes & wanted]
            self._drop(unused)

    def check(self) -> None:
        """Look once whether the link is the same and the feed alive, and mend what is not."""
        with self._lock:
            if self._closed or not self.feed.codes:
                return
            try:
                self._look(self._clock.now())
            except ArgusError as error:
                logger.warning("%s: pushes stay away: %s", self._session.name, error.message)

    def stop(self) -> None:
        """Mend nothing from now on: the link is about to be cut on purpose."""
        self._closed = True
        self._wake.set()

    def close(self) -> None:
        """End both threads; the subscriptions end with the connection."""
        self.stop()
        watchdog, self._watchdog = self._watchdog, None
        if watchdog is not None and watchdog is not threading.current_thread():
            watchdog.join(1.0)
        self.feed.close()

    def _watch(self) -> None:
        if self._watchdog is None and not self._closed:
            name = f"{self._session.name} watchdog"
            self._watchdog = threading.Thread(target=self._run, name=name, daemon=True)
            self._watchdog.start()

    def _run(self) -> None:
        while not self._closed:
            self._wake.wait(_BEAT)
            self._wake.clear()
            try:
                self.check()
            except Exception:
                logger.exception("%s: the watchdog failed; it goes on", self._session.name)

    def _look(self, now: datetime) -> None:
        if not self._session.connected and not self._lost:
            self._lost = True
            self.feed.gap("the link to the client is lost")
        self._session.ensure()
        self._lost = False
        if self._generation != self._session.generation:
            self._make_again("subscribed again over a new connection", now)
        elif self._is_silent(now):
            self._mend(now)

    def _is_silent(self, now: datetime) -> bool:
        """True if nothing was pushed for too long, in trading hours and since the last mending."""
        since = open_since(self.feed.symbols, now)
        if since is None:
            return False
        last = self.feed.last_push
        if last is not None and self._mended_at is not None and last > self._mended_at:
            self._in_vain = 0
        moments = (since, last, self._mended_at)
        latest = max(moment for moment in moments if moment is not None)
        return now - latest >= timedelta(seconds=self._settings.silent_after)

    def _mend(self, now: datetime) -> None:
        """Subscribe again; where that brought nothing, connect again."""
        self._in_vain += 1
        if self._in_vain > 1:
            self._session.reconnect()
        else:
            self._drop(self._made)
        self._make_again(f"nothing was pushed for {self._settings.silent_after:.0f} s", now)

    def _make_again(self, reason: str, now: datetime) -> None:
        self._made = []
        self._make(sorted(self.feed.codes))
        self._mended_at = now
        logger.warning("%s: all subscriptions were made again: %s", self._session.name, reason)
        self.feed.gap(reason)

    def _make(self, codes: Sequence[str]) -> None:
        """Subscribe ``codes``, all of them or none."""
        if not codes:
            return
        alone = not self._made
        self._session.ensure()
        generation = self._session.generation
        groups = [codes] if self._settings.push == "whole" else [[code] for code in codes]
        made: list[_Subscription] = []
        try:
            for group in groups:
                made.append(self._one(group))  # noqa: PERF401 - a part of them must be undone
        except ArgusError:
            self._drop(made)
            raise
        self._made += made
        if alone:
            # That of before: what was subscribed over an older link is then made again
            self._generation = generation
            self._mended_at = self._clock.now()

    def _one(self, codes: Sequence[str]) -> _Subscription:
        number = self._session.call("a subscription", self._asking(codes))
        # -1 says no; a number that is none says it in another way
        if isinstance(number, bool) or not isinstance(number, int) or number <= 0:
            raise SourceUnavailable(f"the client refuses to subscribe {len(codes)} symbols")
        return _Subscription(number, frozenset(codes), self._session.generation)

    def _asking(self, codes: Sequence[str]) -> Callable[[Xtdata], object]:
        take = self.feed.take
        if self._settings.push == "whole":
            return lambda x: x.subscribe_whole_quote(list(codes), take)
        # A list here is taken without a word and answered with nothing
        return lambda x: x.subscribe_quote(codes[0], period="tick", count=0, callback=take)

    def _drop(self, made: Iterable[_Subscription]) -> None:
        """End subscriptions. Over a new connection the old numbers mean something else."""
        for subscription in made:
            if subscription.generation != self._session.generation or not self._session.connected:
                continue
            try:
                self._end(subscription.number)
            except ArgusError as error:
                logger.info("%s: %s", self._session.name, error.message)

    def _end(self, number: int) -> None:
        self._session.call("a subscription's end", lambda x: x.unsubscribe_quote(number))

    def _check_room(self, more: int) -> None:
        most = self._settings.max_subscriptions
        if len(self.feed.codes) + more > most:
            raise Throttled(f"{most} symbols at most are subscribed: see max_subscriptions")
