"""How the stand-in behaves: its settings and its faults, both switchable while it runs."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field, fields
from datetime import datetime
from typing import Any

from vendors.world import SHANGHAI

CLIENT_FAULTS = frozenset(("hang_gil_released", "hang_gil_held", "slow"))
"""Carried out inside the calling process: the first two never come back in a test's life."""
REFUSALS = {
    "unsupported": (
        "当前客户端未支持此功能，请更新客户端或升级投研版, "
        'ErrorID=300000, ErrorMsg "function not realize"'
    ),
    "no_permission": "请求失败, 没有Python接口权限, func:get, period:{period}",
    "throttled": "请求超速",
    "sub_limit_low": "低频订阅数量超限, 不能超过300个",
    "sub_limit_high": "高频数据订阅数量超限",
    "sub_limit": "订阅超过上限",
    "bad_period": "周期错误, 可以用<get_period_list>函数获取支持的周期",
    "bad_code": "代码错误，代码:{code}",
}
"""Faults that raise RuntimeError with the vendor's words; `error` takes words of its own."""
DATA_FAULTS = frozenset(
    ("empty", "nan", "wrong_code", "broken_json", "minus_one", "silent", "drop", "error")
)
FAULTS = CLIENT_FAULTS | DATA_FAULTS | frozenset(REFUSALS)
FOREVER = 3600.0


@dataclass(slots=True, kw_only=True)
class Fault:
    """One fault: for which native methods (none: all), for how many more calls (None: always)."""

    name: str
    methods: frozenset[str] = frozenset()
    times: int | None = None
    seconds: float | None = None
    text: str = "未知错误"

    @classmethod
    def of(cls, order: dict) -> Fault:
        name = order["fault"]
        if name not in FAULTS:
            raise ValueError(f"no fault is called {name}; there are {sorted(FAULTS)}")
        extras = {key: order[key] for key in ("times", "seconds", "text") if key in order}
        return cls(name=name, methods=frozenset(order.get("methods") or ()), **extras)

    @property
    def pause(self) -> float:
        if self.seconds is not None:
            return self.seconds
        return 0.2 if self.name == "slow" else FOREVER


class Script:
    """The faults that are on; the first that fits a call is its fault."""

    def __init__(self) -> None:
        self._faults: list[Fault] = []
        self._lock = threading.Lock()

    def set(self, orders: list[dict]) -> None:
        made = [Fault.of(order) for order in orders if order.get("fault")]
        with self._lock:
            self._faults = made

    def take(self, method: str) -> Fault | None:
        """The fault for this call, if one is on."""
        with self._lock:
            for fault in self._faults:
                if fault.methods and method not in fault.methods:
                    continue
                if fault.times is None:
                    return fault
                if fault.times > 0:
                    fault.times -= 1
                    return fault
        return None


@dataclass(slots=True, kw_only=True)
class Settings:
    """Habits that differ between builds and brokers, or that nobody knows."""

    now: datetime
    downloaded: Any = "all"
    """'all', 'none', or pairs of code and period that were downloaded before."""
    star_lots: bool = True
    bond_lot: int = 10
    pvolume: str = "shares"
    """'shares', 'same' as volume, or 'zero'; Beijing, futures and options are always the same."""
    levels: int = 5
    unknown_code: str = "empty"
    """Of a code that nobody knows, get_market_data3 gives an 'empty' frame, nothing ('absent')
    or an 'error'."""
    unknown_subscription: str = "accepted"
    """'accepted' (and silent for ever) or 'refused' (-1)."""
    max_subscriptions: int | None = None
    full_tick_needs_subscription: bool = False
    zeros: bool = False
    """Whether listed instruments without any data show up in snapshots, all zero."""
    old_client: bool = False
    garbage: bool = True
    """Whether pushed bars carry uninitialised preClose and suspendFlag."""
    long_markets: bool = False
    """Whether sectors of futures and ExchangeID say SHFE where codes say SF."""
    keep_expired: bool = False
    """Whether sectors go on listing expired contracts and delisted shares."""
    future_dates: bool = False
    """Whether trading dates after today are answered."""
    ordered: bool = True
    """Whether the pushes of one subscription come in turn, on one thread; else on any."""
    download_version: int | None = 1
    supply_returns: bool = False
    download_steps: int | None = None
    download_seconds: float = 0.0
    download_failure: str | None = None
    download_stalls: bool = False
    scale_volume: dict | None = None
    """{'by': 100, 'from': '2024-01-05'}: volumes of bars from that day on, times 100."""
    replay: dict = field(default_factory=dict)
    """Recorded payloads that go before the world's: full_tick and whole by code, bars by code as
    columns, index and data, queue (of level 2) by code."""

    def change(self, order: dict) -> None:
        """Nothing; ValueError for a setting that does not exist."""
        known = {one.name for one in fields(self)}
        if unknown := set(order) - known:
            raise ValueError(f"no such setting: {sorted(unknown)}; there are {sorted(known)}")
        for name, value in order.items():
            setattr(self, name, instant(value) if name == "now" else value)


def instant(text: str | datetime) -> datetime:
    """An aware time; text without a zone is Shanghai time."""
    at = datetime.fromisoformat(text) if isinstance(text, str) else text
    return at if at.tzinfo else at.replace(tzinfo=SHANGHAI)
