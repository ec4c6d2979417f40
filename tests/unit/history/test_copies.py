"""An archive as one file, and back."""

import hashlib
import io
import json
import tarfile
from contextlib import contextmanager

import pytest
from support.archive import DAYS, FACTORS, MINUTES, at, bars, closes, day, days_between, factors
from support.clock import TestClock

from argus_core.errors import CacheError
from argus_core.history.archive import Archive, SeriesKey
from argus_core.history.files import Files

SPAN = (day("2023-12-20"), day("2024-01-12"))
ROWS = {d: 1.0 for d in days_between(*SPAN) if d.weekday() < 5}
AGAIN = dict.fromkeys(ROWS, 2.0)


@contextmanager
def opened(path, clock):
    found = Archive(path, clock)
    found.open()
    try:
        yield found
    finally:
        found.close()


@pytest.fixture
def clock():
    return TestClock("2024-01-15 20:00:00")


@pytest.fixture
def archive(tmp_path, clock):
    with opened(tmp_path / "h", clock) as found:
        for key in (DAYS, MINUTES, SeriesKey("bars", "1d", "../../QMT 甲", "000001.SZ")):
            put(found, key=key)
        put(found, rows={**ROWS, SPAN[0]: 9.0}, fetched="2024-01-15 19:30")
        found.write(
            FACTORS,
            factors({SPAN[0]: 1.5}),
            *SPAN,
            fetched_at=at("2024-01-15 19:00"),
            resolution={},
        )
        yield found


@pytest.fixture
def other(tmp_path, clock):
    with opened(tmp_path / "other", clock) as found:
        yield found


@pytest.fixture
def backup(archive, tmp_path):
    target = tmp_path / "backup.tar"
    archive.backup(target)
    return target


def put(archive, key=DAYS, rows=ROWS, fetched="2024-01-15 19:00"):
    frame = bars(rows, key)
    return archive.write(key, frame, *SPAN, fetched_at=at(fetched), resolution={"volume": 100.0})


def content(archive):
    keys = archive.series()
    parts = archive.read(dict.fromkeys(keys, SPAN))
    return {key: (part.frame.rows(), part.resolution) for key, part in parts.items()}


def members(path):
    with tarfile.open(path) as tar:
        return {m.name: tar.extractfile(m).read() for m in tar}


def pack(path, parts):
    with tarfile.open(path, "w") as tar:
        for name, data in parts.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))


def resealed(parts, manifest):
    data = json.dumps(manifest).encode()
    seal = hashlib.sha256(data).hexdigest().encode()
    return {**parts, "manifest.json": data, "manifest.sha256": seal}


class TestThereAndBack:
    def test_an_empty_archive_becomes_the_same(self, archive, other, tmp_path):
        seen = []
        report = archive.backup(tmp_path / "b.tar", lambda done, of: seen.append((done, of)))
        assert (report.series, report.chunks, report.revisions) == (4, 7, 5)
        assert report.bytes == (tmp_path / "b.tar").stat().st_size
        assert seen[-1] == (7, 7)
        restored = other.restore(tmp_path / "b.tar", lambda done, of: seen.append((done, of)))
        assert (restored.chunks, restored.merged, restored.series) == (7, 7, 4)
        assert seen[-1] == (14, 14)
        assert content(other) == content(archive)
        assert other.revisions() == archive.revisions()
        assert other.covered(archive.series()) == archive.covered(archive.series())
        assert other.unverified(sealed_before=at("2025-01-01"), limit=99)

    def test_a_second_time_changes_nothing(self, archive, other, backup):
        other.restore(backup)
        before = content(other), other.revisions(), other.stats()
        again = other.restore(backup)
        assert (again.merged, again.revisions) == (0, 0)
        assert (content(other), other.revisions(), other.stats()) == before

    def test_what_was_fetched_last_wins_day_by_day(self, archive, other, backup):
        put(other, rows=AGAIN, fetched="2024-01-15 19:15")
        put(other, key=MINUTES, rows=AGAIN, fetched="2024-01-15 19:15")
        assert other.restore(backup).merged == 5
        assert content(other)[DAYS] == content(archive)[DAYS]
        assert closes(other.read({MINUTES: SPAN})[MINUTES].frame) == AGAIN

    def test_a_correction_that_the_backup_tells_of_is_entered_once(self, archive, other, backup):
        put(other, fetched="2024-01-15 19:00")
        other.restore(backup)
        assert other.revisions() == archive.revisions()

    def test_writing_goes_on_during_a_backup(self, archive, other, tmp_path, monkeypatch):
        def meanwhile(done, _of):
            if done == 1:
                for key in (DAYS, MINUTES, FACTORS):
                    put(archive, key=key, rows=AGAIN, fetched="2024-01-15 19:40")
                archive.clear(source="../../QMT 甲")

        archive.backup(tmp_path / "b.tar", meanwhile)
        other.restore(tmp_path / "b.tar")
        assert closes(other.read({MINUTES: SPAN})[MINUTES].frame) == AGAIN
        assert set(other.series()) <= {
            *archive.series(),
            SeriesKey("bars", "1d", "../../QMT 甲", "000001.SZ"),
        }

    def test_a_damaged_chunk_is_left_out_and_the_others_are_saved(self, archive, other, tmp_path):
        (path, *_) = (archive.path / MINUTES.folder).glob("*.parquet")
        path.write_bytes(b"damaged")
        report = archive.backup(tmp_path / "b.tar")
        assert report.chunks == 6
        assert other.restore(tmp_path / "b.tar").merged == 6


class TestRefusing:
    def refused(self, other, path, why):
        with pytest.raises(CacheError, match=why) as caught:
            other.restore(path)
        assert path.name in caught.value.message
        assert other.series() == []
        assert list(other.path.rglob("*.parquet")) == []

    def test_a_backup_replaces_no_file(self, archive, tmp_path):
        (tmp_path / "mine").write_text("precious")
        with pytest.raises(CacheError, match="exists"):
            archive.backup(tmp_path / "mine")
        assert (tmp_path / "mine").read_text() == "precious"

    def test_a_disk_that_refuses_leaves_no_half_file(self, archive, tmp_path):
        with pytest.raises(CacheError, match="cannot be written"):
            archive.backup(tmp_path / "absent" / "b.tar")
        assert not (tmp_path / "absent").exists()

    @pytest.mark.parametrize("keep", [0, 100, 5000, -11000, -15000])
    def test_cut_short(self, other, backup, tmp_path, keep):
        short = tmp_path / "short.tar"
        short.write_bytes(backup.read_bytes()[:keep])
        self.refused(other, short, "no backup|damaged|cut short")

    def test_no_file(self, other, tmp_path):
        self.refused(other, tmp_path / "nothing.tar", "cannot be read")

    def test_a_tar_of_something_else(self, other, tmp_path):
        pack(tmp_path / "t.tar", {"readme.txt": b"hello"})
        self.refused(other, tmp_path / "t.tar", "no manifest")

    def test_a_bit_anywhere_is_noticed(self, other, backup, tmp_path):
        whole = backup.read_bytes()
        for place in range(600, len(whole) - 12000, len(whole) // 25):
            data = bytearray(whole)
            data[place] ^= 1
            damaged = tmp_path / "damaged.tar"
            damaged.write_bytes(data)
            if members_or_none(damaged) == members(backup):
                continue
            self.refused(other, damaged, "backup")

    def test_a_chunk_too_few_or_too_many(self, other, backup, tmp_path):
        parts = members(backup)
        pack(tmp_path / "few.tar", dict(list(parts.items())[1:]))
        self.refused(other, tmp_path / "few.tar", "missing")
        pack(tmp_path / "many.tar", {**parts, "../../evil.parquet": b"x"})
        self.refused(other, tmp_path / "many.tar", "does not know")

    def test_a_link_is_no_chunk(self, other, backup, tmp_path):
        with tarfile.open(backup, "a") as tar:
            link = tarfile.TarInfo("bars/evil")
            link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
            tar.addfile(link)
        self.refused(other, backup, "evil")

    @pytest.mark.parametrize("name", ["../../../evil/", "/evil/", "C:\\evil\\"])
    def test_a_forged_manifest_leads_nowhere(self, other, backup, tmp_path, name):
        parts = members(backup)
        manifest = json.loads(parts["manifest.json"])
        entry = manifest["chunks"][0]
        forged = name + entry["file"].rpartition("/")[2]
        parts[forged] = parts.pop(entry["file"])
        entry["file"] = forged
        pack(tmp_path / "forged.tar", resealed(parts, manifest))
        self.refused(other, tmp_path / "forged.tar", "cannot be used")
        assert not list(tmp_path.rglob("*evil*"))

    @pytest.mark.parametrize(
        "change",
        [
            {"kind": "cookbook"},
            {"format": 2},
            {"chunks": None},
            {"revisions": [{}]},
            {"chunks": [1]},
        ],
    )
    def test_a_manifest_of_another_kind(self, other, backup, tmp_path, change):
        parts = members(backup)
        manifest = json.loads(parts["manifest.json"]) | change
        pack(tmp_path / "other.tar", resealed(parts, manifest))
        self.refused(other, tmp_path / "other.tar", "another kind|cannot be understood")

    def test_a_manifest_that_was_edited(self, other, backup, tmp_path):
        parts = members(backup)
        parts["manifest.json"] = parts["manifest.json"].replace(b"9.0", b"8.0")
        pack(tmp_path / "edited.tar", parts)
        self.refused(other, tmp_path / "edited.tar", "checksum of its manifest")


def members_or_none(path):
    try:
        return members(path)
    except (tarfile.TarError, OSError, ValueError):
        return None


def test_a_file_that_is_deleted_under_a_backup_is_looked_up_again(archive, tmp_path, monkeypatch):
    real = Files.forget
    forgotten = []
    monkeypatch.setattr(
        Files, "forget", lambda self, file: (forgotten.append(file), real(self, file))
    )
    for path in (archive.path / DAYS.folder).glob("2023*.parquet"):
        path.unlink()
    assert archive.backup(tmp_path / "b.tar").chunks == 6
    assert any("2023" in name for name in forgotten)
