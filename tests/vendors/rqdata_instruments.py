"""What RQData's instrument lists say of the world's instruments."""

from __future__ import annotations

import math
import re
from collections import defaultdict

from vendors.rqdata_ids import (
    NO_DATE,
    TYPES,
    date_text,
    exchange_of,
    is_dated,
    order_book_id,
    product_of,
    trading_hours,
)
from vendors.world import Listed, World

_STATUS = {"L": "Active", "D": "Delisted", "P": "TemporarySuspended"}
_SECTORS = {
    "Financials": ("金融", "银行 证券 保险 多元金融"),
    "ConsumerStaples": ("必需消费品", "白酒 啤酒 红黄酒 软饮料 食品 乳制品 农业综合 种植业"),
    "HealthCare": ("医疗保健", "化学制药 生物制药 中成药 医疗保健 医药商业"),
    "Energy": ("能源", "煤炭开采 石油开采 石油加工 石油贸易"),
}
_BOARDS = {"30": "GEM", "68": "KSH"}
_STRIKE = re.compile(r"([CP])-?(\d+)$|认([购沽])([\d.]+)$")


class Instruments:
    """The lists by type, and which symbol an id means."""

    def __init__(self, world: World) -> None:
        self._by_type: dict[str, list[dict]] = defaultdict(list)
        self.listed: dict[str, Listed] = {}
        names = sorted({one.industry for one in world.listed.values() if one.industry})
        self.industries = {name: f"{10 + at}" for at, name in enumerate(names)}
        for one in world.listed.values():
            row = self._row(one)
            self._by_type[row["type"]].append(row)
            self.listed[row["order_book_id"]] = one

    def of_type(self, kind: str) -> list[dict]:
        return self._by_type.get(kind, [])

    def ids(self) -> list[dict]:
        """Every id with its type and Chinese name."""
        wanted = ("order_book_id", "type", "symbol")
        return [
            {key: row[key] for key in wanted} for rows in self._by_type.values() for row in rows
        ]

    def in_industry(self, industry: str) -> list[str]:
        return [
            found
            for found, one in self.listed.items()
            if one.industry and industry in (one.industry, self.industries[one.industry])
        ]

    def industry_of(self, ids: list[str]) -> list[dict]:
        found = [(one, self.listed[one].industry) for one in ids if one in self.listed]
        return [
            {"order_book_id": one, "first_industry_code": self.industries[name]}
            | {"first_industry_name": name}
            for one, name in found
            if name
        ]

    def _row(self, one: Listed) -> dict:
        row = {
            "order_book_id": order_book_id(one.symbol),
            "symbol": one.name,
            "abbrev_symbol": None,
            "exchange": exchange_of(one.symbol),
            "type": TYPES[one.kind],
            "status": _STATUS[one.status],
            "listed_date": date_text(one.list_date),
            "de_listed_date": date_text(one.delist_date),
            "round_lot": 10.0 if one.kind == "bond" else 100.0,
            "market_tplus": 1 if one.kind in ("stock", "fund") else 0,
            "trading_hours": trading_hours(one),
        }
        if one.kind == "stock":
            row |= self._stock(one)
        elif one.kind == "fund":
            row |= {"establishment_date": date_text(one.list_date)}
        elif one.kind in ("future", "option"):
            row |= _contract(one)
        return row

    def _stock(self, one: Listed) -> dict:
        industry = one.industry or "未知"
        code, named = next(
            ((code, name) for code, (name, all_) in _SECTORS.items() if industry in all_.split()),
            ("Unknown", "未知"),
        )
        special = "StarST" if one.name.startswith("*ST") else "ST" if "ST" in one.name else "Normal"
        main = "BJS" if one.symbol.endswith(".BJ") else "MainBoard"
        return {
            "special_type": special,
            "board_type": _BOARDS.get(one.symbol[:2], main),
            "sector_code": code,
            "sector_code_name": named,
            "industry_code": self.industries.get(industry, "Unknown"),
            "industry_name": industry,
            "issue_price": math.nan,
        }


def _contract(one: Listed) -> dict:
    end = date_text(one.delist_date)
    name = one.symbol.partition(".")[0]
    if one.symbol.endswith(".CZCE") and is_dated(one.symbol):
        name = name[:2] + name[3:]  # the exchange itself writes one digit of the year
    row = {
        "trading_code": name.replace("-", "")
        if is_dated(one.symbol)
        else order_book_id(one.symbol),
        "underlying_symbol": product_of(one.symbol),
        "underlying_order_book_id": "null",
        "contract_multiplier": float(one.multiplier) if one.multiplier else math.nan,
        "round_lot": 1.0,
        "maturity_date": end,
    }
    if one.kind == "option":
        row |= _option(one)
    elif not is_dated(one.symbol):
        row |= {"listed_date": NO_DATE, "de_listed_date": NO_DATE, "maturity_date": NO_DATE}
    return row


def _option(one: Listed) -> dict:
    code = one.symbol.partition(".")[0]
    found = _STRIKE.search(code) or _STRIKE.search(one.name)
    side, strike, chinese, of_name = found.groups() if found else (None, None, None, None)
    underlying = order_book_id(one.underlying) if one.underlying else "null"
    return {
        "option_type": side or {"购": "C", "沽": "P"}.get(chinese or "", "null"),
        "strike_price": float(strike or of_name or math.nan),
        "exercise_type": "E" if code.isdigit() else "A",
        "underlying_order_book_id": underlying,
        "underlying_symbol": underlying if code.isdigit() else product_of(one.symbol),
        "market_tplus": 0,
    }
