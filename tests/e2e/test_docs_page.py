"""`/docs` in a real browser that reaches nothing but this machine."""

import subprocess

import pytest
from support.browser import CHROMIUM, FLAGS
from support.process import argus, environment


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with argus(tmp_path_factory.mktemp("demo"), "demo") as running:
        yield running


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium: install the package chromium")
@pytest.mark.parametrize(
    ("page", "words"),
    [
        ("/docs", ["/api/v1/market_data/latest", "/hist_kline", "market_data", "legacy", "system"]),
        ("/redoc", ["/api/v1/market_data/latest"]),
    ],
)
def test_the_documentation_renders_without_internet(server, tmp_path, page, words):
    command = [
        CHROMIUM,
        *FLAGS,
        f"--user-data-dir={tmp_path / 'profile'}",
        "--virtual-time-budget=20000",
        "--dump-dom",
        server.url + page,
    ]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=120, env=environment(), check=False
    )
    for word in words:
        assert word in done.stdout, done.stderr[-2000:]
    assert "Failed to load" not in done.stdout
