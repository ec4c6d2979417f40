"""A deterministic invented market for the interfaces that no recording covers.

Everything follows from the code's name: the same rows in every run and on every machine. Prices
walk by ticks inside each bar, so turnover divided by volume always lies in [low, high].
"""

from __future__ import annotations

import warnings
from datetime import date, datetime, time, timedelta
from itertools import chain
from random import Random

SHARES = {
    "600519.SH": ("贵州茅台", "白酒", "主板", "20010827", 1600.0),
    "600000.SH": ("浦发银行", "银行", "主板", "19991110", 7.0),
    "000001.SZ": ("平安银行", "银行", "主板", "19910403", 10.0),
    "300750.SZ": ("宁德时代", "电气设备", "创业板", "20180611", 180.0),
    "688981.SH": ("中芯国际", "半导体", "科创板", "20200716", 45.0),
    "920047.BJ": ("诺思兰德", "生物制药", "北交所", "20201124", 14.0),
}
FUNDS = {"510300.SH": ("沪深300ETF", 3.5), "159919.SZ": ("300ETF", 3.6)}
INDICES = {
    "000001.SH": ("上证指数", "SSE", 3000.0),
    "000300.SH": ("沪深300", "CSI", 3500.0),
    "399001.SZ": ("深证成指", "SZSE", 9500.0),
    "930955.CSI": ("红利低波100", "CSI", 10000.0),
}
CONVERTIBLES = {
    "113050.SH": ("南银转债", "601009.SH", 118.0),
    "127056.SZ": ("中特转债", "000708.SZ", 107.0),
}
CONTRACTS = {
    "RB2410.SHF": ("SHFE", "螺纹钢2410", None, 10, 3600.0, 1.0),
    "M2409.DCE": ("DCE", "豆粕2409", None, 10, 3300.0, 1.0),
    "CF2501.ZCE": ("CZCE", "棉花2501", None, 5, 15800.0, 5.0),
    "IF2412.CFX": ("CFFEX", "沪深300指数2412", 300, None, 3500.0, 0.2),
    "SC2409.INE": ("INE", "原油2409", None, 1000, 600.0, 0.1),
    "LC2411.GFE": ("GFEX", "碳酸锂2411", None, 1, 110000.0, 50.0),
}
NIGHTS = {"RB2410.SHF": 120, "SC2409.INE": 330}
"""Minutes of trading from 21:00 on the evening before; the other contracts have none by night."""
SERIES = {
    "RB.SHF": ("SHFE", "螺纹钢主力", 10, 3600.0, 1.0),
    "CF.ZCE": ("CZCE", "棉花主力", 5, 15800.0, 5.0),
}
OPTIONS = {
    "10006000.SH": ("SSE", "华夏上证50ETF期权2409认购2.50", "OP510050.SH", 10000, 0.06),
    "M2409-C-3300.DCE": ("DCE", "豆粕期权2409认购3300", "OPM2409.DCE", 10, 90.0),
}
RENAMED = (("430047.BJ", "920047.BJ", "诺思兰德"),)


def sessions(start: date, end: date) -> list[date]:
    """The mainland's trading dates, from a library that is not the product's own code."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the library uses what pandas 3 deprecates
        import exchange_calendars

        calendar = exchange_calendars.get_calendar("XSHG")
        first, last = calendar.first_session.date(), calendar.last_session.date()
        found = calendar.sessions_in_range(
            max(start, first).isoformat(), min(end, last).isoformat()
        )
    return [stamp.date() for stamp in found]


def days(code, dates, base, *, tick=0.01, lot=100.0, money=1000.0, multiplier=1.0, **extra):
    """Daily rows, oldest first, volume in ``lot`` and turnover in ``money`` units."""
    dice, close, rows = Random(code), base, []
    for when in dates:
        before = close
        prices = [round(before * (1 + dice.uniform(-0.02, 0.02)) / tick) * tick for _ in range(4)]
        low, high = min(prices), max(prices)
        opened, close = (round(price, 4) for price in prices[1:3])
        shares = dice.randrange(10_000, 1_000_000) * lot
        amount = shares * multiplier * (low + high) / 2 / money
        row = {
            "ts_code": code,
            "trade_date": f"{when:%Y%m%d}",
            "open": opened,
            "high": round(high, 4),
            "low": round(low, 4),
            "close": close,
            "pre_close": round(before, 4),
            "change": round(close - before, 4),
            "pct_chg": round((close / before - 1) * 100, 4),
            "vol": shares / lot,
            "amount": round(amount, 3),
        }
        rows.append(row | {name: make(row, dice) for name, make in extra.items()})
    return rows


def settled(code, dates, base, **facts):
    """Daily rows of futures and options, with settlement and open interest."""
    return days(
        code,
        dates,
        base,
        lot=1.0,
        money=10_000.0,
        settle=lambda row, _dice: round((row["high"] + row["low"]) / 2, 4),
        oi=lambda _row, dice: float(dice.randrange(1_000, 2_000_000)),
        **facts,
    )


def minute_times(when: date, code: str) -> list[datetime]:
    """The ends of a day's minutes; shares, funds and indices begin with the auction at 09:30."""
    start = datetime.combine(when, datetime.min.time())
    suffix = code.rpartition(".")[2]
    if suffix in ("SHF", "DCE", "ZCE", "INE", "GFE"):
        ends = (*range(541, 616), *range(631, 691), *range(811, 901))
    else:
        ends = (*range(571 if suffix == "CFX" else 570, 691), *range(781, 901))
    return [start + timedelta(minutes=end) for end in ends]


def night_times(evening: date | None, code: str) -> list[datetime]:
    """The ends of the minutes that were traded on ``evening`` and after its midnight."""
    if evening is None:
        return []
    opened = datetime.combine(evening, time(21))
    return [opened + timedelta(minutes=end) for end in range(1, NIGHTS.get(code, 0) + 1)]


def minutes(code, dates, base, *, tick=0.01, multiplier=1.0, **extra):
    """One-minute rows, oldest first, volume in shares or contracts and turnover in yuan."""
    dice, price, rows = Random(f"{code} minutes"), base, []
    evenings = dict(zip(dates[1:], dates, strict=False))
    spans = ((*night_times(evenings.get(d), code), *minute_times(d, code)) for d in dates)
    for at in chain.from_iterable(spans):
        prices = [price + dice.randrange(-3, 4) * tick for _ in range(4)]
        low, high, price = min(prices), max(prices), prices[3]
        volume = float(dice.randrange(1, 5_000) * 100)
        row = {
            "ts_code": code,
            "trade_time": f"{at:%Y-%m-%d %H:%M:%S}",
            "close": round(price, 4),
            "open": round(prices[0], 4),
            "high": round(high, 4),
            "low": round(low, 4),
            "vol": volume,
            "amount": round(volume * multiplier * (low + high) / 2, 2),
        }
        rows.append(row | {name: make(row, dice) for name, make in extra.items()})
    return rows
