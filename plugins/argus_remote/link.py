"""The connections to the other Argus: one exchange at a time each, bounded in time and size."""

from __future__ import annotations

import asyncio
import ssl
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from argus_core import BadData, PluginError, SourceTimeout, SourceUnavailable, current_request
from argus_remote.settings import RemoteSettings

if TYPE_CHECKING:
    import httpx

BODY_CAP = 256 * 1024 * 1024
"""The most bytes of one answer, unpacked."""
CONNECT_SECONDS = 1.0
IDLE_SECONDS = 4.0
"""Less than a server keeps an idle connection, so that none is used in the moment it is closed."""
_GZIP = 16 + zlib.MAX_WBITS


@dataclass(frozen=True, slots=True)
class Response:
    """One answer, unpacked."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Link:
    """A pool of connections. Redirects are not followed and no proxy is asked."""

    def __init__(self, name: str, settings: RemoteSettings, *, body_cap: int = BODY_CAP) -> None:
        import httpx  # noqa: PLC0415 - it takes a while to import, and only who asks needs it

        self._httpx = httpx
        self._name = name
        self._settings = settings
        self._body_cap = body_cap
        self._headers = {"Host": settings.host, "Accept-Encoding": "identity"}
        if settings.compressed:
            self._headers["Accept-Encoding"] = "gzip"
        if settings.key is not None:
            self._headers["X-API-Key"] = settings.key.get_secret_value()
        # The transport alone: a client around it would only add what must not happen here.
        self._transport = httpx.AsyncHTTPTransport(
            verify=trusted(name, settings) if settings.scheme == "https" else False,
            trust_env=False,
            uds=settings.uds,
            retries=1,  # of connecting only: nothing was sent yet
            limits=httpx.Limits(
                max_connections=settings.max_connections,
                max_keepalive_connections=settings.max_connections,
                keepalive_expiry=IDLE_SECONDS,
            ),
        )
        self._url = f"{settings.scheme}://{settings.target}"
        self.busy = 0

    async def aclose(self) -> None:
        """Drop the connections; safe to call twice."""
        await self._transport.aclose()

    async def get(self, path: str, seconds: float) -> Response:
        """The answer to a GET within so many seconds."""
        return await self._exchange("GET", path, b"", {}, seconds)

    async def post(self, path: str, body: bytes, headers: Mapping[str, str]) -> Response:
        """The answer to a question, within the settings' seconds."""
        described = {"Content-Type": "application/json", **headers}
        return await self._exchange("POST", path, body, described, self._settings.timeout)

    async def _exchange(
        self, method: str, path: str, body: bytes, headers: Mapping[str, str], seconds: float
    ) -> Response:
        errors = self._httpx
        self.busy += 1
        # httpx' errors hold the request, and with it the key: none of them is chained.
        try:
            async with asyncio.timeout(seconds):
                return await self._sent(self._request(method, path, body, headers, seconds))
        except (TimeoutError, errors.ReadTimeout, errors.WriteTimeout, errors.PoolTimeout):
            raise SourceTimeout(f"{self._name} did not answer within {seconds:g} s") from None
        except errors.ConnectTimeout:
            raise SourceUnavailable(f"{self._name} accepts no connection") from None
        except errors.RemoteProtocolError:
            raise SourceUnavailable(
                f"{self._name} broke its answer off, or does not speak HTTP"
            ) from None
        except (errors.TransportError, ssl.SSLError, OSError) as error:
            raise SourceUnavailable(f"{self._name} cannot be reached: {cause(error)}") from None
        finally:
            self.busy -= 1

    def _request(
        self, method: str, path: str, body: bytes, headers: Mapping[str, str], seconds: float
    ) -> httpx.Request:
        left = current_request().time_left
        connecting = min(CONNECT_SECONDS, seconds, seconds if left is None else max(left, 0.001))
        waits = {"connect": connecting, "read": seconds, "write": seconds, "pool": seconds}
        extensions: dict[str, object] = {"timeout": waits}
        if self._settings.scheme == "https":
            extensions["sni_hostname"] = self._settings.name
        return self._httpx.Request(
            method,
            self._url + path,
            headers={**self._headers, **headers},
            content=body or None,
            extensions=extensions,
        )

    async def _sent(self, request: httpx.Request) -> Response:
        response = await self._transport.handle_async_request(request)
        try:
            body = await self._read(response)
        finally:
            await response.aclose()
        return Response(response.status_code, response.headers, body)

    async def _read(self, response: httpx.Response) -> bytes:
        """The whole body, unpacked; never more of it than the cap, whatever it unpacks to."""
        packed = response.headers.get("Content-Encoding", "identity").lower()
        if packed not in ("gzip", "identity"):
            raise BadData(f"{self._name} answers in the encoding {packed[:20]!r}, not asked for")
        unpack = zlib.decompressobj(_GZIP) if packed == "gzip" else None
        body = bytearray()
        async for chunk in response.aiter_raw():
            room = self._body_cap + 1 - len(body)
            try:
                body += chunk if unpack is None else unpack.decompress(chunk, room)
            except zlib.error:
                raise BadData(f"{self._name}'s answer cannot be unpacked") from None
            if len(body) > self._body_cap:
                raise BadData(f"{self._name}'s answer is larger than {self._body_cap} bytes")
        if unpack is not None and not unpack.eof:
            raise BadData(f"{self._name}'s answer was cut off")
        return bytes(body)


def trusted(name: str, settings: RemoteSettings) -> ssl.SSLContext:
    """The certificates that the other one's must come from."""
    ca = settings.ca
    try:
        return ssl.create_default_context(cafile=None if ca is None else str(ca))
    except (OSError, ssl.SSLError) as error:
        raise PluginError(
            f"the certificates of {name} cannot be read: {type(error).__name__}",
            fix="name a PEM file that exists as `ca`",
        ) from None


def cause(error: BaseException) -> str:
    """What went wrong, without the request that it went wrong with."""
    deep = error
    while (beneath := _beneath(deep)) is not None:
        deep = beneath
    if isinstance(deep, ConnectionRefusedError):
        return "nobody listens there"
    if isinstance(deep, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted ({deep.verify_message})"
    if isinstance(deep, OSError) and deep.strerror:
        return deep.strerror
    return type(error).__name__


def _beneath(error: BaseException) -> BaseException | None:
    """What an error stands for, be it its cause, its argument, or one of several."""
    if isinstance(error, BaseExceptionGroup):
        return cast("BaseExceptionGroup[BaseException]", error).exceptions[0]
    first = error.args[0] if error.args else None
    return error.__cause__ or (first if isinstance(first, BaseException) else None)
