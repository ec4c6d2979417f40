"""Open: everybody who can reach the server may do everything."""

from __future__ import annotations

from typing import ClassVar

from argus_core import Authenticator, Presented, Principal, hookimpl

ANYBODY = Principal(id="anonymous", scopes=frozenset({"data", "manage"}))
"""Who every request comes from."""


class Open(Authenticator):
    """Asks for nothing, so only a loopback address may be served with it."""

    loopback_only: ClassVar[bool] = True

    async def authenticate(self, presented: Presented) -> Principal | None:  # noqa: ARG002
        """The same anonymous principal for every request, with every scope."""
        return ANYBODY


@hookimpl
def register_authenticator() -> type[Authenticator]:
    """Return :class:`Open`."""
    return Open
