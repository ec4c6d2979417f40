"""The door ``/ws/market_data``: handshake, rights, and the talk with one client."""

from __future__ import annotations

import asyncio
import logging
import math
from contextlib import suppress
from typing import Any

from pydantic import SecretStr
from starlette.requests import HTTPConnection
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from argus_api.auth import DATA, presented_of, refuse_keys_in_url, vouched_for
from argus_api.errors import error_body
from argus_api.lifecycle import Lifecycle
from argus_api.strangers import is_strange
from argus_api.stream.audience import Audience
from argus_api.stream.codes import ABUSES, NOT_ALLOWED
from argus_api.stream.connection import Connection
from argus_api.stream.offenders import KeptOut
from argus_api.stream.outlet import Outlet
from argus_api.stream.protocol import LAST_BYTES
from argus_api.stream.relay import bounds
from argus_api.stream.relay_talk import RelayTalk
from argus_api.stream.talk import Talk
from argus_api.stream.wire import AsgiWire, wire_of
from argus_core import ArgusError, BadCredentials, Presented, Principal
from argus_core.errors import Forbidden, Overloaded
from argus_core.extend.pushes import PUSH_PROTOCOL

log = logging.getLogger("argus.stream")

PATH = "/ws/market_data"
AUTH = 10.0
"""Seconds within which a client that showed no key must send one."""


class Sockets:
    """Takes WebSocket connections; everything else goes to the application behind it."""

    def __init__(self, app: ASGIApp, audience: Audience, lifecycle: Lifecycle) -> None:
        self.app = app
        self._audience = audience
        self._lifecycle = lifecycle

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Talk with a client until it or the server ends, as ASGI has it."""
        if scope["type"] != "websocket" or scope["path"] != PATH:
            await self.app(scope, receive, send)
            return
        await receive()  # websocket.connect
        try:
            self._refuse_offenders(scope)
            self._refuse_crowds()
            await self._audience.gate.come()
            principal, presented = await self._admitted(scope)
            self._refuse_crowds()  # others may have come in meanwhile
        except ArgusError as error:
            self._audience.refused += 1
            await _refuse(self._audience, error, scope, receive, send)
            return
        await self._serve(scope, receive, send, principal, presented)

    def _refuse_offenders(self, scope: Scope) -> None:
        """Raise :class:`KeptOut` for addresses whose connections were ended again and again."""
        left = self._audience.offenders.wait(_address(scope))
        if left:
            raise KeptOut(left)

    def _refuse_crowds(self) -> None:
        """Raise :class:`Overloaded` if no further connection is taken."""
        if self._lifecycle.draining or self._audience.crowded:
            raise Overloaded("no more connections are taken", retry_after=5.0)

    async def _admitted(self, scope: Scope) -> tuple[Principal | None, Presented | None]:
        """Who comes, None if he is still to say so, and what he showed; raises if he may not."""
        request = HTTPConnection(scope)
        refuse_keys_in_url(request)
        self._refuse_strangers(request)
        vouched = vouched_for(request)
        if vouched is not None:
            return _reader(vouched), None
        presented = presented_of(request)
        try:
            principal = await self._audience.gateway.authenticate(presented)
        except BadCredentials:
            if presented.api_key is None and presented.bearer is None:
                return None, presented
            raise
        return _reader(principal), presented

    def _refuse_strangers(self, request: HTTPConnection) -> None:
        """Raise :class:`Forbidden` for scripts of pages that are neither ours nor allowed."""
        if is_strange(request.headers, self._audience.streaming.table.origins):
            raise Forbidden(
                "pages of this origin may not connect; an operator allows it under [stream] origins"
            )

    async def _serve(
        self,
        scope: Scope,
        receive: Receive,
        send: Send,
        principal: Principal | None,
        presented: Presented | None,
    ) -> None:
        audience = self._audience
        offered = [str(name) for name in scope.get("subprotocols", ())]
        protocol = next((name for name in offered if name in audience.dialects), "")
        accept: dict[str, Any] = {"type": "websocket.accept"}
        await send(accept | ({"subprotocol": protocol} if protocol else {}))
        wire = wire_of(scope, send)
        sending = asyncio.ensure_future(wire.run()) if isinstance(wire, AsgiWire) else None
        table, relayed = audience.streaming.table, protocol == PUSH_PROTOCOL
        connection = Connection(
            wire,
            audience.dialects[protocol],
            audience.turns,
            bounds(table) if relayed else table,
            client=_address(scope),
            since=audience.gateway.clock.now(),
        )
        connection.principal = principal
        wire.drained = connection.flush
        wire.farewell = lambda: audience.farewell(connection)
        if isinstance(wire, Outlet):
            wire.lets_read = audience.gate.lets_read
        # Whoever is still to show a key has a time of his own for that: it is not judged before.
        audience.enter(connection, None if principal is None else presented)
        try:
            kind = RelayTalk if relayed else Talk
            talk = kind(audience, connection, receive)
            talk.greet()
            if principal is not None or await self._introduced(talk):
                await talk.run()
        except OSError:  # the connection broke while something was sent
            log.debug("a listener's connection broke")
        finally:
            wire.drained = wire.farewell = None
            audience.leave(connection)
            if wire.ended in ABUSES and audience.offenders.note(connection.client):
                log.warning(
                    "%s is kept out of %s for a minute: too many of its connections were ended for "
                    "abuse, the last one with %s",
                    connection.client,
                    PATH,
                    wire.ended,
                )
            if sending is not None:
                await _over(sending, ended=not wire.open)

    async def _introduced(self, talk: Talk) -> bool:
        """True once the client has sent a valid key as its first message."""
        connection = talk.connection
        try:
            async with asyncio.timeout(AUTH):
                body = await talk.heard()
        except TimeoutError:
            connection.end(NOT_ALLOWED, f"no key came within {AUTH:g} s")
            return False
        if body is None:
            return False
        key = body.get("key") if body.get("action") == "auth" else None
        if not isinstance(key, str) or not key:
            talk.refuse(BadCredentials('send {"action": "auth", "key": …} first'), body)
            connection.end(NOT_ALLOWED, "a key is required")
            return False
        presented = Presented(
            api_key=SecretStr(key), bearer=SecretStr(key), client=connection.client
        )
        try:
            principal = _reader(await self._audience.gateway.authenticate(presented))
        except (BadCredentials, Forbidden) as error:
            talk.refuse(error, body)
            connection.end(NOT_ALLOWED, "the key is not valid")
            return False
        connection.principal = principal
        self._audience.connections[connection] = presented
        talk.answer({"type": "authenticated"}, body)
        return True


async def _over(sending: asyncio.Task[None], *, ended: bool) -> None:
    """Return when a wire's task is over; one that was told to end has time for its last words."""
    if ended:
        await asyncio.wait({sending}, timeout=LAST_BYTES)
    sending.cancel()
    with suppress(asyncio.CancelledError, OSError):
        await sending


def _address(scope: Scope) -> str:
    """Where a client comes from, as far as the server knows."""
    client = scope.get("client") or ("", 0)
    return str(client[0])


def _reader(principal: Principal) -> Principal:
    """The principal; raises :class:`Forbidden` if he may not read data."""
    if DATA not in principal.scopes:
        raise Forbidden(f"this needs the scope {DATA!r}", details={"scope": DATA})
    return principal


async def _refuse(
    audience: Audience, error: ArgusError, scope: Scope, receive: Receive, send: Send
) -> None:
    """Answer the handshake with an error, as the rest of the API does."""
    body = error_body(audience.gateway.clock.now(), error.code, error.message, error.details)
    if "websocket.http.response" not in scope.get("extensions", {}):
        await send({"type": "websocket.close", "code": NOT_ALLOWED, "reason": error.message[:120]})
        return
    later = 5.0 if error.status >= 500 else None  # noqa: PLR2004
    wait: float | None = getattr(error, "retry_after", None) or later
    headers = {} if wait is None else {"Retry-After": str(math.ceil(wait))}
    await Response(body, error.status, headers, media_type="application/json")(scope, receive, send)
