"""What the table of a Redis cache may hold, and what is said of it when it may not."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from argus_core.errors import ConfigError
from argus_core.plugins import read_settings
from argus_core.telemetry.secrets import Secrets
from argus_redis.cache import RedisCache
from argus_redis.settings import RedisSettings

WHERE = "plugins.toml, [caches.l2]"


def read(table, environ=None):
    secrets = Secrets(environ or {}, Path())
    return read_settings(RedisCache, table, where=WHERE, secrets=secrets), secrets


@pytest.mark.parametrize(
    ("url", "place", "database"),
    [
        ("redis://127.0.0.1:6379/0", "127.0.0.1:6379", 0),
        ("redis://cache.example", "cache.example:6379", 0),
        ("redis://cache.example/", "cache.example:6379", 0),
        ("rediss://user:p%40ss@cache.example:6380/12", "cache.example:6380", 12),
        ("redis://:pass@[::1]:7000/3", "[::1]:7000", 3),
        ("rediss://h:1/0?ssl_cert_reqs=none&ssl_check_hostname=false", "h:1", 0),
        ("unix:///run/redis.sock", "/run/redis.sock", 0),
        ("unix://:pass@/run/redis%20b.sock", "/run/redis b.sock", 0),
    ],
)
def test_a_url_says_where_and_which_database(url, place, database):
    settings = RedisSettings(url=url)
    assert settings.place == place
    assert settings.database == database
    assert settings.address == url


@pytest.mark.parametrize(
    "url",
    [
        *("", "nonsense", "127.0.0.1:6379", "http://127.0.0.1:6379", "redis://", "redis:///0"),
        *("redis://:hunter2@", "redis://u:hunter2@host:port/0", "redis://u:hunter2@host:0"),
        *("redis://u:hunter2@host:99999", "redis://u:hunter2@host/zero", "redis://host/-1"),
        *("redis://u:hunter#2@host/0", "redis://u:hunter2]@host", "redis://u:hunter2@[host/0"),
        *("redis://host/0?decode_responses=true", "redis://host?password=hunter2", "unix://"),
        *("unix://host/run/redis.sock", "redis://host/٣", "redis://host/0/1"),
    ],
)
def test_a_url_that_leads_nowhere_is_refused_without_showing_it(url):
    with pytest.raises(ValidationError) as caught:
        RedisSettings(url=url)
    with pytest.raises(ConfigError) as told:
        read({"url": {"env": "U"}} if url else {"url": url}, {"U": url})
    for text in (str(caught.value), str(told.value)):
        assert "hunter" not in text
        assert "a url " in text


@pytest.mark.parametrize(
    ("given", "place", "address"),
    [
        ({"host": "b"}, "b:7000", "rediss://u:p%40@b:7000/2?ssl_cert_reqs=none"),
        ({"port": 7001}, "a:7001", "rediss://u:p%40@a:7001/2?ssl_cert_reqs=none"),
        ({"host": "::1", "port": 1}, "[::1]:1", "rediss://u:p%40@[::1]:1/2?ssl_cert_reqs=none"),
    ],
)
def test_host_and_port_replace_those_of_the_url_and_nothing_else(given, place, address):
    settings = RedisSettings(url="rediss://u:p%40@a:7000/2?ssl_cert_reqs=none", **given)
    assert settings.place == place
    assert settings.address == address


def test_the_variables_of_old_set_host_and_port_over_the_file():
    table = {"url": "redis://:secret@a:1/5", "host": "file"}
    settings, _ = read(table, {"REDIS_HOST": "b", "REDIS_PORT": "6400"})
    assert settings.address == "redis://:secret@b:6400/5"
    alone, _ = read({}, {"REDIS_HOST": "b"})
    assert alone.address == "redis://b:6379/0"


def test_a_variable_of_old_with_nonsense_is_named():
    with pytest.raises(ConfigError) as caught:
        read({}, {"REDIS_PORT": "none"})
    assert "port" in caught.value.message
    assert "REDIS_PORT" in caught.value.where


@pytest.mark.parametrize(
    "table",
    [
        *({"host": text} for text in ("", "redis://b", "b/0", "u@b", "b c", "[::1]")),
        *({"port": port} for port in (0, 65536, "many")),
        *({"timeout": seconds} for seconds in (0, -1, 61, "nan", "inf")),
        *({"prefix": text} for text in ("", "a b", "a*", "x" * 65, "中")),
        *({"max_connections": number} for number in (0, 1001)),
        {"url": "unix:///run/redis.sock", "host": "b"},
        {"urll": "redis://a"},
    ],
)
def test_other_nonsense_is_refused(table):
    with pytest.raises(ConfigError):
        read(table)


def test_a_password_is_neither_shown_nor_left_out_of_redaction():
    url = "redis://user:hunter2@a:1/0"
    for table in ({"url": url}, {"url": {"env": "U"}}):
        settings, secrets = read(table, {"U": url})
        assert "hunter2" not in repr(settings)
        assert "hunter2" not in settings.place
        assert any("hunter2" in text for text in secrets.known)
