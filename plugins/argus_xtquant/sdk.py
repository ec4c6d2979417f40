"""The vendor's module, imported without what importing it does besides.

``import xtquant`` asks the package index about updates (up to ten seconds per attempt) and prints
the answer. All of that stands in the package's ``__init__``; its modules do not need it. So an
empty package of the same name and place is put in front of them.
"""

from __future__ import annotations

import sys
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from types import ModuleType
from typing import cast

from argus_core import PluginError
from argus_xtquant.surface import Xtdata, Xtview

PACKAGE = "xtquant"
_OWN_MARK = "__argus_stand_in__"
_NEEDED = (
    "connect",
    "get_full_tick",
    "get_market_data_ex",
    "get_instrument_detail",
    "get_trading_dates",
    "get_stock_list_in_sector",
    "subscribe_whole_quote",
    "unsubscribe_quote",
)
_WAY_OUT = (
    "run Argus on the Windows machine where the client runs, or reach an Argus there through "
    'a source with plugin = "remote"'
)


def load_xtdata(module: str, where: str) -> Xtdata:
    """The module that offers the vendor's functions; :class:`PluginError` if there is none."""
    found = _imported(module, where)
    missing = [name for name in _NEEDED if not hasattr(found, name)]
    if missing:
        raise PluginError(
            f"the module {module} lacks {', '.join(missing)}", where=where, fix="set another module"
        )
    xtdata = cast("Xtdata", found)
    # The banner is printed after the link is up, and dies on consoles without Chinese
    xtdata.enable_hello = False
    return xtdata


def load_xtview(module: str, where: str) -> Xtview:
    """The module that draws on the client's screen."""
    return cast("Xtview", _imported(module, where))


def sdk_version(module: str) -> str | None:
    """The installed version of the distribution that ``module`` belongs to, if it has one."""
    try:
        return version(module.partition(".")[0])
    except PackageNotFoundError:
        return None


def _imported(module: str, where: str) -> ModuleType:
    package = module.partition(".")[0]
    placed = package == PACKAGE and PACKAGE not in sys.modules
    if placed:
        _place_package(where)
    try:
        return import_module(module)
    except ImportError as error:
        if placed:
            _remove_package()
        raise _refusal(module, where, error) from error


def _place_package(where: str) -> None:
    """Put an empty package in the vendor's place, unless somebody else was faster."""
    spec = find_spec(PACKAGE)
    if spec is None or spec.submodule_search_locations is None:
        raise PluginError(
            "the xtquant package is not installed; it works on Windows only",
            where=where,
            fix=f'there, pip install "argus-marketdata[xtquant]"; otherwise {_WAY_OUT}',
        )
    package = ModuleType(PACKAGE)
    package.__path__ = list(spec.submodule_search_locations)
    package.__spec__ = spec
    setattr(package, _OWN_MARK, True)
    sys.modules.setdefault(PACKAGE, package)


def _remove_package() -> None:
    """Leave no empty package behind for somebody who imports the real one later."""
    if getattr(sys.modules.get(PACKAGE), _OWN_MARK, False):
        sys.modules.pop(PACKAGE, None)


def _refusal(module: str, where: str, error: ImportError) -> PluginError:
    if module.partition(".")[0] == PACKAGE and sys.platform != "win32":
        return PluginError(
            f"xtquant works on Windows only: its native part does not load here ({error})",
            where=where,
            fix=_WAY_OUT,
        )
    advice = 'pip install "argus-marketdata[xtquant]"' if module.startswith(PACKAGE) else "install"
    return PluginError(
        f"the module {module} cannot be imported ({error})",
        where=where,
        fix=f"{advice} it into this Python (Windows, CPython 3.11 to 3.13), or {_WAY_OUT}",
    )
