"""SRC-30 to SRC-35: factors, calendars, instruments, listings, sectors."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import date, timedelta

from argus_core.errors import BadParameter, NotOffered
from argus_core.market.kinds import kind_of
from argus_core.market.sectors import SECTORS
from argus_core.market.symbols import parse_symbol
from argus_core.model.query import CalendarQuery, ListingsQuery, SectorsQuery
from argus_core.model.records import Instrument, TradingDays
from argus_core.model.symbol import Exchange, Kind, Symbol
from argus_core.testing import candidates
from argus_core.testing.check import Check, Failed, check, demand, skip
from argus_core.testing.questions import Asking, asking, offered, offers_of, weekend
from argus_core.testing.subject import Subject, sessions

_A_YEAR = timedelta(days=365)
_FAR = timedelta(days=365 * 8)
"""So far ahead no exchange has announced its holidays."""
_LONGEST_BREAK = 15
"""Calendar days; the mainland's longest break from trading is shorter."""


@check("SRC-30")
async def factor_in_force(subject: Subject) -> None:
    """Factors include the one in force at the start of the range, dated at or before it.

    Without it the first bars of a range cannot be adjusted. Factors are positive, one a date.
    """
    async with asking(subject) as it:
        start, end = subject.days[0], subject.days[-1]
        offered(it.source, "factors")
        if not await it.answered("factors") and it.trouble("factors") is None:
            await _demand_older(it, start, end)
        query = it.query("factors", await it.known("factors"), start=start, end=end)
        reading = await it.ask(query)
        for symbol, fault in reading.faults.items():
            raise Failed(f"factors of {symbol}: {fault}")
        for symbol, frame in reading.values.items():
            first = frame["date"][0]
            demand(
                first <= start,
                f"the first factor of {symbol} from {start} on is dated {first}: "
                "add the one in force at the start",
            )
            late = [day for day in frame["date"].to_list() if day > end]
            demand(not late, f"factors of {symbol} up to {end} hold {late[:1]}")


@check("SRC-31")
async def true_calendar(subject: Subject) -> None:
    """The calendar of a past year holds the mainland's trading dates, all of them and no other.

    Weekends and holidays are not among them, make-up workdays neither. A weekend alone is
    answered with no dates, not with an error.
    """
    async with asking(subject) as it:
        offered(it.source, "calendar")
        end = subject.days[-1]
        for exchange, days in (await _calendar(it, end - _A_YEAR, end)).items():
            wanted = set(sessions(end - _A_YEAR, end))
            for what, dates in (
                ("lacks", wanted - set(days.dates)),
                ("holds, without trading,", set(days.dates) - wanted),
            ):
                shown = ", ".join(f"{day:%a %Y-%m-%d}" for day in sorted(dates)[:3])
                demand(not dates, f"the calendar of {exchange} {what} {shown}")
        for exchange, days in (await _calendar(it, *weekend(end))).items():
            demand(not days.dates, f"the calendar of {exchange} trades at a weekend")


@check("SRC-32")
async def honest_horizon(subject: Subject) -> None:
    """`known_through` is the last date that the vendor's calendar really knows.

    A calendar that claims years whose holidays nobody has announced makes every later day look
    like a holiday, or every weekday like a trading day.
    """
    async with asking(subject) as it:
        offered(it.source, "calendar")
        start = subject.clock.now().date() + _FAR
        for exchange, days in (await _raw_calendar(it, start, start + _A_YEAR)).items():
            demand(
                days.known_through < start + _A_YEAR,
                f"the calendar of {exchange} claims to know {days.known_through}: "
                "say how far the vendor's own table reaches",
            )
        end = subject.days[-1]
        for exchange, days in (await _raw_calendar(it, end - _A_YEAR, end)).items():
            latest = max(days.dates, default=date.min)
            silent = (min(days.known_through, end) - latest).days
            demand(
                silent <= _LONGEST_BREAK,
                f"the calendar of {exchange} claims to know {days.known_through} "
                f"and ends with {latest}",
            )


@check("SRC-33")
async def true_instruments(subject: Subject) -> None:
    """An instrument is what its symbol says: its kind agrees, it was listed before it is known.

    Dates are dates, counts are in shares. A delisting lies after the listing.
    """
    async with asking(subject) as it:
        values = await it.values(it.query("instruments", await it.known("instruments")))
        for instrument in values.values():
            _demand_sound(instrument, it)


@check("SRC-34")
async def whole_listings(subject: Subject) -> None:
    """A listing holds every instrument of its exchange once, and of no other, canonically spelled.

    The core derives its sectors from listings, so one page of them is not enough: they hold the
    instruments that the source knows by name.
    """
    async with asking(subject) as it:
        offered(it.source, "listings")
        known = await it.answered("instruments") if "instruments" in _offers(it) else ()
        asked = 0
        for exchange in sorted(it.source.exchanges):
            try:
                tables = await it.values(ListingsQuery(exchanges=(exchange,)))
            except NotOffered:
                continue
            listed: tuple[Instrument, ...] = tables.get(exchange, ())
            asked += len(listed)
            _demand_listed(exchange, listed)
            symbols = {instrument.symbol for instrument in listed}
            lost = [s for s in known if listed and s.exchange is exchange and s not in symbols]
            records = await it.values(it.query("instruments", tuple(lost))) if lost else {}
            current = [s for s in lost if s in records and records[s].delist_date is None]
            demand(not current, f"the listing of {exchange} lacks {', '.join(current)}")
        if not asked:
            skip("it answers no listing of any of its exchanges")


@check("SRC-35")
async def true_sectors(subject: Subject) -> None:
    """A sector's members are canonical symbols, each once; an unknown sector is left out.

    Skipped if the vendor knows none of the canonical sectors.
    """
    async with asking(subject) as it:
        offered(it.source, "sectors")
        answered = 0
        for sector in SECTORS:
            try:
                members = (await it.values(SectorsQuery(sectors=(sector,)))).get(sector, ())
            except NotOffered:
                continue
            answered += len(members)
            odd = [member for member in members if not _canonical(member)]
            demand(not odd, f"{sector} holds {odd[:1]}, which is not canonical")
            demand(len(set(members)) == len(members), f"{sector} holds a member twice")
        nowhere = await it.values(SectorsQuery(sectors=("no such sector",)))
        demand(not nowhere, "a sector that does not exist has members: leave it out")
        if not answered:
            skip("it knows none of the canonical sectors")


CHECKS: tuple[Check, ...] = (
    factor_in_force,
    true_calendar,
    honest_horizon,
    true_instruments,
    whole_listings,
    true_sectors,
)


async def _demand_older(it: Asking, start: date, end: date) -> None:
    """No factor of an earlier date is in force where a range has none of its own."""
    for group in candidates.groups(it.subject):
        query = it.query("factors", group, start=start - 10 * _A_YEAR, end=end)
        for symbol, frame in (await it.values(query)).items():
            demand(
                not frame.height,
                f"from {start} to {end} there is no factor of {symbol}, but one of "
                f"{frame['date'][-1]} is in force: add it",
            )


def _offers(it: Asking) -> frozenset[str]:
    return offers_of(it.source)


async def _calendar(it: Asking, start: date, end: date) -> dict[str, TradingDays]:
    """The canonical calendars of all exchanges that the source has one of."""
    found: dict[str, TradingDays] = {}
    for exchange in sorted(it.source.exchanges):
        query = CalendarQuery(exchanges=(exchange,), start=start, end=end)
        try:
            found |= await it.values(query)
        except NotOffered:
            continue
    return found


async def _raw_calendar(it: Asking, start: date, end: date) -> dict[Exchange, TradingDays]:
    """The calendars as the source gives them: the core drops those that reach less far."""
    found: dict[Exchange, TradingDays] = {}
    for exchange in sorted(it.source.exchanges):
        query = CalendarQuery(exchanges=(exchange,), start=start, end=end)
        try:
            found |= await it.raw(query)
        except NotOffered:
            continue
    return found


def _demand_sound(instrument: Instrument, it: Asking) -> None:
    symbol, today = instrument.symbol, it.now.date()
    expected = kind_of(symbol)
    demand(
        Kind.UNKNOWN in (instrument.kind, expected) or instrument.kind is expected,
        f"{symbol} is said to be a {instrument.kind}; by its number it is a {expected}",
    )
    listed, gone = instrument.list_date, instrument.delist_date
    demand(
        listed is None or listed <= today + _A_YEAR,
        f"{symbol} is said to be listed on {listed}, years from now",
    )
    demand(
        listed is None or gone is None or listed <= gone,
        f"{symbol} was delisted on {gone}, before its listing on {listed}",
    )
    total, free = instrument.total_shares, instrument.float_shares
    demand(
        total is None or free is None or free <= total * (1 + 1e-6),
        f"{symbol} has {total} shares, of which {free} float: are both counted in shares?",
    )


def _canonical(symbol: Symbol) -> bool:
    """True if the symbol is spelled as Argus spells it."""
    try:
        return parse_symbol(symbol) == symbol
    except BadParameter:
        return False


def _demand_listed(exchange: Exchange, listed: Iterable[Instrument]) -> None:
    symbols = [instrument.symbol for instrument in listed]
    for symbol in symbols:
        demand(
            symbol.exchange is exchange and _canonical(symbol),
            f"the listing of {exchange} holds {symbol}, which is not one of its symbols",
        )
    twice = sorted(symbol for symbol, times in Counter(symbols).items() if times > 1)
    demand(not twice, f"the listing of {exchange} holds {', '.join(twice[:3])} twice")
