"""Records as plugins fill them, made of the types that the model declares.

Vendors' libraries hand out numpy numbers, ``Decimal``, pandas timestamps, text subclasses and
NaN. They compare like the real ones but cannot be encoded, cached or sent between processes, so
they are replaced before anything else looks at them. What does not mean a value of the declared
type raises :class:`BadData`, which names the dataset, the field and the type, never the value.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields
from datetime import date, datetime
from decimal import Decimal
from numbers import Real
from operator import attrgetter
from types import MappingProxyType, NoneType
from typing import Any, Final, TypeVar

from argus_core.clock import SHANGHAI
from argus_core.errors import BadData
from argus_core.market.frames import HUGE, INT_MAX
from argus_core.model.records import Depth, Instrument, Level, Quote, Trade, TradingDays
from argus_core.model.symbol import Exchange, Kind, Symbol

_NO_DATES: Final = frozenset({"", "0", "00000000", "99999999"})
"""What vendors write for "not yet" and "never" (xtquant's OpenDate and ExpireDate)."""
_COMPACT_OR_DASHED: Final = (8, 10)
_PANDAS_MISSING: Final = frozenset({"NAType", "NaTType"})
_SYMBOL: Final = re.compile(rf"[0-9A-Za-z_&-]+\.(?:{'|'.join(Exchange)})")
_UNFIT: Final = (TypeError, ValueError, ArithmeticError)

R = TypeVar("R", Quote, Trade, Instrument)
C = TypeVar("C")


def read_quote(quote: Quote, where: str) -> Quote:
    """``quote`` with every field of its declared type; ``where`` begins the sentence of a fault.

    Its numbers may still be NaN or a sentinel: whoever makes it canonical looks at each anyway.
    """
    return _read(quote, _QUOTE, where)


def read_depth(depth: Depth, where: str) -> Depth:
    """``depth`` with its quote, levels and trades of their declared types."""
    quote, trades = _one_of(Quote, depth.quote, "quote", where), depth.trades
    return Depth(
        quote=read_quote(quote, where),
        bids=_levels(depth.bids, where, "bids"),
        asks=_levels(depth.asks, where, "asks"),
        trades=None if trades is None else _trades(trades, where),
    )


def read_instrument(instrument: Instrument, where: str) -> Instrument:
    """``instrument`` with every field of its declared type, numbers finite or ``None``."""
    return _read(instrument, _INSTRUMENT, where)


def read_days(days: TradingDays, where: str) -> TradingDays:
    """``days`` with plain dates, in the order they came."""
    dates = tuple(_needed(day, _date, "dates", where) for day in _items(days.dates, "dates", where))
    through = _needed(days.known_through, _date, "known_through", where)
    return TradingDays(dates=dates, known_through=through)


def read_members(members: Any, where: str) -> tuple[Symbol, ...]:
    """The symbols of a sector, in the order they came."""
    items = _items(members, "members", where)
    return tuple(_needed(item, _symbol, "member", where) for item in items)


def read_symbol(value: Any, where: str) -> Symbol:
    """A canonical symbol."""
    symbol: Symbol = _needed(value, _symbol, "symbol", where)
    return symbol


def _unfit(where: str, name: str, value: object) -> BadData:
    return BadData(f"{where} with a {name!r} of type {type(value).__name__} that cannot be read")


def _needed(value: Any, read: Callable[[Any], Any], name: str, where: str) -> Any:
    """What ``read`` makes of a value that must not be missing."""
    found = _tried(read, value, name, where)
    if found is None:
        raise _unfit(where, name, value)
    return found


def _one_of(record: type[C], value: Any, name: str, where: str) -> C:
    if not isinstance(value, record):
        raise _unfit(where, name, value)
    return value


def _items(values: Any, name: str, where: str) -> Iterator[Any]:
    """``values``, which must be a collection: a text would fall into its letters."""
    if isinstance(values, (str, bytes)) or not hasattr(values, "__iter__"):
        raise _unfit(where, name, values)
    return iter(values)


def _missing(value: object) -> bool:
    """True for ``None``, NaN of any kind, and pandas' NA and NaT, in a field of any type."""
    if value is None or type(value).__name__ in _PANDAS_MISSING:
        return True
    return isinstance(value, (float, Decimal)) and value != value  # noqa: PLR0124  # NaN


def _number(value: Any) -> float | None:
    """A float that is a number; every number type will do, a truth value will not."""
    if type(value) is int:
        value = float(value)
    elif type(value) is not float:
        if _missing(value):
            return None
        if isinstance(value, bool) or not isinstance(value, (Real, Decimal)):
            raise TypeError
        value = float(value)
    return value if -HUGE < value < HUGE and value != INT_MAX else None


def _text(value: Any) -> str | None:
    """A plain text that can be encoded; a lone surrogate cannot."""
    if not isinstance(value, str):
        if _missing(value):
            return None
        raise TypeError
    value.encode()
    return value if type(value) is str else str.__str__(value)


def _symbol(value: Any) -> Symbol:
    """A symbol of the shape ``CODE.EXCHANGE``."""
    if not isinstance(value, str):
        raise TypeError
    if not _SYMBOL.fullmatch(value):
        raise ValueError
    return value if type(value) is Symbol else Symbol(str.__str__(value))


def _symbols(values: Any) -> tuple[Symbol, ...]:
    if isinstance(values, str):
        raise TypeError
    return tuple(_symbol(value) for value in values)


def _instant(value: Any) -> datetime | None:
    """A plain date-time; a subclass such as pandas' loses what lies below the microsecond."""
    if _missing(value):
        return None
    if not isinstance(value, datetime):
        raise TypeError
    if type(value) is datetime:
        return value
    clock = (value.hour, value.minute, value.second, value.microsecond)
    day = (value.year, value.month, value.day)
    return datetime(*day, *clock, tzinfo=value.tzinfo, fold=value.fold)


def _date(value: Any) -> date | None:
    """A plain date: of a date-time its day (in Shanghai if it is aware), of a text its meaning."""
    if type(value) is date or _missing(value):
        return value if type(value) is date else None
    if isinstance(value, str):
        text = str.__str__(value).strip()
        if text in _NO_DATES:
            return None
        if len(text) in _COMPACT_OR_DASHED:
            return date.fromisoformat(text)
        value = datetime.fromisoformat(text)
    if not isinstance(value, date):
        raise TypeError
    if isinstance(value, datetime) and value.tzinfo is not None:
        value = value.astimezone(SHANGHAI)
    return date(value.year, value.month, value.day)


def _kind(value: Any) -> Kind:
    return Kind.UNKNOWN if _missing(value) else Kind(value)


_READERS: Final[Mapping[str, Callable[[Any], Any]]] = MappingProxyType(
    {
        "Symbol": _symbol,
        "Kind": _kind,
        "float": _number,
        "float | None": _number,
        "str | None": _text,
        "date | None": _date,
        "datetime": _instant,
        "datetime | None": _instant,
        "tuple[Symbol, ...]": _symbols,
    }
)
"""What reads a field, by the annotation in the model."""


class _Fields:
    """How to read one class of records; values of the ``plain`` types need no closer look."""

    __slots__ = ("names", "plain", "readers", "record", "values")

    def __init__(self, record: type[Any], *plain: type) -> None:
        annotations: list[str] = [str(field.type) for field in fields(record)]
        passing = {kind.__name__: kind for kind in (date, datetime, Kind, *plain)}
        passing["None"] = NoneType
        self.record = record
        self.names = tuple(field.name for field in fields(record))
        self.values: Callable[[Any], tuple[Any, ...]] = attrgetter(*self.names)
        self.readers = tuple(_READERS[annotation] for annotation in annotations)
        self.plain = tuple(
            frozenset(passing[name] for name in annotation.split(" | ") if name in passing)
            for annotation in annotations
        )


# A quote's numbers are looked at when it is made canonical, and its symbol is one of the asked
_QUOTE: Final = _Fields(Quote, float, Symbol)
_TRADE: Final = _Fields(Trade, float)
_INSTRUMENT: Final = _Fields(Instrument)


def _read(record: R, how: _Fields, where: str) -> R:
    """``record`` itself if nothing is wrong with it, which is nearly always, else a mended one."""
    values = how.values(record)
    changes: dict[str, Any] = {}
    for value, plain, read, name in zip(values, how.plain, how.readers, how.names, strict=True):
        if type(value) in plain:
            continue
        found = _tried(read, value, name, where)
        if found is not value:
            changes[name] = found
    if not changes and type(record) is how.record:
        return record
    mended: R = how.record(**dict(zip(how.names, values, strict=True)) | changes)
    return mended


def _tried(read: Callable[[Any], Any], value: Any, name: str, where: str) -> Any:
    """What ``read`` makes of ``value``; :class:`BadData` if it makes nothing of it."""
    try:
        return read(value)
    except _UNFIT as error:
        raise _unfit(where, name, value) from error


def _levels(levels: Any, where: str, side: str) -> tuple[Level, ...]:
    return tuple(_level(level, where, side) for level in _items(levels, side, where))


def _level(value: Any, where: str, side: str) -> Level:
    level = _one_of(Level, value, side, where)
    if type(level.price) is float and type(level.volume) is float:
        return level
    price = _tried(_number, level.price, side, where)
    volume = _tried(_number, level.volume, side, where)
    # A level without a price or a volume is none; zero says so in the declared type
    return Level(price or 0.0, volume or 0.0)


def _trades(trades: Any, where: str) -> tuple[Trade, ...]:
    items = _items(trades, "trades", where)
    return tuple(_read(_one_of(Trade, item, "trades", where), _TRADE, where) for item in items)
