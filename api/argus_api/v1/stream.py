"""``/stream``: live updates as server-sent events."""

from __future__ import annotations

from typing import Any, cast

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from argus_api.auth import EITHER_SCHEME, presented_of, vouched_for
from argus_api.errors import failed_batch
from argus_api.openapi import ASKING, event_responses
from argus_api.params import FIELDS, SYMBOLS
from argus_api.query import BadValueError, Param, Params, quoted
from argus_api.stream import Audience
from argus_api.stream.asks import LONGEST_PAUSE, Want, want_of
from argus_api.stream.events import MEDIA_TYPE, EventStream
from argus_core.errors import Overloaded
from argus_core.streaming.topics import QUOTES

router = APIRouter()


def _milliseconds(text: str) -> int:
    if not text.isdecimal() or not int(text) <= LONGEST_PAUSE:
        raise BadValueError(f"must be between 0 and {LONGEST_PAUSE}, not {quoted(text)}")
    return int(text)


CHANNEL: Param[str] = Param(
    name="channel",
    parse=lambda text: text,
    default=QUOTES,
    about="What to hear: `quotes`, `depth`, `trades`, or live bars such as `bars.1m`.",
    schema={"type": "string", "minLength": 1},
    example=QUOTES,
)
INTERVAL: Param[int] = Param(
    name="interval_ms",
    parse=_milliseconds,
    default=0,
    about="Milliseconds between two events, at least; meanwhile the newest values wait.",
    schema={"type": "integer", "minimum": 0, "maximum": LONGEST_PAUSE},
)
_PARAMS = Params(SYMBOLS, FIELDS, CHANNEL, INTERVAL)


def _refuse_crowds(audience: Audience) -> None:
    if audience.crowded:
        raise Overloaded("no more connections are taken", retry_after=5.0)


@router.get(
    "/stream",
    summary="Live updates as server-sent events",
    responses=event_responses(MEDIA_TYPE, *ASKING),
    openapi_extra={"parameters": _PARAMS.openapi(), "security": EITHER_SCHEME},
)
async def stream(request: Request) -> Response:
    """Events `subscribed`, `snapshot`, `update`, `status`, `gap` until the client leaves.

    The data of each is the message of the same type of the WebSocket's `argus.v2`.
    """
    asked = _PARAMS.read(request.query_params.multi_items())
    audience = cast("Audience", request.app.state.audience)
    streaming = audience.streaming
    body: dict[str, Any] = {
        "channel": asked[CHANNEL],
        "symbols": list(asked[SYMBOLS]),
        "interval_ms": asked[INTERVAL],
    }
    fields = asked[FIELDS]
    if fields is not None:
        body["fields"] = list(fields)
    want = want_of(body, most=streaming.table.max_symbols)
    _refuse_crowds(audience)
    with streaming.held(want.symbols):
        ready = await streaming.ready(want.channel, want.symbols)
    _refuse_crowds(audience)  # others may have come in meanwhile
    rejected = {**want.rejected, **ready.rejected}
    if not ready.symbols and (error := failed_batch(rejected)) is not None:
        raise error
    want = Want(
        channel=want.channel,
        symbols=ready.symbols,
        rejected=rejected,
        fields=want.fields,
        interval=want.interval,
    )
    presented = None if vouched_for(request) is not None else presented_of(request)
    client = request.client.host if request.client else ""
    return EventStream(audience, want, presented, client=client)
