"""What OpenAPI says of a route, made from the same tables that read its requests."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI
from pydantic import BaseModel

from argus_api.auth import EITHER_SCHEME, SECURITY_SCHEMES
from argus_api.query import Params
from argus_api.schemas import ErrorBody

TAGS = [
    {"name": "market_data", "description": "Quotes, depth, bars, instruments, calendars, sectors."},
    {"name": "cache", "description": "What the caches hold and by which rules; scope `manage`."},
    {"name": "datasets", "description": "Raw values with their origins, for another gateway."},
    {"name": "connection_pool", "description": "Pools at run time; scope `manage`."},
    {"name": "admin", "description": "Routes, switches of sources, reloads; scope `manage`."},
    {"name": "system", "description": "Health and sources."},
    {"name": "legacy", "description": "The older dialect: no envelope, Beijing time."},
]

DESCRIPTION = """\
Argus is a gateway to the market data of the Chinese exchanges. It asks the sources that its
operator has configured, fails over between them, and answers in one set of symbols, units and time
labels, saying where the data come from and how old they are.

**Units.** Volume in shares (contracts for futures, units for funds), turnover in yuan, prices in
yuan and as traded unless `adjust` says otherwise, `change_pct` in percent of the previous close.
What a source does not have is null, never 0.

**Time.** Shanghai time, ISO 8601 with offset; the legacy paths write `YYYY-MM-DD HH:MM:SS`. A bar
is labelled by its end. Ranges include both bounds; a bound without a time is a trading date.

**Simulated data.** A server with the demo source invents its prices. Each such answer says so:
`meta.simulated` is true and so is the header `X-Argus-Simulated`. Never trade on these.

**Replayed data.** A server may play a recorded day. Each such answer carries `meta.replay` and the
header `X-Argus-Replay`, with the day and how fast it is played. Never trade on these either.

**Live updates.** `/ws/market_data` and `/api/v1/market_data/stream`; their messages are described
in [asyncapi.json](asyncapi.json).

Errors are `{success, error: {code, message, details}, timestamp}` on every path.
"""

_ERRORS: Mapping[int, str] = {
    400: "A parameter is missing, unknown or has a value that cannot be used.",
    401: "Credentials are absent or not valid.",
    403: "The credentials do not allow this.",
    404: "No asked symbol exists, or nothing of this name.",
    406: "Accept names no format of this path.",
    409: "It does not go together with what is in force; the message says what stands in it.",
    413: "More was asked for than one request may.",
    500: "A cache or the archive failed.",
    501: "No configured source offers this.",
    503: "Every source that could answer has failed; Retry-After says when to try again.",
    504: "No source answered within the deadline.",
    508: "The question has come back to a gateway that is asking it, or through too many.",
}
_ALWAYS = (400, 401, 403)
_HEADERS: tuple[dict[str, Any], ...] = (
    {
        "name": "X-Argus-Deadline",
        "in": "header",
        "required": False,
        "description": "Seconds that the answer may take.",
        "schema": {"type": "number", "exclusiveMinimum": 0, "maximum": 60},
    },
    {
        "name": "X-Argus-Priority",
        "in": "header",
        "required": False,
        "description": "How urgent it is; what is less so gives way where there is too much.",
        "schema": {
            "type": "string",
            "enum": ["interactive", "batch", "warmup"],
            "default": "interactive",
        },
    },
    {
        "name": "If-None-Match",
        "in": "header",
        "required": False,
        "description": "An ETag of an earlier answer; 304 if the data are still the same.",
        "schema": {"type": "string"},
    },
    {
        "name": "X-Request-ID",
        "in": "header",
        "required": False,
        "description": "Your name for this request; it comes back, and is the trace id.",
        "schema": {"type": "string", "pattern": "^[A-Za-z0-9._~+/=-]{1,128}$"},
    },
)


_VIA: dict[str, Any] = {
    "name": "X-Argus-Via",
    "in": "header",
    "required": False,
    "description": "The ids of the gateways through which the question has come, in order.",
    "schema": {"type": "string", "pattern": "^[A-Za-z0-9]{1,64}(, ?[A-Za-z0-9]{1,64})*$"},
}
"""What gateways tell one another so that no question goes in a circle."""


def forwarded(schemas: Mapping[str, Any]) -> dict[str, Any]:
    """The ``openapi_extra`` of a route whose body is a question of another gateway."""
    body = {"anyOf": [{"title": name, **schema} for name, schema in schemas.items()]}
    headers = [dict(header) for header in (*_HEADERS, _VIA) if header["name"] != "If-None-Match"]
    dataset = {
        "name": "dataset",
        "in": "path",
        "required": True,
        "description": "What is asked for.",
        "schema": {"type": "string", "enum": list(schemas)},
    }
    return {
        "parameters": [dataset, *headers],
        "requestBody": {"required": True, "content": {"application/json": {"schema": body}}},
        "security": EITHER_SCHEME,
    }


def _answered(about: str, kind: str = "string", example: Any = None) -> dict[str, Any]:
    described: dict[str, Any] = {"description": about, "schema": {"type": kind}}
    if example is not None:
        described["example"] = example
    return described


ANSWER_HEADERS: Mapping[str, Any] = {
    "X-Request-ID": _answered("The name of this request, in the log and in the trace."),
    "X-Argus-Source": _answered("The sources of the data, separated by commas.", "string", "demo"),
    "X-Argus-Attempts": _answered("Calls to sources that this answer cost.", "integer", 1),
    "X-Argus-Simulated": _answered("Whether any value is invented.", "boolean", example=False),
    "X-Argus-Replay": _answered(
        "The recorded day that is played, and how fast; absent where data are live.",
        "string",
        "2023-02-01; speed=10",
    ),
    "X-Argus-Stale": _answered("Whether any value is older than it should be.", "boolean"),
    "Cache-Status": _answered("What the caches did (RFC 9211).", "string", "argus-l1; hit; ttl=2"),
    "Age": _answered("Seconds since the oldest value was fetched.", "integer", 0),
    "ETag": _answered("A weak tag of the data; send it back in If-None-Match.", "string"),
}
"""The headers of a data answer, each once: responses refer to them."""
_RETRY_AFTER = {"Retry-After": _answered("Seconds after which to ask again.", "integer", 5)}


def _headers(*names: str) -> dict[str, Any]:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}


def documented(params: Params) -> dict[str, Any]:
    """The ``openapi_extra`` of a data route: its parameters, the common headers, its locks."""
    parameters = [*params.openapi(), *(dict(header) for header in _HEADERS)]
    return {"parameters": parameters, "security": EITHER_SCHEME}


class DescribedApp(FastAPI):
    """A FastAPI whose schema also holds the security schemes and headers that its routes name."""

    def openapi(self) -> dict[str, Any]:
        """The OpenAPI schema of the whole application."""
        schema = super().openapi()
        components = schema.setdefault("components", {})
        components["securitySchemes"] = SECURITY_SCHEMES
        components["headers"] = {**ANSWER_HEADERS, **_RETRY_AFTER}
        return schema


def responses(
    body: type[BaseModel],
    *failing: int,
    media_types: tuple[str, ...] = (),
) -> dict[int | str, dict[str, Any]]:
    """The ``responses`` of a data route: its body, 304, and the errors that it can have."""
    headers = _headers(*ANSWER_HEADERS)
    answered: dict[str, Any] = {"model": body, "description": body.__doc__, "headers": headers}
    if media_types:
        binary = {"schema": {"type": "string", "format": "binary"}}
        answered["content"] = dict.fromkeys(media_types, binary)
    known = {"description": "The data are those of the given ETag.", "headers": headers}
    return {200: answered, 304: known, **_failures(*failing)}


def plain_responses(
    body: type[BaseModel], *failing: int, media_types: tuple[str, ...] = ()
) -> dict[int | str, dict[str, Any]]:
    """The ``responses`` of a route that tells of Argus itself, or tells another Argus."""
    headers = _headers("X-Request-ID")
    answered = {"model": body, "description": body.__doc__, "headers": headers}
    if media_types:
        binary = {"schema": {"type": "string", "format": "binary"}}
        answered["content"] = dict.fromkeys(media_types, binary)
    return {200: answered, **_failures(*failing)}


def event_responses(media_type: str, *failing: int) -> dict[int | str, dict[str, Any]]:
    """The ``responses`` of a route that answers with events for as long as it is listened to."""
    told = {
        "description": "Events, each a line `event: TYPE` and a line `data: JSON`.",
        "content": {media_type: {"schema": {"type": "string"}}},
        "headers": _headers("X-Request-ID"),
    }
    return {200: told, **_failures(*failing)}


def _failures(*failing: int) -> dict[int | str, dict[str, Any]]:
    return {status: _failed(status) for status in (*_ALWAYS, *failing)}


def _failed(status: int) -> dict[str, Any]:
    more = _RETRY_AFTER if status == HTTPStatus.SERVICE_UNAVAILABLE else ()
    return {
        "model": ErrorBody,
        "description": _ERRORS[status],
        "headers": _headers("X-Request-ID", *more),
    }


ASKING = (404, 413, 501, 503, 504)
"""What can go wrong where symbols are asked for."""
FORWARDING = (508,)
"""What can go wrong besides where gateways ask gateways."""
LOOKING_UP = (501, 503, 504)
"""What can go wrong where they are not."""
