"""The vendor's own client with a transport that keeps what the stock one loses.

The stock client opens a connection per call, hides HTTP errors behind an empty frame, throws the
error code away and sends its address along as a parameter. Here one pool of connections serves
all calls, every failure has its class, and time and size of an answer are bounded.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from http import HTTPStatus
from threading import Lock
from typing import TYPE_CHECKING, Any, Protocol

from argus_core import (
    BadData,
    Clock,
    PluginError,
    SourceTimeout,
    SourceUnavailable,
    Throttled,
)
from argus_tushare.answer import Table, read_answer
from argus_tushare.refusals import retry_after
from argus_tushare.settings import TushareSettings, is_loopback

if TYPE_CHECKING:
    import httpx

BODY_CAP = 64 * 1024 * 1024
CONNECTIONS = 16


class Api(Protocol):
    """The vendor's client as the rest of this plugin uses it."""

    @property
    def calls_made(self) -> Mapping[str, int]:
        """The requests that were sent so far, refused ones included, by interface."""
        ...

    def table(self, api_name: str, fields: str = "", **params: Any) -> Table:
        """The rows of one call."""
        ...

    def query(self, api_name: str, fields: str = "", **kwargs: Any) -> Any:
        """The same rows as a pandas ``DataFrame``: what ``api.daily(...)`` returns."""
        ...

    def close(self) -> None:
        """Drop the connections; safe to call twice."""
        ...


class Wire:
    """One account's connection pool. Thread-safe; asking after :meth:`close` fails.

    A call that is under way then ends as it would have, within its time-out.
    """

    def __init__(
        self, settings: TushareSettings, clock: Clock, *, body_cap: int = BODY_CAP
    ) -> None:
        import httpx  # noqa: PLC0415 - an extra, needed only when a source is opened

        self._httpx = httpx
        self._settings = settings
        self._clock = clock
        self._body_cap = body_cap
        self._calls_made: Counter[str] = Counter()
        self._under_way = 0
        self._closed = False
        self._counting = Lock()
        self._pool = httpx.Client(
            timeout=settings.timeout,
            limits=httpx.Limits(max_connections=CONNECTIONS),
            # Always on https. Plain http has no use for certificates, and loading them is slow.
            verify=settings.endpoint.startswith("https:"),
            # A redirect would carry the token to wherever the answer points.
            follow_redirects=False,
            # Behind a company's proxy there is no other way out. A call to this machine never
            # goes through one: the proxy would read the token.
            trust_env=settings.trust_env and not is_loopback(settings.endpoint),
        )

    @property
    def calls_made(self) -> Mapping[str, int]:
        """The requests that were sent so far, by interface."""
        with self._counting:
            return dict(self._calls_made)

    def ask(self, api_name: str, fields: str, params: dict[str, Any]) -> Table:
        """The rows of one call, or the :class:`SourceError` that says why there are none."""
        with self._counting:
            if self._closed:
                raise SourceUnavailable("the connections to tushare are closed")
            self._calls_made[api_name] += 1
            self._under_way += 1
        try:
            return read_answer(api_name, self._post(api_name, fields, params), self._clock)
        finally:
            self._leave()

    def close(self) -> None:
        """Drop the connections as soon as no call is under way; safe to call twice."""
        # A pool that is closed beneath a call forgets the connection which that call is opening,
        # and nobody ever closes it. So the last one out closes the pool.
        with self._counting:
            self._closed = True
            deserted = not self._under_way
        if deserted:
            self._pool.close()

    def _leave(self) -> None:
        with self._counting:
            self._under_way -= 1
            last = self._closed and not self._under_way
        if last:
            self._pool.close()

    def _post(self, api_name: str, fields: str, params: dict[str, Any]) -> bytes:
        errors = self._httpx
        # httpx' errors hold the request, and with it the token: none of them is chained.
        try:
            with self._pool.stream(
                "POST",
                f"{self._settings.endpoint}/{api_name}",
                content=self._body(api_name, fields, params),
                headers={"Content-Type": "application/json"},
            ) as response:
                self._check_status(api_name, response)
                return self._read(api_name, response)
        except errors.TimeoutException:
            raise self._too_slow(api_name) from None
        except errors.DecodingError:
            raise BadData(f"tushare's answer to {api_name} cannot be decompressed") from None
        except errors.TransportError as error:
            raise SourceUnavailable(
                f"tushare cannot be reached for {api_name} ({type(error).__name__})"
            ) from None

    def _body(self, api_name: str, fields: str, params: dict[str, Any]) -> bytes:
        token = self._settings.token.get_secret_value()
        request = {"api_name": api_name, "token": token, "params": params, "fields": fields}
        return json.dumps(request).encode()

    def _check_status(self, api_name: str, response: httpx.Response) -> None:
        status = response.status_code
        if status == HTTPStatus.TOO_MANY_REQUESTS:
            raise Throttled(
                f"tushare answers {api_name} with HTTP 429",
                retry_after=retry_after(response.headers.get("Retry-After"), self._clock),
            )
        if status != HTTPStatus.OK:
            raise SourceUnavailable(f"tushare answers {api_name} with HTTP {status}")

    def _read(self, api_name: str, response: httpx.Response) -> bytes:
        """The whole body. httpx bounds each wait, this bounds their sum, and the size."""
        give_up = self._clock.monotonic() + self._settings.timeout
        body = bytearray()
        for chunk in response.iter_bytes():
            body += chunk
            if len(body) > self._body_cap:
                raise BadData(
                    f"tushare's answer to {api_name} is larger than {self._body_cap} bytes"
                )
            if self._clock.monotonic() > give_up:
                raise self._too_slow(api_name)
        return bytes(body)

    def _too_slow(self, api_name: str) -> SourceTimeout:
        return SourceTimeout(
            f"tushare did not answer {api_name} within {self._settings.timeout:g} seconds"
        )


def connect(settings: TushareSettings, clock: Clock, *, body_cap: int = BODY_CAP) -> Api:
    """The vendor's client for one account; nothing is sent yet.

    Raises :class:`PluginError` where the vendor's package is not installed.
    """
    try:
        import pandas as pd  # noqa: PLC0415 - an extra, needed only when a source is opened
        from tushare.pro.client import DataApi  # noqa: PLC0415 - the same

        wire = Wire(settings, clock, body_cap=body_cap)
    except ImportError as error:
        raise PluginError(
            f"the tushare plugin needs the package {error.name}",
            fix='pip install "argus-marketdata[tushare]"',
        ) from error

    class PooledApi(DataApi):
        """The vendor's client; ``api.daily(...)`` and all its kin work as documented."""

        def __init__(self) -> None:
            # The base would keep the token as a plain attribute.
            super().__init__(token="", timeout=settings.timeout)

        def __repr__(self) -> str:
            return f"<PooledApi {settings.endpoint}>"

        def __getattr__(self, name: str) -> Any:
            # The base turns even `__deepcopy__` into a remote call.
            if name.startswith("_"):
                raise AttributeError(name)
            return super().__getattr__(name)

        @property
        def calls_made(self) -> Mapping[str, int]:
            return wire.calls_made

        def table(self, api_name: str, fields: str = "", **params: Any) -> Table:
            return wire.ask(api_name, fields, params)

        def query(self, api_name: str, fields: str = "", **kwargs: Any) -> Any:
            answer = wire.ask(api_name, fields, kwargs)
            return pd.DataFrame(answer.items, columns=list(answer.fields))

        def close(self) -> None:
            wire.close()

    return PooledApi()
