"""``/instrument_detail``, ``/trading_dates`` and ``/stock_list``: what there is to trade."""

from __future__ import annotations

from datetime import date, timedelta

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from argus_api import wire
from argus_api.envelope import Reply, encoded
from argus_api.openapi import ASKING, LOOKING_UP, documented, responses
from argus_api.params import (
    END,
    EXPLAIN,
    FIELDS,
    MARKET,
    MAX_STALENESS,
    SECTOR,
    START,
    SYMBOLS,
    USE_CACHE,
)
from argus_api.query import Params
from argus_api.reading import exchanges_of
from argus_api.schemas import CalendarBody, InstrumentBody, SectorBody
from argus_api.terms import (
    LATEST_CAP,
    OTHER_SECONDS,
    ask_of,
    batch_of,
    days_of,
    gateway_of,
    picked,
    today_of,
)
from argus_core import TradingDays

router = APIRouter()

_INSTRUMENTS = Params(SYMBOLS, FIELDS, USE_CACHE, MAX_STALENESS, EXPLAIN)
_DATES = Params(START, END, MARKET, USE_CACHE, MAX_STALENESS, EXPLAIN)
_SECTOR = Params(SECTOR, USE_CACHE, MAX_STALENESS, EXPLAIN)


@router.get(
    "/instrument_detail",
    summary="Instruments",
    responses=responses(InstrumentBody, *ASKING),
    openapi_extra=documented(_INSTRUMENTS),
)
async def instrument_detail(request: Request) -> Response:
    """What up to 1 000 symbols are."""
    asked = _INSTRUMENTS.read(request.query_params.multi_items())
    names = picked(asked[FIELDS], wire.INSTRUMENT_FIELDS)
    today = today_of(request)
    batch = batch_of(asked, LATEST_CAP, today, today)
    ask = ask_of(request, asked, OTHER_SECONDS)
    answer = await gateway_of(request).instruments(batch.symbols, ask)
    reply = Reply(request=request, ask=ask, answer=answer, errors=batch.errors).checked()
    data = {str(k): wire.only(wire.instrument(v), names) for k, v in answer.data.items()}
    return reply.enveloped(encoded(data), explain=asked[EXPLAIN])


@router.get(
    "/trading_dates",
    summary="Trading dates and holidays",
    responses=responses(CalendarBody, *LOOKING_UP),
    openapi_extra=documented(_DATES),
)
async def trading_dates(request: Request) -> Response:
    """The trading dates of a range, and every other day of it, weekends included."""
    asked = _DATES.read(request.query_params.multi_items())
    start, end = days_of(asked[START], asked[END])
    ask = ask_of(request, asked, OTHER_SECONDS)
    exchanges = exchanges_of(asked[MARKET])
    answer = await gateway_of(request).trading_days(exchanges, start, end, ask)
    reply = Reply(request=request, ask=ask, answer=answer).checked()
    days = next(iter(answer.data.values()))
    data = {
        "trading_dates": [day.isoformat() for day in days.dates],
        "total_days": len(days.dates),
        "holidays": [day.isoformat() for day in _holidays(days, start, end)],
    }
    return reply.enveloped(encoded(data), explain=asked[EXPLAIN])


def _holidays(days: TradingDays, start: date, end: date) -> list[date]:
    """Every day of the range without trading, as far as the calendar is known."""
    open_days = set(days.dates)
    length = (min(end, days.known_through) - start).days + 1
    every = (start + timedelta(days=n) for n in range(length))
    return [day for day in every if day not in open_days]


@router.get(
    "/stock_list",
    summary="Members of a sector",
    responses=responses(SectorBody, *LOOKING_UP),
    openapi_extra=documented(_SECTOR),
)
async def stock_list(request: Request) -> Response:
    """The symbols of a sector."""
    asked = _SECTOR.read(request.query_params.multi_items())
    ask = ask_of(request, asked, OTHER_SECONDS)
    answer = await gateway_of(request).sector(asked[SECTOR], ask)
    reply = Reply(request=request, ask=ask, answer=answer).checked()
    symbols = answer.data[asked[SECTOR]]
    data = {"sector": asked[SECTOR], "count": len(symbols), "symbols": symbols}
    return reply.enveloped(encoded(data), explain=asked[EXPLAIN])
