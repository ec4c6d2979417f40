"""Finding and loading plugins: all through one entry-point group, the built-in ones too."""

from __future__ import annotations

import ast
import functools
import inspect
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib import util
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any, cast

import pluggy
from pydantic import BaseModel, ValidationError

from argus_core import hookspecs
from argus_core.errors import PluginError
from argus_core.extend.alerter import Alerter
from argus_core.extend.authenticator import Authenticator
from argus_core.extend.balancer import Balancer
from argus_core.extend.cache import Cache
from argus_core.extend.paths import placed
from argus_core.extend.source import DATASETS, Source
from argus_core.telemetry.mistakes import explain, nearest
from argus_core.telemetry.secrets import Secrets
from argus_core.telemetry.shapes import secret, shape_of

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
    error: str | None = None
    """Why its files could not be read; None if they could."""


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
        base = KINDS[kind]
        try:
            made = impls[0].function()
        except (Exception, SystemExit) as error:
            raise PluginError(
                f"register_{kind} of plugin {name!r} failed: {type(error).__name__}: {error}",
                where=where,
                fix=f"return a subclass of argus_core.{base.__name__}",
            ) from error
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
        except (Exception, SystemExit) as error:  # some vendors' SDKs end the process in a pinch
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
    cls: type[Any], table: Mapping[str, Any], *, where: str, secrets: Secrets
) -> BaseModel:
    """The plugin's settings from its table, secrets looked up; errors name the key.

    A field with ``json_schema_extra={"environment": "NAME"}`` is set by that variable, where it
    is set, whatever stands in the table.
    """
    model: type[BaseModel] = cls.Settings
    overridden = _overridden(model, secrets.environ)
    if overridden:
        where += f", with {', '.join(overridden)} of the environment"
    values = secrets.looked_up({**table, **dict(overridden.values())}, model, where)
    try:
        settings = model.model_validate(values)
    except ValidationError as error:
        # A plugin's own validator may have put the value into its message.
        raise secrets.redacted(explain(error, where, model)) from None
    secrets.remember(settings)
    # An authenticator's relative paths start at the data_dir, which it is given.
    return settings if issubclass(cls, Authenticator) else placed(settings, secrets.directory)


def _overridden(
    model: type[BaseModel], environ: Mapping[str, str]
) -> dict[str, tuple[str, str | dict[str, str]]]:
    """The variables that are set now, each with the key of the table that it sets, and to what."""
    found: dict[str, tuple[str, str | dict[str, str]]] = {}
    for name, field in model.model_fields.items():
        extra = field.json_schema_extra
        variable = cast("Any", extra).get("environment") if isinstance(extra, dict) else None
        if isinstance(variable, str) and environ.get(variable, "").strip():
            hidden = any(map(secret, shape_of(field.annotation)))
            value = {"env": variable} if hidden else environ[variable]
            found[variable] = (field.alias or name, value)
    return found


def _entry_point(name: str, where: str) -> EntryPoint:
    found = list(
        {e.value + str(e.dist and e.dist.name): e for e in _group() if e.name == name}.values()
    )
    if not found:
        names = sorted({e.name for e in _group()})
        raise PluginError(
            f"no plugin named {name!r} is installed" + nearest(name, names),
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
        owner, version = _origin(entry)
        kinds: tuple[str, ...] = ()
        offers: tuple[str, ...] = ()
        error = None
        try:
            kinds, offers = _read(entry.module)
        except Exception as broken:  # noqa: BLE001 - a stranger's files; the listing shows it
            error = f"{type(broken).__name__}: {broken}"
        found[entry.name, owner] = Installed(
            name=entry.name,
            kinds=kinds,
            distribution=owner,
            version=version,
            offers=offers,
            error=error,
        )
    return tuple(found[key] for key in sorted(found))


def offering(dataset: str) -> tuple[str, ...]:
    """The names of the installed plugins that offer a dataset.

    As :func:`scanned`.
    """
    return tuple(sorted({p.name for p in scanned() if dataset in p.offers}))


def registering(kind: str) -> tuple[str, ...]:
    """The names of the installed plugins that register a ``kind``; as :func:`scanned`."""
    return tuple(sorted({p.name for p in scanned() if kind in p.kinds}))


def registers(name: str, kind: str) -> bool:
    """True if one installed plugin has this name and registers a ``kind``; it is not imported."""
    try:
        return kind in _read(_entry_point(name, "").module)[0]
    except (PluginError, OSError, ImportError, SyntaxError, ValueError):
        return False


def scanned() -> tuple[Installed, ...]:
    """Every installed plugin, as :func:`installed`; the first time that takes a second or two.

    Scanned once per process and import path: what is installed later is not seen before a restart.
    """
    return _scanned(tuple(sys.path))


@functools.cache
def _scanned(_path: tuple[str, ...]) -> tuple[Installed, ...]:
    return installed()


def _origin(entry: EntryPoint) -> tuple[str, str]:
    """The name and version of the distribution; half-removed ones have neither."""
    dist = entry.dist
    return (str(dist.name or "unknown"), str(dist.version or "")) if dist else ("unknown", "")


def _read(module: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The kinds that a module registers and the datasets that its package's sources offer."""
    stats = [(file, file.stat()) for file in _files(module)]
    return _told(tuple((file, stat.st_mtime_ns, stat.st_size) for file, stat in stats))


@functools.lru_cache(maxsize=256)
def _told(files: tuple[tuple[Path, int, int], ...]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """What :func:`_read` says of files as they are now; parsing them takes its time."""
    defined: dict[str, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef] = {
        node.name: node
        for file, _, _ in files
        for node in ast.walk(ast.parse(file.read_bytes(), filename=file.name))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
    }
    kinds = tuple(kind for kind in KINDS if f"register_{kind}" in defined)
    offers = {
        member.name
        for node in _sources([node for node in defined.values() if isinstance(node, ast.ClassDef)])
        for member in node.body
        if isinstance(member, ast.FunctionDef | ast.AsyncFunctionDef)
    }
    return kinds, tuple(name for name in DATASETS if name in offers and "source" in kinds)


def _sources(classes: list[ast.ClassDef]) -> list[ast.ClassDef]:
    """The classes that a source is made of: those derived from one, and what they derive from."""
    bases = {c.name: {ast.unparse(base).rpartition(".")[2] for base in c.bases} for c in classes}
    made = {name for name, of in bases.items() if any(base.endswith("Source") for base in of)}
    while more := {name for name, of in bases.items() if of & made} - made:
        made |= more
    while more := set[str]().union(*(bases[name] for name in made)) & bases.keys() - made:
        made |= more
    return [node for node in classes if node.name in made]


def _files(module: str) -> list[Path]:
    """The source files of a module: its own, or all of its package."""
    top, *inner = module.split(".")
    spec = util.find_spec(top)  # does not import a top-level package
    if spec is None:
        raise ModuleNotFoundError(f"no module named {top!r}")
    if inner:
        roots = [Path(root).joinpath(*inner) for root in spec.submodule_search_locations or ()]
        places = [p for root in roots for p in (root / "__init__.py", root.with_suffix(".py"))]
    else:
        places = [Path(spec.origin)] if spec.origin else []
    found = next((place for place in places if place.is_file()), None)
    if found is None or found.suffix != ".py":
        raise ModuleNotFoundError(f"no source file of {module!r}")
    return sorted(found.parent.glob("*.py")) if found.name == "__init__.py" else [found]
