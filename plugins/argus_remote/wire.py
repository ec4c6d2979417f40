"""The WebSocket over which the other Argus pushes: how it is had, and what a refusal means."""

from __future__ import annotations

import asyncio
import logging
import ssl
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidMessage, InvalidStatus
from websockets.http11 import Response as Handshake
from websockets.typing import Subprotocol

from argus_core import (
    PUSH_PROTOCOL,
    BadData,
    NotOffered,
    PushFrame,
    SourceTimeout,
    SourceUnavailable,
    read_push_frame,
)
from argus_remote import refusals
from argus_remote.link import Response, cause, trusted
from argus_remote.settings import RemoteSettings

PATH = "/ws/market_data"
OPENING = 5.0
"""Seconds that a connection may take until both speak WebSocket."""
CLOSING = 1.0
LARGEST = 16 * 1024 * 1024
"""The most bytes of one message."""
_ABSENT = frozenset({404, 405, 426})
"""What a server says that has no WebSocket there; an older Argus says 403 without a word."""
_FORBIDDEN = 403

# What the package notes at DEBUG holds the headers, and with them the key.
_quiet = logging.Logger("argus.remote.wire", logging.INFO)  # noqa: LOG001 - nobody may lower it
_quiet.parent = logging.getLogger("argus.remote")


class _Plainly(connect):
    """Follows no redirect: it would carry the key along."""

    def process_redirect(self, exc: Exception) -> Exception | str:
        """The refusal that a redirect is."""
        return exc


async def dialled(name: str, settings: RemoteSettings) -> ClientConnection:
    """A connection that speaks to gateways.

    Raises :class:`NotOffered` if the other one has none, a :class:`SourceError` if it cannot be
    reached or refuses.
    """
    headers: dict[str, str] = {}
    if settings.key is not None:
        headers["X-API-Key"] = settings.key.get_secret_value()
    # The package's errors hold the request, and with it the key: none of them is chained.
    try:
        socket = await _Plainly(
            f"{'wss' if settings.scheme == 'https' else 'ws'}://{settings.host}{PATH}",
            subprotocols=[Subprotocol(PUSH_PROTOCOL)],
            additional_headers=headers,
            user_agent_header=None,
            compression="deflate" if settings.compressed else None,
            proxy=None,
            open_timeout=OPENING,
            ping_interval=None,  # the other side says something often enough
            close_timeout=CLOSING,
            max_size=LARGEST,
            logger=_quiet,
            **_way(name, settings),
        )
    except InvalidStatus as refused:
        raise _refusal(name, refused.response) from None
    except TimeoutError:
        raise SourceTimeout(f"{name} did not open its stream within {OPENING:g} s") from None
    except InvalidMessage:
        raise SourceUnavailable(f"{name} broke the handshake off, or does not speak HTTP") from None
    except InvalidHandshake:
        raise NotOffered(f"{name} does not speak WebSocket: is it an Argus?") from None
    except (OSError, ssl.SSLError) as error:
        raise SourceUnavailable(f"{name} cannot be reached: {cause(error)}") from None
    if socket.subprotocol != PUSH_PROTOCOL:
        await socket.close()
        raise NotOffered(f"{name} pushes to no gateway: it is an older Argus")
    return socket


async def greeted(name: str, socket: ClientConnection) -> PushFrame:
    """The first message of a connection, which says whose life it is and what time it is there."""
    try:
        async with asyncio.timeout(OPENING):
            frame = read_push_frame(await socket.recv(decode=False))
    except (ValueError, TimeoutError, ConnectionClosed):
        frame = PushFrame(type="nothing")
    except asyncio.CancelledError:
        socket.transport.abort()  # nobody else knows of it: it would stay open for ever
        raise
    if frame.type == "hello" and frame.server_time is not None:
        return frame
    await socket.close()
    raise BadData(f"{name} does not greet as an Argus does")


def _way(name: str, settings: RemoteSettings) -> dict[str, Any]:
    """Where to connect to, where that is not what the url says."""
    if settings.uds is not None:
        return {"unix": True, "path": settings.uds}
    way: dict[str, Any] = {}
    if settings.scheme == "https":
        way["ssl"] = trusted(name, settings)
    if settings.address is not None:
        way |= {"host": settings.address, "port": settings.port}
    return way


def _refusal(name: str, handshake: Handshake) -> refusals.Failure:
    """The error that a handshake without a WebSocket stands for."""
    response = Response(handshake.status_code, handshake.headers, bytes(handshake.body))
    wordless = response.status == _FORBIDDEN and not refusals.explained(response)
    if response.status in _ABSENT or wordless:
        return NotOffered(f"{name} has no live updates: is it an Argus, and not an older one?")
    return refusals.refusal(name, response)
