"""What an instrument is, told from its symbol alone."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType

from argus_core.model.symbol import Exchange, Kind, Symbol

_Rules = tuple[tuple[Kind, tuple[str, ...]], ...]

# Only number ranges whose use is certain; whatever lies outside is Kind.UNKNOWN, never a guess.
# Left out on purpose: subscription and voting codes, preferred shares, warrants.
_NUMBERING: Mapping[str, _Rules] = MappingProxyType(
    {
        Exchange.SH.value: (
            (Kind.STOCK, ("60", "68", "900")),
            (Kind.INDEX, ("000", "930", "950")),
            (Kind.FUND, ("50", "51", "52", "53", "55", "56", "588", "589")),
            (Kind.BOND, ("009", "010", "018", "019", "020", "1", "204", "24")),
        ),
        Exchange.SZ.value: (
            (Kind.STOCK, ("00", "30", "200", "201")),
            (Kind.INDEX, ("395", "398", "399")),
            (Kind.FUND, ("15", "16", "18")),
            (Kind.BOND, ("10", "111", "112", "114", "115", "116", "117", "118", "119")),
            (Kind.BOND, ("12", "13", "148", "149")),
        ),
        Exchange.BJ.value: (
            (Kind.STOCK, ("43", "83", "87", "88", "92")),
            (Kind.INDEX, ("899",)),
        ),
    }
)
_FUTURES = frozenset(exchange.value for exchange in Exchange if exchange.trades_futures)
_STRIKE = re.compile(r"[0-9]-?[CP]-?[0-9]+\Z")
_OPTION_DIGITS = 8


@lru_cache(maxsize=1 << 16)
def kind_of(symbol: Symbol) -> Kind:
    """The kind that the exchange's numbering rules give to ``symbol``.

    ``Kind.UNKNOWN`` where the number range is not known to mean one thing. B shares are stocks,
    repurchase agreements and convertibles are bonds, REITs are funds. Needs no instrument table
    and never raises.
    """
    code, _, exchange = symbol.rpartition(".")
    if exchange in _FUTURES:
        return Kind.OPTION if _STRIKE.search(code) else Kind.FUTURE
    if exchange not in _NUMBERING:
        return Kind.UNKNOWN
    if len(code) == _OPTION_DIGITS:
        return Kind.OPTION
    for kind, prefixes in _NUMBERING[exchange]:
        if code.startswith(prefixes):
            return kind
    return Kind.UNKNOWN
