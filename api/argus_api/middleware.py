"""What happens around every request, as plain ASGI: identity, refusals, HEAD, last resort, gzip."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Collection, Iterable
from uuid import uuid4

from starlette.datastructures import Headers, MutableHeaders
from starlette.middleware.gzip import (
    DEFAULT_EXCLUDED_CONTENT_TYPES,
    GZipMiddleware,
    GZipResponder,
    IdentityResponder,
)
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from argus_api.accept import takes_gzip
from argus_api.errors import error_body
from argus_api.strangers import SAFE, is_strange
from argus_core import Clock
from argus_core.errors import CallerError, Forbidden, TooLarge

log = logging.getLogger("argus.api")

LONGEST_URL = 32 * 1024
"""Room for the 1 000 symbols that one request may ask for, percent-encoded."""
LARGEST_HEADERS = 16 * 1024

_REQUEST_ID = re.compile(r"[A-Za-z0-9._~+/=-]{1,128}")


class Surroundings:
    """Gives each request an id and a start, keeps it within bounds, and answers its failures.

    What may change something is refused from pages whose origin is not among ``origins()``.
    """

    def __init__(
        self, app: ASGIApp, clock: Clock, origins: Callable[[], Collection[str]] = tuple
    ) -> None:
        self.app = app
        self.clock = clock
        self.origins = origins

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on and the response back, as ASGI has it."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        request_id = _request_id(scope["headers"])
        sender = _Sender(send, request_id, head=scope["method"] == "HEAD")
        # GET's routes answer HEAD too: the same work, the body left out on the way.
        method = "GET" if sender.head else scope["method"]
        inner = {
            **scope,
            "method": method,
            "argus.request_id": request_id,
            "argus.head": sender.head,
            "argus.started": self.clock.monotonic(),
        }
        try:
            if refusal := self._refusal(scope):
                await self._answer(inner, receive, sender, refusal)
            else:
                await self.app(inner, receive, sender)
        except ClientDisconnect:
            log.debug("whoever sent request %s left before all of it came", request_id)
        except Exception:
            log.exception("request %s failed", request_id)
            if sender.started:
                raise
            await self._answer(inner, receive, sender, None)

    def _refusal(self, scope: Scope) -> CallerError | None:
        """Why the request goes no further, whatever it asks for."""
        if excess := _excess(scope):
            return TooLarge(excess)
        if scope["method"] not in SAFE and is_strange(Headers(scope=scope), self.origins()):
            return Forbidden(
                "pages of this origin may change nothing here; an operator allows it under "
                "[stream] origins"
            )
        return None

    async def _answer(
        self, scope: Scope, receive: Receive, sender: _Sender, error: CallerError | None
    ) -> None:
        code, status, message = (
            (error.code, error.status, error.message)
            if error
            else ("INTERNAL_ERROR", 500, "something went wrong; the log knows it by the request id")
        )
        details = {"request_id": scope["argus.request_id"]}
        body = error_body(self.clock.now(), code, message, details)
        await Response(body, status, media_type="application/json")(scope, receive, sender)


class _Sender:
    """Passes messages on, with the headers that every response carries."""

    def __init__(self, send: Send, request_id: str, *, head: bool) -> None:
        self.send = send
        self.request_id = request_id
        self.head = head
        self.started = False

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.started = True
            headers = MutableHeaders(scope=message)
            headers["X-Request-ID"] = self.request_id
            headers["X-Content-Type-Options"] = "nosniff"
        elif self.head and message["type"] == "http.response.body":
            message = {**message, "body": b""}
        await self.send(message)


class Compression(GZipMiddleware):
    """Gzip for clients that take it; a refusal (``gzip;q=0``) counts, Parquet stays as it is."""

    def __init__(self, app: ASGIApp) -> None:
        packed = ("application/vnd.apache.parquet", "application/vnd.argus.frames")
        excluded = (*DEFAULT_EXCLUDED_CONTENT_TYPES, *packed)
        # Level 9 costs several times the time of 5 for a few percent of size.
        super().__init__(app, minimum_size=1000, compresslevel=5, exclude_content_types=excluded)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Compress the response if the client takes that and it is worth it."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        accepted = Headers(scope=scope).get("accept-encoding", "")
        excluded = self.exclude_content_types
        if takes_gzip(accepted):
            responder: ASGIApp = GZipResponder(
                self.app, self.minimum_size, self.compresslevel, exclude_content_types=excluded
            )
        else:
            responder = IdentityResponder(
                self.app, self.minimum_size, exclude_content_types=excluded
            )

        async def varied(message: Message) -> None:
            # Said of every answer, for a 304 must say of its resource what the 200 says of it.
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                if "accept-encoding" not in headers.get("vary", "").lower():
                    headers.add_vary_header("Accept-Encoding")
            await send(message)

        await responder(scope, receive, varied)


def _request_id(headers: Iterable[tuple[bytes, bytes]]) -> str:
    for name, value in headers:
        if name == b"x-request-id":
            text = value.decode("latin-1")
            if _REQUEST_ID.fullmatch(text):
                return text
    return uuid4().hex


def _excess(scope: Scope) -> str | None:
    """What about the request is too large, if anything: servers themselves differ in it."""
    if len(scope["query_string"]) + len(scope["path"]) > LONGEST_URL:
        return f"the URL is longer than {LONGEST_URL} bytes"
    if sum(len(name) + len(value) for name, value in scope["headers"]) > LARGEST_HEADERS:
        return f"the headers are larger than {LARGEST_HEADERS} bytes"
    return None
