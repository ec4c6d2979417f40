"""What an operator writes in the table of an RQData source."""

from __future__ import annotations

from ipaddress import ip_address
from typing import Annotated, Self
from urllib.parse import urlsplit

from pydantic import ConfigDict, Field, SecretStr, field_validator, model_validator

from argus_core import Settings

LICENSE_USER = "license"
"""The user name under which the vendor takes a license key for the password."""


class RqdatacSettings(Settings):
    """One RQData account."""

    # A validation error must not print the table: the password stands in it.
    model_config = ConfigDict(hide_input_in_errors=True)

    username: str | None = None
    """The account's name; leave it out where a license key is given."""
    password: SecretStr | None = None
    """The account's password. The vendor's protocol has no encryption: see the documentation."""
    license_key: SecretStr | None = None
    """A license key, instead of a name and a password."""
    host: Annotated[str, Field(min_length=1)] = "rqdatad-pro.ricequant.com"
    """The data server."""
    port: Annotated[int, Field(gt=0, lt=65536)] = 16011
    """The data server's port."""
    timeout: Annotated[float, Field(ge=1, le=600)] = 15.0
    """Seconds that one call may take before it is given up, the vendor's own retries included."""
    connect_timeout: Annotated[float, Field(gt=0, le=60)] = 5.0
    """Seconds that one attempt to connect may take."""
    enable_bjse: bool = True
    """Whether Beijing's exchange is offered; the vendor leaves it out unless told otherwise."""
    live_url: str = "wss://rqdata.ricequant.com/live_md"
    """Where live pushes come from."""
    live_silence: Annotated[float, Field(ge=5, le=3600)] = 120.0
    """Seconds without a push, while something subscribed trades, before the feed is made anew."""
    quota_every: Annotated[float, Field(ge=300, le=86400)] = 300.0
    """Seconds between two questions for the day's quota."""
    quota_guard: Annotated[float, Field(gt=0, le=1)] = 0.9
    """The part of the day's quota beyond which no more ticks are pulled."""

    @field_validator("live_url")
    @classmethod
    def _is_socket(cls, url: str) -> str:
        parts = urlsplit(url)
        if parts.scheme not in ("ws", "wss") or not parts.hostname:
            raise ValueError("a live address begins with wss:// (or ws://) and names a host")
        if parts.username or parts.password:
            raise ValueError("a live address holds no name and no password")
        if parts.scheme == "ws" and not is_loopback(parts.hostname):
            raise ValueError("ws:// sends the live token in the clear: use wss://")
        return url

    @model_validator(mode="after")
    def _is_one_login(self) -> Self:
        named = self.username is not None or self.password is not None
        if named and self.license_key is not None:
            raise ValueError("give username and password, or license_key, not both")
        if self.license_key is None and not (self.username and self.password):
            raise ValueError("username and password are needed, or license_key")
        if not self._secret().get_secret_value():
            raise ValueError("the password, or the license key, is empty")
        return self

    @property
    def login(self) -> tuple[str, str]:
        """The user name and the secret as the vendor's client takes them."""
        return self.username or LICENSE_USER, self._secret().get_secret_value()

    def _secret(self) -> SecretStr:
        return self.license_key or self.password or SecretStr("")


def is_loopback(host: str) -> bool:
    """True if the host is this machine."""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:  # a name, not an address
        return False
