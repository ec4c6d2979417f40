"""The tables that the loopback Tushare server answers from: recorded rows first, invented else."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from random import Random

from vendors import tushare_recorded as recorded
from vendors import tushare_sample as sample

BASE_FIELDS = {
    "stock_basic": "ts_code symbol name area industry cnspell market list_date "
    "act_name act_ent_type",
    "trade_cal": "exchange cal_date is_open pretrade_date",
    "rt_k": "ts_code name pre_close high open low close vol amount num",
    "rt_etf_k": "ts_code name pre_close high open low close vol amount num",
    "rt_fut_min": "code freq time open close high low vol amount oi",
    "rt_idx_k": "ts_code name trade_time close pre_close high open low vol amount",
}
"""What an interface returns when no fields are asked for, where that is not every column."""


CALENDARS = ("SSE", "SZSE", "CFFEX", "SHFE", "CZCE", "DCE", "INE")
EXPIRED = date(2024, 6, 30)


@dataclass(frozen=True, slots=True)
class Table:
    """One interface: its rows, and how the vendor lets them be asked for."""

    rows: list[dict]
    by: str = "ts_code"
    when: str | None = None
    cap: int | None = None
    many: bool = False
    ascending: bool = False
    required: tuple[str, ...] = ()
    matches: tuple[str, ...] = ()

    @property
    def columns(self) -> list[str]:
        return list(dict.fromkeys(name for row in self.rows[:50] for name in row))


def build(data: Path | None = None, today: date | None = None) -> dict[str, Table]:
    """Every interface by name; recorded rows come from ``data``.

    Invented days end before ``today``; those of contracts at the end of June 2024.
    """
    today = today or date.today()  # noqa: DTZ011 - a day more or less is all the same here
    if data is None:
        opens = sample.sessions(date(2023, 1, 1), date(2026, 12, 31))
        daily = _invented_daily([when for when in opens if when < today])
        stocks = _invented_stocks()
    else:
        opens = recorded.sessions(data)
        daily = recorded.daily(data)
        stocks = _recorded_stocks(data, daily)
    recent = [when for when in opens if date(2024, 1, 1) <= when < today]
    return {
        "trade_cal": Table(
            _calendar(opens), by="exchange", when="cal_date", ascending=True, matches=("is_open",)
        ),
        "stock_basic": Table(stocks, matches=("exchange", "market", "name")),
        "daily": Table(_flat(daily), when="trade_date", cap=6000, many=True),
        "adj_factor": Table(_factors(daily, opens), when="trade_date"),
        "daily_basic": Table(_valuations(daily, recent), when="trade_date", cap=6000),
        "stk_mins": _minutes(_stock_minutes(data, recent)),
        **_indices(data, recent),
        **_funds(recent),
        **_bonds(recent),
        **_futures(recent),
        **_options(recent),
        "rt_k": Table(_snapshots(daily, stocks), many=True, cap=6000, required=("ts_code",)),
        "bse_mapping": Table(
            [
                {"name": n, "o_code": o, "n_code": c, "list_date": None}
                for o, c, n in sample.RENAMED
            ],
            by="o_code",
            matches=("n_code",),
        ),
    }


def _flat(groups):
    return [row for rows in groups.values() for row in rows]


def _invented_daily(opens) -> dict[str, list[dict]]:
    return {
        code: sample.days(code, [when for when in opens if f"{when:%Y%m%d}" >= listed], base)
        for code, (_name, _industry, _market, listed, base) in sample.SHARES.items()
    }


def _calendar(opens: list[date]) -> list[dict]:
    is_open, rows, previous = set(opens), [], None
    when, last = opens[0], date(opens[-1].year, 12, 31)
    while when <= last:
        flag = int(when in is_open)
        day = {"cal_date": f"{when:%Y%m%d}", "is_open": flag}
        day["pretrade_date"] = f"{previous:%Y%m%d}" if previous else None
        rows += [{"exchange": name} | day for name in CALENDARS]
        previous = when if flag else previous
        when += timedelta(days=1)
    return rows


def _market(code: str) -> str:
    if code.endswith(".BJ"):
        return "北交所"
    return {"30": "创业板", "68": "科创板"}.get(code[:2], "主板")


def _stock(code, name, area, industry, market, listed, status="L", delisted=None) -> dict:  # noqa: PLR0917
    return {
        "ts_code": code,
        "symbol": code[:6],
        "name": name,
        "area": area,
        "industry": industry,
        "fullname": None,
        "cnspell": None,
        "market": market,
        "exchange": {"SH": "SSE", "SZ": "SZSE", "BJ": "BSE"}[code[-2:]],
        "list_status": status,
        "list_date": listed,
        "delist_date": delisted,
        "act_name": None,
        "act_ent_type": None,
    }


def _recorded_stocks(data: Path, daily) -> list[dict]:
    rows = [
        _stock(*facts[:4], _market(facts[0]), facts[4]) for facts in recorded.listed_shares(data)
    ]
    listed = {row["ts_code"] for row in rows}
    # The recording holds listed shares only; those with bars and no entry have since gone.
    for code in sorted(daily.keys() - listed):
        first, last = daily[code][0]["trade_date"], daily[code][-1]["trade_date"]
        rows.append(_stock(code, f"退市{code[:6]}", None, None, _market(code), first, "D", last))
    return rows


def _invented_stocks() -> list[dict]:
    rows = [
        _stock(code, name, None, industry, market, listed)
        for code, (name, industry, market, listed, _base) in sample.SHARES.items()
    ]
    rows.append(_stock("600240.SH", "退市样本", None, None, "主板", "20000101", "D", "20210315"))
    rows.append(_stock("000991.SZ", "暂停样本", None, None, "主板", "20010101", "P"))
    return rows


def _factors(daily, opens=()) -> list[dict]:
    """Back factors out of raw close and the exchange's ex-right previous close.

    The vendor has one for each session; so those before the first recorded bar are there too.
    """
    rows = []
    for code, bars in daily.items():
        factor = 1.0
        before = [when for when in opens if f"{when:%Y%m%d}" < bars[0]["trade_date"]][-400:]
        rows += [
            {"ts_code": code, "trade_date": f"{when:%Y%m%d}", "adj_factor": factor}
            for when in before
        ]
        for at, bar in enumerate(bars):
            if at:
                factor *= bars[at - 1]["close"] / bar["pre_close"]
            rows.append({"ts_code": code, "trade_date": bar["trade_date"], "adj_factor": factor})
    return rows


def _valuations(daily, recent) -> list[dict]:
    """Valuations of the last recorded days, and at the last close since."""
    rows = []
    for code, bars in daily.items():
        shares = float(Random(code).randrange(10_000, 2_000_000))
        rows += [_valuation(code, shares, bar) for bar in bars[-60:]]
        since = [f"{when:%Y%m%d}" for when in recent[-10:]]
        last = bars[-1]
        late = [day for day in since if day > last["trade_date"]]
        rows += [_valuation(code, shares, last | {"trade_date": day}) for day in late]
    return rows


def _valuation(code, shares, bar) -> dict:
    return {
        "ts_code": code,
        "trade_date": bar["trade_date"],
        "close": bar["close"],
        "turnover_rate": 1.25,
        "pe": None,
        "pe_ttm": 12.5,
        "pb": 1.5,
        "dv_ratio": 2.0,
        "dv_ttm": 2.25,
        "total_share": shares,
        "float_share": shares / 2,
        "total_mv": shares * bar["close"],
        "circ_mv": shares * bar["close"] / 2,
    }


def _snapshots(daily, named) -> list[dict]:
    """The last day of each code as a realtime row, in shares and yuan."""
    names = {row["ts_code"]: row["name"] for row in named}
    rows = []
    for code, bars in daily.items():
        bar = bars[-1]
        when = f"{date.fromisoformat(bar['trade_date'])} 15:00:00"
        rows.append(
            {name: bar[name] for name in ("ts_code", "pre_close", "high", "open", "low", "close")}
            | {"name": names.get(code), "vol": round(bar["vol"] * 100)}
            | {"amount": round(bar["amount"] * 1000), "num": 1000, "trade_time": when}
        )
    return rows


def _minutes(rows) -> Table:
    return Table(rows, when="trade_time", cap=8000, required=("ts_code", "freq"))


def _stock_minutes(data, recent) -> list[dict]:
    rows = [
        row
        for code, (_name, base) in sample.FUNDS.items()
        for row in sample.minutes(code, recent[:10], base, tick=0.001)
    ]
    if data is not None:
        return rows + recorded.minutes(data)
    shares = (("600519.SH", 1600.0), ("000001.SZ", 10.0))
    return rows + [row for code, base in shares for row in sample.minutes(code, recent[:40], base)]


def _indices(data, recent) -> dict[str, Table]:
    facts = sample.INDICES
    daily = {code: sample.days(code, recent, base) for code, (_, _, base) in facts.items()}
    if data is not None:
        daily["000001.SH"] = recorded.index(data)
    basic = [
        {"ts_code": code, "name": name, "fullname": f"{name}指数", "market": market}
        | {"publisher": None, "list_date": "19910715", "exp_date": None}
        for code, (name, market, _base) in facts.items()
    ]
    minutes = sample.minutes("000300.SH", recent[:5], 3500.0)
    live = {code: rows for code, rows in daily.items() if rows[-1]["amount"] is not None}
    return {
        "index_basic": Table(basic, matches=("market", "name")),
        "index_daily": Table(_flat(daily), when="trade_date", cap=8000, required=("ts_code",)),
        "idx_mins": _minutes(minutes),
        "rt_idx_k": Table(_snapshots(live, basic), many=True, required=("ts_code",)),
    }


def _funds(recent) -> dict[str, Table]:
    daily = {
        code: sample.days(code, recent, base, tick=0.001)
        for code, (_name, base) in sample.FUNDS.items()
    }
    basic = [
        {"ts_code": code, "name": name, "market": "E", "status": "L"}
        | {"list_date": "20120528", "delist_date": None}
        for code, (name, _base) in sample.FUNDS.items()
    ]
    basic.append(basic[0] | {"ts_code": "000011.OF", "name": "场外样本", "market": "O"})
    return {
        "fund_basic": Table(basic, matches=("market", "status")),
        "fund_daily": Table(_flat(daily), when="trade_date", cap=2000),
        "fund_adj": Table(_factors(daily), when="trade_date", cap=2000),
        "rt_etf_k": Table(_snapshots(daily, basic), many=True, required=("ts_code",)),
    }


def _bonds(recent) -> dict[str, Table]:
    daily = {
        code: sample.days(code, recent, base, tick=0.001, lot=10.0, money=10_000.0)
        for code, (_name, _stock, base) in sample.CONVERTIBLES.items()
    }
    basic = [
        {"ts_code": code, "bond_short_name": name, "bond_full_name": f"{name}券"}
        | {"stk_code": stock, "list_date": "20210701", "delist_date": None}
        for code, (name, stock, _base) in sample.CONVERTIBLES.items()
    ]
    return {
        "cb_basic": Table(basic, cap=2000, matches=("exchange",)),
        "cb_daily": Table(_flat(daily), when="trade_date", cap=2000),
    }


def _futures(recent) -> dict[str, Table]:
    basic, daily, minutes = [], {}, []
    alive = [when for when in recent if when <= EXPIRED]
    for code, (exchange, name, multiplier, unit, base, tick) in sample.CONTRACTS.items():
        size = float(multiplier or unit)
        daily[code] = sample.settled(code, alive, base, tick=tick, multiplier=size)
        minutes += sample.minutes(
            code,
            recent[:5],
            base,
            tick=tick,
            multiplier=size,
            oi=lambda _row, dice: float(dice.randrange(1_000, 900_000)),
        )
        basic.append(
            {"ts_code": code, "exchange": exchange, "name": name, "fut_type": "1"}
            | {"multiplier": multiplier, "per_unit": unit}
            | {"list_date": "20231016", "delist_date": "20241231"}
        )
    for code, (exchange, name, unit, base, tick) in sample.SERIES.items():
        daily[code] = sample.settled(code, recent, base, tick=tick, multiplier=float(unit))
        basic.append(
            {"ts_code": code, "exchange": exchange, "name": name, "fut_type": "2"}
            | {"multiplier": None, "per_unit": None, "list_date": None, "delist_date": None}
        )
    live = [
        {("code" if k == "ts_code" else "time" if k == "trade_time" else k): row[k] for k in row}
        | {"freq": "1MIN"}
        for row in {row["ts_code"]: row for row in minutes}.values()
    ]
    return {
        "fut_basic": Table(
            basic, cap=10000, required=("exchange",), matches=("exchange", "fut_type")
        ),
        "fut_daily": Table(_flat(daily), when="trade_date", cap=2000, matches=("exchange",)),
        "ft_mins": _minutes(minutes),
        "rt_fut_min": Table(live, by="code", many=True, required=("ts_code", "freq")),
    }


def _options(recent) -> dict[str, Table]:
    basic, daily = [], {}
    alive = [when for when in recent if when <= EXPIRED]
    for code, (exchange, name, underlying, unit, base) in sample.OPTIONS.items():
        daily[code] = sample.settled(code, alive, base, tick=0.0001, multiplier=float(unit))
        basic.append(
            {"ts_code": code, "exchange": exchange, "name": name, "opt_code": underlying}
            | {"per_unit": unit, "list_date": "20240101", "delist_date": "20240925"}
        )
    return {
        "opt_basic": Table(basic, matches=("exchange", "opt_code")),
        "opt_daily": Table(_flat(daily), when="trade_date", cap=15000, matches=("exchange",)),
    }
