"""The world's snapshots in the vendor's units and spellings, and what the stand-in invents."""

from __future__ import annotations

from datetime import datetime, time, timedelta

from vendors.world import SHANGHAI, Day, Tick, World
from vendors.xtquant_codes import Named
from vendors.xtquant_script import Settings

INVENTED = (
    "Volumes of convertible bonds count lots of 10, STAR shares lots of 100 (both settable).",
    "Money in snapshots of funds is whole yuan, of futures and options exact; without money, 0.",
    "Halves of a lot are rounded up.",
    "Whole numbers in get_full_tick are spelled without a point, whatever the field.",
    "stockStatus before the auction is 1; openInt between 09:25 and 09:30 is the break's 14.",
    "A snapshot of a day without recorded ticks is stamped 15:00:00.",
    "Clients of the old sort write timetag instead of time in pushed ticks too.",
    "Single tick subscriptions push the same fields as whole quotes.",
    (
        "An unknown code gets an empty frame with all columns, an accepted silent subscription,"
        " no snapshot and no details; an unknown sector is an empty list."
    ),
    "Nothing but the asked range of a download can be read afterwards.",
    (
        "Five minutes and longer are composed of one-minute rows; weeks and longer are labelled"
        " by their last trading day."
    ),
    (
        "fill_data invents the suspended days between two recorded days, with suspendFlag 1; it"
        " fills no minutes and nothing after the last recorded day."
    ),
    "openInterest of a share's minute is 13, of the 09:30 row 14, of the 15:00 row 15.",
    "preClose of a minute is the close of the day before; 0 where nobody recorded it.",
    (
        "An event below 1.2 is all cash (interest), above it all shares (stockGift); both "
        "follow from the recorded ratio, which alone is real."
    ),
    "Minutes without recorded ticks are pushed twice: as their open with volume 0, then whole.",
    "Price limits are 10 % (20 % for ChiNext and STAR, 30 % for Beijing), none for the rest.",
    "Price steps of futures, quota values, codes of products, option strikes from their codes.",
    "The main contract is the one with the largest open interest on the last day up to now.",
    "Sectors of futures list unexpired contracts, 过期… the others (settable).",
    (
        "Download results (start_time, end_time), their steps, and that the native call returns"
        " False at once."
    ),
    "Four native threads; pushes of one subscription stay on one of them (settable).",
    "A dropped link stays down until somebody connects again; calls on it raise RuntimeError.",
    "Weights of indices, financial reports and level 2 are empty unless replayed.",
)
"""Everything here that no recording tells, to be printed by the docs."""

GRAIN = {"stock": 100.0, "index": 100.0, "bond": 100.0, "fund": 1.0}
"""Money of a day or snapshot is a multiple of so many yuan."""
_PHASES = {
    "START": (11, 1),
    "OCALL": (12, 2),
    "TRADE": (13, 3),
    "CCALL": (18, 2),
    "CLOSE": (15, 5),
    "ENDTR": (15, 5),
}
"""openInt and stockStatus of a share in each phase."""
BREAK = 14
HISTORY_FIELDS = [
    "time",
    "lastPrice",
    "open",
    "high",
    "low",
    "lastClose",
    "amount",
    "volume",
    "pvolume",
    "stockStatus",
    "openInt",
    "lastSettlementPrice",
    "askPrice",
    "bidPrice",
    "askVol",
    "bidVol",
    "settlementPrice",
    "transactionNum",
]


def milliseconds(at: datetime) -> int:
    return round(at.timestamp() * 1000)


def lots(units: float, named: Named, settings: Settings) -> int:
    """The vendor's volume of so many shares, units, 张 or contracts."""
    lot = 100
    if named.kind in ("future", "option"):
        lot = 1
    elif named.kind == "bond":
        lot = settings.bond_lot
    elif named.code.startswith("688") and not settings.star_lots:
        lot = 1
    return int(units / lot + 0.5)


def money(yuan: float | None, named: Named, grain: float | None = None) -> float:
    """An amount as the vendor rounds it."""
    grain = grain or GRAIN.get(named.kind, 0.0)
    return float(round((yuan or 0.0) / grain) * grain) if grain else round(yuan or 0.0, 2)


def noisy(price: float, step: float) -> float:
    """The price as whole steps times the step, with the noise that this makes."""
    steps = round(price / step)
    product = steps * step
    return product if abs(product - price) < 1e-6 else price


def snapshot(world: World, named: Named, now: datetime) -> Tick | None:
    """The newest snapshot that existed at ``now``: no close before three o'clock."""
    seen = world.snapshot(named.symbol, now)
    if seen and seen.time > now:
        before = datetime.combine(now.date() - timedelta(days=1), time(23, 59), SHANGHAI)
        seen = world.snapshot(named.symbol, before)
    return seen


def status(tick: Tick, named: Named) -> tuple[int, int]:
    """openInt and stockStatus of something that is no future or option."""
    state, stock = _PHASES[tick.phase]
    clock = tick.time.timetz().replace(tzinfo=None)
    idle = time(9, 25) <= clock < time(9, 30) or time(11, 30) < clock < time(13)
    return (BREAK if tick.phase == "TRADE" and idle else state), stock


def tick_row(world: World, named: Named, tick: Tick, settings: Settings) -> dict:
    """One snapshot with every field, numbers as a push spells them."""
    volume = lots(tick.volume, named, settings)
    state, stock = status(tick, named)
    settle, last_settle, interest = _settlement(world, named, tick)
    sides = {**_side("ask", tick.asks, named, settings), **_side("bid", tick.bids, named, settings)}
    last = tick.last
    if not last and tick.bids and tick.asks and tick.bids[0][0] == tick.asks[0][0]:
        last = tick.bids[0][0]  # the auction's virtual price
    return {
        "time": milliseconds(tick.time),
        "lastPrice": noisy(last, named.step),
        "open": noisy(tick.open, named.step),
        "high": noisy(tick.high, named.step),
        "low": noisy(tick.low, named.step),
        "lastClose": noisy(tick.prev_close, named.step),
        "amount": money(tick.turnover, named),
        "volume": volume,
        "pvolume": _pvolume(tick.volume, volume, named, settings),
        "stockStatus": stock,
        "openInt": state if interest is None else int(interest),
        "transactionNum": tick.trades or 0,
        "lastSettlementPrice": last_settle,
        "settlementPrice": settle,
        "pe": 0.0,
        **{name: sides[name] for name in ("askPrice", "bidPrice", "askVol", "bidVol")},
        "volRatio": 0.0,
        "speed1Min": 0.0,
        "speed5Min": 0.0,
    }


def pushed(row: dict, settings: Settings) -> dict:
    """The row as pushes have it."""
    return aged(dict(row)) if settings.old_client else row


def polled(row: dict, settings: Settings) -> dict:
    """The row as get_full_tick has it: with timetag, and whole numbers without a point."""
    left = {k: v for k, v in row.items() if k not in ("volRatio", "speed1Min", "speed5Min")}
    at = left.pop("time")
    spelled = {"time": at, "timetag": timetag(at), **{k: _spelled(v) for k, v in left.items()}}
    if settings.old_client:
        del spelled["time"]
    return spelled


def aged(row: dict) -> dict:
    """The row with timetag in place of time."""
    return {"timetag": timetag(row.pop("time")), **row}


def timetag(at: int) -> str:
    """The vendor's text of a time in milliseconds."""
    text = f"{datetime.fromtimestamp(at / 1000, SHANGHAI):%Y%m%d %H:%M:%S}"
    return f"{text}.{at % 1000:03d}" if at % 1000 else text


def _spelled(value):
    if isinstance(value, list):
        return [_spelled(one) for one in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _pvolume(units: float, volume: int, named: Named, settings: Settings) -> int:
    if settings.pvolume == "zero":
        return 0
    same = named.market == "BJ" or named.kind in ("future", "option")
    return volume if same or settings.pvolume == "same" else int(units)


def _side(name: str, levels, named: Named, settings: Settings) -> dict:
    shown = list(levels[: settings.levels])
    shown += [(0.0, 0.0)] * (5 - len(shown))
    return {
        f"{name}Price": [noisy(float(price), named.step) for price, _ in shown],
        f"{name}Vol": [lots(units, named, settings) for _, units in shown],
    }


def _settlement(world: World, named: Named, tick: Tick) -> tuple[float, float, float | None]:
    """Settlement, the one before, and open interest; shares have no such thing."""
    if named.kind not in ("future", "option"):
        return 0.0, tick.prev_close if named.kind == "stock" else 0.0, None
    days = [d for d in world.days.get(named.symbol, ()) if d.date <= tick.time.date()]
    none = Day(
        date=tick.time.date(), open=0, high=0, low=0, close=0, prev_close=0, volume=0, turnover=0
    )
    last = days[-1] if days else none
    before = days[-2] if len(days) > 1 else none
    return last.settle or 0.0, before.settle or 0.0, last.open_interest or 0.0
