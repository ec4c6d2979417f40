"""The server's life: address, first line, logs, signals."""

from __future__ import annotations

import logging
import signal
import socket
import subprocess
import sys
import textwrap
import time

import pytest
from support.distribution import install
from support.process import argus, environment
from typer.testing import CliRunner

from argus_cli import app, listening
from argus_cli.logs import QuerySecrets, configuration
from argus_core.errors import ConfigError

posix = pytest.mark.skipif(sys.platform == "win32", reason="Windows ends processes otherwise")


class TestAddress:
    @pytest.fixture
    def taken(self):
        with socket.create_server(("127.0.0.1", 0)) as other:
            yield other.getsockname()[1]

    def test_a_taken_port_is_told(self, taken, monkeypatch, tmp_path):
        monkeypatch.chdir(tmp_path)
        result = CliRunner().invoke(app, ["demo", "--port", str(taken)])
        assert result.exit_code == 1
        assert "Traceback" not in result.output
        first, second, third = result.stderr.splitlines()
        assert first == f"error: port {taken} on 127.0.0.1 is already taken"
        assert "ARGUS_PORT" in second
        assert f"--port {taken + 1}" in third

    def test_a_port_that_may_not_be_had_is_told(self):
        error = listening.refused("127.0.0.1", 80, PermissionError(13, "Permission denied"))
        assert "port 80" in error.message

    def test_an_address_of_another_machine_is_told(self):
        with pytest.raises(ConfigError, match=r"cannot listen on 203\.0\.113\.1"):
            listening.bound("203.0.113.1", 0)

    def test_the_socket_does_not_listen_yet(self):
        with listening.bound("127.0.0.1", 0) as listener:
            port = listener.getsockname()[1]
            with pytest.raises(ConnectionRefusedError):
                socket.create_connection(("127.0.0.1", port), timeout=5)

    @pytest.mark.skipif(sys.platform != "linux", reason="systems round it each in their own way")
    def test_the_system_keeps_little_of_whoever_sends_more_than_is_read(self):
        with listening.bound("127.0.0.1", 0) as listener:
            listener.listen()
            with (
                socket.create_connection(listener.getsockname(), timeout=5),
                listener.accept()[0] as peer,
            ):
                kept = peer.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF)
        assert kept <= 2 * listening.UNREAD  # the system counts its own needs in

    @pytest.mark.parametrize(
        ("host", "url"),
        [
            ("127.0.0.1", "http://127.0.0.1:8001"),
            ("0.0.0.0", "http://127.0.0.1:8001"),
            ("::", "http://127.0.0.1:8001"),
            ("::1", "http://[::1]:8001"),
            ("localhost", "http://localhost:8001"),
        ],
    )
    def test_the_url_is_one_that_opens(self, host, url):
        assert listening.url_of(host, 8001) == url


class TestLogs:
    @pytest.mark.parametrize(
        ("line", "masked"),
        [
            ("GET /x?token=abc&a=1 HTTP", "GET /x?token=***&a=1 HTTP"),
            ("GET /x?api_key=abc HTTP", "GET /x?api_key=*** HTTP"),
            ("GET /x?apikey=abc HTTP", "GET /x?apikey=*** HTTP"),
            ("GET /x?access_token=abc HTTP", "GET /x?access_token=*** HTTP"),
            ("GET /x?a=1&x-api-key=abc HTTP", "GET /x?a=1&x-api-key=*** HTTP"),
            ("GET /x?symbols=600519.SH HTTP", "GET /x?symbols=600519.SH HTTP"),
            ("GET /x?KEY=%61%62 HTTP", "GET /x?KEY=*** HTTP"),
        ],
    )
    def test_what_never_belongs_in_a_url_is_masked(self, line, masked):
        record = logging.LogRecord("uvicorn.access", 20, "", 0, "%s", (line,), None)
        assert QuerySecrets().filter(record)
        assert record.getMessage() == masked

    def test_every_handler_passes_both_filters(self):
        known = logging.Filter()
        made = configuration(known, access_log=False)
        assert made["filters"]["known"]["()"]() is known
        assert all(h["filters"] == ["known", "named"] for h in made["handlers"].values())


class TestLife:
    @posix
    def test_demo_answers_logs_safely_and_ends_cleanly(self, tmp_path):
        with argus(tmp_path, "demo", "--access-log") as running:
            answer = running.get("/api/v1/market_data/latest?symbols=600519.SH")
            assert answer.json()["meta"]["simulated"] is True
            assert "server" not in answer.headers
            running.get("/health?token=do-not-log-me")
            running.process.send_signal(signal.SIGTERM)
            assert running.process.wait(20) == 0
            log = running.log.read_text()
        assert log.splitlines()[0] == (
            f"Argus answers on {running.url} (documentation: {running.url}/docs)"
        )
        assert "SIMULATED" in log
        assert "GET /health?token=***" in log
        assert "do-not-log-me" not in log
        assert "Traceback" not in log

    @posix
    def test_interrupting_is_a_clean_end_too_and_nothing_is_logged_unasked(self, tmp_path):
        (tmp_path / "plugins.toml").write_text('[sources.demo]\nplugin = "demo"\n')
        with argus(tmp_path, "serve") as running:
            running.get("/health")
            running.process.send_signal(signal.SIGINT)
            assert running.process.wait(20) == 0
            assert len(running.log.read_text().splitlines()) == 1

    FICKLE = """
        import asyncio
        from argus_core import Settings, Source, hookimpl

        class Fickle(Source):
            class Settings(Settings):
                hang: bool = False

            async def open(self):
                print("opening", flush=True)
                if not self.settings.hang:
                    raise RuntimeError("no session today")
                try:
                    await asyncio.sleep(600)
                finally:
                    print("given up", flush=True)

            def quotes(self, query):
                return []

        @hookimpl
        def register_source():
            return Fickle
    """

    def start(self, tmp_path, monkeypatch, *, hang: str) -> subprocess.Popen:
        site = tmp_path / "site"
        site.mkdir()
        install(
            site,
            monkeypatch,
            dist="argus-fickle",
            module="cli_fickle",
            source=self.FICKLE,
            entry="fickle",
        )
        (tmp_path / "plugins.toml").write_text(
            textwrap.dedent(f"""
                [server]
                port = 0
                [sources.mood]
                plugin = "fickle"
                hang = {hang}
            """)
        )
        return subprocess.Popen(
            [sys.executable, "-m", "argus_cli", "serve"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=tmp_path,
            env=environment(PYTHONPATH=str(site)),
        )

    def test_a_source_that_cannot_open_is_told(self, tmp_path, monkeypatch):
        out, err = self.start(tmp_path, monkeypatch, hang="false").communicate(timeout=60)
        assert out == "opening\n"
        first, second, third = err.splitlines()
        assert first.startswith("error: source 'mood' cannot start")
        assert "[sources.mood]" in second
        assert third.startswith("  fix: ")

    @posix
    def test_a_start_that_hangs_can_be_stopped(self, tmp_path, monkeypatch):
        process = self.start(tmp_path, monkeypatch, hang="true")
        assert process.stdout is not None
        assert process.stdout.readline() == "opening\n"
        began = time.monotonic()
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=60)
        assert time.monotonic() - began < 10
        assert (process.returncode, out, err) == (0, "given up\n", "")
