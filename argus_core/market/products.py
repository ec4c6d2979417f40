"""What the futures exchanges list, and until when each product trades at night.

Product letters are upper-case here; no two exchanges use the same letters today. Hours are those
of 2026 as the exchanges and futures brokers publish them. Products that were renamed or delisted
stay, so that old contracts can still be named.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import time
from types import MappingProxyType

from argus_core.model.symbol import Exchange

_TO_2300, _TO_0100, _TO_0230 = time(23, 0), time(1, 0), time(2, 30)

_LISTED: tuple[tuple[Exchange, time | None, str], ...] = (
    (Exchange.SHFE, _TO_0230, "AG AU"),
    (Exchange.SHFE, _TO_0100, "AD AL AO CU NI PB SN SS ZN"),
    (Exchange.SHFE, _TO_2300, "BR BU FU HC OP RB RU SP"),
    (Exchange.SHFE, None, "WR"),
    (Exchange.DCE, _TO_2300, "A B BZ C CS EB EG I J JM L M P PG PP RR V Y"),
    (Exchange.DCE, None, "BB FB JD LG LH"),
    (Exchange.CZCE, _TO_2300, "CF CY FG MA ME OI PF PL PR PX RM SA SH SR TA TC ZC"),
    (Exchange.CZCE, None, "AP CJ ER JR LR PK PM RI RO RS SF SM UR WH WS WT"),
    (Exchange.CFFEX, None, "HO IC IF IH IM IO MO T TF TL TS"),
    (Exchange.INE, _TO_0230, "SC"),
    (Exchange.INE, _TO_0100, "BC"),
    (Exchange.INE, _TO_2300, "LU NR"),
    (Exchange.INE, None, "EC"),
    (Exchange.GFEX, None, "LC PD PS PT SI"),
)

NIGHT_CLOSES: Mapping[tuple[Exchange, str], time | None] = MappingProxyType(
    {
        (exchange, product): close
        for exchange, close, products in _LISTED
        for product in products.split()
    }
)
"""When the night session of each product closes; ``None`` where it has none."""

TREASURIES = frozenset({"T", "TF", "TL", "TS"})
"""The treasury-bond futures of CFFEX, which close a quarter of an hour later than the rest."""


def lists(exchange: Exchange, product: str) -> bool:
    """True if ``exchange`` lists, or once listed, the product with these upper-case letters."""
    return (exchange, product) in NIGHT_CLOSES


def exchanges_of(product: str) -> tuple[Exchange, ...]:
    """Every exchange that lists, or once listed, the product with these upper-case letters."""
    return tuple(exchange for exchange in Exchange if lists(exchange, product))
