"""The vendor's live socket: its client's login and subscriptions, read by us."""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from typing import Any, Protocol, cast

import orjson

from argus_core import PluginError, SourceUnavailable
from argus_rqdatac.session import Session

QUOTA_CLOSE = 4003
"""The code with which the vendor closes the socket when the quota is used up."""
_HELLO = 3.0
_INSTALL = 'pip install "argus-marketdata[rqdatac]"'


class Closed(Exception):
    """The socket is gone; ``code`` is the close code that the vendor sent, if it sent one."""

    def __init__(self, code: int | None) -> None:
        super().__init__(f"closed with {code}")
        self.code = code


class Socket(Protocol):
    """One login at the live server."""

    def subscribe(self, channels: Iterable[str]) -> None:
        """Ask for these channels; the answer comes among the messages."""
        ...

    def unsubscribe(self, channels: Iterable[str]) -> None:
        """Give these channels up."""
        ...

    def receive(self, seconds: float) -> Mapping[str, Any] | None:
        """The next message, ``None`` if none comes in time; :class:`Closed` at the end."""
        ...

    def close(self) -> None:
        """Leave; safe to call twice, wakes a reader."""
        ...


def check_package() -> None:
    """Return if the package for sockets is there, else raise :class:`PluginError`."""
    try:
        importlib.import_module("websockets.sync.client")
    except ImportError as error:
        raise PluginError("live pushes of rqdatac need the package websockets", fix=_INSTALL) from (
            error
        )


class LiveSocket:
    """One login at the live server through the vendor's ``LiveMarketDataClient``.

    Of that client the token, the login and the channels' requests are used. Its reading is not: it
    connects again by itself and tells nobody what was lost meanwhile; nor is its connecting, which
    after a failed check of the certificate goes on without any check.
    """

    def __init__(self, session: Session, url: str, seconds: float) -> None:
        self._session = session
        self._seconds = seconds
        self._errors: Any = importlib.import_module("websockets.exceptions")
        self._client = self._join(url)

    def subscribe(self, channels: Iterable[str]) -> None:
        """Ask for these channels; the answer comes among the messages."""
        names = sorted(channels)
        # The vendor's client looks every instrument up, hence the session.
        self._session.call("live channels", lambda _: self._client.subscribe(names))

    def unsubscribe(self, channels: Iterable[str]) -> None:
        """Give these channels up."""
        names = sorted(channels)
        self._session.call("live channels", lambda _: self._client.unsubscribe(names), free=True)

    def receive(self, seconds: float) -> Mapping[str, Any] | None:
        """The next message, ``None`` if none comes in time; :class:`Closed` at the end."""
        try:
            body = self._client._client.recv(timeout=seconds, decode=False)  # noqa: SLF001
        except TimeoutError:
            return None
        except self._errors.ConnectionClosed as error:
            raise Closed(error.rcvd.code if error.rcvd else None) from None
        except OSError:
            raise Closed(None) from None
        try:
            message: object = orjson.loads(body)
        except orjson.JSONDecodeError:
            return {}
        return cast("dict[str, Any]", message) if isinstance(message, dict) else {}

    def close(self) -> None:
        """Leave; safe to call twice, wakes a reader."""
        self._client.close()

    def _join(self, url: str) -> Any:
        """The vendor's client, logged in; only the token is asked for in the session's turn."""
        live, token = self._session.call("a live login", _class_and_token)

        def log_in(client: Any) -> None:
            client._client, client._info = self._connect(url, token)  # noqa: SLF001 - its own place

        return type("CheckedLive", (live,), {"_init_websocket_client": log_in})(url)

    def _connect(self, url: str, token: Any) -> tuple[Any, Any]:
        """The socket, and the server's first word. A certificate that fails its check ends it."""
        connect = importlib.import_module("websockets.sync.client").connect
        made: Any = None
        try:
            joining = connect(url, proxy=None, open_timeout=self._seconds, close_timeout=_HELLO)
            # What connect() returns itself is to change; what its context gives is not.
            made = ExitStack().enter_context(joining)
            made.send(orjson.dumps({"action": "auth_by_token", "token": token}))
            return made, made.recv(timeout=_HELLO, decode=False)
        except (OSError, self._errors.WebSocketException) as error:
            failed = type(error).__name__
        if made is not None:
            made.close()
        raise SourceUnavailable(f"rqdatac's live server cannot be joined ({failed})")


def _class_and_token(sdk: Any) -> tuple[Any, Any]:
    token = sdk.client.get_client().execute("user.get_live_md_auth_token")
    return sdk.LiveMarketDataClient, token
