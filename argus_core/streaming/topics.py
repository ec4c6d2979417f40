"""What can be listened to, and what is said there.

A topic is a channel of one symbol. Its updates are numbered without a hole, so whoever has heard
number 7 and then number 9 knows that he missed one. The numbers are those of one ``epoch``, the
life of one hub; another process, or the same one started again, counts anew under another epoch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType
from typing import Any, Literal, Protocol

from argus_core.model.period import Period
from argus_core.model.symbol import Symbol

QUOTES, DEPTH, TRADES = "quotes", "depth", "trades"
FEED = "feed"
"""The channel of other gateways: each value as it was brought, a book or a quote."""
BARS = "bars."
"""How the channels of live bars begin; the period follows, ``bars.1m``."""
BAR_PERIODS: Mapping[str, Period] = MappingProxyType(
    {
        f"{BARS}{period}": period
        for period in (Period.M1, Period.M5, Period.M15, Period.M30, Period.H1, Period.D1)
    }
)
"""The periods of the channels of live bars."""

Key = tuple[str, Symbol]
"""A channel and a symbol."""
Mode = Literal["push", "poll"]
Fragment = Any
"""An update as one dialect writes it, whatever that is; shared by all who want the same."""


@dataclass(frozen=True, slots=True)
class Carrier:
    """Who brings a symbol's updates just now, and how.

    ``source`` gave the values, ``via`` passed them on, the nearest first. A ``replay`` says which
    recorded day it is and how fast it is played.
    """

    source: str
    mode: Mode
    via: tuple[str, ...] = ()
    simulated: bool = False
    replay: Mapping[str, Any] | None = None


@dataclass(slots=True, eq=False)
class Update:
    """Something that became true of a topic."""

    channel: str
    symbol: Symbol
    seq: int
    value: Any
    """A quote, a book, a trade or a bar, as the channel says."""
    carrier: Carrier
    at: datetime
    """When it came in, aware."""
    stale: bool = False
    """True in a snapshot of a symbol that nobody brings any more, or that was old when it came."""


@dataclass(slots=True, eq=False)
class Notice:
    """Something that listeners must know beside the values.

    ``kind`` is ``status`` or ``gap``; ``told`` are the further keys of the message.
    """

    kind: str
    symbols: tuple[Symbol, ...]
    told: Mapping[str, Any] = field(default_factory=dict[str, Any])


class View(Protocol):
    """What one kind of listener wants of a channel: which fields, in which form. Hashable."""

    @property
    def channel(self) -> str:
        """The channel that it is a view of."""
        ...

    @property
    def lasting(self) -> bool:
        """True if a fragment stays true, so that it can be handed out later once more."""
        ...

    def fragment(self, update: Update) -> Fragment:
        """The update as these listeners get it; made once and shared by all of them."""
        ...


def conflates(channel: str) -> bool:
    """True if the newest update of a channel says all that earlier ones said.

    So it is with quotes, books and the bar of a minute, never with trades.
    """
    return channel != TRADES


def lasts(value: object) -> bool:
    """True if no later update of its topic says again what this one does: a final bar."""
    return getattr(value, "final", False) is True
