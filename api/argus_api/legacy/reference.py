"""``/instrument_detail``, ``/trading_dates`` (under two paths) and ``/stock_list``."""

from __future__ import annotations

from datetime import date

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from argus_api import wire
from argus_api.envelope import Reply, encoded
from argus_api.errors import raise_for
from argus_api.legacy.schemas import LegacyCalendar, LegacySector
from argus_api.openapi import ASKING, LOOKING_UP, documented, responses
from argus_api.params import (
    LEGACY_MARKET,
    MAX_STALENESS,
    OPTIONAL_END,
    OPTIONAL_START,
    SECTOR,
    SYMBOL,
    USE_CACHE,
)
from argus_api.query import Params
from argus_api.reading import day_of, exchanges_of
from argus_api.schemas import InstrumentRow
from argus_api.terms import OTHER_SECONDS, ask_of, days_of, gateway_of, symbol_of, today_of

router = APIRouter()

_INSTRUMENT = Params(SYMBOL, USE_CACHE, MAX_STALENESS)
_DATES = Params(LEGACY_MARKET, OPTIONAL_START, OPTIONAL_END, USE_CACHE, MAX_STALENESS)
_SECTOR = Params(SECTOR, USE_CACHE, MAX_STALENESS)


@router.get(
    "/instrument_detail",
    summary="Instrument",
    responses=responses(InstrumentRow, *ASKING),
    openapi_extra=documented(_INSTRUMENT),
)
async def instrument_detail(request: Request) -> Response:
    """What one symbol is."""
    asked = _INSTRUMENT.read(request.query_params.multi_items())
    today = today_of(request)
    symbol = symbol_of(asked, today, today)
    ask = ask_of(request, asked, OTHER_SECONDS)
    answer = await gateway_of(request).instruments((symbol,), ask)
    raise_for(answer.errors)
    body = wire.instrument(answer.data[symbol])
    return Reply(request=request, ask=ask, answer=answer).plain(encoded(body))


@router.get(
    "/trading_dates",
    summary="Trading dates",
    responses=responses(LegacyCalendar, *LOOKING_UP),
    openapi_extra=documented(_DATES),
)
@router.get(
    "/api/get_trading_dates",
    summary="Trading dates (older path)",
    responses=responses(LegacyCalendar, *LOOKING_UP),
    openapi_extra=documented(_DATES),
)
async def trading_dates(request: Request) -> Response:
    """The trading dates of a range, by default of the current year until today."""
    asked = _DATES.read(request.query_params.multi_items())
    ask = ask_of(request, asked, OTHER_SECONDS)
    start, end = _range(asked[OPTIONAL_START], asked[OPTIONAL_END], today_of(request))
    market = asked[LEGACY_MARKET]
    answer = await gateway_of(request).trading_days(exchanges_of(market), start, end, ask)
    raise_for(answer.errors)
    days = next(iter(answer.data.values()))
    body = {"market": market, "data": [day.strftime("%Y%m%d") for day in days.dates]}
    return Reply(request=request, ask=ask, answer=answer).plain(encoded(body))


def _range(start: date | None, end: date | None, today: date) -> tuple[date, date]:
    """The asked range; a bound that is absent goes by the year of the other one."""
    if start is None:
        start = (end or today).replace(month=1, day=1)
    elif end is None:
        end = max(today, day_of(start).replace(month=12, day=31))
    return days_of(start, end or today)


@router.get(
    "/stock_list",
    summary="Members of a sector",
    responses=responses(LegacySector, *LOOKING_UP),
    openapi_extra=documented(_SECTOR),
)
async def stock_list(request: Request) -> Response:
    """The symbols of a sector."""
    asked = _SECTOR.read(request.query_params.multi_items())
    ask = ask_of(request, asked, OTHER_SECONDS)
    answer = await gateway_of(request).sector(asked[SECTOR], ask)
    raise_for(answer.errors)
    symbols = answer.data[asked[SECTOR]]
    body = {"sector": asked[SECTOR], "count": len(symbols), "data": symbols}
    return Reply(request=request, ask=ask, answer=answer).plain(encoded(body))
