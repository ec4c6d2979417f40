"""From a plugin's name, module or class to a subject."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from importlib.metadata import entry_points
from types import ModuleType
from typing import Any

from argus_core import hookspecs
from argus_core.errors import PluginError
from argus_core.plugins import KINDS, Plugins, installed


@dataclass(frozen=True, slots=True)
class Found:
    """A plugin's class, the kind that it is, its name, and the module that registers it."""

    cls: type[Any]
    kind: str
    name: str
    module: str | None


def find(plugin: str | ModuleType | type[Any], kind: str | None = None) -> Found:
    """What stands behind an entry point's name, a module with hooks, or a plugin's class.

    ``kind`` chooses where a module registers several. :class:`PluginError` says what is missing.
    """
    if isinstance(plugin, str):
        return _installed(plugin, kind)
    if isinstance(plugin, ModuleType):
        return _hooked(plugin, kind)
    for name, base in KINDS.items():
        if issubclass(plugin, base):
            return Found(plugin, name, plugin.__name__, None)
    bases = ", ".join(base.__name__ for base in KINDS.values())
    raise PluginError(f"{plugin.__name__} is no plugin: derive it from one of {bases}")


def _installed(name: str, kind: str | None) -> Found:
    where = "the plugin under test"
    known = next((plugin for plugin in installed() if plugin.name == name), None)
    kinds = (kind,) if kind else known.kinds if known else ()
    # Without one, loading raises the error that says which plugins there are
    cls = Plugins().load(kinds[0] if kinds else next(iter(KINDS)), name, where)
    module = next(e.module for e in entry_points(group=hookspecs.PROJECT) if e.name == name)
    return Found(cls, kinds[0] if kinds else find(cls).kind, name, module)


def _hooked(module: ModuleType, kind: str | None) -> Found:
    for name in [kind] if kind else KINDS:
        hook = getattr(module, f"register_{name}", None)
        if hook is not None:
            cls = hook()
            if inspect.isclass(cls):
                return Found(cls, name, module.__name__, module.__name__)
    raise PluginError(f"{module.__name__} has no @hookimpl function that registers a class")
