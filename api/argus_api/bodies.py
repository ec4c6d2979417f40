"""JSON bodies of requests that change something, read against a schema."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, TypeVar, cast

import orjson
from pydantic import BaseModel, ValidationError
from starlette.requests import Request

from argus_api.auth import EITHER_SCHEME
from argus_api.envelope import JSON
from argus_core import BadParameter
from argus_core.errors import MissingParameter
from argus_core.telemetry.mistakes import explain

_Body = TypeVar("_Body", bound=BaseModel)
_SHAPES: Mapping[str, str] = MappingProxyType(
    {"model_type": "object", "model_attributes_type": "object", "list_type": "array"}
)


async def read_body(request: Request, kind: type[_Body]) -> _Body:
    """The request's body as a ``kind``; :class:`BadParameter` names the key that is wrong."""
    try:
        given = orjson.loads(await request.body())
    except orjson.JSONDecodeError as error:
        raise BadParameter(f"the body is not valid JSON: {error}") from None
    try:
        return kind.model_validate(given)
    except ValidationError as error:
        found = error.errors(include_url=False)
        missing = next((entry for entry in found if entry["type"] == "missing"), None)
        if missing is not None and all(entry["type"] != "extra_forbidden" for entry in found):
            name = ".".join(str(part) for part in missing["loc"])
            raise MissingParameter(f"{name} is required", details={"parameter": name}) from None
        raise BadParameter(
            _in_words(error, kind),
            details={"parameter": ".".join(str(part) for part in found[0]["loc"])},
        ) from None


def _in_words(error: ValidationError, kind: type[BaseModel]) -> str:
    """What is wrong, without the advice that suits tables of a file only."""
    found, told = error.errors(include_url=False), explain(error, "the body", kind)
    if any(entry["type"] == "extra_forbidden" for entry in found):
        return f"{told.message}; {told.fix}"
    shape = _SHAPES.get(found[0]["type"])
    place = ".".join(str(part) for part in found[0]["loc"]) or "the body"
    return told.message if shape is None else f"{place} must be a JSON {shape}"


def taking(kind: type[BaseModel], *parameters: dict[str, Any]) -> dict[str, Any]:
    """The ``openapi_extra`` of a management route with such a body."""
    schema = kind.model_json_schema()
    schema = _inline(schema, schema.pop("$defs", {}))
    body = {"required": True, "content": {JSON: {"schema": schema}}}
    return {"parameters": list(parameters), "requestBody": body, "security": EITHER_SCHEME}


def _inline(schema: Any, shapes: Mapping[str, Any]) -> Any:
    """The schema without references, which would point nowhere inside a larger document."""
    if isinstance(schema, list | tuple):
        return [_inline(item, shapes) for item in cast("list[Any]", schema)]
    if not isinstance(schema, dict):
        return schema
    table = cast("dict[str, Any]", schema)
    if "$ref" in table:
        return _inline(shapes[table["$ref"].rpartition("/")[2]], shapes)
    return {key: _inline(value, shapes) for key, value in table.items()}


def in_path(name: str, about: str) -> dict[str, Any]:
    """The description of a part of the path."""
    return {
        "name": name,
        "in": "path",
        "required": True,
        "description": about,
        "schema": {"type": "string", "minLength": 1},
    }
