"""Which account of a vendor's the settings of a source lead to."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from typing import Any, Literal, cast, get_origin

from pydantic import AnyUrl, BaseModel, Secret, SecretBytes, SecretStr

from argus_core.telemetry.shapes import shape_of

Path = tuple[str | int, ...]


def identity_of(plugin: str, settings: object) -> bytes:
    """A digest that differs if the account may be another one; never to be stored or shown.

    It is made of the plugin's name, of all secrets and of all free texts (users, addresses).
    Numbers, switches, choices and paths say how an account is used, not which one it is: it is
    the same when only a limit has changed.
    """
    texts = [plugin, *sorted(([*map(str, path)], text) for path, text in _texts(settings))]
    return hashlib.sha256(json.dumps(texts).encode()).digest()


def _texts(value: object, path: Path = ()) -> Iterator[tuple[Path, str]]:
    if isinstance(value, SecretStr | SecretBytes | Secret):
        hidden = cast("Any", value).get_secret_value()
        yield path, hidden if isinstance(hidden, str) else repr(hidden)
    elif type(value) is str or isinstance(value, AnyUrl):
        yield path, str(value)
    elif isinstance(value, BaseModel):
        for name, field in type(value).model_fields.items():
            if not any(map(_is_choice, shape_of(field.annotation))):
                yield from _texts(getattr(value, name), (*path, name))
    elif isinstance(value, dict):
        for key, inner in cast("dict[str, Any]", value).items():
            yield from _texts(inner, (*path, str(key)))
    elif isinstance(value, list | tuple):
        for number, inner in enumerate(cast("list[Any]", value)):
            yield from _texts(inner, (*path, number))


def _is_choice(kind: Any) -> bool:
    origin: Any = get_origin(kind)
    return origin is Literal
