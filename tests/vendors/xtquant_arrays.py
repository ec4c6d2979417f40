"""Answers as the native library shapes them: raw columns, and arrays over capsules."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any

Hook = Callable[[tuple, Any, Any, int], Any]
NO_HOOK = "Please register createNumpyArrayFunc by register_create_nparray!"
_DESTRUCTOR = ctypes.PYFUNCTYPE(None, ctypes.c_void_p)
# Prototypes of our own: the shipped wrapper sets argtypes on ctypes.pythonapi's.
_NEW = ctypes.PYFUNCTYPE(ctypes.py_object, ctypes.c_void_p, ctypes.c_char_p, _DESTRUCTOR)(
    ("PyCapsule_New", ctypes.pythonapi)
)
_POINTER = ctypes.PYFUNCTYPE(ctypes.c_void_p, ctypes.c_void_p, ctypes.c_char_p)(
    ("PyCapsule_GetPointer", ctypes.pythonapi)
)
_KEPT: dict[int, Any] = {}
"""The memory behind every living capsule, by address."""


@_DESTRUCTOR
def _release(capsule: int) -> None:
    _KEPT.pop(_POINTER(capsule, None), None)


def over_capsule(hook: Hook | None, array: Any, spec: Any) -> Any:
    """What the hook makes of the array's memory; the memory lives as long as the capsule."""
    if hook is None:
        raise RuntimeError(NO_HOOK)
    address = array.ctypes.data
    _KEPT[address] = array
    return hook(array.shape, spec, _NEW(address, None, _release), array.itemsize)


def raw_columns(answer: list) -> list[tuple]:
    """The v4 shape: code, labels, and name, type and bytes of every column."""
    import numpy as np

    return [
        (code, labels, [(name, kind, np.array(values, kind).tobytes()) for name, kind, values in c])
        for code, labels, c in answer
    ]


def grids(hook: Hook | None, answer: dict) -> tuple:
    """The v2 shape of bars: codes and labels, and a two-dimensional array for each field."""
    import numpy as np

    axes = (len(answer["codes"]), len(answer["labels"]))
    fields = {}
    for name, rows in answer["grid"].items():
        kind = answer["types"][name]
        array = np.array(rows, kind).reshape(axes)
        fields[name] = over_capsule(hook, array, kind)
    return (answer["codes"], answer["labels"]), fields


def records(hook: Hook | None, answer: dict) -> dict[str, Any]:
    """The shape of ticks: one structured array a code, lists in object cells."""
    return {code: _records(hook, one["fields"], one["rows"]) for code, one in answer.items()}


def _records(hook: Hook | None, names: list[str], rows: list[dict]) -> Any:
    import numpy as np

    spec = [(name, _type([row[name] for row in rows], name)) for name in names]
    array = np.array([tuple(row[name] for name in names) for row in rows], dtype=spec)
    return over_capsule(hook, array, spec)


def _type(values: list, name: str) -> str:
    if any(isinstance(value, list) for value in values):
        return "O"
    whole = name == "time" if not values else all(isinstance(value, int) for value in values)
    return "<i8" if whole else "<f8"
