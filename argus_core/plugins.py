"""Finding and loading plugins: all through one entry-point group, the built-in ones too."""

from __future__ import annotations

import ast
import difflib
import functools
import inspect
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib import util
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any, cast

import pluggy
from pydantic import BaseModel, SecretStr, ValidationError

from argus_core import hookspecs
from argus_core.config import explain
from argus_core.errors import ConfigError, PluginError
from argus_core.extend.alerter import Alerter
from argus_core.extend.authenticator import Authenticator
from argus_core.extend.balancer import Balancer
from argus_core.extend.cache import Cache
from argus_core.extend.source import DATASETS, Source

KINDS: Mapping[str, type] = {
    "source": Source,
    "cache": Cache,
    "balancer": Balancer,
    "authenticator": Authenticator,
    "alerter": Alerter,
}
"""The kinds of plugins by the name in their hook, with the base class of each."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Installed:
    """A plugin that is installed, told from its files alone: nothing of it was imported."""

    name: str
    kinds: tuple[str, ...]
    distribution: str
    version: str
    offers: tuple[str, ...]


class Plugins:
    """The plugins of one gateway. Only what a configuration names is ever imported."""

    def __init__(self) -> None:
        self._manager = pluggy.PluginManager(hookspecs.PROJECT)
        self._manager.add_hookspecs(hookspecs)
        self._distributions: dict[str, str] = {}

    def load(self, kind: str, name: str, where: str) -> type[Any]:
        """The class that plugin ``name`` registers as a ``kind``; the module is imported now."""
        module = self._manager.get_plugin(name) or self._register(name, where)
        hook = getattr(self._manager.hook, f"register_{kind}")
        impls = [impl for impl in hook.get_hookimpls() if impl.plugin is module]
        if not impls:
            raise PluginError(
                f"plugin {name!r} registers no {kind}",
                where=where,
                fix=f"name a plugin of that kind: {', '.join(_names(kind)) or 'none is installed'}",
            )
        made = impls[0].function()
        base = KINDS[kind]
        if not (inspect.isclass(made) and issubclass(made, base)):
            raise PluginError(
                f"register_{kind} of plugin {name!r} returned {made!r}",
                where=where,
                fix=f"return a subclass of argus_core.{base.__name__}",
            )
        return made

    def distribution(self, name: str) -> str:
        """The distribution and version that a loaded plugin came from."""
        return self._distributions.get(name, "")

    def _register(self, name: str, where: str) -> Any:
        entry = _entry_point(name, where)
        origin = f"{entry.dist.name} {entry.dist.version}" if entry.dist else "unknown"
        self._distributions[name] = origin
        try:
            module = entry.load()
        except Exception as error:
            raise PluginError(
                f"plugin {name!r} of {origin} cannot be imported: {type(error).__name__}: {error}",
                where=where,
                fix="mend or reinstall that distribution, or set `enabled = false`",
            ) from error
        try:
            self._manager.register(module, name=name)
            self._manager.check_pending()
        except pluggy.PluginValidationError as error:
            raise PluginError(
                f"plugin {name!r} of {origin} has a hook that Argus does not know: {error}",
                where=where,
                fix="known hooks: " + ", ".join(f"register_{kind}" for kind in KINDS),
            ) from error
        if not self._manager.get_hookcallers(module):
            raise PluginError(
                f"plugin {name!r} of {origin} has no @hookimpl function",
                where=where,
                fix="add `@hookimpl def register_source(): return YourSource`",
            )
        return module


def read_settings(
    cls: type[Any], table: Mapping[str, Any], *, where: str, environ: Mapping[str, str]
) -> BaseModel:
    """The plugin's settings from its table, secrets looked up; errors name the key."""
    model: type[BaseModel] = cls.Settings
    values: dict[str, Any] = {}
    for key, value in table.items():
        found = _secret(value, f"{where} {key}", environ)
        field = model.model_fields.get(key)
        if found is None and field is not None and _is_secret(field.annotation):
            raise ConfigError(
                f"{key} is a secret and must not stand in the file",
                where=where,
                fix=f'write {key} = {{ env = "NAME" }} or {{ file = "path" }}',
            )
        values[key] = value if found is None else found
    try:
        return model.model_validate(values)
    except ValidationError as error:
        raise explain(error, where, known=model.model_fields) from None


def secrets_of(settings: BaseModel) -> Iterable[str]:
    """The secret texts in a plugin's settings, so that logs can be kept free of them."""
    for name in type(settings).model_fields:
        value = getattr(settings, name)
        if isinstance(value, SecretStr) and value.get_secret_value():
            yield value.get_secret_value()


def _secret(value: Any, where: str, environ: Mapping[str, str]) -> str | None:
    """The text behind ``{ env = … }`` or ``{ file = … }``; None for any other value."""
    if not isinstance(value, dict):
        return None
    match cast("dict[str, Any]", value):
        case {"env": str(name), **rest} if not rest:
            if not environ.get(name):
                raise ConfigError(
                    f"the environment variable {name} is not set",
                    where=where,
                    fix=f"set {name}, or disable this table with `enabled = false`",
                )
            return environ[name]
        case {"file": str(name), **rest} if not rest:
            try:
                return Path(name).read_text(encoding="utf-8").strip()
            except OSError as error:
                raise ConfigError(
                    f"the file {name} cannot be read: {type(error).__name__}", where=where
                ) from None
        case _:
            return None


def _is_secret(annotation: Any) -> bool:
    return annotation is SecretStr or SecretStr in getattr(annotation, "__args__", ())


def _entry_point(name: str, where: str) -> EntryPoint:
    found = list(
        {e.value + str(e.dist and e.dist.name): e for e in _group() if e.name == name}.values()
    )
    if not found:
        names = sorted({e.name for e in _group()})
        near = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise PluginError(
            f"no plugin named {name!r} is installed{hint}",
            where=where,
            fix="pip install the distribution that has it; installed: " + ", ".join(names),
        )
    if len(found) > 1:
        owners = ", ".join(sorted(str(e.dist and e.dist.name) for e in found))
        raise PluginError(
            f"several distributions bring a plugin named {name!r}: {owners}",
            where=where,
            fix="uninstall all but one",
        )
    return found[0]


def _group() -> Iterable[EntryPoint]:
    return entry_points(group=hookspecs.PROJECT)


def _names(kind: str) -> list[str]:
    return [plugin.name for plugin in installed() if kind in plugin.kinds]


def installed() -> tuple[Installed, ...]:
    """Every installed plugin, by name. Read from source text, since none may be imported yet."""
    found: dict[tuple[str, str], Installed] = {}
    for entry in _group():
        dist = entry.dist
        kinds, offers = _read(entry.module)
        owner = dist.name if dist else "unknown"
        found[entry.name, owner] = Installed(
            name=entry.name,
            kinds=kinds,
            distribution=owner,
            version=dist.version if dist else "",
            offers=offers,
        )
    return tuple(found[key] for key in sorted(found))


@functools.cache
def _read(module: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The kinds that a module registers and the datasets that its package's sources offer."""
    top, *inner = module.split(".")
    spec = util.find_spec(top)  # does not import a top-level package
    if spec is None or spec.origin is None:
        return (), ()
    origin = Path(spec.origin)
    if inner:
        origin = origin.parent.joinpath(*inner).with_suffix(".py")
    files = sorted(origin.parent.glob("*.py")) if origin.name == "__init__.py" else [origin]
    defined = {
        node.name: node
        for file in (files if origin.exists() else [])
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
    }
    kinds = tuple(kind for kind in KINDS if f"register_{kind}" in defined)
    offers = {
        member.name
        for node in defined.values()
        if isinstance(node, ast.ClassDef)
        for member in node.body
        if isinstance(member, ast.FunctionDef | ast.AsyncFunctionDef)
    }
    return kinds, tuple(name for name in DATASETS if name in offers and "source" in kinds)
