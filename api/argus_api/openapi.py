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
    {"name": "system", "description": "Health and sources."},
    {"name": "legacy", "description": "The older dialect: no envelope, Beijing time."},
]

_ERRORS: Mapping[int, str] = {
    400: "A parameter is missing, unknown or has a value that cannot be used.",
    401: "Credentials are absent or not valid.",
    403: "The credentials do not allow this.",
    404: "No asked symbol exists.",
    406: "Accept names no format of this path.",
    413: "More was asked for than one request may.",
    501: "No configured source offers this.",
    503: "Every source that could answer has failed; Retry-After says when to try again.",
    504: "No source answered within the deadline.",
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


def documented(params: Params) -> dict[str, Any]:
    """The ``openapi_extra`` of a data route: its parameters, the common headers, its locks."""
    parameters = [*params.openapi(), *(dict(header) for header in _HEADERS)]
    return {"parameters": parameters, "security": EITHER_SCHEME}


class DescribedApp(FastAPI):
    """A FastAPI whose schema also holds the security schemes that its routes name."""

    def openapi(self) -> dict[str, Any]:
        """The OpenAPI schema of the whole application."""
        schema = super().openapi()
        schema.setdefault("components", {})["securitySchemes"] = SECURITY_SCHEMES
        return schema


def responses(
    body: type[BaseModel],
    *failing: int,
    media_types: tuple[str, ...] = (),
    success: int = HTTPStatus.OK,
) -> dict[int | str, dict[str, Any]]:
    """The ``responses`` of a route: its body, 304, and the errors that it can have."""
    answered: dict[str, Any] = {"model": body, "description": body.__doc__}
    if media_types:
        binary = {"schema": {"type": "string", "format": "binary"}}
        answered["content"] = dict.fromkeys(media_types, binary)
    described: dict[int | str, dict[str, Any]] = {
        int(success): answered,
        304: {"description": "The data are those of the given ETag."},
    }
    for status in (*_ALWAYS, *failing):
        described[status] = {"model": ErrorBody, "description": _ERRORS[status]}
    return described


ASKING = (404, 413, 501, 503, 504)
"""What can go wrong where symbols are asked for."""
LOOKING_UP = (501, 503, 504)
"""What can go wrong where they are not."""
