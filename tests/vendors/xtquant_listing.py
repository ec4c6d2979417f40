"""Details, types, sectors and calendars of the world's instruments, as the vendor has them."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta

from vendors.world import SHANGHAI, World
from vendors.xtquant_bars import terms
from vendors.xtquant_codes import ALL_MARKETS, LONG, Named
from vendors.xtquant_rows import milliseconds, noisy, snapshot
from vendors.xtquant_script import Settings

NO_FLOAT = 1.7976931348623157e308
NO_INT = 2147483647
GARBAGE_QUOTA = -1582372688
_FUTURES_SECTORS = {
    "上期所": "SF",
    "大商所": "DF",
    "郑商所": "ZF",
    "中金所": "IF",
    "能源中心": "INE",
    "广期所": "GF",
}


def _is(kind: str, *markets: str, starts: tuple[str, ...] = ("",)):
    def fits(named: Named) -> bool:
        return named.kind == kind and named.market in markets and named.code.startswith(starts)

    return fits


_SECTORS = {
    "沪深A股": _is("stock", "SH", "SZ"),
    "上证A股": _is("stock", "SH"),
    "深证A股": _is("stock", "SZ"),
    "京市A股": _is("stock", "BJ"),
    "创业板": _is("stock", "SZ", starts=("300", "301")),
    "科创板": _is("stock", "SH", starts=("688", "689")),
    "沪深ETF": _is("fund", "SH", "SZ"),
    "沪市ETF": _is("fund", "SH"),
    "深市ETF": _is("fund", "SZ"),
    "沪深基金": _is("fund", "SH", "SZ"),
    "沪深指数": _is("index", "SH", "SZ"),
    "沪深转债": _is("bond", "SH", "SZ"),
    "上证期权": _is("option", "SHO"),
    "深证期权": _is("option", "SZO"),
}
SECTORS = (*_SECTORS, *_FUTURES_SECTORS, *(f"过期{name}" for name in _FUTURES_SECTORS))


def sector(codes: dict[str, Named], name: str, at: int, settings: Settings) -> list[str]:
    """The members of a sector or market: now (-1) or on the day of a time in milliseconds."""
    day = (datetime.fromtimestamp(at / 1000, SHANGHAI) if at >= 0 else settings.now).date()
    gone = name.startswith("过期")
    market = _FUTURES_SECTORS.get(name.removeprefix("过期"), name)
    fits = _SECTORS.get(name) or (lambda named: named.market == market)
    return [
        _member(named, settings)
        for named in codes.values()
        if fits(named) and _there(named, day, gone, settings)
    ]


def _there(named: Named, day: date, gone: bool, settings: Settings) -> bool:
    listed = named.listed
    expired = listed.delist_date is not None and listed.delist_date < day
    if gone or settings.keep_expired:
        return expired or not gone
    return not expired and (listed.list_date is None or listed.list_date <= day)


def _member(named: Named, settings: Settings) -> str:
    if settings.long_markets and named.market in LONG:
        return f"{named.code.partition('.')[0]}.{LONG[named.market]}"
    return named.code


def detail(world: World, named: Named, settings: Settings) -> dict:
    """The document of one instrument; floats and ints that are not known are sentinels."""
    listed, market = named.listed, named.market
    today = settings.now.astimezone(SHANGHAI).date()
    seen = snapshot(world, named, settings.now)
    before = 0.0
    if seen:
        before = seen.prev_close if seen.time.date() == today else seen.last
    settle = [d.settle for d in world.days.get(named.symbol, ()) if d.date < today and d.settle]
    up, down = _limits(named, before)
    name, _, _ = named.code.partition(".")
    totals = (
        ("FloatVolumn", "TotalVolumn") if settings.old_client else ("FloatVolume", "TotalVolume")
    )
    return {
        "ExchangeID": LONG[market] if settings.long_markets and market in LONG else market,
        "InstrumentID": name,
        "InstrumentName": listed.name,
        "ProductID": named.product + ("_o" if named.product and named.kind == "option" else ""),
        "ProductName": named.product,
        "ProductType": NO_INT,
        "ExchangeCode": name,
        "UniCode": name,
        "CreateDate": _yyyymmdd(listed.list_date) if named.product else 0,
        "OpenDate": _yyyymmdd(listed.list_date),
        "ExpireDate": _yyyymmdd(listed.delist_date) or 99999999,
        "TradingDay": _yyyymmdd(_trading_day(world, today)),
        "PreClose": noisy(before, named.step),
        "SettlementPrice": settle[-1] if settle else NO_FLOAT,
        "UpStopPrice": up,
        "DownStopPrice": down,
        totals[0]: listed.float_shares or 0.0,
        totals[1]: listed.total_shares or 0.0,
        "LongMarginRatio": NO_FLOAT,
        "ShortMarginRatio": NO_FLOAT,
        "PriceTick": named.step,
        "VolumeMultiple": int(listed.multiplier or 1),
        "MainContract": NO_INT,
        "LastVolume": NO_INT,
        "InstrumentStatus": 0,
        "IsTrading": False,
        "IsRecent": False,
        "ExtendInfo": _extended(named),
    }


def _extended(named: Named) -> dict:
    quotas = ("ProductTradeQuota", "ContractTradeQuota")
    interest = ("ProductOpenInterestQuota", "ContractOpenInterestQuota")
    info = dict.fromkeys(quotas, GARBAGE_QUOTA) | dict.fromkeys(interest, NO_INT)
    if named.kind == "option":
        under, _, market = (named.listed.underlying or ".").rpartition(".")
        info |= {"OptUndlCode": under, "OptUndlMarket": market, "OptUnit": NO_FLOAT}
        info |= {"OptExercisePrice": _strike(named), "OptionType": -1}
        info |= {"EndDelivDate": _yyyymmdd(named.listed.delist_date)}
    return info


def _strike(named: Named) -> float:
    parts = named.code.partition(".")[0].split("-")
    return float(parts[-1]) if len(parts) == 3 else NO_FLOAT


def _limits(named: Named, before: float) -> tuple[float, float]:
    if named.kind != "stock" or not before:
        return NO_FLOAT, NO_FLOAT
    wide = {"BJ": 0.3}.get(named.market, 0.1)
    if named.code.startswith(("300", "301", "688", "689")):
        wide = 0.2
    return round(before * (1 + wide) + 1e-9, 2), round(before * (1 - wide) + 1e-9, 2)


def _yyyymmdd(day: date | None) -> int:
    return int(f"{day:%Y%m%d}") if day else 0


def _trading_day(world: World, today: date) -> date | None:
    return next((day for day in reversed(world.sessions) if day <= today), None)


def types(named: Named | None) -> dict[str, bool]:
    """The kinds that the vendor tells apart, with whether this is one; {} for an unknown code."""
    if named is None:
        return {}
    mine = {"fund": ("fund", "etf"), "bond": ("bond", "cb")}.get(named.kind, (named.kind,))
    names = ("index", "stock", "fund", "etf", "bond", "cb", "future", "option")
    return {name: name in mine for name in names}


def factors(world: World, named: Named | None, start: str, end: str) -> dict[str, dict]:
    """The events of a share by the text of their day; {} when there are none."""
    events = world.events.get(named.symbol, ()) if named else ()
    dated = {f"{one.ex_date:%Y%m%d}": one for one in events}
    return {
        text: terms(one, world, named)
        for text, one in dated.items()
        if (not start or text >= start[:8]) and (not end or text <= end[:8])
    }


def trading_dates(
    world: World, market: str, between: tuple[str, str], count: int, settings: Settings
) -> list[int]:
    """Midnights of Beijing in milliseconds, past and today; [] for a market nobody knows."""
    if market not in ALL_MARKETS or count == 0:
        return []
    today, (start, end) = settings.now.astimezone(SHANGHAI).date(), between
    days = [
        day
        for day in world.sessions
        if (day <= today or settings.future_dates)
        and (not start or f"{day:%Y%m%d}" >= start[:8])
        and (not end or f"{day:%Y%m%d}" <= end[:8])
    ]
    stamps = [milliseconds(datetime.combine(day, time(0), SHANGHAI)) for day in days]
    return stamps if count < 0 else stamps[-count:]


def holidays(world: World, settings: Settings) -> list[int]:
    """Closed weekdays as YYYYMMDD, to the end of this year."""
    sessions = set(world.sessions)
    day, found = world.sessions[0], []
    last = min(world.sessions[-1], date(settings.now.year, 12, 31))
    while day <= last:
        if day.weekday() < 5 and day not in sessions:
            found.append(_yyyymmdd(day))
        day += timedelta(days=1)
    return found


def main_contract(world: World, codes: dict[str, Named], code: str, settings: Settings) -> str:
    """The contract behind a continuous code, without suffix; '' for anything else."""
    name, _, market = code.partition(".")
    today = settings.now.astimezone(SHANGHAI).date()
    held: dict[str, float] = {}
    for named in codes.values():
        live = named.listed.delist_date and named.listed.delist_date >= today
        mine = named.kind == "future" and named.market == market and not named.continuous
        if not mine or not live or f"{named.product}00" != name:
            continue
        days = [day for day in world.days.get(named.symbol, ()) if day.date <= today]
        held[named.code.partition(".")[0]] = days[-1].open_interest or 0.0 if days else -1.0
    return max(held, key=held.__getitem__, default="")
