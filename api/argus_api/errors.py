"""Errors as every path writes them: ``{success, error: {code, message, details}, timestamp}``."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from datetime import datetime
from http import HTTPStatus
from typing import Any, cast

import orjson
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from argus_api.provenance import failures
from argus_api.terms import gateway_of
from argus_api.wire import instant
from argus_core import ArgusError, NotOffered
from argus_core.errors import (
    AllSourcesFailed,
    BadParameter,
    BeyondHorizon,
    DeadlineExceeded,
    GatewayError,
    MissingParameter,
    UnknownSymbol,
)
from argus_core.model.answer import Failure

RETRY_AFTER = 5
"""Seconds after which to try again where nobody knows better."""

_ROUTER_CODES = {404: "NOT_FOUND", 405: "METHOD_NOT_ALLOWED", 413: "PAYLOAD_TOO_LARGE"}
_CHALLENGE = 'Bearer realm="argus"'
_BAD_REQUEST = range(400, 500)


class NotAcceptable(BadParameter):
    """The client accepts none of the formats on offer."""

    code = "NOT_ACCEPTABLE"
    status = 406


_BY_CODE: Mapping[str, type[ArgusError]] = {
    cls.code: cls
    for cls in (
        BadParameter,
        BeyondHorizon,
        UnknownSymbol,
        NotOffered,
        AllSourcesFailed,
        DeadlineExceeded,
    )
}


def failed_batch(lost: Mapping[str, Failure]) -> ArgusError | None:
    """The error that stands for a request none of whose symbols was answered.

    ``None`` where at least one symbol may be known and merely has no data: then the answer is an
    empty one with its reasons. Among several reasons the gravest status speaks for all.
    """
    classes = [_BY_CODE.get(failure.code) for failure in lost.values()]
    known = [cls for cls in classes if cls is not None]
    if not known or len(known) < len(classes):
        return None
    gravest = max(known, key=lambda cls: cls.status)
    told = [f.message for f in lost.values() if f.code == gravest.code]
    message = "; ".join(list(dict.fromkeys(told))[:3])
    return gravest(message, details={"errors": failures(lost)})


def raise_for(lost: Mapping[str, Failure]) -> None:
    """Raise the error that stands for the failure of a path's only question, if it failed."""
    if not lost:
        return
    error = failed_batch(lost)
    if error is None:
        message = "; ".join(failure.message for failure in lost.values())
        error = UnknownSymbol(message, details={"errors": failures(lost)})
    raise error


def error_body(now: datetime, code: str, message: str, details: Any = None) -> bytes:
    """The body of an error, encoded."""
    error = {"code": code, "message": message, "details": details}
    stamp = instant(now.replace(microsecond=0))
    return orjson.dumps({"success": False, "error": error, "timestamp": stamp}, default=str)


def add_error_handlers(app: FastAPI) -> None:
    """Make every error of ``app`` answer in the contract's words."""
    app.add_exception_handler(ArgusError, _argus_error)
    app.add_exception_handler(HTTPException, _router_error)
    app.add_exception_handler(RequestValidationError, _validation_error)


def _respond(
    request: Request,
    status: int,
    *,
    code: str,
    message: str,
    details: Any = None,
    headers: Mapping[str, str] | None = None,
) -> Response:
    body = error_body(gateway_of(request).clock.now(), code, message, details)
    return Response(body, status, headers, media_type="application/json")


async def _argus_error(request: Request, error: Exception) -> Response:
    known = cast("ArgusError", error)
    headers: dict[str, str] = {"Cache-Control": "no-store"}
    if known.status == HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = _CHALLENGE
    retry_after: float | None = getattr(known, "retry_after", None)
    if known.status == HTTPStatus.SERVICE_UNAVAILABLE:
        seconds = RETRY_AFTER if retry_after is None else retry_after
        headers["Retry-After"] = str(max(1, math.ceil(seconds)))
    return _respond(
        request,
        known.status,
        code=known.code,
        message=known.message,
        details=_details(known),
        headers=headers,
    )


def _details(error: ArgusError) -> Any:
    """What the error tells besides its message; attempts in our words, never the vendor's."""
    if not isinstance(error, GatewayError):
        return error.details
    attempts = [_attempt(attempt) for attempt in error.attempts]
    told = cast("Mapping[str, Any]", error.details or {})
    return {**told, "attempts": attempts}


def _attempt(attempt: Any) -> dict[str, Any]:
    return {
        "source": attempt.source,
        "pool": attempt.pool,
        "error": attempt.error,
        "ms": round(attempt.ms, 3),
        "reason": attempt.reason,
    }


async def _router_error(request: Request, error: Exception) -> Response:
    """What Starlette itself says: no such path, no such method, a body that is too large."""
    raised = cast("HTTPException", error)
    status = raised.status_code
    fallback = "INVALID_PARAMETER" if status in _BAD_REQUEST else "INTERNAL_ERROR"
    message = {
        HTTPStatus.NOT_FOUND: f"there is nothing at {request.url.path}; see /docs",
        HTTPStatus.METHOD_NOT_ALLOWED: f"{request.method} is not possible here",
    }.get(HTTPStatus(status), str(raised.detail))
    code = _ROUTER_CODES.get(status, fallback)
    return _respond(request, status, code=code, message=message, headers=raised.headers)


async def _validation_error(request: Request, error: Exception) -> Response:
    """FastAPI's own validation, in our words and as 400."""
    found = cast("RequestValidationError", error).errors()
    missing = [_place(entry) for entry in found if entry["type"] == "missing"]
    if missing:
        code, message = MissingParameter.code, f"{missing[0]} is required"
    else:
        first = found[0]
        code, message = BadParameter.code, f"{_place(first)}: {first['msg']}"
    details = [{"parameter": _place(entry), "problem": entry["msg"]} for entry in found]
    return _respond(request, HTTPStatus.BAD_REQUEST, code=code, message=message, details=details)


def _place(entry: Mapping[str, Any]) -> str:
    where = cast("Iterable[object]", entry["loc"])
    return ".".join(str(part) for part in where if part not in ("query", "body", "header"))
