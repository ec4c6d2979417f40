"""Everything that can go wrong with a call, switchable per method while the server runs."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from vendors.rqdata_wire import Refusal

KINDS = frozenset(
    (
        "error",
        "stream_error",
        "drop",
        "half",
        "stall",
        "garbage",
        "not_msgpack",
        "nan",
        "empty",
        "nil",
        "truncated",
        "foreign",
        "extra_column",
    )
)
ANY = "*"
FOREIGN_ID = "999999.XSHE"


@dataclass(slots=True, kw_only=True)
class Fault:
    """One order; ``times`` calls of ``method`` go wrong, or all of them."""

    method: str = ANY
    kind: str
    times: int | None = None
    errno: int = 1
    text: str = "scripted"
    seconds: float = 120.0

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(
                f"no fault is called {self.kind}; there are {', '.join(sorted(KINDS))}"
            )

    def refuse(self) -> None:
        """Raise the :class:`Refusal` that this fault is, if it is one."""
        if self.kind == "error":
            raise Refusal(self.errno, self.text)


class Script:
    """The faults in force, the newest first."""

    def __init__(self) -> None:
        self._faults: list[Fault] = []
        self._lock = threading.Lock()

    def add(self, fault: Fault) -> None:
        with self._lock:
            self._faults.insert(0, fault)

    def clear(self) -> None:
        with self._lock:
            self._faults.clear()

    def take(self, method: str) -> Fault | None:
        """The fault that this call suffers; it counts."""
        with self._lock:
            for fault in self._faults:
                if fault.method in (ANY, method) and fault.times != 0:
                    if fault.times is not None:
                        fault.times -= 1
                    return fault
        return None


def spoil(kind: str, value: object) -> object:
    """The answer with a fault in its values; other faults leave it as it is."""
    spoiler = _SPOILERS.get(kind)
    return spoiler(value) if spoiler else value


def _nan(value: object) -> object:
    if isinstance(value, float):
        return math.nan
    if _is_array(value):
        return (
            [np.full_like(_unpacked(value), math.nan).tobytes(), value[1]]
            if _floats(value)
            else value
        )
    if isinstance(value, dict):
        return {key: _nan(each) for key, each in value.items()}
    return [_nan(each) for each in value] if isinstance(value, list | tuple) else value


def _truncated(value: object) -> object:
    """The answer without the second half of its rows."""
    if _is_columns(value):
        return [[name, {k: _half(column) for k, column in table.items()}] for name, table in value]
    if isinstance(value, list):
        nested = value and all(isinstance(each, list) for each in value)
        return [_truncated(each) for each in value] if nested else value[: len(value) // 2]
    if isinstance(value, dict):
        return dict(list(value.items())[: len(value) // 2])
    return value


def _half(column: list) -> list:
    if not _is_array(column):
        return column[: len(column) // 2]
    found = _unpacked(column)
    return [found[: len(found) // 2].tobytes(), column[1]]


def _foreign(value: object) -> object:
    if _is_columns(value):
        return [[FOREIGN_ID, table] for _, table in value]
    if isinstance(value, list):
        return [
            each | {"order_book_id": FOREIGN_ID} if isinstance(each, dict) else each
            for each in value
        ]
    return value


def _extra_column(value: object) -> object:
    """Columns nobody asked for."""
    if not _is_columns(value):
        return value
    return [[name, table | {"unasked": next(iter(table.values()))}] for name, table in value]


def _empty(value: object) -> object:
    return {} if isinstance(value, dict) else []


_SPOILERS: dict[str, Callable[[object], object]] = {
    "nan": _nan,
    "truncated": _truncated,
    "foreign": _foreign,
    "extra_column": _extra_column,
    "empty": _empty,
    "nil": lambda _: None,
}


def _is_array(value: object) -> bool:
    return isinstance(value, list) and len(value) == 2 and isinstance(value[0], bytes)


def _is_columns(value: object) -> bool:
    """True for ``[[id, {column: …}], …]``."""
    return isinstance(value, list) and all(
        isinstance(each, list) and len(each) == 2 and isinstance(each[0], str) for each in value
    )


def _floats(value: list) -> bool:
    return value[1] == "<f8"


def _unpacked(value: list) -> np.ndarray:
    return np.frombuffer(value[0], dtype=value[1])
