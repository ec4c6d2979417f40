"""What the archive keeps, corrects, gives back and mends."""

import sqlite3
import threading
from contextlib import closing, contextmanager
from datetime import date, timedelta

import polars as pl
import pytest
from support.archive import DAYS, FACTORS, MINUTES, at, bars, closes, day, days_between, factors
from support.clock import TestClock

from argus_core.errors import CacheError
from argus_core.history import archive as public
from argus_core.history.archive import Archive, ArchiveStats, SeriesKey
from argus_core.history.files import Files
from argus_core.history.place import Place

WEEK = (day("2024-03-04"), day("2024-03-08"))
ROWS = {when: float(number + 10) for number, when in enumerate(days_between(*WEEK))}


@pytest.fixture
def clock():
    return TestClock("2024-03-15 20:00:00")


@pytest.fixture
def archive(tmp_path, clock):
    with opened(tmp_path / "h", clock) as found:
        yield found


@contextmanager
def opened(path, clock):
    found = Archive(path, clock)
    found.open()
    try:
        yield found
    finally:
        found.close()


def put(archive, key=DAYS, rows=None, span=WEEK, fetched="2024-03-15 19:00", **more):
    frame = bars(ROWS if rows is None else rows, key)
    more = {"resolution": {}, **more}
    return archive.write(key, frame, *span, fetched_at=at(fetched), **more)


def got(archive, key=DAYS, span=WEEK):
    part = archive.read({key: span}).get(key)
    return None if part is None else closes(part.frame)


def chunk_files(archive):
    return sorted(p for top in ("bars", "factors") for p in (archive.path / top).rglob("*.parquet"))


class TestReading:
    def test_what_was_written_comes_back_as_it_was(self, archive):
        frame = bars({**ROWS, day("2024-03-06"): None})
        archive.write(
            DAYS, frame, *WEEK, fetched_at=at("2024-03-15 19:00"), resolution={"volume": 100.0}
        )
        part = archive.read({DAYS: WEEK})[DAYS]
        assert part.frame.equals(frame)
        assert part.frame.schema == frame.schema
        assert (part.fetched_at, part.resolution) == (at("2024-03-15 19:00"), {"volume": 100.0})

    def test_a_range_that_is_not_sealed_all_over_is_not_answered(self, archive):
        put(archive)
        assert got(archive, span=(WEEK[0], day("2024-03-11"))) is None
        assert got(archive, span=(day("2024-03-01"), WEEK[1])) is None
        assert got(archive, key=MINUTES) is None
        assert len(got(archive, span=(day("2024-03-02"), day("2024-03-10")))) == 5

    def test_rows_outside_of_the_sealed_range_are_ignored(self, archive):
        rows = dict.fromkeys(days_between(day("2024-02-26"), day("2024-03-15")), 1.0)
        put(archive, rows=rows)
        assert archive.covered([DAYS])[DAYS].pairs == (WEEK,)
        assert archive.stats().rows == 5

    def test_the_last_of_two_rows_of_one_label_counts_and_order_is_made(self, archive):
        frame = pl.concat([bars(ROWS), bars({WEEK[0]: 99.0})]).reverse()
        frame = pl.concat([frame, bars({WEEK[0]: 7.0})])
        archive.write(DAYS, frame, *WEEK, fetched_at=at("2024-03-15 19:00"), resolution={})
        found = got(archive)
        assert found == {**ROWS, WEEK[0]: 7.0}
        assert list(found) == sorted(found)

    def test_minutes_over_months_are_one_answer_out_of_many_chunks(self, archive):
        span = (day("2023-11-01"), day("2024-03-08"))
        rows = {d: 1.0 for d in days_between(*span) if d.weekday() < 5}
        put(archive, key=MINUTES, rows=rows, span=span)
        assert archive.stats().chunks == 5
        assert got(archive, key=MINUTES, span=span) == rows
        inner = (day("2023-12-15"), day("2024-01-15"))
        expected = {d: 1.0 for d in rows if inner[0] <= d <= inner[1]}
        assert got(archive, key=MINUTES, span=inner) == expected

    def test_factors_need_no_period(self, archive):
        span = (day("1991-01-01"), day("2024-03-08"))
        frame = factors({day("1999-05-05"): 1.0, day("2023-06-30"): 1.25})
        archive.write(FACTORS, frame, *span, fetched_at=at("2024-03-15 19:00"), resolution={})
        assert archive.read({FACTORS: span})[FACTORS].frame.equals(frame)
        assert archive.stats() == ArchiveStats(1, 2, archive.stats().bytes, 1, 1, 0)

    @pytest.mark.parametrize("key", [DAYS, FACTORS])
    def test_days_without_rows_are_sealed_too(self, archive, key):
        archive.write(key, pl.DataFrame(), *WEEK, fetched_at=at("2024-03-15 19:00"), resolution={})
        part = archive.read({key: WEEK})[key]
        assert part.frame.height == 0
        assert "date" in part.frame.columns

    def test_time_before_the_exchange_opened_takes_no_file(self, archive):
        put(archive, key=MINUTES, span=(date(1900, 1, 1), date(1991, 1, 31)), rows={})
        assert archive.stats().chunks == 2
        assert archive.covered([MINUTES])[MINUTES].covers(date(1000, 1, 1), date(1991, 1, 31))

    def test_parts_tell_the_oldest_fetch_and_the_coarsest_unit_of_their_rows(self, archive):
        put(archive, span=(WEEK[0], WEEK[0]), resolution={"volume": 1.0, "turnover": 10.0})
        put(
            archive,
            fetched="2024-03-15 21:00",
            span=(day("2024-03-05"), WEEK[1]),
            resolution={"volume": 100.0},
        )
        part = archive.read({DAYS: WEEK})[DAYS]
        assert part.fetched_at == at("2024-03-15 19:00")
        assert part.resolution == {"volume": 100.0, "turnover": 10.0}
        later = archive.read({DAYS: (day("2024-03-05"), WEEK[1])})[DAYS]
        assert later.fetched_at == at("2024-03-15 21:00")

    def test_a_weekend_holds_no_row_and_is_known_where_something_near_is(self, archive):
        weekend = (day("2024-03-09"), day("2024-03-10"))
        assert got(archive, span=weekend) is None
        put(archive)
        put(archive, span=(day("2024-03-11"),) * 2, rows={day("2024-03-11"): 1.0})
        part = archive.read({DAYS: weekend})[DAYS]
        assert (part.frame.height, part.fetched_at) == (0, at("2024-03-15 19:00"))

    def test_a_reversed_range_is_nothing(self, archive):
        assert put(archive, span=WEEK[::-1]) == ()
        assert archive.read({DAYS: WEEK[::-1]}) == {}

    @pytest.mark.parametrize(
        "frame",
        [pl.DataFrame({"close": [1.0]}), bars({WEEK[0]: 1.0}).with_columns(date=None)],
        ids=["no date", "a date that is missing"],
    )
    def test_rows_that_cannot_be_labelled_are_refused(self, archive, frame):
        with pytest.raises(CacheError, match="archived"):
            archive.write(DAYS, frame, *WEEK, fetched_at=at("2024-03-15 19:00"), resolution={})
        assert archive.covered([DAYS])[DAYS].pairs == ()

    def test_a_hundred_series_are_looked_up_in_one_query(self, archive, monkeypatch):
        put(archive)
        statements = []
        with archive._store.ledger.connections.reading() as connection:
            connection.set_trace_callback(statements.append)
        keys = [DAYS, *(SeriesKey("bars", "1d", "a", str(n)) for n in range(99))]
        found = archive.covered(keys)
        assert list(found) == keys
        assert [key for key in keys if found[key]] == [DAYS]
        assert len(statements) == 1

    def test_polars_scans_a_whole_market(self, archive):
        put(archive)
        put(archive, key=SeriesKey("bars", "1d", "QMT a", "000001.SZ"))
        found = pl.scan_parquet(
            archive.path / "bars" / "**" / "*.parquet", hive_partitioning=True
        ).collect()
        assert found.height == 10
        assert set(found["symbol"]) == {"600519.SH", "000001.SZ"}
        assert set(found["source"]) == {"a", "QMT a"}


class TestCorrections:
    def test_the_new_rows_win_and_each_cell_goes_to_the_ledger(self, archive, clock):
        put(archive)
        clock.advance(60)
        rows = {**ROWS, day("2024-03-05"): 99.0, day("2024-03-06"): None}
        del rows[day("2024-03-08")]
        found = put(archive, rows=rows, fetched="2024-03-15 21:00")
        assert got(archive) == rows
        told = {(r.kind, r.label, r.field, r.old, r.new) for r in found}
        assert ("changed", day("2024-03-05"), "close", 11.0, 99.0) in told
        assert ("changed", day("2024-03-06"), "turnover", 1200.0, None) in told
        assert ("removed", day("2024-03-08"), "volume", 100.0, None) in told
        assert {r.kind for r in found} == {"changed", "removed"}
        assert len(found) == 5 + 5 + 6
        assert {r.noticed_at for r in found} == {clock.now()}
        assert sorted(archive.revisions().rows, key=str) == sorted(found, key=str)

    def test_a_row_that_comes_late_is_added(self, archive):
        rows = {when: close for when, close in ROWS.items() if when != WEEK[1]}
        put(archive, rows=rows)
        found = put(archive)
        assert {(r.kind, r.label, r.old) for r in found} == {("added", WEEK[1], None)}
        assert got(archive) == ROWS

    def test_days_that_were_not_sealed_are_no_correction(self, archive):
        put(archive, span=(WEEK[0], day("2024-03-06")))
        assert (
            put(archive, rows={**ROWS, day("2024-03-11"): 1.0}, span=(WEEK[0], day("2024-03-11")))
            == ()
        )
        assert archive.revisions().rows == ()

    def test_an_answer_without_any_row_of_what_was_sealed_corrects_nothing(self, archive):
        put(archive)
        rows = {day("2024-03-11"): 1.0}
        assert put(archive, rows=rows, span=(WEEK[0], day("2024-03-11"))) == ()
        assert got(archive, span=(WEEK[0], day("2024-03-11"))) == {**ROWS, **rows}
        assert archive.read({DAYS: WEEK})[DAYS].fetched_at == at("2024-03-15 19:00")

    def test_the_same_answer_again_writes_no_file(self, archive):
        put(archive)
        before = chunk_files(archive)
        assert put(archive, fetched="2024-03-15 22:00") == ()
        assert chunk_files(archive) == before

    def test_minutes_are_labelled_by_their_instant(self, archive):
        put(archive, key=MINUTES)
        (one, *_) = put(archive, key=MINUTES, rows={**ROWS, WEEK[0]: 1.0})
        assert one.label == at("2024-03-04 09:31")
        assert archive.revisions(limit=1).rows[0].label == at("2024-03-04 09:31")

    def test_revisions_are_found_by_name_and_time_the_newest_first(self, archive, clock):
        other = SeriesKey("bars", "1d", "b", "000001.SZ")
        for key in (DAYS, other):
            put(archive, key=key)
            clock.advance(3600)
            put(archive, key=key, rows={**ROWS, WEEK[0]: 1.0})
        times = [r.noticed_at for r in archive.revisions().rows]
        assert times == sorted(times, reverse=True)
        assert {r.symbol for r in archive.revisions(symbol="000001.SZ").rows} == {"000001.SZ"}
        assert {r.source for r in archive.revisions(source="a").rows} == {"a"}
        assert {r.source for r in archive.revisions(since=clock.now()).rows} == {"b"}
        assert archive.stats().revisions == 10

    def test_pages_hold_each_revision_once_whatever_comes_meanwhile(self, archive, clock):
        for close in (1.0, 2.0, 3.0):  # of each pass all are noticed at one instant
            put(archive, rows=dict.fromkeys(ROWS, close))
        every, after, pages = archive.revisions(), None, []
        assert (len(every.rows), every.total, every.last) == (50, 50, None)
        while after or not pages:
            page = archive.revisions(limit=20, after=after)
            pages.append(page)
            after = page.last
            clock.advance(60)
            put(archive, rows=dict.fromkeys(ROWS, 10.0 + len(pages)))
        assert tuple(row for page in pages for row in page.rows) == every.rows
        assert [len(page.rows) for page in pages] == [20, 20, 10]
        assert [page.total for page in pages] == [50, 75, 100]

    def test_a_page_that_takes_the_last_one_has_none_after_it(self, archive):
        put(archive)
        put(archive, rows=dict.fromkeys(ROWS, 1.0))
        assert archive.revisions(limit=25).last is None
        assert archive.revisions(limit=24).last is not None
        none = archive.revisions(symbol="000001.SZ")
        assert (none.rows, none.total, none.last) == ((), 0, None)


class TestVerification:
    def test_days_are_unverified_until_they_are_said_to_be(self, archive, clock):
        put(archive)
        clock.advance(3600)
        put(archive, span=(day("2024-03-11"), day("2024-03-12")), rows={})
        assert archive.unverified(sealed_before=at("2024-03-15 20:00"), limit=10) == []
        assert archive.unverified(sealed_before=at("2024-03-15 20:30"), limit=10) == [(DAYS, *WEEK)]
        archive.verified(DAYS, day("2024-03-05"), day("2024-03-06"))
        assert archive.unverified(sealed_before=clock.now(), limit=10) == [
            (DAYS, WEEK[0], WEEK[0]),
            (DAYS, day("2024-03-07"), WEEK[1]),
        ]
        archive.verified(DAYS, *WEEK)
        clock.advance(1)
        assert archive.unverified(sealed_before=clock.now(), limit=10) == [
            (DAYS, day("2024-03-11"), day("2024-03-12"))
        ]
        assert archive.covered([DAYS])[DAYS].pairs == ((WEEK[0], day("2024-03-12")),)

    def test_days_that_were_long_over_when_they_were_sealed_need_no_second_look(
        self, archive, clock
    ):
        long_ago = (day("2023-01-02"), day("2024-03-08"))
        put(archive, rows={day("2023-01-03"): 1.0, **ROWS}, span=long_ago)
        ((_, first, last),) = archive.unverified(sealed_before=at("2024-03-16 20:00"), limit=9)
        assert (first, last) == (day("2024-02-29"), day("2024-03-08"))
        archive.verified(DAYS, first, last)
        assert archive.unverified(sealed_before=at("2024-03-16 20:00"), limit=9) == []

    def test_a_second_answer_does_not_put_off_the_second_look(self, archive, clock):
        put(archive)
        clock.advance(86400)
        put(archive, fetched="2024-03-16 20:00")
        assert archive.unverified(sealed_before=at("2024-03-15 20:01"), limit=1) == [(DAYS, *WEEK)]

    def test_what_was_corrected_is_looked_at_again(self, archive, clock):
        put(archive)
        clock.advance(86400)
        began = clock.now()
        put(archive, rows={**ROWS, day("2024-03-05"): 1.0}, fetched="2024-03-16 20:00")
        archive.verified(DAYS, *WEEK, sealed_before=began)
        assert archive.unverified(sealed_before=began, limit=9) == []
        later = began + timedelta(days=1)
        corrected = (DAYS, day("2024-03-05"), day("2024-03-05"))
        assert archive.unverified(sealed_before=later, limit=9) == [corrected]
        clock.advance(86400)
        put(archive, rows={**ROWS, day("2024-03-05"): 1.0}, fetched="2024-03-17 20:00")
        archive.verified(DAYS, *WEEK, sealed_before=clock.now())
        assert archive.unverified(sealed_before=at("2025-01-01"), limit=9) == []

    def test_what_is_corrected_long_after_is_left_at_that(self, archive, clock):
        put(archive)
        archive.verified(DAYS, *WEEK)
        clock.advance(15 * 86400)
        put(archive, rows={**ROWS, WEEK[0]: 1.0, WEEK[1]: 1.0}, fetched="2024-03-30 20:00")
        assert archive.unverified(sealed_before=at("2025-01-01"), limit=9) == []

    @pytest.mark.parametrize("key", [DAYS, MINUTES])
    def test_rows_that_come_late_of_minutes_and_days_are_looked_at_again(self, archive, clock, key):
        put(archive, key=key, rows={d: c for d, c in ROWS.items() if d != day("2024-03-06")})
        archive.verified(key, *WEEK)
        put(archive, key=key)
        ((_, first, last),) = archive.unverified(sealed_before=at("2025-01-01"), limit=9)
        assert first == last == day("2024-03-06")

    def test_verifying_a_stranger_makes_no_series(self, archive):
        archive.verified(DAYS, *WEEK)
        assert archive.series() == []


class TestSilence:
    """Days that were sealed without a row, and rows that turn up beside them."""

    QUIET = (day("2023-12-18"), day("2024-01-12"))
    LATE = (day("2024-01-08"), day("2024-01-12"))

    def doubted(self, archive, key=DAYS, span=None, *, missing=()):
        """The days to be verified once the source has rows of these, all others being verified."""
        archive.verified(key, *self.QUIET)
        first, last = span or self.LATE
        rows = {d: 1.0 for d in days_between(first, last) if d.weekday() < 5 and d not in missing}
        put(archive, key=key, rows=rows, span=(first, last), fetched="2024-03-16 19:00")
        assert len(got(archive, key, span=(first, last))) == len(rows)
        due = archive.unverified(sealed_before=at("2025-01-01"), limit=99)
        return [(since, until) for _, since, until in due]

    @pytest.mark.parametrize("key", [DAYS, MINUTES])
    def test_the_silent_days_before_are_verified_anew_and_believed_meanwhile(self, archive, key):
        put(archive, key=key, rows={}, span=self.QUIET)
        assert self.doubted(archive, key) == [(self.QUIET[0], self.LATE[0] - timedelta(days=1))]
        assert archive.covered([key])[key].pairs == (self.QUIET,)
        archive.verified(key, *self.QUIET)
        assert archive.unverified(sealed_before=at("2025-01-01"), limit=99) == []

    @pytest.mark.parametrize("key", [DAYS, MINUTES])
    def test_the_silent_days_after_too_and_as_far_as_they_are_silent(self, archive, key):
        put(
            archive, key=key, rows={day("2023-12-20"): 1.0, day("2024-01-11"): 1.0}, span=self.QUIET
        )
        span = (day("2024-01-02"), day("2024-01-05"))
        assert self.doubted(archive, key, span=span) == [
            (day("2023-12-21"), day("2024-01-01")),
            (day("2024-01-06"), day("2024-01-10")),
        ]

    def test_where_the_answer_has_no_row_at_its_edge_silence_is_true(self, archive):
        put(archive, rows={}, span=self.QUIET)
        assert self.doubted(archive, missing=[self.LATE[0]]) == []

    def test_days_that_were_not_sealed_cast_no_doubt(self, archive):
        put(archive, rows={}, span=(self.QUIET[0], day("2024-01-07")))
        assert (self.QUIET[0], day("2024-01-07")) not in self.doubted(archive)

    def test_of_factors_most_days_have_none(self, archive):
        span = (day("2023-01-02"), day("2024-03-08"))
        for rows in ({span[0]: 1.0}, {span[0]: 1.0, span[1]: 1.5}):
            frame = factors(rows)
            archive.write(FACTORS, frame, *span, fetched_at=at("2024-03-15 19:00"), resolution={})
        assert archive.covered([FACTORS])[FACTORS].pairs == (span,)

    def test_days_of_a_week_without_its_row_are_no_silence(self, archive):
        weeks = SeriesKey("bars", "1w", "a", "600519.SH")
        span = (day("2024-01-01"), day("2024-01-28"))
        fridays = [day(f"2024-01-{n}") for n in ("05", "12", "19", "26")]
        put(archive, key=weeks, rows=dict.fromkeys(fridays[:1], 1.0), span=span)
        archive.verified(weeks, *span)
        put(archive, key=weeks, rows={fridays[2]: 1.0}, span=(day("2024-01-15"), day("2024-01-21")))
        assert [
            pair for _, *pair in archive.unverified(sealed_before=at("2025-01-01"), limit=9)
        ] == [
            [day("2024-01-08"), day("2024-01-14")],
            [day("2024-01-22"), day("2024-01-28")],
        ]


class TestClearing:
    def test_only_what_is_named_goes(self, archive):
        other = SeriesKey("bars", "1d", "b", "600519.SH")
        put(archive)
        put(archive, key=MINUTES)
        put(archive, key=other)
        cleared = archive.clear(source="a", symbol="600519.SH")
        assert (cleared.series, cleared.rows) == (2, 10)
        assert cleared.bytes > 0
        assert archive.series() == [other]
        assert got(archive) is None
        assert len(chunk_files(archive)) == 1
        assert archive.clear(dataset="factors").series == 0

    def test_everything_at_once_is_refused(self, archive):
        put(archive)
        with pytest.raises(CacheError, match="name"):
            archive.clear()
        assert got(archive) == ROWS

    def test_a_file_that_could_not_be_deleted_does_not_come_back(self, archive, clock, monkeypatch):
        put(archive)
        with monkeypatch.context() as patch:
            patch.setattr(Files, "remove", lambda self, files: [list(files)][:0])
            archive.clear(source="a")
        assert len(chunk_files(archive)) == 1
        age(archive, sweep_again=True)
        with opened(archive.path, clock) as other:
            assert other.series() == []
            assert chunk_files(other) == []


def age(archive, *, sweep_again=False):
    """Let the files be an hour older than they are."""
    import os

    for path in archive.path.rglob("*"):
        if path.suffix in (".parquet", ".tmp"):
            stat = path.stat()
            os.utime(path, (stat.st_atime - 3600, stat.st_mtime - 3600))
    if sweep_again:
        with closing(sqlite3.connect(Place(archive.path).ledger())) as ledger:
            ledger.execute("DELETE FROM swept")
            ledger.commit()


class TestSharing:
    def test_two_archives_of_one_folder_see_what_either_writes(self, archive, clock):
        with opened(archive.path, clock) as other:
            put(archive, span=(WEEK[0], day("2024-03-05")))
            put(other, span=(day("2024-03-06"), WEEK[1]))
            assert got(archive) == got(other) == ROWS
            put(other, rows={**ROWS, WEEK[0]: 1.0})
            assert got(archive) == {**ROWS, WEEK[0]: 1.0}
            archive.clear(source="a")
            assert got(other) is None

    def test_writers_of_one_bucket_lose_nothing(self, archive, clock):
        days = [d for d in days_between(day("2024-01-01"), day("2024-02-09")) if d.weekday() < 5]
        failures = []

        def run(store, mine):
            try:
                for one in mine:
                    put(store, rows={one: 5.0}, span=(one, one))
            except CacheError as error:
                failures.append(error)

        with opened(archive.path, clock) as other:
            threads = [
                threading.Thread(target=run, args=(store, days[n::4]))
                for n, store in enumerate((archive, archive, other, other))
            ]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        assert failures == []
        assert got(archive, span=(days[0], days[-1])) == dict.fromkeys(days, 5.0)
        assert len(chunk_files(archive)) == 1

    def test_who_was_second_takes_nothing_from_who_was_first(self, archive, clock, monkeypatch):
        january, february = (day("2024-01-31"),) * 2, (day("2024-02-01"),) * 2
        both = (january[0], february[1])
        put(archive, key=MINUTES, rows=dict.fromkeys(both, 1.0), span=both)
        raced = []
        write = Files.write

        def late(self, chunks):
            written = write(self, chunks)
            if not raced:
                raced.append(written)
                rows = {february[0]: 2.0}
                put(other, key=MINUTES, rows=rows, span=february, fetched="2024-03-15 19:01")
            return written

        with opened(archive.path, clock) as other:
            monkeypatch.setattr(Files, "write", late)
            span = (day("2024-01-30"), day("2024-02-02"))
            rows = dict.fromkeys(days_between(*span), 3.0)
            put(archive, key=MINUTES, rows=rows, span=span, fetched="2024-03-15 19:02")
            with opened(archive.path, clock) as fresh:
                assert got(fresh, key=MINUTES, span=span) == rows
            assert len(chunk_files(archive)) == 2
            assert {r.old for r in archive.revisions().rows} == {1.0, 2.0, 100.0, 200.0}

    def test_a_reader_who_lost_the_race_reads_again(self, archive, clock, monkeypatch):
        put(archive)
        raced = []
        load = Files.load

        def late(self, file):
            if not raced:
                raced.append(file)
                put(archive, rows={**ROWS, WEEK[0]: 1.0})
            return load(self, file)

        with opened(archive.path, clock) as other:
            monkeypatch.setattr(Files, "load", late)
            assert got(other) == {**ROWS, WEEK[0]: 1.0}
        assert not (archive.path / raced[0]).exists()
        assert not (archive.path / "damaged").exists()

    def test_after_closing_every_call_says_so(self, tmp_path, clock):
        with opened(tmp_path / "h", clock) as archive:
            pass
        with pytest.raises(CacheError, match="closed"):
            archive.covered([DAYS])


class TestMending:
    def damage(self, path):
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 0xFF
        path.write_bytes(data)

    @pytest.mark.parametrize("how", ["damaged", "cut short", "missing"])
    def test_a_broken_chunk_costs_its_own_days_only(self, archive, clock, how, caplog):
        span = (day("2023-12-01"), day("2024-03-08"))
        rows = {d: 1.0 for d in days_between(*span) if d.weekday() < 5}
        put(archive, rows=rows, span=span)
        path = next(p for p in chunk_files(archive) if p.name.startswith("2024"))
        if how == "damaged":
            self.damage(path)
        elif how == "cut short":
            path.write_bytes(path.read_bytes()[:-10])
        else:
            path.unlink()
        with opened(archive.path, clock) as fresh:
            assert got(fresh, span=span) is None
            assert fresh.covered([DAYS])[DAYS].pairs == ((span[0], day("2023-12-31")),)
            assert len(got(fresh, span=(span[0], day("2023-12-29")))) == 21
            assert len(list((fresh.path / "damaged").glob("*"))) == (how != "missing")
            put(fresh, rows=rows, span=span)
            assert got(fresh, span=span) == rows

    @pytest.mark.parametrize("how", ["garbage", "empty", "absent", "half", "foreign"])
    def test_a_lost_ledger_is_made_anew_from_the_files(self, archive, how, caplog):
        put(archive)
        put(archive, key=MINUTES)
        put(archive, rows={**ROWS, WEEK[0]: 1.0})
        archive.verified(DAYS, *WEEK)
        before = archive.stats(), archive.revisions().rows, archive.covered([DAYS, MINUTES])
        archive._store.ledger.connections.forget()
        ledger = Place(archive.path).ledger()
        if how == "garbage":
            ledger.write_bytes(b"no database" * 1000)
        elif how == "empty":
            ledger.write_bytes(b"")
        elif how == "half":
            with ledger.open("r+b") as file:
                file.truncate(ledger.stat().st_size // 2)
        elif how == "foreign":
            ledger.unlink()
            with closing(sqlite3.connect(ledger)) as foreign:
                foreign.execute("CREATE TABLE other (x)")
        else:
            ledger.unlink()
        assert archive.covered([DAYS, MINUTES]) == before[2]
        assert archive.stats() == before[0]
        assert archive.revisions().rows == before[1]
        assert got(archive) == {**ROWS, WEEK[0]: 1.0}
        assert sum("made anew" in r.getMessage() for r in caplog.records) == 1
        assert archive.unverified(sealed_before=at("2025-01-01"), limit=10)
        put(archive, rows=ROWS)
        assert got(archive) == ROWS

    def test_both_sides_mend_one_ledger_and_write_on(self, archive, clock):
        put(archive)
        with opened(archive.path, clock) as other:
            assert got(other) == ROWS
            Place(archive.path).ledger().unlink()
            put(other, rows={day("2024-03-11"): 1.0}, span=(day("2024-03-11"),) * 2)
            put(archive, rows={day("2024-03-12"): 2.0}, span=(day("2024-03-12"),) * 2)
            for one in (archive, other):
                assert one.covered([DAYS])[DAYS].pairs == ((WEEK[0], day("2024-03-12")),)

    def test_a_ledger_that_forgot_its_last_writes_finds_them_again(self, archive):
        put(archive, span=(WEEK[0], day("2024-03-05")))
        with closing(sqlite3.connect(Place(archive.path).ledger())) as ledger:
            chunks, seals = (
                ledger.execute(f"SELECT * FROM {t}").fetchall() for t in ("chunks", "seals")
            )
            put(archive)
            for table, rows in (("chunks", chunks), ("seals", seals)):
                ledger.execute(f"DELETE FROM {table}")
                marks = ", ".join("?" * len(rows[0]))
                ledger.executemany(f"INSERT INTO {table} VALUES ({marks})", rows)
            ledger.commit()
        assert got(archive, span=(WEEK[0], WEEK[0])) == {WEEK[0]: 10.0}
        assert got(archive) == ROWS

    def test_what_a_killed_writer_left_is_swept_and_saved(self, archive, clock, monkeypatch):
        put(archive, span=(WEEK[0], day("2024-03-05")))
        (archive.path / DAYS.folder / ".2024-half.tmp").write_bytes(b"half")
        store = archive._store
        with monkeypatch.context() as patch:
            patch.setattr(store, "_commit", lambda *a: 1 / 0)
            with pytest.raises(ZeroDivisionError):
                put(archive)
        assert len(chunk_files(archive)) == 2
        with opened(archive.path, clock) as other:
            assert len(chunk_files(other)) == 2, "it may be somebody's work in progress"
        age(archive, sweep_again=True)
        with opened(archive.path, clock) as other:
            assert got(other) == ROWS
            assert len(chunk_files(other)) == 1
            assert not list(other.path.rglob(".*.tmp"))

    def test_a_journal_with_a_torn_line_keeps_the_others(self, archive):
        put(archive)
        put(archive, rows={**ROWS, WEEK[0]: 1.0})
        with (archive.path / "revisions.jsonl").open("ab") as file:
            file.write(b'{"dataset": "ba')
        put(archive, rows=ROWS)
        before = archive.revisions()
        assert before.total == 10
        Place(archive.path).ledger().unlink()
        assert archive.revisions() == before

    def test_decoded_chunks_are_kept_within_their_bytes(self, archive, clock):
        span = (day("2020-01-01"), day("2024-03-08"))
        rows = dict.fromkeys(days_between(*span), 1.0)
        put(archive, rows=rows, span=span)
        files = Files(archive.path, decoded_bytes=100_000)
        names = [p.relative_to(archive.path).as_posix() for p in chunk_files(archive)]
        for name in names * 2:
            files.load(name)
            assert files._held <= 100_000
        assert 0 < len(files._decoded) < len(names)
        for name in names:
            files.forget(name)
        assert files._held == 0


class TestTrouble:
    def test_locked_by_another_process_reads_go_on_and_writes_fail_soon(self, archive, monkeypatch):
        monkeypatch.setattr("argus_core.history.connections.WRITE_WAIT", 0.05)
        put(archive, span=(WEEK[0], WEEK[0]))
        before = chunk_files(archive)
        with closing(sqlite3.connect(Place(archive.path).ledger(), isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            with pytest.raises(CacheError, match="locked"):
                put(archive)
            assert chunk_files(archive) == before
            assert got(archive, span=(WEEK[0], WEEK[0])) == {WEEK[0]: 10.0}
            other.execute("ROLLBACK")
        put(archive)
        assert got(archive) == ROWS

    def test_a_folder_that_cannot_be_made_is_used_once_it_can(self, tmp_path, clock):
        (tmp_path / "h").write_text("in the way")
        archive = Archive(tmp_path / "h", clock)
        with pytest.raises(CacheError):
            archive.open()
        with pytest.raises(CacheError):
            archive.covered([DAYS])
        (tmp_path / "h").unlink()
        put(archive)
        assert got(archive) == ROWS
        archive.close()

    def test_the_public_names_are_at_one_place(self):
        assert all(hasattr(public, name) for name in public.__all__)


def test_a_year_of_growing_by_a_day_is_one_chunk_and_one_span(archive):
    days = [d for d in days_between(day("2024-01-02"), day("2024-03-29")) if d.weekday() < 5]
    for when in days[:30]:
        put(
            archive,
            rows={when: 1.0},
            span=(when, when),
            fetched=f"{when + timedelta(days=1)} 03:00",
        )
    assert archive.stats().spans == 1
    assert len(chunk_files(archive)) == 1
