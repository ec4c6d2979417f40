"""What an operator writes in the table of an xtquant source."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import Field, field_validator

from argus_core import Settings

_DOTTED = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z_][A-Za-z0-9_]*)*")


class XtquantSettings(Settings):
    """One miniQMT (or research) client, running and logged in, on this machine or near it."""

    host: str = "127.0.0.1"
    """Where the client listens."""
    port: Annotated[int, Field(ge=1, le=65535)] = 58610
    """The port that the client listens on; it is never searched for."""
    module: str = "xtquant.xtdata"
    """The Python module with the vendor's functions; another one that offers the same will do."""
    download: bool = True
    """Whether history that the client does not hold yet is downloaded before it is read."""
    prepare_wait: Annotated[float, Field(ge=0, le=600)] = 2.0
    """Seconds that a request waits for its download; then it is told to come back."""
    refresh: Annotated[float, Field(ge=1, le=86400)] = 60.0
    """Seconds after which the running trading day's history is downloaded again."""
    level2: bool = False
    """Whether books come from level 2, where the account may read it; else from snapshots."""
    push: Literal["whole", "single"] = "whole"
    """How symbols are subscribed: ``single`` is one subscription each, the vendor advises 50."""
    max_subscriptions: Annotated[int, Field(ge=1)] = 1000
    """The most symbols that are subscribed at once."""
    silent_after: Annotated[float, Field(ge=5, le=86400)] = 120.0
    """Seconds without any push in trading hours, after which everything is subscribed again."""

    @field_validator("host")
    @classmethod
    def _is_a_host(cls, host: str) -> str:
        # The vendor splits "host:port" at every colon, and takes an empty host for a search.
        if not host or ":" in host or host != host.strip():
            raise ValueError("a host is a name or an IPv4 address; the port has a key of its own")
        return host

    @field_validator("module")
    @classmethod
    def _is_dotted(cls, module: str) -> str:
        if not _DOTTED.fullmatch(module):
            raise ValueError("a module is written like xtquant.xtdata")
        return module
