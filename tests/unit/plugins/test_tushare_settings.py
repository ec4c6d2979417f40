"""Settings, secrets in them, and what importing the plugin costs."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap

import pytest
from pydantic import ValidationError

from argus_tushare.settings import ENDPOINT, TushareSettings

TOKEN = "s3cr3t-0123456789abcdef-token"


def made(**facts) -> TushareSettings:
    return TushareSettings.model_validate({"token": TOKEN} | facts)


def test_defaults_are_safe():
    settings = made()
    assert settings.endpoint == ENDPOINT
    assert settings.endpoint.startswith("https://")
    assert settings.quotes_from == "realtime"
    assert TOKEN not in repr(settings)


@pytest.mark.parametrize(
    ("facts", "told"),
    [
        ({"endpoint": "http://api.tushare.pro/dataapi"}, "allow_http"),
        ({"endpoint": "ftp://api.tushare.pro"}, "looks like https://"),
        ({"endpoint": "api.tushare.pro/dataapi"}, "looks like https://"),
        ({"endpoint": "https://user:pw@api.tushare.pro/dataapi"}, "nothing else"),
        ({"endpoint": "https://api.tushare.pro/dataapi?token=1"}, "nothing else"),
        ({"timeout": 0}, "timeout"),
        ({"timeout": "soon"}, "timeout"),
        ({"quotes_from": "guess"}, "quotes_from"),
        ({"tokens": "typo"}, "tokens"),
        ({"token": ""}, "token"),
        ({"token": 12345678}, "token"),
    ],
)
def test_a_wrong_setting_is_named_and_the_secret_is_not(facts, told):
    with pytest.raises(ValidationError) as caught:
        made(**facts)
    assert told in str(caught.value)
    assert TOKEN not in str(caught.value)
    assert "12345678" not in str(caught.value)


@pytest.mark.parametrize(
    "facts",
    [
        {"endpoint": "http://127.0.0.1:8000/dataapi/"},
        {"endpoint": "http://localhost:8000/dataapi"},
        {"endpoint": "http://[::1]:8000/dataapi"},
        {"endpoint": "http://10.0.0.8/dataapi", "allow_http": True},
    ],
)
def test_plain_http_where_it_is_harmless_or_wanted(facts):
    assert made(**facts).endpoint == facts["endpoint"].rstrip("/")


def run(code: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )
    return done.stdout.strip()


def test_importing_the_plugin_imports_no_vendor():
    heavy = run(
        """
        import sys
        import argus_core
        before = set(sys.modules)
        import argus_tushare
        heavy = {"tushare", "pandas", "numpy", "httpx", "requests"}
        print(sorted({name.partition(".")[0] for name in set(sys.modules) - before} & heavy))
        """
    )
    assert heavy == "[]"


@pytest.mark.parametrize("package", ["tushare", "pandas", "httpx"])
def test_a_missing_package_is_named_with_its_cure(package):
    told = run(
        f"""
        import asyncio, sys
        sys.modules[{package!r}] = None
        from argus_core import Clock, PluginError
        import argus_tushare
        source_class = argus_tushare.register_source()
        settings = source_class.Settings.model_validate({{"token": "x"}})
        try:
            asyncio.run(source_class("tushare", settings, Clock()).open())
        except PluginError as error:
            print(error)
        """
    )
    assert package in told
    assert 'pip install "argus-marketdata[tushare]"' in told
