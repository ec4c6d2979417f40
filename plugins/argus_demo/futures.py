"""Futures: the contracts of the best-known products, computed for any year."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, timedelta
from types import MappingProxyType

from argus_core import Exchange, Kind, Symbol
from argus_demo.listed import Listed


@dataclass(frozen=True, slots=True)
class Product:
    """A futures product; only its ``months`` of delivery are simulated."""

    code: str
    exchange: Exchange
    name: str
    price: float
    tick: float
    multiplier: float
    band: int
    volatility: float
    volume: float
    months: tuple[int, ...]


_MAIN = (1, 5, 10)
_ODD = (1, 5, 9)
_EVEN = (2, 4, 6, 8, 10, 12)
_QUARTERS = (3, 6, 9, 12)
_EVERY = tuple(range(1, 13))
_PRODUCTS = (
    Product("rb", Exchange.SHFE, "螺纹钢", 3180.0, 1.0, 10, 7, 0.010, 1_200_000, _MAIN),
    Product("cu", Exchange.SHFE, "沪铜", 79_500.0, 10.0, 5, 8, 0.009, 120_000, _EVERY),
    Product("au", Exchange.SHFE, "沪金", 780.0, 0.02, 1000, 10, 0.010, 260_000, _EVEN),
    Product("i", Exchange.DCE, "铁矿石", 785.0, 0.5, 100, 11, 0.014, 380_000, _ODD),
    Product("m", Exchange.DCE, "豆粕", 3050.0, 1.0, 10, 8, 0.010, 900_000, _ODD),
    Product("CF", Exchange.CZCE, "棉花", 13_700.0, 5.0, 5, 7, 0.009, 300_000, _ODD),
    Product("SR", Exchange.CZCE, "白糖", 5700.0, 1.0, 10, 7, 0.008, 320_000, _ODD),
    Product("TA", Exchange.CZCE, "PTA", 4750.0, 2.0, 5, 8, 0.011, 850_000, _ODD),
    Product("IC", Exchange.CFFEX, "中证", 5800.0, 0.2, 200, 10, 0.010, 85_000, _QUARTERS),
    Product("IF", Exchange.CFFEX, "沪深", 3940.0, 0.2, 300, 10, 0.010, 95_000, _QUARTERS),
    Product("T", Exchange.CFFEX, "十债", 107.5, 0.005, 10_000, 2, 0.0015, 80_000, _QUARTERS),
    Product("sc", Exchange.INE, "原油", 520.0, 0.1, 1000, 12, 0.016, 160_000, _EVEN),
    Product("si", Exchange.GFEX, "工业硅", 9800.0, 5.0, 5, 9, 0.013, 280_000, _EVEN),
    Product("lc", Exchange.GFEX, "碳酸锂", 78_000.0, 20.0, 1, 13, 0.018, 350_000, _EVEN),
)
# What the other products follow is their own code: all contracts of a product move together.
_FOLLOWS = MappingProxyType({"IC": "000905.SH", "IF": "000300.SH"})
_CONTRACT = re.compile(r"([A-Za-z]+)(\d\d)(\d\d)\.([A-Z]+)")
_THURSDAY = 3


def _contract(product: Product, year: int, month: int) -> Listed:
    """The contract of one delivery month, listed a year ahead."""
    # Contracts of one product keep a fixed distance, as carrying costs would make them.
    distance = 1 + 0.004 * (month % 5 - 2)
    return Listed(
        symbol=Symbol(f"{product.code}{year % 100:02d}{month:02d}.{product.exchange}"),
        name=f"{product.name}{year % 100:02d}{month:02d}",
        kind=Kind.FUTURE,
        motion=_FOLLOWS.get(product.code, product.code),
        price=product.price * distance,
        volume=product.volume,
        list_date=date(year - 1, month, 16),
        delist_date=_last_day(product, year, month),
        tick=product.tick,
        lot=1,
        volatility=product.volatility,
        band=product.band,
        value=product.multiplier,
        underlying=product.code,
    )


def _last_day(product: Product, year: int, month: int) -> date:
    """The third Friday on CFFEX, elsewhere the 15th: close to the exchanges' rules."""
    if product.exchange is not Exchange.CFFEX:
        return date(year, month, 15)
    first = date(year, month, 1)
    return first + timedelta(days=(_THURSDAY + 1 - first.weekday()) % 7 + 14)


def contract(symbol: Symbol) -> Listed | None:
    """The contract that ``symbol`` names, live, expired or still to come."""
    parts = _CONTRACT.fullmatch(symbol)
    if parts is None:
        return None
    code, year, month, exchange = parts.groups()
    for product in _PRODUCTS:
        if (product.code, product.exchange) == (code, exchange) and int(month) in product.months:
            return _contract(product, 2000 + int(year), int(month))
    return None


def contracts(exchange: Exchange, day: date) -> list[Listed]:
    """The contracts that trade on ``exchange`` on ``day``."""
    found = (
        _contract(product, year, month)
        for product in _PRODUCTS
        if product.exchange is exchange
        for year in (day.year, day.year + 1)
        for month in product.months
    )
    return [listed for listed in found if listed.alive(day)]
