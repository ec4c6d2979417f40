"""Secrets: looked up outside plugins.toml, refused inside it, remembered for redaction."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, cast
from urllib.parse import unquote

from pydantic import BaseModel, Secret, SecretBytes, SecretStr

from argus_core.errors import ConfigError
from argus_core.telemetry.mistakes import key_path
from argus_core.telemetry.redact import Redactor
from argus_core.telemetry.shapes import Shape, fields_of, inside, secret, shape_of

_USERINFO = re.compile(r"://([^/?#\s]+)@")
_NEXT_HOST = re.compile(r"@[^,@]*,")

Place = tuple[str | int, ...]
"""A way into nested tables and lists: keys and positions."""


@dataclasses.dataclass(frozen=True, slots=True)
class Secrets:
    """Where the secrets of one configuration are looked up, and the texts of those seen so far."""

    environ: Mapping[str, str]
    directory: Path
    known: set[str] = dataclasses.field(default_factory=set[str])

    def looked_up(self, table: Mapping[str, Any], kind: Any, where: str) -> dict[str, Any]:
        """The table of a ``kind``, each ``{ env = … }`` and ``{ file = … }`` replaced by its text.

        Whatever was looked up is a secret, whatever the type of its key. Where the type is a
        secret's, anything else raises :class:`ConfigError`.
        """
        shape = shape_of(kind)
        values = {k: self._value(v, inside(shape, k), where, (k,)) for k, v in table.items()}
        self.remember(values)
        return values

    def remember(self, value: object) -> None:
        """Keep every secret text inside a value of whatever depth for redaction."""
        self.known.update(_texts(value))

    def redacted(self, error: ConfigError) -> ConfigError:
        """The same error without any secret known by now."""
        clean = Redactor(self.known).text
        return type(error)(clean(error.message), where=clean(error.where), fix=clean(error.fix))

    def _value(self, value: object, shape: Shape, where: str, path: Place) -> Any:
        found = self._reference(value, shape, f"{where} {key_path(path)}")
        if found is not None:
            self.known.add(found)
            return found
        secrets = [kind for kind in shape if secret(kind)]
        nested = isinstance(value, dict | list | tuple)
        if secrets and not (nested and len(shape) > len(secrets) + (type(None) in shape)):
            raise _plain(where, path)
        if isinstance(value, dict):
            items = cast("dict[str, Any]", value).items()
            return {k: self._value(v, inside(shape, k), where, (*path, k)) for k, v in items}
        if isinstance(value, list | tuple):
            parts = enumerate(cast("list[Any]", value))
            return [self._value(v, inside(shape, i), where, (*path, i)) for i, v in parts]
        return value

    def _reference(self, value: object, shape: Shape, where: str) -> str | None:
        """The text that a table refers to; None for a value that is no such reference."""
        if not isinstance(value, dict) or len(cast("dict[str, Any]", value)) != 1:
            return None
        ((key, name),) = cast("dict[str, Any]", value).items()
        look_up = {"env": self._variable, "file": self._file}.get(key)
        # A nested table may have a key of that very name.
        if look_up is None or not isinstance(name, str) or key in fields_of(shape):
            return None
        return look_up(name, where)

    def _variable(self, name: str, where: str) -> str:
        text = self.environ.get(name)
        if not text or text.isspace():
            raise ConfigError(
                f"the environment variable {name} is {'not set' if text is None else 'empty'}",
                where=where,
                fix=f"set {name}, or disable this table with `enabled = false`",
            )
        return text

    def _file(self, name: str, where: str) -> str:
        path = self.directory / name
        try:
            text = path.read_text(encoding="utf-8-sig").strip()
        except (OSError, ValueError) as error:
            raise ConfigError(
                f"the file {path} cannot be read: {type(error).__name__}",
                where=where,
                fix="a relative path starts at the directory of plugins.toml; the text is UTF-8",
            ) from None
        if not text:
            raise ConfigError(
                f"the file {path} is empty", where=where, fix="write the secret into that file"
            )
        return text


def _plain(where: str, path: Place) -> ConfigError:
    target = f"{path[-1]} = " if isinstance(path[-1], str) else ""
    return ConfigError(
        f"{key_path(path)} is a secret and must not stand in the file",
        where=where,
        fix=f'write {target}{{ env = "NAME" }} or {{ file = "path" }}',
    )


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, SecretStr | SecretBytes | Secret):
        hidden = cast("Any", value).get_secret_value()
        text = hidden.decode(errors="replace") if isinstance(hidden, bytes) else str(hidden)
        if text:
            yield text
        yield from _texts(hidden)
    elif isinstance(value, BaseModel):
        for _, inner in value:
            yield from _texts(inner)
    elif dataclasses.is_dataclass(value):
        yield from _texts(vars(value))
    elif isinstance(value, Mapping):
        for inner in cast("dict[Any, Any]", value).values():
            yield from _texts(inner)
    elif isinstance(value, list | tuple | set | frozenset):
        for inner in cast("list[Any]", value):
            yield from _texts(inner)
    else:
        yield from _in_url(str(value))


def _in_url(text: str) -> Iterator[str]:
    """What stands before the @ of a URL, and the password in it, as written and decoded."""
    for whole in _USERINFO.findall(text):
        for userinfo in {whole, *_NEXT_HOST.split(whole)}:
            password = userinfo.partition(":")[2]
            texts = (userinfo, password) if password else (userinfo + "@",)
            yield from {form for text in texts for form in (text, unquote(text))}
