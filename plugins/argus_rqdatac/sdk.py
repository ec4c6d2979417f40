"""The vendor's package: imported late, begun and ended without a trace in the process."""

from __future__ import annotations

import importlib
import logging
import warnings
from collections.abc import Callable
from datetime import datetime
from typing import Any

from argus_core import LoginFailed, PluginError, SourceError
from argus_rqdatac.refusals import meaning
from argus_rqdatac.settings import RqdatacSettings
from argus_rqdatac.sockets import Sockets

logger = logging.getLogger(__name__)

POOL_SIZE = 1
"""One connection: accounts may hold few sessions, and the vendor does not say how few."""
_INSTALL = 'pip install "argus-marketdata[rqdatac]"'


def load() -> Any:
    """The vendor's package; :class:`PluginError` where it is not installed.

    Importing it changes the process's warning filters, and pandas 3 warns at what it uses.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return importlib.import_module("rqdatac")
        except ImportError as error:
            raise PluginError(
                f"the rqdatac plugin needs the package {error.name}", fix=_INSTALL
            ) from error


class Login:
    """The vendor's client, begun for one account. It is one per process, like the vendor's state.

    ``sockets`` are its connections. Nothing is sent before the first call, but for a license key,
    whose login the vendor's client checks at once.
    """

    def __init__(self, sdk: Any, settings: RqdatacSettings, monotonic: Callable[[], float]) -> None:
        self.sdk = sdk
        self._settings = settings
        self._client = importlib.import_module("rqdatac.client")
        self._connection: Any = importlib.import_module("rqdatac.connection").Connection
        if sdk.initialized():
            raise PluginError(
                "the rqdatac package is already in use in this process, and knows one account only",
                fix='give each rqdatac source a process of its own: isolation = "process"',
            )
        self._factory: Any = self._connection.sock_factory
        self.sockets = Sockets(self._connect, monotonic)

    def begin(self, now: datetime) -> None:
        """Hand the account to the vendor's client.

        Raises :class:`LoginFailed` for a license key that is refused. A server that cannot be
        reached is no reason to fail here: the first call says so.
        """
        error: SourceError | None = None
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            try:
                self._init()
            except RuntimeError as raised:
                self.end()
                raise PluginError(
                    f"the rqdatac package cannot start ({type(raised).__name__})",
                    fix="RQDATAC_PROXY needs python-socks: unset it, or install rqdatac[proxy]",
                ) from None
            except Exception as raised:  # noqa: BLE001 - a license key is checked by a call
                found = meaning(raised, "the account", now)
                error = found if isinstance(found, SourceError) else None
        if any("will be expired" in str(warning.message) for warning in told):
            logger.warning("the rqdatac license is a trial, or ends within two weeks")
        if isinstance(error, LoginFailed):
            self.end()
            raise error
        if error is not None:
            logger.warning("rqdatac did not answer the license login: %s", error.message)
            # The vendor's client has not come as far as this setting.
            self.sdk.reset(enable_bjse=self._settings.enable_bjse)

    def end(self, *, idle: bool = True) -> None:
        """Close every connection and take the account out of the vendor's client.

        Unless it is ``idle`` the refusing sockets stay, so that a call under way opens no other.
        """
        self.sockets.refuse()
        self.sdk.reset(flush_cache=True)
        if idle:
            self._connection.set_sock_factory(self._factory)
        client: Any = self._client
        client._CLIENT = client._DUMMY  # noqa: SLF001 - else the password stays in the process

    def _init(self) -> None:
        settings, (username, password) = self._settings, self._settings.login
        client: Any = self._client
        plain = client._set_sock_factory  # noqa: SLF001 - the only way to connections of our own

        def tracked(proxy: Any) -> None:
            plain(proxy)
            self._factory = self._connection.sock_factory
            self._connection.set_sock_factory(self.sockets)

        client._set_sock_factory = tracked  # noqa: SLF001 - init opens a license's connection
        try:
            self.sdk.init(
                username,
                password,
                (settings.host, settings.port),
                use_pool=True,
                max_pool_size=POOL_SIZE,
                auto_load_plugins=False,
                timeout=settings.timeout,
                connect_timeout=settings.connect_timeout,
                enable_bjse=settings.enable_bjse,
            )
        finally:
            client._set_sock_factory = plain  # noqa: SLF001 - as it was

    def _connect(self, address: Any, timeout: float | None = None) -> Any:
        made: Any = self._factory(address, timeout=timeout)
        return made
