"""What the other Argus' errors mean for who asked it."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from http import HTTPStatus
from typing import Any, ClassVar, cast

from argus_core import (
    BadData,
    LoginFailed,
    NotOffered,
    PermissionDenied,
    Preparing,
    SourceError,
    SourceTimeout,
    SourceUnavailable,
    Throttled,
    Unanswered,
)
from argus_remote.link import Response

Failure = SourceError | NotOffered

_LONGEST = 300


class Busy(SourceError):
    """It has too much to do, or is about to end: for a moment others are asked first."""

    cool_down: ClassVar[float] = 1.0
    whole_node: ClassVar[bool] = True
    strain: ClassVar[bool] = True


_BY_CODE: Mapping[str, type[Failure]] = {
    "NOT_SUPPORTED": NotOffered,
    "INVALID_PARAMETER": NotOffered,
    "PREPARING": Preparing,
    "TIMEOUT": SourceTimeout,
    "BAD_DATA": BadData,
}
_BY_STREAM_CODE: Mapping[str, type[SourceError]] = {
    "UNAUTHORIZED": LoginFailed,
    "FORBIDDEN": PermissionDenied,
    "RATE_LIMIT_EXCEEDED": Throttled,
}
_ELSEWHERE = range(300, 400)
_BEYOND = (HTTPStatus.BAD_REQUEST, HTTPStatus.REQUEST_ENTITY_TOO_LARGE, HTTPStatus.NOT_IMPLEMENTED)


def failure(told: Unanswered) -> Failure:
    """What one key's failure over there is here: nobody's fault but that of who was asked."""
    cls = _BY_CODE.get(told.code, SourceError)
    if issubclass(cls, SourceError):
        return cls(told.message, retry_after=told.retry_after)
    return cls(told.message)


def failed_sources(response: Response, keys: Sequence[str]) -> dict[str, Unanswered] | None:
    """Why the other one's own sources gave nothing at all, by key, if that is what it says."""
    error = _error(response)
    details = _mapping(error.get("details"))
    late = response.status == HTTPStatus.GATEWAY_TIMEOUT and bool(error)
    if not late and details.get("sources") != "failed":
        return None
    seconds, each = retry_after(response.headers), _mapping(details.get("errors"))
    told = {key: _mapping(each.get(key)) or error for key in keys}
    return {
        key: Unanswered(code=str(why.get("code", "")), message=_text(why), retry_after=seconds)
        for key, why in told.items()
    }


def refusal(name: str, response: Response) -> Failure:
    """The error that an answer without values stands for."""
    status, error = response.status, _error(response)
    if status == HTTPStatus.LOOP_DETECTED:
        return NotOffered(f"{name} leads back here: {_text(error)}")
    if error and status in _BEYOND:
        return NotOffered(f"{name} cannot answer this: {_text(error)}")
    make = _MADE.get(status)
    if make is not None:
        return make(name, response)
    if status in _ELSEWHERE:
        return SourceUnavailable(
            f"{name} answers with HTTP {status}; redirects are not followed: name the last address"
        )
    if error and status == HTTPStatus.SERVICE_UNAVAILABLE:
        return Busy(f"{name}: {_text(error)}", retry_after=retry_after(response.headers))
    return SourceUnavailable(f"{name} answers with HTTP {status}")


def refused(name: str, code: str, message: str) -> Failure:
    """The error that a refusal over its stream stands for."""
    if code == "LOOP_DETECTED":
        return NotOffered(f"{name} leads back here: {message}")
    make = _BY_STREAM_CODE.get(code)
    if make is not None:
        return make(f"{name} refuses: {message}")
    return failure(Unanswered(code=code, message=message))


def explained(response: Response) -> bool:
    """True if an Argus says why it refuses, and not somebody in between."""
    return bool(_error(response))


def retry_after(headers: Mapping[str, str]) -> float | None:
    """The seconds that the header Retry-After names, if it names any."""
    try:
        seconds = float(headers.get("Retry-After", ""))
    except ValueError:
        return None
    return seconds if 0 <= seconds < math.inf else None


def _unauthorized(name: str, _response: Response) -> Failure:
    return LoginFailed(f"{name} refuses the key: set `key` to one that it knows")


def _forbidden(name: str, response: Response) -> Failure:
    return PermissionDenied(f"{name} refuses this to the key: {_text(_error(response))}")


def _not_found(name: str, _response: Response) -> Failure:
    return SourceUnavailable(f"{name} has no such path: is it an Argus, and not an older one?")


def _throttled(name: str, response: Response) -> Failure:
    return Throttled(
        f"{name} says that it is asked too often", retry_after=retry_after(response.headers)
    )


_MADE: Mapping[int, Callable[[str, Response], Failure]] = {
    HTTPStatus.UNAUTHORIZED: _unauthorized,
    HTTPStatus.FORBIDDEN: _forbidden,
    HTTPStatus.NOT_FOUND: _not_found,
    HTTPStatus.TOO_MANY_REQUESTS: _throttled,
}


def _error(response: Response) -> Mapping[str, Any]:
    """The error of an Argus; empty if somebody else answered in its place."""
    try:
        body = json.loads(response.body)
    except ValueError:
        return {}
    return _mapping(_mapping(body).get("error"))


def _mapping(value: Any) -> Mapping[str, Any]:
    return cast("Mapping[str, Any]", value) if isinstance(value, Mapping) else {}


def _text(error: Mapping[str, Any]) -> str:
    return str(error.get("message", "no reason given"))[:_LONGEST]
