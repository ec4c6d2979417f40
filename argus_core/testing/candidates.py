"""Well-known symbols to try where nobody named any."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from types import MappingProxyType

from argus_core.extend.source import Source
from argus_core.market.kinds import kind_of
from argus_core.model.symbol import Kind, Symbol
from argus_core.testing.subject import Subject

_LISTED = MappingProxyType(
    {
        Kind.STOCK: ("600519.SH", "000001.SZ", "600000.SH", "300750.SZ", "920047.BJ"),
        Kind.INDEX: ("000300.SH", "000001.SH", "399001.SZ"),
        Kind.FUND: ("510300.SH", "159919.SZ", "510050.SH"),
        Kind.BOND: ("113052.SH", "113050.SH", "127056.SZ"),
    }
)
_PRODUCTS = (
    ("rb", "SHFE", (1, 5, 10)),
    ("CF", "CZCE", (1, 5, 9)),
    ("m", "DCE", (1, 5, 9)),
    ("IF", "CFFEX", (3, 6, 9, 12)),
    ("sc", "INE", (2, 4, 6, 8, 10, 12)),
)
_LIFE = 10
"""Months for which a contract is sure to be listed before its delivery."""

_NOBODYS = ("605999.SH", "004999.SZ", "929999.BJ", "000999.SH", "519999.SH", "zz2501.SHFE")
"""Symbols of the right shape that no exchange has given out."""


def nobody(cls: type[Source]) -> Symbol | None:
    """A symbol that does not exist, of a kind and an exchange that the source covers."""
    symbols = (Symbol(text) for text in _NOBODYS)
    return next((s for s in symbols if _covers(cls, s)), None)


def groups(subject: Subject) -> tuple[tuple[Symbol, ...], ...]:
    """The symbols to ask about, a tuple a kind: those of the subject, else well-known ones."""
    named = subject.symbols or tuple(_known(subject.days[-1]))
    covered = [s for s in named if subject.symbols or _covers(subject.cls, s)]
    kinds = dict.fromkeys(kind_of(symbol) for symbol in covered)
    return tuple(tuple(s for s in covered if kind_of(s) is kind) for kind in kinds)


def _covers(cls: type[Source], symbol: Symbol) -> bool:
    return symbol.exchange in cls.exchanges and kind_of(symbol) in cls.kinds


def _known(day: date) -> Iterator[Symbol]:
    for symbols in _LISTED.values():
        yield from map(Symbol, symbols)
    for ahead in range(1, _LIFE):
        year, month = divmod(day.year * 12 + day.month - 1 + ahead, 12)
        for product, exchange, months in _PRODUCTS:
            if month + 1 in months:
                yield Symbol(f"{product}{year % 100:02}{month + 1:02}.{exchange}")
