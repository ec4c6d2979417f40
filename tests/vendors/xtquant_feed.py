"""Subscriptions and what is pushed to them."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby

from vendors.world import Tick, World
from vendors.xtquant_codes import ALL_MARKETS, Named
from vendors.xtquant_live import SPANS, bar_push, growing, opened
from vendors.xtquant_rows import pushed, snapshot, tick_row
from vendors.xtquant_script import Settings
from vendors.xtquant_wire import Wire


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscription:
    """One number given out; ``key`` is what the subscriber's process calls it."""

    seq: int
    key: int
    wire: Wire
    wanted: frozenset[str]
    period: str
    whole: bool
    calls_back: bool
    silent: bool

    def wants(self, code: str) -> bool:
        return code in self.wanted or code.rpartition(".")[2] in self.wanted


class Feed:
    """All subscriptions of all clients."""

    def __init__(self, world: World, codes: dict[str, Named], settings: Settings) -> None:
        self.world = world
        self.codes = codes
        self.settings = settings
        self.pushes = 0
        self._numbers = itertools.count(1)
        self._subscriptions: dict[int, Subscription] = {}
        self._lock = threading.Lock()

    def subscribe(self, wire: Wire, key: int, wanted: Iterable[str], **how) -> int:
        """The number of the new subscription, or -1 when there are too many."""
        with self._lock:
            most = self.settings.max_subscriptions
            mine = [one for one in self._subscriptions.values() if one.wire is wire]
            if most is not None and len(mine) >= most:
                return -1
            seq = next(self._numbers)
            self._subscriptions[seq] = Subscription(
                seq=seq, key=key, wire=wire, wanted=frozenset(wanted), **how
            )
            return seq

    def unsubscribe(self, wire: Wire, seq: int) -> None:
        with self._lock:
            found = self._subscriptions.get(seq)
            if found and found.wire is wire:
                del self._subscriptions[seq]

    def forget(self, wire: Wire) -> None:
        """Nothing; a client that is gone has no subscriptions."""
        with self._lock:
            kept = {seq: one for seq, one in self._subscriptions.items() if one.wire is not wire}
            self._subscriptions = kept

    def all(self) -> list[Subscription]:
        with self._lock:
            return list(self._subscriptions.values())

    def get(self, seq: int) -> Subscription | None:
        with self._lock:
            return self._subscriptions.get(seq)

    def matching(self, wanted: Iterable[str]) -> list[Named]:
        """The instruments that a list of codes and market names means."""
        markets = {one for one in wanted if one in ALL_MARKETS}
        chosen = [self.codes[one] for one in wanted if one in self.codes]
        return chosen + [one for one in self.codes.values() if one.market in markets]

    def state(self, wanted: Iterable[str]) -> dict[str, dict]:
        """The newest row of every instrument that has one, recorded payloads first."""
        found = {}
        for named in self.matching(wanted):
            tick = snapshot(self.world, named, self.settings.now)
            if tick is None and self.settings.zeros:
                tick = Tick(
                    time=self.settings.now,
                    last=0.0,
                    open=0.0,
                    high=0.0,
                    low=0.0,
                    prev_close=0.0,
                    volume=0.0,
                    turnover=0.0,
                )
            if tick is not None:
                found[named.code] = tick_row(self.world, named, tick, self.settings)
        return found

    def push(self, subscription: Subscription, data: dict) -> None:
        """Nothing; a subscriber that cannot be reached is left to its link's end."""
        if not data or subscription.silent or not subscription.calls_back:
            return
        try:
            subscription.wire.send({"push": subscription.key, "data": data})
        except OSError:
            return
        self.pushes += 1

    def push_raw(self, period: str, data: dict) -> None:
        """Nothing; the payload goes as it is to whoever subscribed the period ('whole': all)."""
        for one in self.all():
            part = {code: rows for code, rows in data.items() if one.wants(code)}
            if (period == "whole") == one.whole and period in ("whole", one.period):
                self.push(one, part)

    def play(self, first: datetime, last: datetime, interval: float, stop: threading.Event) -> None:
        """Nothing; every recorded tick of the time goes to its subscribers, and now follows."""
        moments: list[tuple[datetime, Named, Tick]] = []
        for named in self.codes.values():
            ticks = self.world.ticks.get(named.symbol, ())
            moments += [(t.time, named, t) for t in ticks if first <= t.time <= last]
        moments.sort(key=lambda one: (one[0], one[1].code))
        grown: dict[tuple[str, str], dict[int, dict]] = {}
        for at, group in groupby(moments, key=lambda one: one[0]):
            self.settings.now = at
            together = [(named, tick) for _, named, tick in group]
            for subscription in self.all():
                self._play_one(subscription, together, grown)
            if stop.wait(interval) if interval else stop.is_set():
                return

    def _play_one(self, one: Subscription, together, grown) -> None:
        data: dict = {}
        for named, tick in together:
            if not one.wants(named.code):
                continue
            if one.period == "tick":
                row = pushed(tick_row(self.world, named, tick, self.settings), self.settings)
                if one.whole:
                    data[named.code] = row
                else:
                    data.setdefault(named.code, []).append(row)
            elif one.period in SPANS:
                bars = self._grown(named, one.period, tick.time, grown)
                if id(tick) in bars:
                    data[named.code] = [bars[id(tick)]]
        self.push(one, data)

    def _grown(self, named: Named, period: str, at: datetime, grown) -> dict[int, dict]:
        """The unfinished bar after every tick of a day."""
        key = (named.code, f"{period}{at:%Y%m%d}")
        if key not in grown:
            day = [t for t in self.world.ticks[named.symbol] if t.time.date() == at.date()]
            grown[key] = {
                id(tick): bar_push(self.world, named, bar, self.settings, tick)
                for tick, bar in growing(day, SPANS[period])
            }
        return grown[key]

    def play_minutes(
        self, first: datetime, last: datetime, interval: float, stop: threading.Event
    ) -> None:
        """Nothing; every recorded minute of the time goes out as its open, then whole."""
        moments = []
        for named in self.codes.values():
            minutes = self.world.minutes.get(named.symbol, ())
            moments += [(one.end, named, one) for one in minutes if first <= one.end <= last]
        moments.sort(key=lambda one: (one[0], one[1].code))
        for at, group in groupby(moments, key=lambda one: one[0]):
            together = list(group)
            for stage in (opened, lambda bar: bar):
                for one in self.all():
                    if one.period != "1m":
                        continue
                    self.push(
                        one,
                        {
                            named.code: [bar_push(self.world, named, stage(bar), self.settings)]
                            for _, named, bar in together
                            if one.wants(named.code)
                        },
                    )
            self.settings.now = at
            if stop.wait(interval) if interval else stop.is_set():
                return
