"""What was heard of each symbol: nothing is to come twice, and nothing to be missed unsaid."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Literal

from argus_core import (
    SHANGHAI,
    Clock,
    Depth,
    Gap,
    Origin,
    Push,
    PushedItem,
    PushFrame,
    RelayedPush,
    Symbol,
)

log = logging.getLogger("argus.remote")

Unfit = Callable[[Origin], str | None]
"""Why a value must not be passed on, if it must not."""

_NEVER = ("", 0)
"""The life and the number of what was never heard."""


class Heard:
    """The symbols that are wanted, the number of the last value of each, and the core's push."""

    def __init__(self, name: str, clock: Clock, unfit: Unfit) -> None:
        self.wanted: dict[Symbol, tuple[str, ...]] = {}
        """The symbols that are wanted, each with the gateways that asked for it."""
        self.push: Push | None = None
        self.ahead = timedelta()
        """How far the other one's clock is ahead."""
        self._name = name
        self._clock = clock
        self._unfit = unfit
        self._seqs: dict[Symbol, tuple[str, int]] = {}
        self._silent: dict[Symbol, tuple[str, int]] = {}
        """Where the others stood when they were subscribed to: nothing was heard of them yet."""
        self._modes: dict[Symbol, Literal["push", "poll"]] = {}
        """How each symbol is brought there, as far as it was said when it was subscribed to."""
        self._word: datetime | None = None
        self._since: datetime | None = None
        self._complete_to: datetime | None = None
        """The instant up to which everything was heard, before the connection was lost."""
        self._whole = True
        """False while not everything is asked for again after a loss."""
        self._barred: set[Symbol] = set()

    # -- what is wanted -------------------------------------------------------------------------

    def forget(self, symbols: Iterable[Symbol]) -> None:
        """Want these no more."""
        for symbol in symbols:
            self.wanted.pop(symbol, None)
            self._seqs.pop(symbol, None)
            self._silent.pop(symbol, None)
            self._modes.pop(symbol, None)
            self._barred.discard(symbol)

    def parts(
        self, most: int, only: Collection[Symbol] | None = None
    ) -> Iterator[Mapping[str, Any]]:
        """What has to be asked for again after a pause, as ``subscribe`` messages say it."""
        groups: dict[tuple[tuple[str, ...], str], list[Symbol]] = {}
        for symbol, via in self.wanted.items():
            if only is not None and symbol not in only:
                continue
            # Numbers of another life of the other one mean nothing there; it will say so.
            epoch, _ = self._seqs.get(symbol, _NEVER)
            groups.setdefault((via, epoch), []).append(symbol)
        for (via, epoch), symbols in groups.items():
            for start in range(0, len(symbols), most):
                own = symbols[start : start + most]
                seqs = {str(symbol): self._seqs.get(symbol, _NEVER)[1] for symbol in own}
                yield {"symbols": own, "via": via, "since": {"epoch": epoch, "seq": seqs}}

    # -- what is heard --------------------------------------------------------------------------

    def alive(self, *, shared: bool = False) -> None:
        """Note that the other one was heard: up to now nothing is missing.

        Over a ``shared`` cache that is known only up to its last word on the connection, over
        which it would have said that it forgot us.
        """
        self._since = self._word if shared else self._clock.now()

    def spoken(self) -> None:
        """Note a word on the connection."""
        self._word = self._clock.now()

    def lost(self) -> None:
        """Note that the connection is gone."""
        if self._whole:
            self._complete_to = self._since
        self._whole = False

    def whole(self) -> None:
        """Note that everything that is wanted was asked for again."""
        self._whole = True

    def take(self, frame: PushFrame) -> set[Symbol]:
        """Push what a message says; the symbols in it that nobody wants come back."""
        match frame.type:
            case "subscribed":
                self._modes |= {Symbol(key): mode for key, mode in frame.modes.items() if mode}
                self._resumed(frame)
                unheard = (key for key in map(Symbol, frame.seq) if key not in self._seqs)
                self._silent |= {key: (frame.epoch, frame.seq[key]) for key in unheard}
                return {symbol for symbol in frame.accepted if symbol not in self.wanted}
            case "gap":
                since = None if frame.since is None else self._instant(frame.since)
                self.gap(frame.symbols, frame.reason or "something may be missing", since)
            case "status" if frame.state == "stale":
                self.gap(frame.symbols, frame.reason or "nobody brings it")
            case "snapshot" | "update":
                return self._values(frame, frame.items)
            case _:
                pass
        return set()

    def share(self, frame: PushFrame) -> None:
        """Push what a message says that goes to many: some of it is for others."""
        if frame.type != "update":
            self.take(frame)
            return
        # Of one that is still to be acknowledged nobody knows yet what its first value is.
        self._values(frame, [item for item in frame.items if self._begun(item.value.symbol)])

    def _begun(self, symbol: Symbol) -> bool:
        return symbol in self._seqs or symbol in self._silent

    def behind(self, frame: PushFrame) -> set[Symbol]:
        """The symbols of which more was said, as a beat tells, than was heard here."""
        found: set[Symbol] = set()
        for key, seq in frame.seq.items():
            epoch, own = self._seqs.get(Symbol(key), _NEVER)
            if epoch == frame.epoch and own < seq:
                found.add(Symbol(key))
        return found

    def gap(self, symbols: Iterable[Symbol], reason: str, since: datetime | None = None) -> None:
        """Tell that something may be missing of those symbols that are wanted."""
        own = tuple(symbol for symbol in symbols if symbol in self.wanted)
        if own:
            self._hand(Gap(symbols=own, reason=f"{self._name}: {reason}", since=since))

    def cut(self, reason: str) -> None:
        """Tell that nothing is heard of anything any more."""
        self.gap(tuple(self.wanted), reason, self._complete_to)

    def _instant(self, theirs: datetime) -> datetime:
        """An instant of the other one's clock by ours."""
        return (theirs - self.ahead).astimezone(SHANGHAI)

    def _resumed(self, frame: PushFrame) -> None:
        missed = [Symbol(key) for key in frame.missed if self._lacks(key, frame)]
        if missed:
            self.gap(missed, "the connection was lost for a while", self._complete_to)
        elif frame.missed:
            log.info("%s is heard again, and nothing was missed meanwhile", self._name)

    def _lacks(self, key: str, frame: PushFrame) -> bool:
        """True if something was said of a symbol that we do not have, and that does not follow."""
        last = frame.seq.get(key)
        epoch, own = self._seqs.get(Symbol(key), _NEVER)
        if last is not None and epoch == frame.epoch:
            # Some of it has come another way since we asked, and the last one comes now.
            return last > own + 1
        if last is not None and epoch == "":
            return self._silent.get(Symbol(key)) != (frame.epoch, last)
        return frame.missed[key] != 0

    def _values(self, frame: PushFrame, items: Iterable[PushedItem]) -> set[Symbol]:
        strays: set[Symbol] = set()
        holes: list[Symbol] = []
        new: list[RelayedPush] = []
        for item in items:
            symbol = item.value.symbol
            if symbol not in self.wanted:
                strays.add(symbol)
                continue
            before = self._silent if frame.type == "update" else {}
            epoch, seq = self._seqs.get(symbol) or before.get(symbol, _NEVER)
            known = epoch == frame.epoch
            if known and item.seq <= seq:
                continue  # it came before
            self._seqs[symbol] = (frame.epoch, item.seq)
            follows = known and item.seq == seq + 1
            if frame.type == "update" and known and not follows:
                holes.append(symbol)
            if not self._is_barred(symbol, item.origin):
                first = frame.type == "snapshot" and not follows
                new.append(self._first(item) if first else item.relayed())
        if holes:
            self.gap(dict.fromkeys(holes), "there was more than could be sent", self._since)
        for value in new:
            self._hand(value)
        return strays

    def _first(self, item: PushedItem) -> RelayedPush:
        """A value that was said before we listened: its trades are not new."""
        value = item.value
        if isinstance(value, Depth):
            value = replace(value, trades=None)
        # It may have come otherwise than those that will follow.
        mode = self._modes.get(value.symbol, item.mode)
        return RelayedPush(value=value, origin=item.origin, mode=mode)

    def _hand(self, item: RelayedPush | Gap) -> None:
        if self.push is None:
            return
        try:
            self.push(item)
        except Exception:
            log.exception("a subscriber of %s failed", self._name)

    def _is_barred(self, symbol: Symbol, origin: Origin) -> bool:
        """True if a value must not be passed on; that is told once."""
        why = self._unfit(origin)
        if why is None:
            self._barred.discard(symbol)
            return False
        if symbol not in self._barred:
            self._barred.add(symbol)
            log.warning("%s: %s %s", self._name, symbol, why)
            self.gap((symbol,), why)
        return True
