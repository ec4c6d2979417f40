"""Which contract a main continuous series follows."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import date, timedelta
from functools import partial
from typing import Any

from argus_core import MainContractsQuery, NotOffered, Symbol
from argus_xtquant.cells import instant, text
from argus_xtquant.days import trading_dates
from argus_xtquant.history import History, Stretch
from argus_xtquant.session import Session
from argus_xtquant.symbols import from_xtquant, is_main, to_xtquant

_PERIOD = "historymaincontract"
_CODE = "合约在交易所的代码"


async def read_mains(
    session: Session, history: History, query: MainContractsQuery, today: date, *, download: bool
) -> dict[Symbol, Symbol]:
    """The contract behind each series on the asked day; a series that has none is left out."""
    codes = {s: code for s in query.symbols if is_main(s) and (code := to_xtquant(s))}
    if not codes:
        raise NotOffered("only main continuous series, such as rb88.SHFE, follow a contract")
    if query.day > today:
        raise NotOffered(f"nobody knows which contracts will be main on {query.day}")
    if not trading_dates(query.day + timedelta(days=1), today):
        return await asyncio.to_thread(_now, session, codes, query.day)
    names = tuple(codes.values())
    if download and not history.is_prepared(names, _PERIOD, query.day):
        await history.prepare(names, Stretch(_PERIOD, date.min, query.day, "", ""))
    return await asyncio.to_thread(_then, session, codes, query.day)


def _now(session: Session, codes: Mapping[Symbol, str], day: date) -> dict[Symbol, Symbol]:
    found: dict[Symbol, Symbol] = {}
    for symbol, code in codes.items():
        told = session.call("main contracts", partial(_current, code=code))
        # For a series that it does not know the vendor answers the suffix alone
        if (contract := _contract(told, day)) is not None:
            found[symbol] = contract
    return found


def _then(session: Session, codes: Mapping[Symbol, str], day: date) -> dict[Symbol, Symbol]:
    found: dict[Symbol, Symbol] = {}
    for symbol, code in codes.items():
        table = session.call("main contracts", partial(_changes, code=code))
        if table is None or not len(table) or _CODE not in table.columns:
            continue
        first = next(iter(table.columns))
        stamps = table["time" if "time" in table.columns else first].tolist()
        changes = [
            (at.date(), name)
            for at, name in zip(map(instant, stamps), table[_CODE].tolist(), strict=True)
            if at is not None and at.date() <= day
        ]
        suffix = code.rpartition(".")[2]
        told = f"{max(changes, key=_date)[1]}.{suffix}" if changes else None
        if (contract := _contract(told, day)) is not None:
            found[symbol] = contract
    return found


def _date(change: tuple[date, Any]) -> date:
    return change[0]


def _current(xtdata: Any, code: str) -> Any:
    return xtdata.get_main_contract(code)


def _changes(xtdata: Any, code: str) -> Any:
    """The days on which the main contract changed, each with the new one.

    The vendor's own function for this compares with midnight in the zone of the host.
    """
    told = xtdata.get_market_data_ex([], [code], _PERIOD)
    return told.get(code) if told else None


def _contract(told: Any, day: date) -> Symbol | None:
    code = text(told)
    return from_xtquant(code, day, day) if code and not code.startswith(".") else None
