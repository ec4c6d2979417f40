"""What the vendor calls the instruments of the world: codes, markets, kinds, price steps."""

from __future__ import annotations

import re
from dataclasses import dataclass

from vendors.world import Listed, World

MARKETS = {"SHFE": "SF", "DCE": "DF", "CZCE": "ZF", "CFFEX": "IF", "INE": "INE", "GFEX": "GF"}
"""The vendor's short suffix of each futures exchange."""
LONG = {short: long for long, short in MARKETS.items()}
OPTION_MARKETS = {"SH": "SHO", "SZ": "SZO"}
CASH = ("SH", "SZ", "BJ")
ALL_MARKETS = (*CASH, *OPTION_MARKETS.values(), *MARKETS.values())
_STEPS = {"stock": 0.01, "fund": 0.001, "bond": 0.001, "option": 0.0001, "index": 0.01}
_FUTURE_STEPS = {"IF": 0.2, "rb": 1.0, "m": 1.0, "CF": 5.0, "sc": 0.1, "lc": 50.0}
_LOWER = ("SHFE", "DCE", "INE", "GFEX")


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """One instrument under the vendor's code."""

    code: str
    symbol: str
    kind: str
    listed: Listed

    @property
    def market(self) -> str:
        return self.code.rpartition(".")[2]

    @property
    def product(self) -> str:
        """The letters before the date of a futures code, '' for all else."""
        found = re.match(r"[A-Za-z]+", self.code)
        return found[0] if found and self.market in LONG else ""

    @property
    def step(self) -> float:
        """The smallest price change."""
        if self.market in LONG:
            return _FUTURE_STEPS.get(self.product, 1.0) if self.kind == "future" else 0.5
        return _STEPS[self.kind]

    @property
    def continuous(self) -> bool:
        return self.kind == "future" and self.code.partition(".")[0].endswith("00")


def vendor_code(symbol: str, kind: str) -> str:
    """The vendor's spelling of a canonical symbol."""
    name, _, exchange = symbol.rpartition(".")
    if exchange not in MARKETS:
        return f"{name}.{OPTION_MARKETS[exchange]}" if kind == "option" else symbol
    if name.isalpha() or (name.endswith("88") and name[:-2].isalpha()):
        name = name.removesuffix("88") + "00"  # the main continuous series
    elif exchange in _LOWER:
        letters = re.match(r"[A-Za-z]+", name)[0]
        name = letters.lower() + name[len(letters) :]
    elif exchange == "CZCE":
        name = re.sub(r"^([A-Za-z]+)\d(\d{3})", r"\1\2", name)
    return f"{name}.{MARKETS[exchange]}"


def name_all(world: World) -> dict[str, Named]:
    """Every instrument of the world by the vendor's code."""
    found = {}
    for symbol, listed in world.listed.items():
        if symbol.rpartition(".")[2] not in (*CASH, *MARKETS):
            continue
        code = vendor_code(symbol, listed.kind)
        found[code] = Named(code=code, symbol=symbol, kind=listed.kind, listed=listed)
    return found
