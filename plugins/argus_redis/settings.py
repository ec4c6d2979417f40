"""What an operator writes in the table of a Redis cache."""

from __future__ import annotations

from typing import Annotated, Self
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from pydantic import ConfigDict, Field, field_validator, model_validator

from argus_core import Settings

URL = "redis://127.0.0.1:6379/0"
_PORT = 6379
_OPTIONS = frozenset(
    f"ssl_{name}" for name in ("cert_reqs", "ca_certs", "certfile", "keyfile", "check_hostname")
)


class RedisSettings(Settings):
    """One Redis server; not a cluster, whose nodes cannot answer for many keys at once."""

    # A validation error must not print the table: a password may stand in the url.
    model_config = ConfigDict(hide_input_in_errors=True)

    url: Annotated[str, Field(repr=False)] = URL
    """Server and database: ``redis://``, ``rediss://`` for TLS, or ``unix://`` with a path.

    Write ``{ env = "ARGUS_REDIS_URL" }`` where it holds a password.
    """
    host: Annotated[str | None, Field(json_schema_extra={"environment": "REDIS_HOST"})] = None
    """Replaces the host of ``url``; the environment variable ``REDIS_HOST`` sets it."""
    port: Annotated[
        int | None, Field(ge=1, le=65535, json_schema_extra={"environment": "REDIS_PORT"})
    ] = None
    """Replaces the port of ``url``; the environment variable ``REDIS_PORT`` sets it."""
    prefix: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.:-]{1,64}$")] = "argus"
    """What every key on the server begins with; gateways of one prefix share their entries."""
    timeout: Annotated[float, Field(gt=0, le=60)] = 1.0
    """Seconds that one exchange with the server may take, connecting included.

    On the way to an answer the gateway waits 80 ms at most, and goes on without it.
    """
    max_connections: Annotated[int, Field(ge=1, le=1000)] = 16
    """The most connections at once; further calls wait for a free one, within ``timeout``."""

    @field_validator("url")
    @classmethod
    def _is_usable(cls, url: str) -> str:
        parts = _parsed(url)
        if parts is None:
            raise ValueError(
                f"a url looks like {URL}, rediss://name:password@host:6380/0 or "
                "unix:///run/redis.sock; write %23, %2F, %40 for #, / and @ in a password"
            )
        for name, _ in parse_qsl(parts.query, keep_blank_values=True):
            if name not in _OPTIONS:
                raise ValueError(f"a url takes only these options: {', '.join(sorted(_OPTIONS))}")
        return url

    @field_validator("host")
    @classmethod
    def _is_a_host(cls, host: str | None) -> str | None:
        if host is not None and (not host or set(host) & set("/@?#[] ") or "://" in host):
            raise ValueError("a host is a name or an address, without scheme, port or path")
        return host

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        if (self.host or self.port) and urlsplit(self.url).scheme == "unix":
            raise ValueError("host and port do not go with a url that names a unix socket")
        return self

    @property
    def address(self) -> str:
        """The url with ``host`` and ``port`` in their places; it may hold a password."""
        parts = urlsplit(self.url)
        if self.host is None and self.port is None:
            return self.url
        user, at, _ = parts.netloc.rpartition("@")
        return parts._replace(netloc=f"{user}{at}{_bracketed(parts, self)}").geturl()

    @property
    def place(self) -> str:
        """Host and port, or the socket's path: what messages may say."""
        parts = urlsplit(self.url)
        return unquote(parts.path) if parts.scheme == "unix" else _bracketed(parts, self)

    @property
    def database(self) -> int:
        """The number of the database on the server."""
        parts = urlsplit(self.url)
        return 0 if parts.scheme == "unix" else int(parts.path.strip("/") or 0)


def _parsed(url: str) -> SplitResult | None:
    """The parts of a url that says where the server is; ``None`` if it does not."""
    try:
        parts = urlsplit(url)
        numbered = parts.port != 0
    except ValueError:  # it quotes what it could not read, perhaps a password
        return None
    if parts.fragment or not numbered:
        return None
    if parts.scheme == "unix":
        return parts if len(parts.path) > 1 and not parts.hostname else None
    database = parts.path.strip("/")
    known = not database or (database.isascii() and database.isdigit())
    return parts if parts.scheme in ("redis", "rediss") and parts.hostname and known else None


def _bracketed(parts: SplitResult, settings: RedisSettings) -> str:
    host = settings.host or parts.hostname or ""
    port = settings.port or parts.port or _PORT
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
