"""Messages against the AsyncAPI document that describes them, every key of them."""

from collections.abc import Mapping
from typing import Any

import jsonschema_rs

Checker = jsonschema_rs.Draft7Validator


class Described:
    """The messages of each channel of a document, to hold real ones against."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self.document = document
        self.seen: dict[str, set[str]] = {}
        """The names of the messages that were checked, by channel."""
        schemas = {name: _closed(s) for name, s in document["components"]["schemas"].items()}
        self._root = {"components": {"schemas": schemas}}
        self._made: dict[str, Checker] = {}

    def check(self, channel: str, message: Mapping[str, Any], key: str = "type") -> None:
        """Fail if the channel has no message of this name, or it has another form or other keys."""
        name = message[key]
        known = self.document["channels"][channel]["messages"]
        assert name in known, f"{channel} says {name!r}, which nobody describes"
        self.seen.setdefault(channel, set()).add(name)
        errors = [error.message for error in self._checker(name).iter_errors(message)]
        assert not errors, f"{message}: {errors}"

    def _checker(self, name: str) -> Checker:
        if name not in self._made:
            reference = {"$ref": f"#/components/schemas/{name}"}
            self._made[name] = Checker({**self._root, "allOf": [reference]})
        return self._made[name]


def _closed(schema: Any) -> Any:
    """The schema, with no room for keys that it does not name."""
    if isinstance(schema, list):
        return [_closed(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    closed = {key: _closed(part) for key, part in schema.items()}
    return {"additionalProperties": False, **closed} if "properties" in schema else closed
