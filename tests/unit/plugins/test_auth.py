"""Who is let in, by the open authenticator and by API keys."""

from __future__ import annotations

import json
import os
import stat
import sys
import threading
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import SecretStr, ValidationError
from support.clock import TestClock

from argus_auth import api_key
from argus_auth import open as open_auth
from argus_auth.key_store import LOOK_AGAIN, KeyStore
from argus_core import (
    Authenticator,
    BadCredentials,
    BadParameter,
    Clock,
    PluginError,
    Presented,
)


@pytest.fixture
def clock() -> TestClock:
    return TestClock()


@pytest.fixture
def keys(tmp_path: Path, clock: TestClock) -> Authenticator:
    return build(tmp_path, clock)


def build(data_dir: Path, clock: Clock, **settings) -> Authenticator:
    plugin = api_key.register_authenticator()
    return plugin("api_key", plugin.Settings(**settings), clock, data_dir)


def header(key: str) -> Presented:
    return Presented(api_key=SecretStr(key))


def bearer(key: str) -> Presented:
    return Presented(bearer=SecretStr(key))


async def refused(authenticator: Authenticator, presented: Presented) -> str:
    with pytest.raises(BadCredentials) as caught:
        await authenticator.authenticate(presented)
    assert caught.value.status == 401
    assert caught.value.details is None
    return caught.value.message


class TestOpen:
    async def test_everybody_may_do_everything(self, tmp_path, clock):
        plugin = open_auth.register_authenticator()
        authenticator = plugin("open", plugin.Settings(), clock, tmp_path)
        for presented in (Presented(), header("anything"), bearer("anything")):
            principal = await authenticator.authenticate(presented)
            assert principal is not None
            assert principal.scopes == {"data", "manage"}

    def test_only_on_loopback(self):
        assert open_auth.register_authenticator().loopback_only
        assert not api_key.register_authenticator().loopback_only


class TestJudgement:
    async def test_a_key_opens_by_either_header_with_its_scopes(self, keys):
        record, plaintext = keys.create_key("desk", ["data"], None)
        for presented in (header(plaintext), bearer(plaintext)):
            principal = await keys.authenticate(presented)
            assert (principal.id, principal.scopes) == (record.id, {"data"})

    async def test_nothing_presented_is_left_to_the_next(self, keys):
        assert await keys.authenticate(Presented()) is None
        assert await keys.authenticate(bearer("eyJhbGciOi.not.ours")) is None

    async def test_the_x_api_key_header_is_always_judged_here(self, keys):
        _, plaintext = keys.create_key("desk", ["data"], None)
        await refused(keys, header("eyJhbGciOi.not.ours"))
        await refused(keys, Presented(api_key=SecretStr("wrong"), bearer=SecretStr(plaintext)))

    async def test_every_refusal_says_the_same(self, keys, clock):
        live, plaintext = keys.create_key("live", ["data"], None)
        revoked, revoked_key = keys.create_key("revoked", ["data"], None)
        keys.revoke_key(revoked.id)
        _, expired_key = keys.create_key("short", ["data"], clock.now() + timedelta(seconds=5))
        clock.advance(5)
        other_secret = plaintext.rsplit(live.id + "_", 1)[0] + live.id + "_" + "A" * 43
        wrong = [
            revoked_key,
            expired_key,
            other_secret,
            plaintext[:-1],
            plaintext + "A",
            plaintext + "\n",
            plaintext.upper(),
            " " + plaintext,
            plaintext.replace(live.id, "abcdefgh"),
            "argus_",
            "",
            "argus_" + "x" * 65536,
            "argus_钥匙",
            plaintext[:-1] + "é",
            "argus_\udcff",
            "\0",
        ]
        messages = {await refused(keys, header(key)) for key in wrong}
        messages |= {await refused(keys, bearer(key)) for key in wrong if key.startswith("argus_")}
        assert len(messages) == 1
        assert await keys.authenticate(header(plaintext))

    @settings(max_examples=50)
    @given(key=st.text(max_size=80))
    async def test_no_text_is_a_key_by_luck_or_an_error(self, tmp_path_factory, key):
        authenticator = build(tmp_path_factory.getbasetemp(), TestClock())
        await refused(authenticator, header(key))

    async def test_no_secret_is_told_by_errors_or_reprs(self, keys, tmp_path):
        record, plaintext = keys.create_key("desk", ["data"], None)
        secret = plaintext.split("_", 2)[2]
        text = (tmp_path / "keys.json").read_text()
        told = [repr(record), str(record), text, await refused(keys, header(plaintext + "x"))]
        assert all(secret not in each for each in told)
        assert record.hash not in repr(record)

    async def test_an_unknown_id_is_compared_too(self, keys, monkeypatch):
        compared = []
        real = api_key.KeyStore.find.__globals__["hmac"].compare_digest
        monkeypatch.setattr(
            "hmac.compare_digest", lambda left, right: compared.append(1) or real(left, right)
        )
        await refused(keys, header(f"argus_abcdefgh_{'A' * 43}"))
        assert len(compared) == 1


class TestRereading:
    """One process serves while another one changes the file."""

    @pytest.fixture
    def elsewhere(self, tmp_path, clock) -> KeyStore:
        return KeyStore(tmp_path / "keys.json", clock)

    async def test_a_key_made_elsewhere_opens_within_a_second(self, keys, clock, elsewhere):
        await refused(keys, header("wrong"))
        await refused(keys, header(f"argus_abcdefgh_{'A' * 43}"))  # the file was looked at now
        _, plaintext = elsewhere.create("desk", ["data"])
        clock.advance(LOOK_AGAIN)
        assert await keys.authenticate(header(plaintext))

    async def test_a_key_revoked_elsewhere_is_refused_within_a_second(self, keys, clock, elsewhere):
        record, plaintext = keys.create_key("desk", ["data"], None)
        assert await keys.authenticate(header(plaintext))
        elsewhere.revoke(record.id)
        clock.advance(LOOK_AGAIN)
        await refused(keys, header(plaintext))

    async def test_the_file_is_looked_at_once_a_second_at_most(self, keys, clock, monkeypatch):
        _, plaintext = keys.create_key("desk", ["data"], None)
        looks = []
        real = Path.stat
        monkeypatch.setattr(
            Path, "stat", lambda path, **more: looks.append(path) or real(path, **more)
        )
        for _ in range(50):
            clock.advance(LOOK_AGAIN / 100)
            assert await keys.authenticate(header(plaintext))
        # Creating the key asked for one look at once; the second half second needed no other.
        assert len([path for path in looks if path.name == "keys.json"]) == 2  # check and read
        clock.advance(LOOK_AGAIN)
        assert await keys.authenticate(header(plaintext))
        assert len([path for path in looks if path.name == "keys.json"]) == 3

    async def test_an_unchanged_file_is_not_read_again(self, keys, clock, monkeypatch):
        _, plaintext = keys.create_key("desk", ["data"], None)
        assert await keys.authenticate(header(plaintext))
        monkeypatch.setattr(Path, "read_bytes", lambda _: pytest.fail("read again"))
        clock.advance(10)
        assert await keys.authenticate(header(plaintext))

    async def test_a_store_that_goes_missing_admits_nobody(self, keys, clock, tmp_path):
        _, plaintext = keys.create_key("desk", ["data"], None)
        assert await keys.authenticate(header(plaintext))
        (tmp_path / "keys.json").unlink()
        clock.advance(LOOK_AGAIN)
        await refused(keys, header(plaintext))

    async def test_a_store_that_breaks_admits_nobody_until_it_is_mended(
        self, keys, clock, tmp_path
    ):
        _, plaintext = keys.create_key("desk", ["data"], None)
        assert await keys.authenticate(header(plaintext))
        path = tmp_path / "keys.json"
        good = path.read_bytes()
        path.write_bytes(good[:-20])
        clock.advance(LOOK_AGAIN)
        for _ in range(2):
            with pytest.raises(PluginError, match="damaged"):
                await keys.authenticate(header(plaintext))
        path.write_bytes(good)
        assert await keys.authenticate(header(plaintext))


class TestStore:
    def test_a_record_says_everything_but_the_secret(self, keys, clock):
        expires = clock.now() + timedelta(days=90)
        record, plaintext = keys.create_key("night batch", ["manage", "data"], expires)
        assert plaintext.startswith(f"argus_{record.id}_")
        assert len(plaintext) == len("argus_") + 8 + 1 + 43
        assert record.scopes == ("data", "manage")
        assert (record.created, record.expires, record.revoked) == (clock.now(), expires, None)
        assert keys.list_keys() == (record,)

    def test_every_key_is_different(self, keys):
        made = [keys.create_key("same", ["data"], None) for _ in range(20)]
        assert len({plaintext for _, plaintext in made}) == 20
        assert len({record.id for record, _ in made}) == 20
        assert len({record.salt for record, _ in made}) == 20
        assert [record for record, _ in made] == list(keys.list_keys())

    def test_revoking_is_final_and_keeps_the_first_date(self, keys, clock):
        record, _ = keys.create_key("desk", ["data"], None)
        untouched, _ = keys.create_key("other", ["data"], None)
        first = keys.revoke_key(record.id)
        clock.advance(60)
        assert keys.revoke_key(record.id) == first
        assert keys.list_keys() == (first, untouched)

    def test_an_unknown_id_cannot_be_revoked(self, keys):
        with pytest.raises(BadParameter, match="nosuchid"):
            keys.revoke_key("nosuchid")

    @pytest.mark.parametrize(
        ("name", "scopes", "days", "says"),
        [
            ("", ["data"], None, "name"),
            ("   ", ["data"], None, "name"),
            ("two\nlines", ["data"], None, "name"),
            ("x" * 101, ["data"], None, "name"),
            ("desk", [], None, "data, manage"),
            ("desk", ["data", "root"], None, "data, manage"),
            ("desk", ["data"], 0, "future"),
            ("desk", ["data"], -1, "future"),
        ],
    )
    def test_nonsense_is_refused_and_leaves_no_key(  # noqa: PLR0917
        self, keys, clock, name, scopes, days, says
    ):
        expires = None if days is None else clock.now() + timedelta(days=days)
        with pytest.raises(BadParameter, match=says):
            keys.create_key(name, scopes, expires)
        assert keys.list_keys() == ()

    def test_the_path_can_be_set_and_its_directory_is_made(self, tmp_path, clock):
        keys = build(tmp_path, clock, path="secrets/mine.json")
        keys.create_key("desk", ["data"], None)
        assert (tmp_path / "secrets" / "mine.json").is_file()
        elsewhere = build(tmp_path / "other", clock, path=tmp_path / "secrets" / "mine.json")
        assert elsewhere.list_keys() == keys.list_keys()

    def test_unknown_settings_are_refused(self, tmp_path, clock):
        with pytest.raises(ValidationError):
            build(tmp_path, clock, file="keys.json")

    @pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such modes")
    def test_only_the_owner_can_read_the_file(self, keys, tmp_path):
        previous = os.umask(0)
        try:
            record, _ = keys.create_key("desk", ["data"], None)
            keys.revoke_key(record.id)
        finally:
            os.umask(previous)
        assert stat.S_IMODE((tmp_path / "keys.json").stat().st_mode) == 0o600

    def test_nothing_but_the_store_is_left_behind(self, keys, tmp_path):
        record, _ = keys.create_key("desk", ["data"], None)
        keys.revoke_key(record.id)
        assert [path.name for path in tmp_path.iterdir()] == ["keys.json"]

    def test_a_failed_write_leaves_the_old_file_and_no_lock(self, keys, tmp_path, monkeypatch):
        keys.create_key("desk", ["data"], None)
        before = (tmp_path / "keys.json").read_bytes()

        def full(_: int) -> None:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(os, "fsync", full)
        with pytest.raises(PluginError, match="No space left"):
            keys.create_key("other", ["data"], None)
        assert (tmp_path / "keys.json").read_bytes() == before
        assert [path.name for path in tmp_path.iterdir()] == ["keys.json"]

    def test_writers_take_turns(self, tmp_path, clock):
        stores = [KeyStore(tmp_path / "keys.json", clock, patience=30) for _ in range(6)]
        threads = [
            threading.Thread(target=lambda each=each: [each.create("n", ["data"]) for _ in "abc"])
            for each in stores
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(stores[0].records()) == 18

    def test_a_lock_that_is_never_released_is_named(self, tmp_path, clock):
        lock = tmp_path / "keys.json.lock"
        lock.touch()
        with pytest.raises(PluginError) as caught:
            KeyStore(tmp_path / "keys.json", clock, patience=0).create("desk", ["data"])
        assert caught.value.where == str(lock)
        assert "delete" in caught.value.fix
        assert lock.exists()

    @pytest.mark.parametrize(
        "text",
        [
            "",
            "not json",
            "[]",
            '{"version": 2, "keys": []}',
            '{"keys": [{"id": "abcdefgh"}]}',
            '{"surprise": 1}',
        ],
    )
    def test_a_damaged_store_stops_the_start(self, tmp_path, clock, text):
        path = tmp_path / "keys.json"
        path.write_text(text)
        with pytest.raises(PluginError, match="damaged") as caught:
            build(tmp_path, clock)
        assert caught.value.where == str(path)
        assert caught.value.fix

    def test_a_damaged_store_is_not_quoted(self, keys, tmp_path, clock):
        keys.create_key("desk", ["data"], None)
        path = tmp_path / "keys.json"
        document = json.loads(path.read_text())
        document["keys"][0]["scopes"] = "everything-secret"
        path.write_text(json.dumps(document))
        with pytest.raises(PluginError, match=r"keys\.0\.scopes") as caught:
            build(tmp_path, clock)
        assert "everything-secret" not in str(caught.value)

    def test_a_store_that_cannot_be_read_says_so(self, tmp_path, clock):
        (tmp_path / "keys.json").mkdir()
        with pytest.raises(PluginError, match="cannot be read"):
            build(tmp_path, clock)
