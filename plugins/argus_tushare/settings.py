"""What an operator writes in the table of a Tushare source."""

from __future__ import annotations

from ipaddress import ip_address
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationInfo, field_validator

from argus_core import Settings
from argus_tushare.interfaces import NAMES

ENDPOINT = "https://api.tushare.pro/dataapi"


class InterfaceLimits(BaseModel):
    """What an account may call of one interface, where that differs from the others."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    calls_per_minute: Annotated[int | None, Field(ge=1)] = None
    """The calls a minute; those of the table where it is absent."""
    calls_per_day: Annotated[int | None, Field(ge=1)] = None
    """The calls a day; those of the table where it is absent."""


class TushareSettings(Settings):
    """One Tushare Pro account."""

    # A validation error must not print the table: the token stands in it.
    model_config = ConfigDict(hide_input_in_errors=True)

    token: Annotated[SecretStr, Field(min_length=1)]
    """The account's token."""
    allow_http: bool = False
    """Whether the token may travel unencrypted to a host that is not this machine."""
    endpoint: str = ENDPOINT
    """The address of the data interface; interface names are appended to it."""
    timeout: Annotated[float, Field(gt=0, le=600)] = 30.0
    """Seconds that one call may take, from connecting to the last byte."""
    trust_env: bool = True
    """Whether ``HTTPS_PROXY`` and its like are used, as the vendor's own client does."""
    quotes_from: Literal["realtime", "daily"] = "realtime"
    """``daily`` makes quotes of the newest daily bars, for accounts without realtime licence."""

    calls_per_minute: Annotated[int | None, Field(ge=1)] = None
    """The calls a minute of each interface that the account's points allow.

    Tushare's price list says how many. Argus makes no more, and asks other sources meanwhile; where
    it is absent, only Tushare's refusals hold it back, and warm-up is careful and makes 60.
    """
    calls_per_day: Annotated[int | None, Field(ge=1)] = None
    """The calls a day of each interface that they allow."""
    interfaces: Annotated[dict[str, InterfaceLimits], Field(default_factory=dict)]
    """Interfaces with limits of their own, as ``stk_mins = { calls_per_minute = 500 }``."""

    @field_validator("interfaces")
    @classmethod
    def _are_known(cls, given: dict[str, InterfaceLimits]) -> dict[str, InterfaceLimits]:
        for name in given:
            if name not in NAMES:
                known = ", ".join(sorted(NAMES))
                raise ValueError(f"Argus calls no interface {name} of Tushare's, only {known}")
        return given

    @field_validator("endpoint")
    @classmethod
    def _is_usable(cls, endpoint: str, info: ValidationInfo) -> str:
        parts = urlsplit(endpoint)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"an endpoint looks like {ENDPOINT}")
        if parts.username or parts.password or parts.query or parts.fragment:
            raise ValueError("an endpoint holds scheme, host, port and path, nothing else")
        if parts.scheme == "http" and not (info.data.get("allow_http") or is_loopback(endpoint)):
            raise ValueError(
                "plain http sends the token in the clear; "
                "use https, or set allow_http = true if the way there is safe"
            )
        return endpoint.rstrip("/")


def is_loopback(endpoint: str) -> bool:
    """True if the endpoint's host is this machine."""
    host = urlsplit(endpoint).hostname or ""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:  # a name, not an address
        return False
