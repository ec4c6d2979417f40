"""Everything that can go wrong with an answer, by name, switchable while the server runs."""

from __future__ import annotations

import json
import math
import threading
from dataclasses import dataclass, field

FAULTS = frozenset(
    (
        "refuse",
        "reset",
        "hang",
        "slow",
        "drip",
        "http_500",
        "http_404",
        "http_302",
        "http_429",
        "html",
        "rate_minute",
        "rate_hour",
        "rate_day",
        "rate_other",
        "no_permission",
        "bad_token",
        "bad_parameter",
        "unknown_error",
        "echo_token",
        "truncated",
        "cut_body",
        "empty",
        "no_columns",
        "null_data",
        "no_data",
        "list_body",
        "width",
        "nan",
        "text_price",
        "volume_flip",
        "row_cap",
        "short_rows",
        "wrong_code",
        "huge",
        "bad_gzip",
        "no_code",
        "missing_field",
        "same_page",
    )
)
PRICES = ("open", "high", "low", "close")
DOC = "权限的具体详情访问：https://tushare.pro/document/1?doc_id=108。"
CELLS = {
    "nan": (PRICES, lambda _: math.nan),
    "text_price": (PRICES, lambda _: "--"),
    "wrong_code": (("ts_code",), lambda _: "999999.SZ"),
}
"""Faults that change cells: which columns, and to what."""
REFUSALS = {
    "rate_minute": (40203, f"抱歉，您每分钟最多访问该接口50次，{DOC}"),
    "rate_hour": (40203, f"抱歉，您每小时最多访问该接口1次，{DOC}"),
    "rate_day": (40203, f"抱歉，您每天最多访问该接口2次，{DOC}"),
    "rate_other": (40203, "访问接口频率超限(1次/小时)"),
    "no_permission": (40203, f"抱歉，您没有接口访问权限，{DOC}"),
    "bad_token": (40101, "您的token不对，请确认。"),
    "bad_parameter": (-2001, "必填参数,trade_date"),
    "unknown_error": (50000, "系统内部错误"),
}


@dataclass(slots=True)
class Script:
    """The fault that is on: for which interfaces, for how many more calls, with what extras."""

    fault: str | None = None
    apis: frozenset[str] = frozenset()
    times: int | None = None
    seconds: float = 0.2
    rows: int = 100
    header: str | None = None
    lock: threading.Lock = field(default_factory=threading.Lock)

    def set(self, order: dict) -> None:
        fault = order.get("fault")
        if fault is not None and fault not in FAULTS:
            raise ValueError(f"no fault is called {fault}; there are {sorted(FAULTS)}")
        with self.lock:
            self.fault, self.apis = fault, frozenset(order.get("apis") or ())
            self.times, self.seconds = order.get("times"), order.get("seconds", 0.2)
            self.rows, self.header = order.get("rows", 100), order.get("header")

    def take(self, api_name: str) -> str | None:
        """The fault for this call, if one is on."""
        with self.lock:
            if self.fault is None or (self.apis and api_name not in self.apis):
                return None
            if self.times is not None:
                if self.times <= 0:
                    return None
                self.times -= 1
            return self.fault


def spoil(fault: str | None, script: Script, data: dict) -> dict | None:
    """The ``data`` part as the fault leaves it."""
    if fault == "null_data":
        return None
    fields, items = data["fields"], data["items"]
    if fault == "no_columns":
        fields, items = [], []
    elif fault == "missing_field":
        fields, items = fields[:-1], [row[:-1] for row in items]
    elif fault in CELLS:
        names, change = CELLS[fault]
        items = [_with(fields, row, names, change) for row in items]
    else:
        items = _rows(fault, script, fields, items)
    return {**data, "fields": fields, "items": items}


def _rows(fault: str | None, script: Script, fields: list, items: list) -> list:
    if fault == "empty":
        return []
    if fault == "row_cap":
        return items[: script.rows]
    if fault == "short_rows":
        return [row for at, row in enumerate(items) if at % 3]
    if fault == "width":
        narrow = [row[:-1] if at % 2 else row for at, row in enumerate(items)]
        return narrow if len(items) > 1 else [["lonely"] * (len(fields) + 1)]
    if fault == "volume_flip":
        half = len(items) // 2
        return items[:half] + [_with(fields, r, ("vol",), lambda v: v * 100) for r in items[half:]]
    return items


def _with(fields, row, names, change):
    return [change(v) if name in names else v for name, v in zip(fields, row, strict=True)]


def envelope(code: int, text: str, data: dict | None) -> bytes:
    """The vendor's envelope; NaN is written as Python servers write it."""
    return json.dumps(
        {"request_id": "loopback", "code": code, "msg": text, "data": data}, ensure_ascii=False
    ).encode()
