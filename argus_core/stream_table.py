"""The table ``[stream]`` of plugins.toml: how live updates are brought and handed out."""

from __future__ import annotations

from pydantic import Field

from argus_core.tables import Table


class StreamTable(Table):
    """How live updates are brought and handed out."""

    poll_interval: float = Field(
        default=3.0,
        ge=0.2,
        le=3600,
        allow_inf_nan=False,
        description="Seconds between two questions about symbols that no source pushes.",
    )
    silence: float = Field(
        default=15.0,
        gt=0,
        le=3600,
        allow_inf_nan=False,
        description="Seconds without a push, inside a session, after which the route is asked "
        "whether the feed is broken or the symbol quiet.",
    )
    grace: float = Field(
        default=10.0,
        ge=0,
        le=3600,
        allow_inf_nan=False,
        description="Seconds for which a symbol is still brought after the last listener has left.",
    )
    max_symbols: int = Field(
        default=1000, ge=1, le=100_000, description="The most symbols of one connection."
    )
    max_connections: int = Field(
        default=10_000, ge=1, le=1_000_000, description="The most connections of one process."
    )
    max_messages: int | None = Field(
        default=None,
        ge=1,
        le=1_000_000,
        description="The most messages a minute that one connection may send; where this is "
        "absent, 1000 if keys are asked for, and as many as they like if not.",
    )
    max_abuses: int = Field(
        default=10,
        ge=1,
        le=1_000_000,
        description="Connections of one address that may be ended for abuse within a minute; with "
        "the last of them it is refused with 429 for a minute. Loopback addresses never are.",
    )
    write_deadline: float = Field(
        default=10.0,
        gt=0,
        le=600,
        allow_inf_nan=False,
        description="Seconds for which a listener may take nothing before the connection is "
        "closed with 4008.",
    )
    max_queued_bytes: int = Field(
        default=1024 * 1024,
        ge=16 * 1024,
        description="The most bytes that wait for one listener beside the newest values.",
    )
    fanout: bool = Field(
        default=True,
        description="Whether what several gateways listen to goes to them once, over the first "
        "cache that processes share, where they have the same one; otherwise, and where it fails, "
        "each of them gets it over its own connection.",
    )
    origins: tuple[str, ...] = Field(
        default=(),
        description="Web pages whose scripts may connect, and send over REST what may change "
        "something, such as `https://desk.example`; the server's own pages may always.",
    )
