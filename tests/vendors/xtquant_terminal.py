"""miniQMT's side of every native method: what it answers, from the world and the settings."""

from __future__ import annotations

import math
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from vendors import xtquant_listing as listing
from vendors.world import World
from vendors.xtquant_bars import BASES
from vendors.xtquant_codes import name_all
from vendors.xtquant_feed import Feed
from vendors.xtquant_history import Asked, History, VendorError, spoiled
from vendors.xtquant_rows import milliseconds, polled, pushed
from vendors.xtquant_script import REFUSALS, Fault, Script, Settings
from vendors.xtquant_wire import Wire

EMPTY: dict[str, Any] = {
    "get_full_tick": {},
    "get_instrument_detail": None,
    "get_stock_type": {},
    "get_stock_list_in_sector": [],
    "get_sector_list": [],
    "get_trading_dates_by_market": [],
    "get_holidays": [],
    "get_divid_factors": {},
    "get_main_contract": "",
}
"""What the fault `empty` makes of an answer; market data lose their rows."""
PERIODS = [{"name": name, "desc": name} for name in ("tick", *BASES)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """Who calls, what it calls its subscription or download, and the fault that it meets."""

    wire: Wire
    key: int
    fault: str


class Terminal:
    """One miniQMT with all its clients."""

    def __init__(self, world: World, settings: Settings) -> None:
        self.world = world
        self.settings = settings
        self.script = Script()
        self.codes = name_all(world)
        self.feed = Feed(world, self.codes, settings)
        self.history = History(world, self.codes, settings)
        self.calls: list[dict] = []
        self.counts: Counter[str] = Counter()

    def answer(self, wire: Wire, method: str, args: list, key: int) -> dict:
        """The frame that answers one call, without its number."""
        self.counts[method] += 1
        self.calls.append({"method": method, "args": args})
        fault = self.script.take(method)
        name = fault.name if fault else ""
        try:
            if fault:
                self._refuse(fault, args)
            known: Callable = getattr(self, f"do_{method}", self._unsupported)
            result = known(Call(wire=wire, key=key, fault=name), *args)
        except VendorError as error:
            return {"error": str(error)}
        if name == "empty" and method in EMPTY:
            result = EMPTY[method]
        frame = {"result": result}
        if fault and name in ("hang_gil_held", "hang_gil_released", "slow"):
            frame["do"] = [name, fault.pause]
        elif name in ("broken_json", "drop"):
            frame["do"] = [name, 0.0]
        return frame

    def _refuse(self, fault: Fault, args: list) -> None:
        """Raise what the fault says, if it is one that raises."""
        if fault.name == "error":
            raise VendorError(fault.text)
        if text := REFUSALS.get(fault.name):
            period = next((one for one in args if isinstance(one, str) and one in BASES), "")
            raise VendorError(text.format(period=period, code=args[0] if args else ""))

    def _unsupported(self, *_: Any) -> Any:
        raise VendorError(REFUSALS["unsupported"])

    # --- snapshots and subscriptions

    def do_get_full_tick(self, call: Call, codes: list[str]) -> dict:
        rows = {code: polled(row, self.settings) for code, row in self.feed.state(codes).items()}
        replayed = self.settings.replay.get("full_tick", {})
        rows |= {code: tick for code, tick in replayed.items() if _asked(code, codes)}
        if self.settings.full_tick_needs_subscription:
            wanted = self.feed.all()
            rows = {c: row for c, row in rows.items() if any(one.wants(c) for one in wanted)}
        if call.fault == "nan":
            rows = {code: row | {"lastPrice": math.nan} for code, row in rows.items()}
        if call.fault == "wrong_code" and rows:
            rows = {"999999.SZ": next(iter(rows.values()))}
        return rows

    def do_subscribe_whole_quote(self, call: Call, codes: list[str], param: dict) -> int:
        return self._subscribe(call, codes, "", param)

    def do_subscribe_quote(self, call: Call, meta: dict, region: dict, param: dict) -> int:
        code, period = meta["stockCode"], meta["period"]
        if not isinstance(code, str):
            return -1
        unknown = code not in self.codes and "." in code
        if unknown and self.settings.unknown_subscription == "refused":
            return -1
        seq = self._subscribe(call, [code], period, param)
        if seq > 0 and region.get("count") and period in (*BASES, "tick"):
            self.history.grant(code, period, region["startTime"], region["endTime"])
        return seq

    def _subscribe(self, call: Call, codes: list[str], period: str, param: dict) -> int:
        if call.fault == "minus_one":
            return -1
        return self.feed.subscribe(
            call.wire,
            call.key,
            codes,
            period=period or "tick",
            whole=not period,
            calls_back=bool(param["needCallback"]),
            silent=call.fault == "silent",
        )

    def first_push(self, method: str, seq: int, args: list) -> None:
        """Nothing; what a subscriber gets at once: the full state, or the history asked for."""
        subscription = self.feed.get(seq)
        if subscription is None:
            return
        if method == "subscribe_whole_quote":
            state = self.feed.state(args[0])
            rows = {code: pushed(row, self.settings) for code, row in state.items()}
            replayed = self.settings.replay.get("whole", {})
            rows |= {code: tick for code, tick in replayed.items() if subscription.wants(code)}
            self.feed.push(subscription, rows)
            return
        meta, region = args[0], args[1]
        code, period = meta["stockCode"], meta["period"]
        queue = self.settings.replay.get("queue", {}).get(code)
        if period == "l2thousandqueue" and queue:
            self.feed.push(subscription, {code: queue})
        elif region.get("count"):
            times = region["startTime"], region["endTime"]
            rows = self.history.first(code, period, *times, region["count"])
            self.feed.push(subscription, {code: rows} if rows else {})

    def do_unsubscribe_quote(self, call: Call, seq: int) -> None:
        self.feed.unsubscribe(call.wire, seq)

    # --- history

    def do_get_market_data3(self, call: Call, *args: Any) -> Any:
        asked = Asked(*args[:9])
        if asked.version == "v5":
            self._unsupported()
        answer = self.history.answer(asked)
        return spoiled(answer, call.fault) if call.fault else answer

    def do_supply_history_data(self, call: Call, *args: str) -> bool:
        threading.Event().wait(self.settings.download_seconds)
        if self.settings.download_failure is None:
            self.history.grant(*args)
        return self.settings.download_failure is None

    def do_supply_history_data2(self, call: Call, *args: Any) -> bool:
        return self.settings.supply_returns

    def download(self, wire: Wire, key: int, args: list, stop: threading.Event) -> None:
        """Nothing; the progress of one download goes to its client until it ends or stalls."""
        codes, period, start, end, _ = args
        settings = self.settings
        steps = settings.download_steps or max(len(codes), 1)
        for step in range(1, steps + 1):
            stop.wait(settings.download_seconds / steps)
            if stop.is_set():
                return
            code = codes[(step - 1) * len(codes) // steps] if codes else ""
            data = {"finished": step, "total": steps, "stockcode": code, "message": ""}
            if step == steps and settings.download_stalls:
                return
            if step == steps and settings.download_failure is not None:
                data |= {"total": -1, "message": settings.download_failure}
            elif step == steps:
                for one in codes:
                    self.history.grant(one, period, start, end)
                data["result"] = self._loaded(codes, period)
            wire.send({"progress": key, "data": data})

    def _loaded(self, codes: list[str], period: str) -> dict:
        now = milliseconds(self.settings.now)
        found = {}
        for code in codes:
            rows = self.history.first(code, period, "", "", -1) if code in self.codes else []
            times = [row["time"] for row in rows if "time" in row] or [now]
            found[code] = {"start_time": times[0], "end_time": times[-1]}
        return found

    # --- instruments, sectors, calendar

    def do_get_instrument_detail(self, call: Call, code: str) -> dict | None:
        named = self.codes.get(code)
        return listing.detail(self.world, named, self.settings) if named else None

    def do_get_stock_type(self, call: Call, code: str) -> dict[str, bool]:
        return listing.types(self.codes.get(code))

    def do_get_stock_list_in_sector(self, call: Call, name: str, at: int) -> list[str]:
        return listing.sector(self.codes, name, at, self.settings)

    def do_get_sector_list(self, call: Call) -> list[str]:
        return list(listing.SECTORS)

    def do_get_trading_dates_by_market(
        self, call: Call, market: str, start: str, end: str, count: int
    ) -> list[int]:
        return listing.trading_dates(self.world, market, (start, end), count, self.settings)

    def do_get_market_last_trade_date(self, call: Call, market: str) -> int:
        dates = listing.trading_dates(self.world, market, ("", ""), 1, self.settings)
        return dates[-1] if dates else 0

    def do_get_holidays(self, call: Call) -> list[int]:
        return listing.holidays(self.world, self.settings)

    def do_get_divid_factors(self, call: Call, code: str, start: str, end: str) -> dict:
        return listing.factors(self.world, self.codes.get(code), start, end)

    def do_get_main_contract(self, call: Call, code: str) -> str:
        return listing.main_contract(self.world, self.codes, code, self.settings)

    def do_get_weight_in_index(self, call: Call, code: str) -> dict:
        return {}

    def do_get_financial_data(self, call: Call, *args: Any) -> dict:
        return {}

    def do_down_index_weight(self, call: Call) -> None:
        """Nothing."""

    def do_down_history_contracts(self, call: Call, incrementally: bool) -> None:
        """Nothing."""

    def do_read_local_data(self, call: Call, *args: Any) -> list:
        return []

    def do_commonControl(self, call: Call, name: str, param: dict) -> dict:  # noqa: N802
        if name == "getapiversion":
            version = self.settings.download_version
            return {} if version is None else {"downloadversion": version}
        if name in ("downloadholidaydata", "downloadmetadata", "getmetatabledatas"):
            return {}
        if name == "getdatafilepath":
            return {"result": {}}
        if name == "getperiodlist":
            return {"result": PERIODS}
        if name in ("getcurrentsubinfo", "getallsubinfo"):
            ours = [
                one for one in self.feed.all() if name == "getallsubinfo" or one.wire is call.wire
            ]
            return {
                "result": [
                    {"subId": one.seq, "stockCode": code, "period": one.period, "isSub": True}
                    for one in ours
                    for code in sorted(one.wanted)
                ]
            }
        return self._unsupported()


def _asked(code: str, codes: list[str]) -> bool:
    return code in codes or code.rpartition(".")[2] in codes
