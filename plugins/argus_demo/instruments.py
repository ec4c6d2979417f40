"""Everything that the simulated exchange lists."""

from __future__ import annotations

from datetime import date

from argus_core import Exchange, Symbol
from argus_demo.futures import contract, contracts
from argus_demo.listed import Listed
from argus_demo.securities import SECURITIES


def find(symbol: Symbol) -> Listed | None:
    """What the exchange lists, or once listed, under ``symbol``."""
    return next((one for one in SECURITIES if one.symbol == symbol), None) or contract(symbol)


def listed_on(exchange: Exchange, day: date) -> list[Listed]:
    """Everything that trades on ``exchange`` on ``day``."""
    lasting = (one for one in SECURITIES if one.symbol.exchange is exchange)
    return [*(one for one in lasting if one.alive(day)), *contracts(exchange, day)]
