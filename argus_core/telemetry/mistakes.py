"""A mistake in a configuration, told in words: what is wrong, where, and how to mend it."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable, Sequence
from typing import Any, TypeVar, cast

from pydantic import TypeAdapter, ValidationError

from argus_core.errors import ConfigError, PluginError
from argus_core.telemetry.redact import Redactor
from argus_core.telemetry.shapes import fields_of, inside, shape_of

_LISTS = {"tuple_type", "list_type", "set_type", "frozen_set_type"}
_TABLES = {"dict_type", "mapping_type", "model_type", "model_attributes_type", "dataclass_type"}

_Made = TypeVar("_Made")


def nearest(word: str, known: Iterable[str]) -> str:
    """A half-sentence that suggests the known word most like this one; empty if none is."""
    near = difflib.get_close_matches(word, list(known), n=1, cutoff=0.5)
    return f"; did you mean {near[0]!r}?" if near else ""


def unknown(key: str, known: Iterable[str]) -> str:
    """A sentence about a key that nobody knows."""
    return f"unknown key {key!r}" + nearest(key.rpartition(".")[2], known)


def key_path(path: Iterable[str | int]) -> str:
    """A place in a table as a person writes it: ``login.password``, ``tokens, item 2``."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f", item {part + 1}"
        else:
            text += f".{part}" if text else part
    return text


def as_table(value: object, where: str) -> dict[str, Any]:
    """The value itself, if it is a table."""
    if not isinstance(value, dict):
        raise _not_a_table("this", where)
    return cast("dict[str, Any]", value)


def made(kind: type[_Made], value: object, where: str, key: str = "") -> _Made:
    """The value as the ``kind`` of table or list that stands at ``where``, under ``key``."""
    try:
        return TypeAdapter(kind).validate_python(value)
    except ValidationError as error:
        raise explain(error, where, kind, key=key, show=True) from None


def of_table(error: ConfigError, table: str, redactor: Redactor) -> PluginError:
    """A plugin's own error as one that also names its table, and tells no secret."""
    where = ", ".join(filter(None, (table, redactor.text(error.where))))
    fix = redactor.text(error.fix)
    return PluginError(redactor.foreign(error.message), where=where, fix=fix)


def explain(
    error: ValidationError, where: str, kind: Any, *, key: str = "", show: bool = False
) -> ConfigError:
    """The most telling finding of a validation. It holds what was given only if ``show`` is set."""
    # A misspelt key is also a missing one; the misspelling says more.
    findings = error.errors(include_url=False)
    found = next((f for f in findings if f["type"] == "extra_forbidden"), findings[0])
    path: list[str | int] = [*([key] if key else []), *found["loc"]]
    place = key_path(path)
    if found["type"] == "extra_forbidden":
        names = _keys_at(kind, path[:-1])
        return ConfigError(
            unknown(place, names), where=where, fix="known keys: " + ", ".join(names)
        )
    if found["type"] in _TABLES:
        return _not_a_table(place or "this", where)
    if found["type"] in _LISTS:
        name = next((str(part) for part in reversed(path) if isinstance(part, str)), "")
        text = json.dumps(found["input"] if show else "…", ensure_ascii=False, default=str)
        return ConfigError(f"{place} must be a list", where=where, fix=f"write {name} = [{text}]")
    message = found["msg"].removeprefix("Value error, ")
    if not place:
        return ConfigError(message, where=where, fix="correct this table")
    return ConfigError(f"{place}: {message}", where=where, fix="correct this key")


def _not_a_table(what: str, where: str) -> ConfigError:
    return ConfigError(
        f"{what} must be a table",
        where=where,
        fix="write its name in square brackets, and its keys on the lines below",
    )


def _keys_at(kind: Any, path: Sequence[str | int]) -> list[str]:
    shape = shape_of(kind)
    for part in path:
        shape = inside(shape, part) or shape  # pydantic also names the member of a union
    return list(fields_of(shape))
