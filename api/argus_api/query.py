"""How query parameters are declared, read and documented: one table serves all three."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any, Generic, TypeVar, cast

from argus_core.errors import BadParameter, MissingParameter

T_co = TypeVar("T_co", covariant=True)
T = TypeVar("T")


class BadValueError(ValueError):
    """A text that a parser cannot use; its message completes "PARAMETER …"."""

    def __init__(self, message: str, *, allowed: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.allowed = tuple(allowed)


@dataclass(frozen=True, slots=True, kw_only=True)
class Param(Generic[T_co]):
    """One query parameter: its spellings, how its text is read, and how it is documented.

    ``parse`` raises :class:`BadValueError`. ``listed`` joins repeated occurrences by commas.
    ``comparable`` makes of a value what is compared when two spellings are given at once.
    """

    name: str
    parse: Callable[[str], T_co]
    about: str
    schema: Mapping[str, Any]
    default: T_co | None = None
    also: tuple[str, ...] = ()
    required: bool = False
    listed: bool = False
    example: Any = None
    comparable: Callable[[Any], object] | None = None

    @property
    def spellings(self) -> tuple[str, ...]:
        """Every name under which the parameter is accepted, the documented one first."""
        return (self.name, *self.also)

    def read(self, given: Mapping[str, list[str]]) -> T_co:
        """The value among the parsed query ``given``; raises :class:`BadParameter`."""
        values: list[Any] = [
            self._parse(spelling, text)
            for spelling in self.spellings
            if spelling in given
            for text in self._texts(given[spelling])
        ]
        if not values:
            if self.required:
                raise MissingParameter(f"{self.name} is required", details={"parameter": self.name})
            return cast("T_co", self.default)
        if len(values) > 1 and len({self._key(value) for value in values}) > 1:
            raise self._contradiction([name for name in self.spellings if name in given])
        return cast("T_co", values[0])

    def openapi(self) -> dict[str, Any]:
        """The parameter object of OpenAPI."""
        about = self.about
        if self.also:
            about += " Also spelled " + ", ".join(f"`{name}`" for name in self.also) + "."
        schema = dict(self.schema)
        if self.default is not None and "default" not in schema:
            schema["default"] = self.default
        described: dict[str, Any] = {
            "name": self.name,
            "in": "query",
            "required": self.required,
            "description": about,
            "schema": schema,
        }
        if self.example is not None:
            described["example"] = self.example
        return described

    @staticmethod
    def _contradiction(names: list[str]) -> BadParameter:
        """Why several values under one name, or under two, cannot be used."""
        how = "are given" if len(names) > 1 else "is given twice"
        return BadParameter(
            f"{' and '.join(names)} {how} with different values; give one",
            details={"parameter": names[0]},
        )

    def _texts(self, texts: list[str]) -> list[str]:
        return [",".join(texts)] if self.listed else texts

    def _key(self, value: Any) -> object:
        return self.comparable(value) if self.comparable else value

    def _parse(self, spelling: str, text: str) -> T_co:
        try:
            return self.parse(text)
        except BadValueError as error:
            details: dict[str, Any] = {"parameter": spelling}
            if error.allowed:
                details["allowed"] = list(error.allowed)
            raise BadParameter(f"{spelling} {error}", details=details) from None


class Values:
    """The parameters of one request, each under the :class:`Param` that describes it.

    ``given`` holds the names that the caller used.
    """

    __slots__ = ("_given", "_values")

    def __init__(self, values: Mapping[str, Any], given: Collection[str]) -> None:
        self._values = values
        self._given = given

    def __getitem__(self, param: Param[T]) -> T:
        return cast("T", self._values[param.name])

    def spelling(self, param: Param[Any]) -> str:
        """The name under which the caller gave ``param``, its own where it was not given."""
        return next((name for name in param.spellings if name in self._given), param.name)


@dataclass(frozen=True, slots=True)
class Params:
    """The parameters that one route takes; anything else in its query is refused."""

    params: tuple[Param[Any], ...]
    _spellings: frozenset[str] = field(init=False)

    def __init__(self, *params: Param[Any]) -> None:
        object.__setattr__(self, "params", params)
        names = frozenset(name for param in params for name in param.spellings)
        object.__setattr__(self, "_spellings", names)

    def read(self, pairs: Sequence[tuple[str, str]]) -> Values:
        """The values that the query ``pairs`` give; raises :class:`BadParameter`."""
        given: dict[str, list[str]] = {}
        for name, text in pairs:
            if name not in self._spellings:
                raise self._unknown(name)
            given.setdefault(name, []).append(text)
        return Values({param.name: param.read(given) for param in self.params}, given)

    def openapi(self) -> list[dict[str, Any]]:
        """The parameter objects of OpenAPI, in the order of declaration."""
        return [param.openapi() for param in self.params]

    def _unknown(self, name: str) -> BadParameter:
        known = sorted(self._spellings)
        close = get_close_matches(name.lower(), known, n=1, cutoff=0.5)
        shown = quoted(name)
        hint = f"; did you mean {close[0]}?" if close else ""
        allowed = ", ".join(known) or "none"
        return BadParameter(
            f"{shown} is not a parameter of this path{hint} (allowed: {allowed})",
            details={"parameter": name[:_SHOWN], "allowed": known},
        )


_SHOWN = 60


def quoted(text: str) -> str:
    """What a caller wrote, quoted, short enough for an error message."""
    shown = repr(text if len(text) <= _SHOWN else text[:_SHOWN] + "…")
    # One character that cannot be printed takes up to ten to name.
    return shown if len(shown) <= 2 * _SHOWN else shown[: 2 * _SHOWN] + "…'"
