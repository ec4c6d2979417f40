"""The vendor's instruments, looked up before anything else is asked about them.

The client drops ids that it does not know without a word, takes Chinese names for ids, and fails
where all are unknown: so ids are known ones before any call.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any

from argus_core import SourceUnavailable, Symbol
from argus_rqdatac.cells import attribute
from argus_rqdatac.session import Session
from argus_rqdatac.symbols import spelled

FAMILIES: Mapping[str, str] = MappingProxyType(
    {
        "CS": "stock",
        "ETF": "fund",
        "LOF": "fund",
        "REITs": "fund",
        "FUND": "fund",
        "INDX": "index",
        "Future": "future",
        "Option": "option",
        "Convertible": "bond",
        "Repo": "bond",
    }
)
"""Which of the vendor's types share the columns of their bars and ticks."""


def look_up(session: Session, symbols: Iterable[Symbol]) -> dict[Symbol, Any]:
    """The vendor's instrument of each symbol that it knows; the objects are shared, not ours.

    Where one is unknown, or stands in one of the client's caches and not in the other, the caches
    may be older than its listing: they are emptied once and it is asked again.
    """
    codes = spelled(symbols)
    if not codes:
        return {}
    found, torn = _ask(session, codes)
    if (torn or len(found) < len(codes)) and session.renew():
        found, torn = _ask(session, codes)
    if torn:
        raise SourceUnavailable("rqdatac's instrument tables contradict each other")
    return found


def by_family(listed: Mapping[Symbol, Any]) -> dict[str, dict[str, Symbol]]:
    """The symbols by family and by the vendor's id; what has no family is left out."""
    families: dict[str, dict[str, Symbol]] = {}
    for symbol, instrument in listed.items():
        family = FAMILIES.get(attribute(instrument, "type"))
        if family is not None:
            families.setdefault(family, {})[attribute(instrument, "order_book_id")] = symbol
    return families


def _ask(session: Session, codes: Mapping[str, Symbol]) -> tuple[dict[Symbol, Any], bool]:
    """What is known, and whether the client's two caches contradict each other."""

    def work(sdk: Any) -> list[Any] | None:
        try:
            known: list[Any] = sdk.instruments(list(codes))
        except KeyError:  # in the table of ids, and not yet in the list of its type
            return None
        return known

    known = session.call("instruments", work)
    if known is None:
        return {}, True
    pairs = ((codes.get(attribute(one, "order_book_id")), one) for one in known)
    return {symbol: one for symbol, one in pairs if symbol is not None}, False
