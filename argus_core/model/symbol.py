"""Symbols in canonical form: `600519.SH`, `rb2410.SHFE`, `CF2501.CZCE`."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from pydantic import GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema


class Exchange(StrEnum):
    """The exchanges whose symbols Argus knows; the value is the canonical suffix."""

    SH = "SH"
    SZ = "SZ"
    BJ = "BJ"
    SHFE = "SHFE"
    DCE = "DCE"
    CZCE = "CZCE"
    CFFEX = "CFFEX"
    INE = "INE"
    GFEX = "GFEX"

    @property
    def trades_futures(self) -> bool:
        """True for the six futures exchanges."""
        return self not in (Exchange.SH, Exchange.SZ, Exchange.BJ)


class Kind(StrEnum):
    """What an instrument is; it decides units, sessions and whether prices are adjusted."""

    STOCK = "stock"
    INDEX = "index"
    FUND = "fund"
    BOND = "bond"
    FUTURE = "future"
    OPTION = "option"
    UNKNOWN = "unknown"


class Symbol(str):
    """A canonical symbol: an exact ``CODE.EXCHANGE`` text that also knows its two parts.

    It is a ``str``, so it compares, hashes and prints as one. The constructor trusts its text;
    use :func:`argus_core.parse_symbol` for anything that a person or a vendor wrote.
    """

    __slots__ = ()

    @property
    def code(self) -> str:
        """The part before the dot, in the exchange's own case."""
        return self.rpartition(".")[0]

    @property
    def exchange(self) -> Exchange:
        """The exchange after the dot."""
        return Exchange(self.rpartition(".")[2])

    @classmethod
    def __get_pydantic_core_schema__(
        cls, _source: Any, _handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        return core_schema.no_info_after_validator_function(cls, core_schema.str_schema())
