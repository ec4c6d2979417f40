"""Stocks, indices, funds and convertibles: real symbols and names, invented prices."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from types import MappingProxyType

from argus_core import Kind, Symbol
from argus_demo.listed import Listed


@dataclass(frozen=True, slots=True)
class Board:
    """A segment of a stock exchange: its price limit in percent and its temper."""

    name: str
    band: int
    volatility: float


INDEX_VOLATILITY = 0.010
"""Of an index and of all that follows one: they move together only if it is the same."""
SHANGHAI_MAIN = Board("上海主板", 10, 0.016)
SHENZHEN_MAIN = Board("深圳主板", 10, 0.016)
CHINEXT = Board("创业板", 20, 0.024)
STAR = Board("科创板", 20, 0.026)
BEIJING = Board("北交所", 30, 0.028)

# symbol, name, industry, listed on, million shares, price, million shares traded a day
_STOCKS = MappingProxyType(
    {
        SHANGHAI_MAIN: (
            ("600000.SH", "浦发银行", "银行", date(1999, 11, 10), 29_352, 11.2, 55),
            ("600030.SH", "中信证券", "证券", date(2003, 1, 6), 14_821, 27.5, 120),
            ("600036.SH", "招商银行", "银行", date(2002, 4, 9), 25_220, 41.6, 60),
            ("600276.SH", "恒瑞医药", "化学制药", date(2000, 10, 18), 6_379, 58.3, 35),
            ("600519.SH", "贵州茅台", "白酒", date(2001, 8, 27), 1_252, 1450.0, 3.2),
            ("600887.SH", "伊利股份", "乳制品", date(1996, 3, 12), 6_325, 28.1, 40),
            ("600900.SH", "长江电力", "水力发电", date(2003, 11, 18), 24_468, 28.6, 75),
            ("601318.SH", "中国平安", "保险", date(2007, 3, 1), 18_210, 54.8, 58),
            ("601398.SH", "工商银行", "银行", date(2006, 10, 27), 356_406, 7.3, 300),
            ("601857.SH", "中国石油", "石油开采", date(2007, 11, 5), 183_021, 8.9, 140),
            ("601899.SH", "紫金矿业", "黄金", date(2008, 4, 25), 26_578, 19.7, 190),
        ),
        SHENZHEN_MAIN: (
            ("000001.SZ", "平安银行", "银行", date(1991, 4, 3), 19_406, 11.8, 110),
            ("000002.SZ", "万科A", "房地产", date(1991, 1, 29), 11_931, 7.4, 130),
            ("000333.SZ", "美的集团", "家用电器", date(2013, 9, 18), 7_660, 73.9, 30),
            ("000651.SZ", "格力电器", "家用电器", date(1996, 11, 18), 5_601, 41.2, 45),
            ("000858.SZ", "五粮液", "白酒", date(1998, 4, 27), 3_882, 128.0, 22),
            ("002415.SZ", "海康威视", "安防设备", date(2010, 5, 28), 9_233, 31.5, 48),
            ("002594.SZ", "比亚迪", "汽车", date(2011, 6, 30), 9_117, 108.0, 36),
        ),
        CHINEXT: (
            ("300059.SZ", "东方财富", "证券", date(2010, 3, 19), 15_785, 22.8, 310),
            ("300124.SZ", "汇川技术", "工业自动化", date(2010, 9, 28), 2_695, 66.4, 26),
            ("300750.SZ", "宁德时代", "电池", date(2018, 6, 11), 4_403, 262.0, 24),
            ("300760.SZ", "迈瑞医疗", "医疗器械", date(2018, 10, 16), 1_212, 236.0, 6),
        ),
        STAR: (
            ("688041.SH", "海光信息", "集成电路", date(2022, 8, 12), 2_324, 142.0, 19),
            ("688111.SH", "金山办公", "软件", date(2019, 11, 18), 463, 288.0, 5),
            ("688599.SH", "天合光能", "光伏设备", date(2020, 6, 10), 2_179, 16.9, 38),
            ("688981.SH", "中芯国际", "集成电路", date(2020, 7, 16), 7_985, 88.5, 52),
        ),
        BEIJING: (
            ("920047.BJ", "诺思兰德", "生物制药", date(2020, 11, 24), 275, 18.4, 3.4),
            ("920185.BJ", "贝特瑞", "电池材料", date(2020, 7, 27), 1_127, 22.6, 9),
            ("920799.BJ", "艾融软件", "软件", date(2020, 7, 27), 212, 43.5, 6.5),
            ("920982.BJ", "锦波生物", "医疗美容", date(2023, 7, 20), 115, 275.0, 2.6),
        ),
    }
)
_FORMER = MappingProxyType(
    {
        "920047.BJ": "430047.BJ",
        "920185.BJ": "835185.BJ",
        "920799.BJ": "830799.BJ",
        "920982.BJ": "832982.BJ",
    }
)

# symbol, name, listed on, points, million shares traded a day, yuan a share per point
_INDICES = (
    ("000001.SH", "上证指数", date(1991, 7, 15), 3350.0, 42_000, 0.0035),
    ("000016.SH", "上证50", date(2004, 1, 2), 2700.0, 4_100, 0.0072),
    ("000300.SH", "沪深300", date(2005, 4, 8), 3950.0, 17_500, 0.0040),
    ("000688.SH", "科创50", date(2020, 7, 23), 1020.0, 900, 0.0420),
    ("000905.SH", "中证500", date(2007, 1, 15), 5850.0, 15_000, 0.0019),
    ("399001.SZ", "深证成指", date(1995, 1, 23), 10_400.0, 55_000, 0.0013),
    ("399006.SZ", "创业板指", date(2010, 6, 1), 2150.0, 16_500, 0.0085),
    ("899050.BJ", "北证50", date(2022, 11, 21), 1250.0, 950, 0.0160),
)

# symbol, name, what it follows, listed on, price, million units traded a day, limit in percent
_FUNDS = (
    ("159915.SZ", "创业板ETF", "399006.SZ", date(2011, 12, 9), 2.12, 980, 20),
    ("510050.SH", "上证50ETF", "000016.SH", date(2005, 2, 23), 2.78, 760, 10),
    ("510300.SH", "沪深300ETF", "000300.SH", date(2012, 5, 28), 4.02, 850, 10),
    ("518880.SH", "黄金ETF", "au", date(2013, 7, 29), 7.35, 310, 10),
    ("588000.SH", "科创50ETF", "000688.SH", date(2020, 11, 16), 1.06, 2_900, 20),
)

# symbol, name, listed on, price, million 张 traded a day
_CONVERTIBLES = (
    ("113042.SH", "上银转债", date(2021, 2, 10), 118.0, 1.1),
    ("113052.SH", "兴业转债", date(2022, 1, 14), 112.0, 1.6),
    ("118034.SH", "晶能转债", date(2023, 5, 15), 109.0, 1.2),
    ("127089.SZ", "晶澳转债", date(2023, 8, 4), 107.0, 0.9),
)


def _stocks() -> Iterator[Listed]:
    for board, rows in _STOCKS.items():
        for text, name, industry, since, shares, price, volume in rows:
            former = _FORMER.get(text)
            yield Listed(
                symbol=Symbol(text),
                name=name,
                kind=Kind.STOCK,
                motion=text,
                price=price,
                volume=volume * 1e6,
                list_date=since,
                tick=0.01,
                lot=100,
                volatility=board.volatility,
                band=board.band,
                market=board.name,
                industry=industry,
                shares=shares * 1e6,
                former_symbols=(Symbol(former),) if former else (),
            )


def _indices() -> Iterator[Listed]:
    for text, name, since, price, volume, value in _INDICES:
        yield Listed(
            symbol=Symbol(text),
            name=name,
            kind=Kind.INDEX,
            motion=text,
            price=price,
            volume=volume * 1e6,
            list_date=since,
            tick=0.01,
            lot=100,
            volatility=INDEX_VOLATILITY,
            band=None,
            value=value,
        )


def _funds() -> Iterator[Listed]:
    for text, name, follows, since, price, volume, band in _FUNDS:
        yield Listed(
            symbol=Symbol(text),
            name=name,
            kind=Kind.FUND,
            motion=follows,
            price=price,
            volume=volume * 1e6,
            list_date=since,
            tick=0.001,
            lot=100,
            volatility=INDEX_VOLATILITY,
            band=band,
        )


def _convertibles() -> Iterator[Listed]:
    for text, name, since, price, volume in _CONVERTIBLES:
        yield Listed(
            symbol=Symbol(text),
            name=name,
            kind=Kind.BOND,
            motion=text,
            price=price,
            volume=volume * 1e6,
            list_date=since,
            tick=0.001,
            lot=10,
            volatility=0.008,
            band=20,
        )


SECURITIES: tuple[Listed, ...] = (*_stocks(), *_indices(), *_funds(), *_convertibles())
"""Everything that does not expire."""
