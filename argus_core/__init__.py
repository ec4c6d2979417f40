"""Everything a plugin author needs, and nothing else."""

from argus_core.clock import SHANGHAI, Clock
from argus_core.errors import (
    ArgusError,
    BadCredentials,
    BadData,
    BadParameter,
    CacheError,
    CallerError,
    Disproved,
    LoginFailed,
    NotOffered,
    PermissionDenied,
    PluginError,
    Preparing,
    SourceError,
    SourceTimeout,
    SourceUnavailable,
    Throttled,
)
from argus_core.extend.alerter import Alert, Alerter
from argus_core.extend.authenticator import Authenticator, Presented, Principal
from argus_core.extend.balancer import Balancer, Candidate
from argus_core.extend.cache import Cache, CacheStats, Heard, Lease
from argus_core.extend.jobs import Job, Jobs
from argus_core.extend.pushes import (
    PUSH_PROTOCOL,
    PushedItem,
    PushFrame,
    fanout_channel,
    read_push_frame,
)
from argus_core.extend.quota import Allowance, Charge, Meter
from argus_core.extend.relay import Relayed, RelayedPush
from argus_core.extend.source import Push, Rows, Settings, Source
from argus_core.extend.units import Units
from argus_core.hookspecs import hookimpl
from argus_core.market.calendar import session_dates
from argus_core.market.kinds import kind_of
from argus_core.market.sessions import Session, sessions_of
from argus_core.market.symbols import parse_symbol
from argus_core.model.answer import Origin
from argus_core.model.frames import BARS, FACTORS, TICKS, Column
from argus_core.model.period import Adjust, Period
from argus_core.model.query import (
    BarsQuery,
    CalendarQuery,
    ChartPanelsQuery,
    DepthQuery,
    FactorsQuery,
    InstrumentsQuery,
    ListingsQuery,
    MainContractsQuery,
    Query,
    QuotesQuery,
    SectorsQuery,
    TicksQuery,
)
from argus_core.model.records import (
    Depth,
    Gap,
    Instrument,
    Level,
    Quote,
    Trade,
    TradingDays,
)
from argus_core.model.request import Priority, Request, current_request
from argus_core.model.symbol import Exchange, Kind, Symbol
from argus_core.model.told import Told, Unanswered, asked_body, read_told

__version__ = "0.1.0"
__all__ = [
    "BARS",
    "FACTORS",
    "PUSH_PROTOCOL",
    "SHANGHAI",
    "TICKS",
    "Adjust",
    "Alert",
    "Alerter",
    "Allowance",
    "ArgusError",
    "Authenticator",
    "BadCredentials",
    "BadData",
    "BadParameter",
    "Balancer",
    "BarsQuery",
    "Cache",
    "CacheError",
    "CacheStats",
    "CalendarQuery",
    "CallerError",
    "Candidate",
    "Charge",
    "ChartPanelsQuery",
    "Clock",
    "Column",
    "Depth",
    "DepthQuery",
    "Disproved",
    "Exchange",
    "FactorsQuery",
    "Gap",
    "Heard",
    "Instrument",
    "InstrumentsQuery",
    "Job",
    "Jobs",
    "Kind",
    "Lease",
    "Level",
    "ListingsQuery",
    "LoginFailed",
    "MainContractsQuery",
    "Meter",
    "NotOffered",
    "Origin",
    "Period",
    "PermissionDenied",
    "PluginError",
    "Preparing",
    "Presented",
    "Principal",
    "Priority",
    "Push",
    "PushFrame",
    "PushedItem",
    "Query",
    "Quote",
    "QuotesQuery",
    "Relayed",
    "RelayedPush",
    "Request",
    "Rows",
    "SectorsQuery",
    "Session",
    "Settings",
    "Source",
    "SourceError",
    "SourceTimeout",
    "SourceUnavailable",
    "Symbol",
    "Throttled",
    "TicksQuery",
    "Told",
    "Trade",
    "TradingDays",
    "Unanswered",
    "Units",
    "asked_body",
    "current_request",
    "fanout_channel",
    "hookimpl",
    "kind_of",
    "parse_symbol",
    "read_push_frame",
    "read_told",
    "session_dates",
    "sessions_of",
]
