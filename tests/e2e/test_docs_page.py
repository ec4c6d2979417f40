"""`/docs` in a real browser that reaches nothing but this machine."""

import shutil
import subprocess

import pytest
from support.process import argus, environment

CHROMIUM = (
    shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
)
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-sync",
    "--disable-background-networking",
    "--disable-component-update",
    "--virtual-time-budget=20000",
]


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
        # Every name but loopback fails to resolve: what the page needs must be shipped.
        "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
        "--dump-dom",
        server.url + page,
    ]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=120, env=environment(), check=False
    )
    for word in words:
        assert word in done.stdout, done.stderr[-2000:]
    assert "Failed to load" not in done.stdout
