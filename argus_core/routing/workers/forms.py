"""Values as JSON and back, by the types that they are declared with.

The receiver builds what the declaration names and nothing else, so a message can never choose a
class, let alone carry code. What arrives equals what was sent: NaN and infinities stay what they
are, ``None`` stays ``None``, and an aware instant comes in the very zone object that the core uses.
"""

from __future__ import annotations

import functools
import inspect
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields, is_dataclass
from datetime import date, datetime, time
from enum import StrEnum
from operator import attrgetter
from types import MappingProxyType, NoneType, UnionType
from typing import Any, Literal, Union, cast, get_args, get_origin, get_type_hints

from argus_core.clock import SHANGHAI
from argus_core.model.symbol import Symbol

UNREADABLE = (TypeError, ValueError, KeyError, AttributeError, OverflowError)
"""What encoding and decoding raise for a value that is not of the declared type."""


@dataclass(frozen=True, slots=True)
class Form:
    """How values of one type travel: ``encode`` gives what JSON can say, ``decode`` takes it."""

    encode: Callable[[Any], Any]
    decode: Callable[[Any], Any]


@functools.cache
def form_of(hint: Any) -> Form:
    """The form of a declared type; TypeError for one that has none."""
    if hint in _SCALARS:
        return _SCALARS[hint]
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType):
        return _optional(arguments)
    if origin is Literal:
        return _SAME
    form = _form_of_class(origin or hint, arguments)
    if form is None:
        raise TypeError(f"{hint!r} cannot travel between processes")
    return form


def _form_of_class(kind: Any, arguments: tuple[Any, ...]) -> Form | None:
    if not inspect.isclass(kind):
        return None
    if issubclass(kind, StrEnum):
        return Form(kind, kind)
    if is_dataclass(kind):
        return _record(kind)
    if not arguments:
        return None
    if issubclass(kind, Mapping):
        return _pairs(form_of(arguments[0]), form_of(arguments[1]))
    return _sequence(kind, form_of(arguments[0])) if issubclass(kind, Iterable) else None


def _optional(hints: tuple[Any, ...]) -> Form:
    (inner,) = (form_of(hint) for hint in hints if hint is not NoneType)
    encode, decode = inner.encode, inner.decode
    return Form(
        lambda value: None if value is None else encode(value),
        lambda value: None if value is None else decode(value),
    )


def _record(kind: Any) -> Form:
    hints = get_type_hints(kind)
    names = [field.name for field in fields(kind)]
    forms = [form_of(hints[name]) for name in names]
    taken: Callable[[Any], Any] = attrgetter(*names)
    values: Callable[[Any], Any] = taken if len(names) > 1 else lambda item: (taken(item),)
    encoders, decoders = [f.encode for f in forms], [f.decode for f in forms]

    def encode(item: Any) -> list[Any]:
        return [out(value) for out, value in zip(encoders, values(item), strict=True)]

    def decode(row: list[Any]) -> Any:
        given = (read(value) for read, value in zip(decoders, row, strict=True))
        return kind(**dict(zip(names, given, strict=True)))

    return Form(encode, decode)


def _pairs(key: Form, value: Form) -> Form:
    return Form(
        lambda table: [[key.encode(k), value.encode(v)] for k, v in table.items()],
        lambda pairs: {key.decode(k): value.decode(v) for k, v in pairs},
    )


def _sequence(kind: Any, item: Form) -> Form:
    made = cast("Callable[[list[Any]], Any]", kind if kind in (tuple, frozenset) else list)
    encode, decode = item.encode, item.decode
    return Form(
        lambda items: [encode(value) for value in items],
        lambda items: made([decode(value) for value in items]),
    )


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"a text is needed, not {type(value).__name__}")
    return value


def _number(value: Any) -> float | str:
    """JSON has no word for NaN and the infinities: these travel as texts."""
    number = float(value)
    return number if math.isfinite(number) else repr(number)


def _instant(value: datetime) -> str:
    aware = value.tzinfo is not None
    return (value.astimezone(SHANGHAI) if aware else value).isoformat()


def _as_instant(text: str) -> datetime:
    at = datetime.fromisoformat(text)
    return at if at.tzinfo is None else at.astimezone(SHANGHAI)


def _anything(value: Any) -> Any:
    """A value as TOML has them, and what error details hold; tables and rarities are tagged."""
    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, int):
        return value if value.bit_length() < 64 else {"int": str(value)}  # noqa: PLR2004
    if isinstance(value, float):
        return value if math.isfinite(value) else {"float": repr(value)}
    if isinstance(value, Mapping):
        table = cast("dict[object, Any]", value).items()
        return {"table": {_text(key): _anything(inner) for key, inner in table}}
    if isinstance(value, list | tuple):
        return [_anything(inner) for inner in cast("list[Any]", value)]
    for kind in (datetime, date, time):
        if isinstance(value, kind):
            return {kind.__name__: value.isoformat()}
    raise TypeError(f"{type(value).__name__} cannot travel between processes")


def _as_anything(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return [_as_anything(inner) for inner in cast("list[Any]", value)]
    if not isinstance(value, dict):
        return value
    ((tag, inner),) = cast("dict[str, Any]", value).items()
    if tag == "table":
        return {key: _as_anything(part) for key, part in inner.items()}
    return _RARE[tag](inner)


_RARE: Mapping[str, Callable[[str], Any]] = MappingProxyType(
    {
        "int": int,
        "float": float,
        "datetime": datetime.fromisoformat,
        "date": date.fromisoformat,
        "time": time.fromisoformat,
    }
)
_SAME = Form(lambda value: value, lambda value: value)
_SCALARS: Mapping[Any, Form] = MappingProxyType(
    {
        Any: Form(_anything, _as_anything),
        str: Form(_text, _text),
        Symbol: Form(_text, Symbol),
        bool: Form(bool, bool),
        int: Form(int, int),
        float: Form(_number, float),
        datetime: Form(_instant, _as_instant),
        date: Form(date.isoformat, date.fromisoformat),
    }
)
