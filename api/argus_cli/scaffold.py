"""A new plugin's distribution, from the templates beside this module."""

from __future__ import annotations

import builtins
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from importlib.resources import files
from importlib.util import find_spec
from keyword import iskeyword
from pathlib import Path, PurePosixPath
from string import Template
from typing import Self
from uuid import uuid4

import argus_core
from argus_core.errors import PluginError
from argus_core.plugins import installed

LONGEST = 30
"""Letters in a name: the lines of the generated files stay within 100 columns."""

_NAME = re.compile(r"[a-z][a-z0-9]*(?:[-_][a-z0-9]+)*")
_OWN_PREFIX = "argus-"


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    """What the plugin, its distribution and its package are called."""

    name: str
    distribution: str
    package: str

    @classmethod
    def of(cls, name: str) -> Self:
        """The names that follow from the plugin's; :class:`PluginError` if it cannot be one."""
        if not _usable(name):
            raise _refusal(name)
        words = re.split("[-_]", name)
        return cls(
            name=name,
            distribution=_OWN_PREFIX + "-".join(words),
            package="_".join(("argus", *words)),
        )


def write(names: Names, kind: str, directory: Path) -> Path:
    """The folder of the new distribution under ``directory``: there as a whole or not at all.

    Raises :class:`PluginError` if something of that name is there or installed already.
    """
    _refuse_taken(names)
    folder = directory / names.distribution
    if folder.exists() or folder.is_symlink():
        raise PluginError(
            f"{folder} exists already",
            where="argus plugin new",
            fix="take another name, or another place with --directory",
        )
    # Beside its place, so that the move is one step of the file system.
    draft = directory / f".{names.distribution}-{uuid4().hex[:8]}"
    try:
        for path, text in contents(names, kind).items():
            file = draft / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8", newline="\n")
        draft.rename(folder)
    except OSError as error:
        raise PluginError(
            f"{folder} cannot be written: {error.strerror or error}",
            where="argus plugin new",
            fix="name a folder that this user may write to with --directory",
        ) from None
    finally:
        shutil.rmtree(draft, ignore_errors=True)  # gone already where all went well
    return folder


def contents(names: Names, kind: str) -> Mapping[PurePosixPath, str]:
    """Every file of the distribution: its text by its path in the folder."""
    package = PurePosixPath(names.package)
    templates = {
        PurePosixPath("pyproject.toml"): "pyproject.toml.txt",
        PurePosixPath("README.md"): f"{kind}/README.md.txt",
        PurePosixPath(".gitignore"): "gitignore.txt",
        package / "__init__.py": f"{kind}/plugin.py.txt",
        package / "py.typed": "py.typed.txt",
        PurePosixPath("tests") / f"test_{names.package.removeprefix('argus_')}.py": (
            f"{kind}/test.py.txt"
        ),
    }
    if kind == "source":
        templates[package / "sample.py"] = "source/sample.py.txt"
    shelf = files("argus_cli") / "templates"
    texts = {path: (shelf / name).read_text(encoding="utf-8") for path, name in templates.items()}
    words = {
        "name": names.name,
        "distribution": names.distribution,
        "package": names.package,
        "cls": _class_name(names, "".join(texts.values())),
        "kind": kind,
        "version": argus_core.__version__,
    }
    return {path: Template(text).substitute(words) for path, text in texts.items()}


def _usable(name: str) -> bool:
    return (
        _NAME.fullmatch(name) is not None
        and len(name) <= LONGEST
        and not name.replace("_", "-").startswith(_OWN_PREFIX)
    )


def _refusal(name: str) -> PluginError:
    better = re.sub(r"[^a-z0-9]+", "-", name.lower()).removeprefix(_OWN_PREFIX)
    better = better.lstrip("-0123456789")[:LONGEST].rstrip("-")
    return PluginError(
        f"{name!r} cannot be a plugin's name"
        + (f"; did you mean {better!r}?" if _usable(better) else ""),
        where="argus plugin new",
        fix=(
            f"take lower-case words of letters and digits, joined by -, at most {LONGEST} letters, "
            "the first one no digit; the distribution is then called argus-NAME"
        ),
    )


def _class_name(names: Names, used: str) -> str:
    """``EastWind`` for ``east-wind``, a word more where Python or the text in use means another."""
    name = "".join(word.capitalize() for word in re.split("[-_]", names.name))
    taken = iskeyword(name) or hasattr(builtins, name) or re.search(rf"\b{name}\b", used)
    return f"{name}Plugin" if taken else name


def _refuse_taken(names: Names) -> None:
    same = [p for p in installed() if _alike(p.name) == _alike(names.name)]
    owner = same[0].distribution if same else _distribution(names.distribution)
    if same:
        what = f"a plugin named {same[0].name!r} is installed already, by {owner}"
    elif owner is not None:
        what = f"a distribution named {owner} is installed already"
    elif find_spec(names.package) is not None:
        what = f"a package named {names.package} can be imported already"
    else:
        return
    raise PluginError(
        what, where="argus plugin new", fix="take another name, or uninstall the other one"
    )


def _alike(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _distribution(name: str) -> str | None:
    """The name, if such a distribution is installed."""
    try:
        version(name)
    except PackageNotFoundError:
        return None
    return name
