"""The part of the vendor's module that this plugin uses, as types."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

Tick = Mapping[str, Any]
"""One snapshot as the vendor gives it."""
OnData = Callable[[Any], None]
"""Takes what the vendor pushes, in a thread of the vendor's."""


class NativeClient(Protocol):
    """The vendor's connection object; a new one after each reconnect."""

    def is_connected(self) -> bool:
        """True while the link to the local client is up."""
        ...

    def shutdown(self) -> None:
        """Drop the link."""
        ...


class Column(Protocol):
    """A column of a table."""

    def to_numpy(self) -> Any:
        """The values as an array."""
        ...

    def tolist(self) -> list[Any]:
        """The values as Python objects."""
        ...


class Table(Protocol):
    """A table as pandas has it."""

    columns: Any
    index: Any

    def __len__(self) -> int: ...

    def __getitem__(self, name: Any) -> Column: ...


class Xtdata(Protocol):
    """The functions of ``xtquant.xtdata``; every one of them blocks."""

    enable_hello: bool

    def connect(self, ip: str, port: int) -> NativeClient | None:
        """The live connection; one that lives already is returned whatever the address.

        A module inside the client needs none and may give none out.
        """
        ...

    def disconnect(self) -> None:
        """Drop the connection."""
        ...

    def get_full_tick(self, code_list: Sequence[str]) -> Any:
        """The newest snapshots, by code."""
        ...

    def get_market_data_ex(
        self,
        field_list: Sequence[str],
        stock_list: Sequence[str],
        *,
        period: str,
        start_time: str,
        end_time: str,
        fill_data: bool,
    ) -> Any:
        """A table by code."""
        ...

    def get_l2_quote(
        self, field_list: Sequence[str], stock_code: str, start_time: str, end_time: str, count: int
    ) -> Any:
        """Level-2 snapshots of today, as a structured array."""
        ...

    def download_history_data(
        self, stock_code: str, period: str, start_time: str, end_time: str
    ) -> Any:
        """Download one series."""
        ...

    def download_history_data2(
        self,
        stock_list: Sequence[str],
        period: str,
        start_time: str,
        end_time: str,
        callback: OnData,
    ) -> Any:
        """Download several series; returns when all is there, or when it failed."""
        ...

    def download_sector_data(self) -> Any:
        """Download the members of all sectors."""
        ...

    def download_holiday_data(self) -> Any:
        """Download the list of holidays."""
        ...

    def get_divid_factors(self, stock_code: str, start_time: str, end_time: str) -> Table:
        """A row for each ex-date."""
        ...

    def get_instrument_detail(self, stock_code: str, iscomplete: bool) -> Any:  # noqa: FBT001
        """What an instrument is, ``None`` for an unknown code."""
        ...

    def get_instrument_type(self, stock_code: str) -> Any:
        """The names of the kinds that an instrument is of."""
        ...

    def get_stock_list_in_sector(self, sector_name: str) -> Any:
        """The codes of a sector."""
        ...

    def get_sector_list(self) -> Any:
        """The names of the sectors."""
        ...

    def get_trading_dates(self, market: str, start_time: str, end_time: str, count: int) -> Any:
        """The trading dates, in milliseconds of their midnights."""
        ...

    def get_holidays(self) -> Any:
        """The weekdays without trading, as far as they are published."""
        ...

    def get_main_contract(self, code_market: str) -> Any:
        """The contract that a main series follows now."""
        ...

    def get_quote_server_status(self) -> Any:
        """The state of the client's own links to the market."""
        ...

    def subscribe_quote(
        self,
        stock_code: str,
        *,
        period: str,
        count: int,
        callback: OnData | None,
    ) -> Any:
        """The number of a new subscription, or something that is not positive."""
        ...

    def subscribe_whole_quote(self, code_list: Sequence[str], callback: OnData) -> Any:
        """The number of a new subscription, or something that is not positive."""
        ...

    def unsubscribe_quote(self, seq: int) -> None:
        """End a subscription."""
        ...


class Xtview(Protocol):
    """The functions of ``xtquant.xtview``, which keeps a connection of its own."""

    UIPanel: Callable[..., Any]

    def connect(self, ip: str, port: int) -> NativeClient:
        """The live connection of the view."""
        ...

    def apply_ui_panel_control(self, info: list[Any]) -> None:
        """Draw charts on the client's screen."""
        ...
