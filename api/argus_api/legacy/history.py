"""``/hist_kline``: bars of one symbol."""

from __future__ import annotations

import orjson
import polars as pl
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from argus_api import frames
from argus_api.envelope import Reply, encoded
from argus_api.errors import raise_for
from argus_api.formats import off_loop
from argus_api.legacy import rows
from argus_api.legacy.schemas import LegacyBars
from argus_api.openapi import ASKING, documented, responses
from argus_api.params import (
    ADJUST,
    ADJUST_BASE,
    END,
    FREQUENCY,
    MAX_STALENESS,
    START,
    SYMBOL,
    USE_CACHE,
)
from argus_api.query import Params
from argus_api.terms import HISTORY_SECONDS, ask_of, base_of, gateway_of, span_of, symbol_of
from argus_core.model.query import HistoryQuery

router = APIRouter()

_BARS = Params(SYMBOL, START, END, FREQUENCY, ADJUST, ADJUST_BASE, USE_CACHE, MAX_STALENESS)


@router.get(
    "/hist_kline",
    summary="Bars of a range",
    responses=responses(LegacyBars, *ASKING),
    openapi_extra=documented(_BARS),
)
async def hist_kline(request: Request) -> Response:
    """Bars of one symbol, both ends of the range included."""
    asked = _BARS.read(request.query_params.multi_items())
    start, end = span_of(asked[START], asked[END], asked[FREQUENCY])
    symbol = symbol_of(asked, start, end)
    query = HistoryQuery(
        symbols=(symbol,),
        period=asked[FREQUENCY],
        start=start,
        end=end,
        adjust=asked[ADJUST],
        adjust_base=base_of(request, asked),
    )
    ask = ask_of(request, asked, HISTORY_SECONDS)
    answer = await gateway_of(request).history(query, ask)
    raise_for(answer.errors)
    reply = Reply(request=request, ask=ask, answer=answer)
    frame: pl.DataFrame = answer.data[symbol]

    def respond() -> Response:
        body = {
            "symbol": symbol,
            "frequency": asked[FREQUENCY].value,
            "data": orjson.Fragment(frames.rows(rows.bars(frame))),
        }
        return reply.plain(encoded(body))

    return await off_loop(frame.height, respond)
