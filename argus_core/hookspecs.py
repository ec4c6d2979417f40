"""The hooks of Argus. Each is called once, at start-up, and returns a class.

A plugin is a module with an entry point in the group ``argus``; the entry point's name is the
name that ``plugin = "…"`` uses in plugins.toml. Per request the core calls plain methods of the
class's instances, never a hook.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pluggy

if TYPE_CHECKING:
    from argus_core.extend.alerter import Alerter
    from argus_core.extend.authenticator import Authenticator
    from argus_core.extend.balancer import Balancer
    from argus_core.extend.cache import Cache
    from argus_core.extend.source import Source

PROJECT = "argus"
"""The name of the hook namespace and of the entry-point group."""

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


@hookspec
def register_source() -> type[Source]:  # type: ignore[empty-body]
    """Return the :class:`Source` subclass that tables ``[sources.NAME]`` may name."""


@hookspec
def register_cache() -> type[Cache]:  # type: ignore[empty-body]
    """Return the :class:`Cache` subclass that tables ``[caches.NAME]`` may name."""


@hookspec
def register_balancer() -> type[Balancer]:  # type: ignore[empty-body]
    """Return the :class:`Balancer` subclass that a pool's ``balancer`` may name."""


@hookspec
def register_authenticator() -> type[Authenticator]:  # type: ignore[empty-body]
    """Return the :class:`Authenticator` subclass that ``[auth] plugins`` may name."""


@hookspec
def register_alerter() -> type[Alerter]:  # type: ignore[empty-body]
    """Return the :class:`Alerter` subclass that tables ``[alerters.NAME]`` may name."""
