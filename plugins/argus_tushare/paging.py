"""Whole answers: the vendor cuts long ones silently, so what may be cut is asked on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from argus_core import BadData
from argus_tushare.answer import Table
from argus_tushare.cells import instant
from argus_tushare.client import Api
from argus_tushare.interfaces import Interface

Row = Mapping[str, Any]

_ROUND = 500
"""Every published cap but one is a multiple of this. A page of so many rows may have been cut at
a cap that has changed since; asking on costs one call in five hundred."""
_PAGES = 1000
"""More pages than any question can have: the end of a server that repeats itself."""


def fetch(api: Api, interface: Interface, **params: Any) -> Iterator[Row]:
    """All rows of one question, in the vendor's order, by ``limit`` and ``offset``."""
    page = _page(api, interface, params)
    yield from page.rows()
    limit, offset = len(page), len(page)
    for _ in range(_PAGES):
        if not _may_be_cut(page, interface):
            return
        before = page.items
        page = _page(api, interface, {**params, "limit": limit, "offset": offset})
        if page.items and page.items == before:
            raise BadData(f"tushare answers every page of {interface.name} with the same rows")
        yield from page.rows()
        offset += len(page)
    raise BadData(f"tushare's pages of {interface.name} do not end")


def fetch_minutes(
    api: Api, interface: Interface, since: datetime, until: datetime, **params: Any
) -> Iterator[Row]:
    """All rows from ``since`` to ``until``, inclusive, by moving the window; none comes twice.

    Bounds carry a time of day: with a bare date the vendor leaves that day out.
    """
    seen = set[str]()
    for _ in range(_PAGES):
        bounds = {
            "start_date": f"{since:%Y-%m-%d %H:%M:%S}",
            "end_date": f"{until:%Y-%m-%d %H:%M:%S}",
        }
        page = _page(api, interface, {**params, **bounds})
        rows = list(page.rows())
        fresh = [row for row in rows if str(row["trade_time"]) not in seen]
        seen.update(str(row["trade_time"]) for row in fresh)
        yield from fresh
        if not fresh or not _may_be_cut(page, interface):
            return
        # Newest first, as observed, or oldest first: what is missing lies beyond the last row.
        first, last = (instant(row["trade_time"]) for row in (rows[0], rows[-1]))
        if last <= first:
            until = last
        else:
            since = last
    raise BadData(f"tushare's pages of {interface.name} do not end")


def _page(api: Api, interface: Interface, params: Mapping[str, Any]) -> Table:
    page = api.table(interface.name, interface.asked, **params)
    missing = [field for field in interface.fields if field not in page.fields]
    if missing:
        raise BadData(f"tushare answers {interface.name} without {', '.join(missing)}")
    return page


def _may_be_cut(page: Table, interface: Interface) -> bool:
    """True if rows may be missing; a full page looks like any other."""
    rows = len(page)
    at_cap = bool(interface.cap) and rows >= interface.cap
    return page.has_more or at_cap or (rows > 0 and rows % _ROUND == 0)
