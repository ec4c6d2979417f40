"""Facts about Tushare's interfaces: what they return, how they count, where they cut.

Units were checked by dividing turnover by volume in published samples; the result has to be a
price. Tushare counts a share's day in lots and thousand yuan, its minutes in shares and yuan.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from argus_core import Exchange, Kind, Period, Units


@dataclass(frozen=True, slots=True, kw_only=True)
class Interface:
    """One interface. ``cap`` is the row count at which answers are cut, 0 where unpublished.

    ``many`` says that ``ts_code`` may be a comma list; ``fields`` are the columns that are needed,
    ``extra`` those that are taken where the vendor gives them.
    """

    name: str
    fields: tuple[str, ...]
    extra: tuple[str, ...] = ()
    cap: int = 0
    many: bool = False

    @property
    def asked(self) -> str:
        """The columns to ask for, as the vendor wants them."""
        return ",".join(self.fields + self.extra)


_DAY = ("ts_code", "trade_date", "open", "high", "low", "close", "vol", "amount")
_MINUTE = ("ts_code", "trade_time", "open", "high", "low", "close", "vol", "amount")
_SNAPSHOT = ("ts_code", "open", "high", "low", "close", "pre_close", "amount")
_SETTLED = ("pre_close", "settle", "oi")

DAILY: Mapping[Kind, Interface] = MappingProxyType(
    {
        Kind.STOCK: Interface(name="daily", fields=(*_DAY, "pre_close"), cap=6000, many=True),
        Kind.INDEX: Interface(name="index_daily", fields=_DAY, extra=("pre_close",), cap=8000),
        Kind.FUND: Interface(name="fund_daily", fields=_DAY, extra=("pre_close",), cap=2000),
        Kind.BOND: Interface(name="cb_daily", fields=_DAY, extra=("pre_close",), cap=2000),
        Kind.FUTURE: Interface(name="fut_daily", fields=_DAY, extra=_SETTLED, cap=2000),
        Kind.OPTION: Interface(name="opt_daily", fields=_DAY, extra=_SETTLED, cap=15000),
    }
)
_STK_MINS = Interface(name="stk_mins", fields=_MINUTE, cap=8000)
MINUTES: Mapping[Kind, Interface] = MappingProxyType(
    {
        Kind.STOCK: _STK_MINS,
        Kind.FUND: _STK_MINS,
        # Not stk_mins: asked for an index, its volume jumps between lots and shares by day.
        Kind.INDEX: Interface(name="idx_mins", fields=_MINUTE, cap=8000),
        Kind.FUTURE: Interface(name="ft_mins", fields=_MINUTE, extra=("oi",), cap=8000),
    }
)
REALTIME: Mapping[Kind, Interface] = MappingProxyType(
    {
        Kind.STOCK: Interface(
            name="rt_k", fields=(*_SNAPSHOT, "vol"), extra=("name", "trade_time"), many=True
        ),
        Kind.FUND: Interface(
            name="rt_etf_k", fields=(*_SNAPSHOT, "vol"), extra=("name", "trade_time"), many=True
        ),
        # Without `vol`: the page does not say what an index' realtime volume is counted in.
        Kind.INDEX: Interface(
            name="rt_idx_k", fields=_SNAPSHOT, extra=("name", "trade_time"), many=True
        ),
    }
)
FUTURES_REALTIME = Interface(name="rt_fut_min", fields=("code", "time", "close"), many=True)
FACTORS: Mapping[Kind, Interface] = MappingProxyType(
    {
        Kind.STOCK: Interface(name="adj_factor", fields=("ts_code", "trade_date", "adj_factor")),
        Kind.FUND: Interface(
            name="fund_adj", fields=("ts_code", "trade_date", "adj_factor"), cap=2000
        ),
    }
)

CALENDAR = Interface(
    name="trade_cal", fields=("exchange", "cal_date", "is_open"), extra=("pretrade_date",)
)
STOCKS = Interface(
    name="stock_basic",
    fields=("ts_code", "name", "list_date"),
    extra=("fullname", "industry", "market", "delist_date"),
)
VALUATION = Interface(
    name="daily_basic",
    fields=("ts_code", "trade_date"),
    extra=("total_share", "float_share", "total_mv", "pe_ttm", "pb", "dv_ttm"),
    cap=6000,
)
RENAMED = Interface(name="bse_mapping", fields=("o_code", "n_code"), cap=1000)
FUNDS = Interface(
    name="fund_basic",
    fields=("ts_code", "name"),
    extra=("list_date", "delist_date"),
    cap=15000,
)
INDICES = Interface(
    name="index_basic",
    fields=("ts_code", "name"),
    extra=("fullname", "list_date", "exp_date"),
    cap=8000,
)
CONVERTIBLES = Interface(
    name="cb_basic",
    fields=("ts_code", "bond_short_name"),
    extra=("bond_full_name", "stk_code", "list_date", "delist_date"),
    cap=2000,
)
CONTRACTS = Interface(
    name="fut_basic",
    fields=("ts_code", "name"),
    extra=("multiplier", "per_unit", "list_date", "delist_date"),
    cap=10000,
)
OPTIONS = Interface(
    name="opt_basic",
    fields=("ts_code", "name"),
    extra=("per_unit", "opt_code", "list_date", "delist_date"),
    cap=10000,
)

NAMES = frozenset(
    interface.name
    for interface in (
        *(one for group in (DAILY, MINUTES, REALTIME, FACTORS) for one in group.values()),
        *(FUTURES_REALTIME, CALENDAR, STOCKS, VALUATION, RENAMED, FUNDS, INDICES),
        *(CONVERTIBLES, CONTRACTS, OPTIONS),
    )
)
"""Every interface that is called; Tushare counts the calls of each by itself."""

CALENDARS: Mapping[Exchange, str] = MappingProxyType(
    {
        Exchange.SH: "SSE",
        Exchange.SZ: "SZSE",
        Exchange.BJ: "SSE",  # Beijing has no calendar of its own here, and the same days
        Exchange.CFFEX: "CFFEX",
        Exchange.SHFE: "SHFE",
        Exchange.CZCE: "CZCE",
        Exchange.DCE: "DCE",
        Exchange.INE: "INE",
    }
)
"""Tushare's name of each exchange that has a calendar there; Guangzhou has none."""

_BARS = frozenset({"bars"})
_DAILY_UNITS = (
    Units(
        kinds=frozenset({Kind.STOCK, Kind.FUND}), volume=100.0, turnover=1_000.0, turnover_step=1.0
    ),
    Units(
        kinds=frozenset({Kind.INDEX}),
        volume=100.0,
        turnover=1_000.0,
        volume_step=100.0,
        turnover_step=1.0,
    ),
    Units(
        kinds=frozenset({Kind.BOND}),
        volume=10.0,
        turnover=10_000.0,
        volume_step=10.0,
        turnover_step=100.0,
    ),
    Units(kinds=frozenset({Kind.FUTURE, Kind.OPTION}), turnover=10_000.0, turnover_step=100.0),
)
"""Lots with two decimals and thousand yuan with three; 10 000 yuan with two or more."""


def units(*, quotes_are_daily: bool) -> tuple[Units, ...]:
    """The rules of a source whose quotes are snapshots, or days."""
    minutes = Units(datasets=_BARS, periods=frozenset({Period.M1}), turnover_step=1.0)
    snapshots = Units(datasets=frozenset({"quotes"}), turnover_step=1.0, time_step=1.0)
    return (minutes, *_DAILY_UNITS) if quotes_are_daily else (minutes, snapshots, *_DAILY_UNITS)
