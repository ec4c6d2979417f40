"""What an operator writes in the table of another Argus."""

from __future__ import annotations

import os
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import SplitResult, unquote, urlsplit

from pydantic import ConfigDict, Field, SecretStr, field_validator, model_validator

from argus_core import Settings

URL = "http://127.0.0.1:8001"
_UNIX = "http+unix"
_DEFAULT_PORTS = {"http": 80, "https": 443}

Dataset = Literal[
    "quotes",
    "depth",
    "bars",
    "factors",
    "instruments",
    "listings",
    "calendar",
    "sectors",
    "ticks",
    "main_contracts",
    "chart_panels",
]


class RemoteSettings(Settings):
    """One other Argus."""

    # A validation error must not print the table: a key stands in it.
    model_config = ConfigDict(hide_input_in_errors=True)

    url: str = URL
    """Where it listens: ``http://host:8001``, ``https://host``, or ``http+unix:///run/agent.sock``
    for a socket on this machine."""
    socket: Path | None = None
    """The path of a unix socket; it takes the place of the host in ``url``."""
    address: str | None = None
    """The IP address to connect to, where the host's name is not to be resolved anew."""
    key: SecretStr | None = None
    """The API key that it asks for."""
    allow_http: bool = False
    """Whether the key may travel unencrypted to a host that is not this machine."""
    ca: Path | None = None
    """A file with the certificates to trust instead of the system's."""
    max_connections: Annotated[int, Field(ge=1, le=1000)] = 100
    """The most questions, and connections, at once."""
    timeout: Annotated[float, Field(gt=0, le=60)] = 30.0
    """Seconds that one question may take, if the deadline allows as many."""
    compression: Literal["auto", "always", "never"] = "auto"
    """Whether answers are compressed; ``auto``: unless they stay on this machine."""
    simulated: bool | Literal["as_told"] = False
    """Whether its data are invented; an answer that says otherwise is refused.

    ``as_told`` believes each answer; such a source shares a route only with its like.
    """
    datasets: frozenset[Dataset] | None = None
    """What to ask it for; everything that it offers where this is absent."""

    @field_validator("url")
    @classmethod
    def _is_usable(cls, url: str) -> str:
        parts = _split(url)
        if parts is None:
            raise ValueError(f"a url looks like {URL}, https://argus.example or {_UNIX}:///path")
        if parts.username or parts.password or parts.query or parts.fragment:
            raise ValueError("a url holds scheme, host and port, nothing else; a key goes to `key`")
        if parts.scheme != _UNIX and parts.path.strip("/"):
            raise ValueError("a url ends after the port: the paths are Argus' own")
        return url.rstrip("/")

    @field_validator("address")
    @classmethod
    def _is_an_address(cls, address: str | None) -> str | None:
        return None if address is None else str(ip_address(address))

    @field_validator("datasets")
    @classmethod
    def _not_empty(cls, datasets: frozenset[Dataset] | None) -> frozenset[Dataset] | None:
        if datasets is not None and not datasets:
            raise ValueError("name at least one dataset, or leave it out")
        return datasets

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.uds is not None and os.name != "posix":
            raise ValueError("unix sockets do not exist on Windows: use http://127.0.0.1:PORT")
        if self.uds is not None and (self.address is not None or self.ca is not None):
            raise ValueError("address and ca do not go with a unix socket")
        if self.key is not None and not self.safe and not self.allow_http:
            raise ValueError(
                "plain http sends the key in the clear; "
                "use https, or set allow_http = true if the way there is safe"
            )
        return self

    @property
    def uds(self) -> str | None:
        """The path of the unix socket, if it is one."""
        if self.socket is not None:
            return str(self.socket)
        parts = urlsplit(self.url)
        return unquote(parts.path) if parts.scheme == _UNIX else None

    @property
    def here(self) -> bool:
        """True if the other one is on this machine."""
        host = self.address or urlsplit(self.url).hostname or ""
        return self.uds is not None or host == "localhost" or _is_loopback(host)

    @property
    def safe(self) -> bool:
        """True if nobody between here and there can read what is sent."""
        return self.here or urlsplit(self.url).scheme == "https"

    @property
    def compressed(self) -> bool:
        """True if answers are to be compressed."""
        return self.compression == "always" or (self.compression == "auto" and not self.here)

    @property
    def scheme(self) -> str:
        """``http`` or ``https``."""
        return "http" if self.uds is not None else urlsplit(self.url).scheme

    @property
    def host(self) -> str:
        """Host and port as the Host header names them."""
        return "argus" if self.uds is not None else urlsplit(self.url).netloc

    @property
    def name(self) -> str:
        """The host's name, which its certificate must bear."""
        return urlsplit(self.url).hostname or ""

    @property
    def port(self) -> int:
        """The port to connect to over TCP."""
        parts = urlsplit(self.url)
        return parts.port or _DEFAULT_PORTS[parts.scheme]

    @property
    def target(self) -> str:
        """Host and port to connect to."""
        if self.uds is not None or self.address is None:
            return self.host
        bracketed = f"[{self.address}]" if ":" in self.address else self.address
        return f"{bracketed}:{self.port}"


def _split(url: str) -> SplitResult | None:
    """The parts of a url that says where an Argus is; None if it does not."""
    try:
        parts = urlsplit(url)
        numbered = parts.port != 0
    except ValueError:
        return None
    if parts.scheme == _UNIX:
        return parts if len(parts.path) > 1 and not parts.netloc else None
    known = parts.scheme in _DEFAULT_PORTS and parts.hostname and numbered
    return parts if known else None


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:  # a name, not an address
        return False
