"""What a settings model expects at each place of its table."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Collection, Iterator, Mapping
from types import UnionType
from typing import Annotated, Any, Union, cast, get_args, get_origin, get_type_hints, is_typeddict

from pydantic import AliasChoices, BaseModel, RootModel, Secret, SecretBytes, SecretStr
from pydantic.fields import FieldInfo

Shape = tuple[Any, ...]
"""The plain types that may stand at one place; empty where anything may."""


def shape_of(annotation: Any) -> Shape:
    """The plain types that an annotation allows: unions, aliases and the like taken apart."""
    return tuple(_alternatives(annotation))


def fields_of(shape: Shape) -> dict[str, Any]:
    """The keys that a table of this shape may have, each with its annotation."""
    return {key: hint for kind in shape for key, hint in _fields(get_origin(kind) or kind)}


def inside(shape: Shape, key: str | int) -> Shape:
    """What is expected under a key of a table, or at a position of a list."""
    named = fields_of(shape)
    if key in named:
        return shape_of(named[str(key)])
    return tuple(
        plain
        for kind in shape
        for hint in _elements(get_origin(kind) or kind, get_args(kind), key)
        for plain in _alternatives(hint)
    )


def secret(kind: Any) -> bool:
    """True for a type that hides what it holds."""
    kind = get_origin(kind) or kind
    return inspect.isclass(kind) and issubclass(kind, SecretStr | SecretBytes | Secret)


def _alternatives(annotation: Any) -> Iterator[Any]:
    origin = get_origin(annotation)
    if origin in {Union, UnionType}:
        for hint in get_args(annotation):
            yield from _alternatives(hint)
    elif origin is Annotated:
        yield from _alternatives(get_args(annotation)[0])
    elif type(annotation).__name__ == "TypeAliasType":  # in two modules, by the age of Python
        yield from _alternatives(annotation.__value__)
    elif hasattr(annotation, "__supertype__"):
        yield from _alternatives(annotation.__supertype__)
    elif inspect.isclass(annotation) and issubclass(annotation, RootModel):
        yield from _alternatives(annotation.model_fields["root"].annotation)
    else:
        yield annotation


def _fields(kind: Any) -> Iterator[tuple[str, Any]]:
    if inspect.isclass(kind) and issubclass(kind, BaseModel):
        for name, field in kind.model_fields.items():
            for key in (name, *_aliases(field)):
                yield key, field.annotation
    elif dataclasses.is_dataclass(kind) or is_typeddict(kind):
        yield from get_type_hints(kind, include_extras=True).items()


def _aliases(field: FieldInfo) -> Iterator[str]:
    given = field.validation_alias
    choices = given.choices if isinstance(given, AliasChoices) else (field.alias, given)
    for alias in choices:
        if isinstance(alias, str):
            yield alias


def _elements(kind: Any, hints: tuple[Any, ...], key: str | int) -> tuple[Any, ...]:
    if not (inspect.isclass(kind) and issubclass(kind, Collection)) or not hints:
        return ()
    if issubclass(cast("type[Any]", kind), Mapping):
        return hints[1:] if isinstance(key, str) else ()
    if isinstance(key, str):
        return ()
    if issubclass(cast("type[Any]", kind), tuple) and Ellipsis not in hints:
        return hints[key : key + 1]
    return hints[:1]
