"""The one connection of a process to the client, and the lock around every call over it.

The vendor's module keeps a connection in a global, connects again by itself inside any function
and without a lock, and tells nobody: eight threads after a drop make eight connections, and
none has the old subscriptions. So here every call is made under one lock, over a link that was
looked at first, and whoever owns subscriptions hears of each new connection.
"""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Callable
from typing import Any, TypeVar, cast

from argus_core import (
    ArgusError,
    NotOffered,
    PermissionDenied,
    PluginError,
    SourceUnavailable,
    Throttled,
)
from argus_xtquant.refusals import refusal
from argus_xtquant.settings import XtquantSettings
from argus_xtquant.surface import NativeClient, Xtdata

logger = logging.getLogger(__name__)

T = TypeVar("T")

_DOWNLOADS = "client_download_version"
_LINK = "__client"
"""The name under which the vendor's module keeps its connection."""
_UNTOLD = object()


class Session:
    """The connection of one source. Thread-safe; asking before :meth:`open` fails."""

    def __init__(self, name: str, settings: XtquantSettings) -> None:
        self.name = name
        self.settings = settings
        self.generation = 0
        """How many connections there have been; a new one knows no old subscription."""
        self.on_new_client: Callable[[], None] = _nothing
        """Called in the thread that made a new connection, with the lock held."""
        self.facts: dict[str, str | int | float | bool | None] = {}
        """What the client said of itself when it was last asked."""
        self._lock = threading.RLock()
        self._xtdata: Xtdata | None = None
        self._client: NativeClient | None = None
        self._linkless = False
        """True where the module gives no connection out, as one inside the client needs none."""

    @property
    def connected(self) -> bool:
        """True while the link to the client is up; asks no question over it."""
        client = self._client
        if client is None:
            return self._linkless
        # A module that only looks like the vendor's may have a link that it says nothing about
        asked = getattr(client, "is_connected", None)
        return asked is None or bool(asked())

    @property
    def modern(self) -> bool:
        """False if the client is so old that it takes one series a download."""
        return self.facts.get(_DOWNLOADS) is not None

    def open(self, xtdata: Xtdata) -> None:
        """Connect for the first time."""
        with self._lock:
            self._xtdata = xtdata
            self._connect(xtdata)

    def close(self) -> None:
        """Drop the connection; safe to call twice. Ends downloads under way."""
        # Not under the lock: a call that hangs must not keep the link from being cut
        xtdata, self._xtdata = self._xtdata, None
        linked = self._linkless or self._client is not None
        self._client, self._linkless = None, False
        if xtdata is not None and linked:
            with contextlib.suppress(Exception):  # the vendor's, on the way out
                xtdata.disconnect()

    def call(self, what: str, ask: Callable[[Xtdata], T]) -> T:
        """What ``ask`` returns, over a live link, while nobody else is calling."""
        with self._lock:
            xtdata = self._ready()
            try:
                return ask(xtdata)
            except Exception as error:
                raise self._failed(what, error) from error

    def beside(self, what: str, ask: Callable[[Xtdata], T]) -> T:
        """What ``ask`` returns while others may call: for downloads, which take minutes."""
        with self._lock:
            xtdata = self._ready()
        try:
            return ask(xtdata)
        except Exception as error:
            raise self._failed(what, error) from error

    def ensure(self) -> None:
        """Return when the link is up, connecting again if it was not."""
        with self._lock:
            self._ready()

    def reconnect(self) -> None:
        """Drop the link, whatever it says of itself, and connect again."""
        with self._lock:
            xtdata = self._opened()
            with contextlib.suppress(Exception):  # it is thrown away in any case
                xtdata.disconnect()
            self._client, self._linkless = None, False
            self._ready()

    def look(self) -> None:
        """Learn anew what the client says of itself."""
        with self._lock:
            links = self._told("the market link", lambda x: x.get_quote_server_status())
        if isinstance(links, dict):
            states: dict[Any, Any] = links  # pyright: ignore[reportUnknownVariableType]
            self.facts["market_links"] = len(states)
            self.facts["market_link_status"] = ", ".join(
                sorted({str(getattr(link, "status", "unknown")) for link in states.values()})
            )

    def _opened(self) -> Xtdata:
        if self._xtdata is None:
            raise SourceUnavailable(f"{self.name} is not open")
        return self._xtdata

    def _ready(self) -> Xtdata:
        xtdata = self._opened()
        if not self.connected:
            self._connect(xtdata)
        return xtdata

    def _connect(self, xtdata: Xtdata) -> None:
        """Connect to the configured address and to no other.

        Where the vendor's module connected by itself meanwhile, this returns that connection.
        """
        host, port = self.settings.host, self.settings.port
        before: Any = getattr(xtdata, _LINK, _UNTOLD)
        try:
            client = xtdata.connect(host, port)
        except Exception as error:
            logger.debug("%s: connecting failed: %s", self.name, error)
            raise SourceUnavailable(
                f"no client answers at {host}:{port}: start miniQMT there and log in"
            ) from error
        if before is _UNTOLD or before is client:  # else it was made just now, to this address
            self._check_peer(client)
        self._client, self._linkless = client, client is None
        self.generation += 1
        self._introduce(client)
        if self.generation > 1:
            logger.warning("%s: connected again to %s:%d", self.name, host, port)
            self.on_new_client()

    def _check_peer(self, client: NativeClient | None) -> None:
        """Refuse a link that leads elsewhere: the module has one link for the whole process."""
        told = self._told("its address", lambda _: _method(client, "get_peer_addr")())
        port = str(told).rpartition(":")[2]
        if port.isdecimal() and int(port) != self.settings.port:
            raise PluginError(
                f"this process is connected to the client at {told} already",
                where=f"[sources.{self.name}] port",
                fix='give each client a process of its own: isolation = "process"',
            )

    def _introduce(self, client: NativeClient | None) -> None:
        """Note who answers. What a client cannot tell stays unknown, and is no failure."""
        asked: tuple[tuple[str, Callable[[Any], Any]], ...] = (
            (_DOWNLOADS, _download_version),
            ("client_version", lambda x: _server_tag(x, client)),
            ("data_dir", lambda _: _method(client, "get_data_dir")()),
        )
        for name, ask in asked:
            told = self._told(name, ask)
            self.facts[name] = told if isinstance(told, int | float | str) else None

    def _told(self, what: str, ask: Callable[[Xtdata], Any]) -> Any:
        """What a question about the client itself brings, ``None`` where it knows no answer."""
        try:
            return ask(self._opened())
        except Exception as error:  # noqa: BLE001 - the vendor's; nothing depends on the answer
            logger.debug("%s: %s is not told: %s", self.name, what, error)
            return None

    def _failed(self, what: str, error: Exception) -> ArgusError:
        told = refusal(what, error)
        if isinstance(told, PermissionDenied | NotOffered | Throttled) or self.connected:
            return told
        return SourceUnavailable("the link to the client broke during the call")


def _nothing() -> None:
    return None


def _method(client: NativeClient | None, name: str) -> Callable[[], Any]:
    """A method that not every client has, and that no client at all has none of."""
    return cast("Callable[[], Any]", getattr(client, name))


def _download_version(xtdata: Any) -> Any:
    """What decides how the vendor's module downloads; a module that does not say is modern.

    Unless it takes one series a download only, as the full client's own Python does.
    """
    if not hasattr(xtdata, "download_history_data2"):
        return None
    return getattr(xtdata, "__download_version", "unknown")


def _server_tag(xtdata: Any, client: NativeClient | None) -> str:
    """What the client calls itself, such as ``sp3 1.0``."""
    bson: Any = xtdata._BSON_.BSON
    tag: dict[str, Any] = bson.decode(_method(client, "get_server_tag")())
    return " ".join(str(part) for part in tag.values())
