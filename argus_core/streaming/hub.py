"""The hub: one topic for each channel of a symbol, shared by all who listen to it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any, Protocol

from argus_core.model.symbol import Symbol
from argus_core.streaming.caught import Caught, Since, Topic, caught
from argus_core.streaming.lanes import Lane, Listener
from argus_core.streaming.topics import Carrier, Key, Notice, Update, View, conflates, lasts

__all__ = ["Caught", "Hub", "Since", "Supply", "Topic"]

log = logging.getLogger(__name__)


class Supply(Protocol):
    """What brings updates of the symbols that somebody listens to."""

    def want(self, symbols: Iterable[Symbol]) -> None:
        """Bring these from now on."""
        ...

    def drop(self, symbols: Iterable[Symbol]) -> None:
        """Bring these no more."""
        ...


class Hub:
    """Who listens to what; numbers each update and hands it to everybody's lanes.

    It lives on one event loop, none of its methods waits, and nothing that a listener does or
    fails to do keeps an update from the others.
    """

    def __init__(
        self,
        *,
        epoch: str,
        grace: float,
        supply: Supply,
        later: Callable[[float, Callable[[], None]], asyncio.TimerHandle],
    ) -> None:
        self.epoch = epoch
        self.updates = 0
        """Updates since the hub began."""
        self._grace = grace
        self._supply = supply
        self._later = later
        self._topics: dict[Key, Topic] = {}
        self._of: dict[Symbol, list[Topic]] = {}
        """The topics of each symbol."""
        self._wanted: dict[Symbol, int] = {}
        """How many listening lanes there are for each symbol."""
        self._leaving: dict[Symbol, asyncio.TimerHandle] = {}
        self._listeners: dict[Listener, dict[Key, tuple[View, Lane]]] = {}
        self._floor = 0
        """Where the numbers of new topics begin: above those of all topics that are gone."""

    # -- who listens ----------------------------------------------------------------------------

    def hold(self, symbols: Iterable[Symbol]) -> None:
        """Have these symbols brought, before anybody listens; :meth:`release` ends it."""
        new: list[Symbol] = []
        for symbol in symbols:
            count = self._wanted.get(symbol, 0)
            self._wanted[symbol] = count + 1
            if count == 0 and (leaving := self._leaving.pop(symbol, None)) is not None:
                leaving.cancel()
            elif count == 0:
                new.append(symbol)
        if new:
            self._supply.want(new)

    def release(self, symbols: Iterable[Symbol]) -> None:
        """End what :meth:`hold` began; after the grace nobody brings what nobody wants."""
        for symbol in symbols:
            count = self._wanted[symbol] - 1
            if count:
                self._wanted[symbol] = count
                continue
            del self._wanted[symbol]
            self._leaving[symbol] = self._later(self._grace, partial(self._gone, symbol))

    def _gone(self, symbol: Symbol) -> None:
        self._leaving.pop(symbol, None)
        self._supply.drop((symbol,))
        for topic in self._of.pop(symbol, ()):
            del self._topics[topic.key]
            if topic.seq > topic.began:
                # What is not brought any more is missed: nobody may go on from there unawares.
                self._floor = max(self._floor, topic.seq + 1)

    def listen(
        self,
        lane: Lane,
        view: View,
        symbols: Sequence[Symbol],
        since: Mapping[Symbol, Since] | None = None,
    ) -> tuple[Caught, ...]:
        """Hand the updates of these to a lane from now on; what was said before comes back.

        Whoever listens already goes on with the new view: what still waited for him in the old
        one comes back in the new one. The symbols are held by him until he stops.
        """
        heard = self._listeners.setdefault(lane.listener, {})
        channel = view.channel
        self.hold(dict.fromkeys(s for s in symbols if (channel, s) not in heard))
        found: list[Caught] = []
        for symbol in symbols:
            topic = self._topic((channel, symbol))
            before = heard.get(topic.key)
            if before is None:
                missed = self._missed(topic, (since or {}).get(symbol))
            else:
                missed = before[1].pending(topic.key)
                before[1].forget((topic.key,))
                topic.unlist(*before)
            heard[topic.key] = (view, lane)
            topic.lanes.setdefault(view, {})[lane] = None
            found.append(caught(topic, view, missed, anew=before is not None))
        return tuple(found)

    def _missed(self, topic: Topic, since: Since | None) -> int | None:
        """How many updates were said since a pause; None if that cannot be known."""
        if since is None or since.epoch != self.epoch:
            return None
        return topic.seq - since.seq if topic.began <= since.seq <= topic.seq else None

    def stop(self, listener: Listener, keys: Iterable[Key]) -> tuple[Key, ...]:
        """Those of the topics that the listener heard until now, and hears no more."""
        heard = self._listeners.get(listener, {})
        stopped = [key for key in dict.fromkeys(keys) if key in heard]
        by_lane: dict[Lane, list[Key]] = {}
        for key in stopped:
            view, lane = heard.pop(key)
            self._topics[key].unlist(view, lane)
            by_lane.setdefault(lane, []).append(key)
        for lane, own in by_lane.items():
            lane.forget(own)
        self.release(key[1] for key in stopped)
        return tuple(stopped)

    def leave(self, listener: Listener) -> None:
        """Tell a listener nothing any more."""
        self.stop(listener, list(self._listeners.get(listener, ())))
        self._listeners.pop(listener, None)

    def heard(self, listener: Listener) -> Mapping[Key, tuple[View, Lane]]:
        """What a listener listens to."""
        return self._listeners.get(listener, {})

    @property
    def listeners(self) -> Sequence[Listener]:
        """Everybody who listens to something, or did."""
        return list(self._listeners)

    @property
    def topics(self) -> Mapping[Key, Topic]:
        """Every topic that is kept."""
        return self._topics

    def _topic(self, key: Key) -> Topic:
        topic = self._topics.get(key)
        if topic is None:
            topic = self._topics[key] = Topic(*key, seq=self._floor, began=self._floor)
            symbol = key[1]
            self._of.setdefault(symbol, []).append(topic)
            if symbol not in self._wanted and symbol not in self._leaving:
                # Said though nobody holds it: it goes after the grace, as any other.
                self.hold((symbol,))
                self.release((symbol,))
        return topic

    # -- what is said ---------------------------------------------------------------------------

    def say(
        self, key: Key, value: Any, carrier: Carrier, at: datetime, *, stale: bool = False
    ) -> Update:
        """Number an update of a topic and hand it to all who listen to it."""
        topic = self._topic(key)
        update = Update(topic.channel, topic.symbol, topic.seq + 1, value, carrier, at, stale)
        # Written first: what one view cannot write is said to nobody, and makes no hole for others.
        written = {view: view.fragment(update) for view in topic.lanes}
        topic.seq = update.seq
        topic.remember(update, written)
        self.updates += 1
        conflated = conflates(topic.channel) and not lasts(value)
        for view, lanes in topic.lanes.items():
            fragment = written[view]
            for lane in lanes:
                if conflated:
                    lane.conflated(key, fragment)
                else:
                    lane.queued(key, fragment)
        return update

    def tell(self, notice: Notice) -> None:
        """Tell everybody who listens to one of the notice's symbols, each of his own ones."""
        concerned: dict[Listener, dict[Symbol, None]] = {}
        for symbol in dict.fromkeys(notice.symbols):
            for topic in self._of.get(symbol, ()):
                for lanes in topic.lanes.values():
                    for lane in lanes:
                        concerned.setdefault(lane.listener, {})[symbol] = None
        whole = len(set(notice.symbols))
        for listener, own in concerned.items():
            same = len(own) == whole
            _tell(listener, notice if same else Notice(notice.kind, tuple(own), notice.told))

    # -- figures --------------------------------------------------------------------------------

    @property
    def subscriptions(self) -> int:
        """Topics that are listened to, each counted once a listener."""
        return sum(len(heard) for heard in self._listeners.values())

    def close(self) -> None:
        """End the graces that are running: nobody brings anything any more."""
        for symbol, leaving in list(self._leaving.items()):
            leaving.cancel()
            self._gone(symbol)


def _tell(listener: Listener, notice: Notice) -> None:
    try:
        listener.notice(notice)
    except Exception:  # one who cannot be told must not keep it from the others
        log.exception("a listener could not be told a notice")
