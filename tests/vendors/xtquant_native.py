"""The module ``xtquant.datacenter`` as it behaves towards xtdata.py, over ``xtquant_server.py``.

``install()`` puts it in place of the native library, which exists for Windows only; the folder
``xtquant_site`` on PYTHONPATH does so in every child process. Its callbacks come on threads that
Python did not start, its waiting releases the GIL, and it raises RuntimeError with the vendor's
words, as the library does.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import sys
import types
from typing import Any

from vendors import xtquant_arrays as arrays
from vendors.xtquant_link import Link, bson

NAME = "xtquant.datacenter"
_HOOKS: list[arrays.Hook] = []


def rpc_init(config_dir: str) -> int:
    """0, which is success."""
    return 0


def get_local_server_port() -> int:
    """0: no server inside this process."""
    return 0


def register_create_nparray(hook: arrays.Hook) -> bool:
    """True; from now on arrays are made by this function."""
    _HOOKS[:] = [hook]
    return True


def _strings(value: object) -> list[str]:
    """The list of text that the binding insists on: text alone is none."""
    if not isinstance(value, (list, tuple)) or not all(isinstance(one, str) for one in value):
        raise TypeError("incompatible function arguments: a list of str is needed")
    return list(value)


class IPythonApiClient(Link):
    """One native client, with the methods that xtdata.py calls."""

    def init(self) -> int:
        return 0

    def load_config(self, file: str, section: str) -> int:
        return 0

    # --- about the other end

    def get_data_dir(self) -> str:
        return self.about["data_dir"]

    def get_app_dir(self) -> str:
        return self.about["app_dir"]

    def get_peer_addr(self) -> str:
        return self.address

    def get_server_tag(self) -> bytes:
        return bytes(bson().encode(self.about["tag"]))

    def commonControl(self, name: str, param: bytes) -> bytes:  # noqa: N802
        answer = self.call("commonControl", name, bson().decode(param))
        return bytes(bson().encode(answer))

    # --- snapshots and subscriptions

    def get_full_tick(self, codes: list[str]) -> str:
        answer = self.call("get_full_tick", _strings(codes))
        text = json.dumps(answer, ensure_ascii=False)
        return text[: len(text) // 2] if "}" in answer else text

    def subscribe_quote(self, meta: bytes, region: bytes, param: bytes, callback: Any) -> int:
        decode = bson().decode
        given = decode(meta), decode(region), decode(param)
        return self._subscribe("subscribe_quote", given, callback)

    def subscribe_whole_quote(self, codes: list[str], param: bytes, callback: Any) -> int:
        given = _strings(codes), bson().decode(param)
        return self._subscribe("subscribe_whole_quote", given, callback)

    def _subscribe(self, method: str, given: tuple, callback: Any) -> int:
        key = next(self.numbers)
        if callback is not None:
            self.callbacks[key] = callback  # before the answer: pushes may overtake it
        seq = self.call(method, *given, key=key)
        self._keys[seq] = key
        return seq

    def unsubscribe_quote(self, seq: int) -> None:
        self.callbacks.pop(self._keys.pop(seq, 0), None)
        self.call("unsubscribe_quote", seq)

    # --- history

    def get_market_data3(self, fields: list[str], codes: list[str], period: str, *rest: Any) -> Any:
        start, end, count, dividend, fill, version, _local, _server, _debug, _folder = rest
        if type(start) is not type(end) or not isinstance(start, (int, str)):
            raise TypeError("get_market_data3(): incompatible function arguments")
        asked = (_strings(fields), _strings(codes), period, start, end, count, dividend, fill)
        answer = self.call("get_market_data3", *asked, version)
        hook = _HOOKS[-1] if _HOOKS else None
        if version == "v4":
            return arrays.raw_columns(answer)
        if version == "v2" and "grid" in answer:
            return arrays.grids(hook, answer)
        return arrays.records(hook, answer)

    def supply_history_data(self, code: str, period: str, start: str, end: str) -> bool:
        return self.call("supply_history_data", code, period, start, end)

    def supply_history_data2(self, codes: list[str], *rest: Any) -> bool:
        period, start, end, param, on_progress = rest
        key = next(self.numbers)
        self.callbacks[key] = on_progress
        given = _strings(codes), period, start, end, bson().decode(param)
        return self.call("supply_history_data2", *given, key=key)

    def stop_supply_history_data2(self) -> bool:
        return self.call("stop_supply_history_data2")

    def read_local_data(self, path: str, start: Any, end: Any, count: int) -> list[bytes]:
        rows = self.call("read_local_data", path, start, end, count)
        return [bytes(bson().encode(row)) for row in rows]

    # --- instruments, sectors, calendar

    def get_instrument_detail(self, code: str) -> bytes:
        answer = self.call("get_instrument_detail", code)
        return bytes(bson().encode(answer)) if answer else b""

    def get_stock_type(self, code: str) -> dict[str, bool]:
        return self.call("get_stock_type", code)

    def is_stock_type(self, code: str, tag: str) -> bool:
        return self.call("get_stock_type", code).get(tag, False)

    def get_stock_list_in_sector(self, name: str, at: int) -> list[str]:
        return self.call("get_stock_list_in_sector", name, at)

    def get_sector_list(self) -> list[str]:
        return self.call("get_sector_list")

    def get_trading_dates_by_market(
        self, market: str, start: str, end: str, count: int
    ) -> list[int]:
        return self.call("get_trading_dates_by_market", market, start, end, count)

    def get_market_last_trade_date(self, market: str) -> int:
        return self.call("get_market_last_trade_date", market)

    def get_holidays(self) -> list[int]:
        return self.call("get_holidays")

    def get_weight_in_index(self, code: str) -> dict[str, float]:
        return self.call("get_weight_in_index", code)

    def down_index_weight(self) -> None:
        self.call("down_index_weight")

    def down_history_contracts(self, incrementally: bool) -> None:
        self.call("down_history_contracts", incrementally)

    def get_divid_factors(self, code: str, start: str, end: str) -> dict:
        return self.call("get_divid_factors", code, start, end)

    def get_financial_data(self, codes, tables, start: str, end: str, kind: str) -> dict:
        return self.call("get_financial_data", codes, tables, start, end, kind)

    def get_main_contract(self, code: str) -> str:
        return self.call("get_main_contract", code)


def install() -> types.ModuleType:
    """This module, from now on imported as ``xtquant.datacenter``."""
    sys.modules[NAME] = sys.modules[__name__]
    return sys.modules[NAME]


def shipped() -> bool:
    """Whether the xtquant package is there; found without running anything of it."""
    return "xtquant" in sys.modules or importlib.util.find_spec("xtquant") is not None


def shipped_xtdata() -> types.ModuleType:
    """The shipped xtdata.py over this module, imported without running ``xtquant/__init__.py``.

    That file asks a package index over the network. A package that was never run suffices.
    """
    install()
    if "xtquant" not in sys.modules:
        spec = importlib.util.find_spec("xtquant")
        sys.modules["xtquant"] = importlib.util.module_from_spec(spec)
    xtdata = importlib.import_module("xtquant.xtdata")
    xtdata.enable_hello = False
    return xtdata
