"""The members of the vendor's own sectors and industries."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from functools import partial
from typing import Any

from argus_core import Symbol
from argus_rqdatac.cells import attribute, day
from argus_rqdatac.session import Session
from argus_rqdatac.symbols import from_rqdata
from argus_rqdatac.tables import look_up

SCHEMES = ("sws", "citics", "gildata", "citics_2019")
"""Whose industries may be asked for as ``citics_2019:银行``."""


def read_sectors(
    session: Session, names: Iterable[str], today: date
) -> dict[str, tuple[Symbol, ...]]:
    """The members of each name that is the vendor's, without the delisted; others are left out.

    Names are sectors in English or Chinese (``Energy``, ``能源``), industries by code or name
    (``J66``, ``货币金融服务``), and industries of a scheme (``citics_2019:银行``).
    """
    found: dict[str, tuple[Symbol, ...]] = {}
    for name in names:
        members = session.call("sectors", partial(_members, name, today))
        found[name] = _listed(session, members, today)
    return {name: members for name, members in found.items() if members}


def _members(name: str, today: date, sdk: Any) -> list[Any]:
    """The vendor's ids in ``name``; nothing is asked, and none found, if it is no name of its."""
    scheme, colon, rest = name.partition(":")
    found: Any = None
    if colon and scheme in SCHEMES:
        found = sdk.get_industry(rest, source=scheme, date=today, market="cn")
    elif any(name in (one.name, one.cn, one.en) for one in _items(sdk.sector_code, "cn")):
        found = sdk.sector(name)
    elif any(name in (one.name, one.code) for one in _items(sdk.industry_code, "code")):
        found = sdk.industry(name)
    return found or []


def _items(constants: Any, mark: str) -> list[Any]:
    members: dict[str, Any] = constants.__dict__
    return [item for item in members.values() if hasattr(item, mark)]


def _listed(session: Session, members: list[Any], today: date) -> tuple[Symbol, ...]:
    """The members as symbols; the vendor counts the delisted in."""
    pairs = (from_rqdata(str(member)) for member in members)
    listed = look_up(session, [symbol for symbol in pairs if symbol is not None])
    ends = {symbol: day(attribute(one, "de_listed_date")) for symbol, one in listed.items()}
    return tuple(
        sorted(symbol for symbol, ended in ends.items() if ended is None or ended >= today)
    )
