"""The pages for integrators, done as they say."""

import asyncio
import csv
import hashlib
import importlib
import io
import re
import sys
import threading
from contextlib import closing, nullcontext, suppress
from datetime import date
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from pydantic import SecretStr
from support.distribution import install
from support.process import argus
from support.venv import Venv

import argus_core
from argus_core import (
    BarsQuery,
    Clock,
    Depth,
    Gap,
    LoginFailed,
    Period,
    Preparing,
    Presented,
    QuotesQuery,
    SourceUnavailable,
    Symbol,
    Throttled,
)
from argus_core.testing.checks import GROUPS
from argus_core.testing.run import run
from argus_core.testing.subject import Subject

DOCS = Path(__file__).resolve().parents[2] / "docs" / "extend"
SOURCE = (DOCS / "write-a-source.md").read_text(encoding="utf-8")
OTHERS = (DOCS / "write-the-others.md").read_text(encoding="utf-8")
TOKEN = "a-token-of-mine"
MAOTAI = Symbol("600519.SH")
JUDGED = {"STR-01", "STR-02", "STR-03", "STR-06", "STR-08"}
LAST = "code,time,last,prev,lots,kyuan"
DAYS = "code,day,open,high,low,close,lots,kyuan"
ROWS = {
    "SH600519": [("2024-01-02", 100.5, 102, 99.5, 101, 12000, 120900)],
    "SZ000001": [("2024-01-02", 10, 10.2, 9.9, 10.1, 80000, 80400)],
}
for day, close in (("2024-01-03", 102), ("2024-01-04", 99), ("2024-01-05", 100)):
    for code, scale, lots in (("SH600519", 1, 15000), ("SZ000001", 10, 90000)):
        price = close / scale
        row = (day, price, price, price, price, lots, round(lots * price / 10))
        ROWS[code].append(row)


def block(page: str, language: str, holding: str) -> str:
    """The one fenced block of a page that holds a text."""
    found = re.findall(rf"^```{language}\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    (text,) = [text for text in found if holding in text]
    return text


class EastWind(BaseHTTPRequestHandler):
    """The vendor that the page supposes."""

    refusal: int | None = None

    def do_GET(self):
        asked = urlsplit(self.path)
        query = {key: values[0] for key, values in parse_qs(asked.query).items()}
        if self.headers["Authorization"] != f"Bearer {TOKEN}":
            self.answer(401, "")
        elif type(self).refusal:
            self.answer(type(self).refusal, f"no, {TOKEN}")
        else:
            self.answer(200, (self.last if asked.path == "/last" else self.days)(query))

    def last(self, query):
        lines = [LAST]
        for code in query["codes"].split(","):
            if code in ROWS:
                (day, _, _, _, last, lots, kyuan), prev = ROWS[code][-1], ROWS[code][-2][4]
                lines.append(f"{code},{day}T15:00:00,{last},{prev},{lots},{kyuan}")
        return "\n".join(lines)

    def days(self, query):
        out = io.StringIO()
        writer = csv.writer(out)
        writer.writerow(DAYS.split(","))
        for code in query["codes"].split(","):
            rows = [r for r in ROWS.get(code, ()) if query["start"] <= r[0] <= query["end"]]
            writer.writerows([code, *row] for row in rows)
        return out.getvalue()

    def answer(self, status, text):
        self.send_response(status)
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *_):
        """Nothing: stderr belongs to the test."""


class Peer(BaseHTTPRequestHandler):
    """A messenger that takes everything."""

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_):
        """Nothing: stderr belongs to the test."""


@pytest.fixture
def serving():
    """A function that serves a handler on loopback and returns its address."""
    servers = []

    def serve(handler):
        server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        servers.append((server, thread))
        return f"http://127.0.0.1:{server.server_port}"

    yield serve
    for server, thread in servers:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def vendor(serving):
    """A running EastWind: its address, and how it is told to refuse."""
    made = type("Vendor", (EastWind,), {})
    made.url = serving(made)
    return made


@pytest.fixture
def load(tmp_path, monkeypatch):
    """A function that installs a snippet as a plugin and returns what its hook returns."""

    def load(text, entry, kind="source"):
        module = f"snippet_{entry}"
        install(tmp_path, monkeypatch, dist=module, module=module, source=text, entry=entry)
        importlib.invalidate_caches()
        loaded = importlib.import_module(module)
        return getattr(loaded, f"register_{kind}")()

    return load


def quotes(*symbols):
    return QuotesQuery(symbols=tuple(map(Symbol, symbols)))


class TestTheTenMinutes:
    @pytest.mark.long
    def test_as_written(self, tmp_path, vendor, monkeypatch):
        monkeypatch.setenv("EASTWIND_TOKEN", TOKEN)
        venv = Venv.create(tmp_path / "venv")
        shell = Shell(venv, tmp_path)
        shell.run(block(SOURCE, "bash", "argus plugin new"))

        package = shell.cwd / "argus_eastwind"
        (package / "sample.py").unlink()
        (package / "__init__.py").write_text(block(SOURCE, "python", "csv.DictReader"), "utf-8")
        kit = block(SOURCE, "python", "SourceConformance")
        kit = kit.replace('"token"', f'"url": {vendor.url!r}, "token"')
        (shell.cwd / "tests" / "test_eastwind.py").write_text(kit, "utf-8")
        shell.run("pytest")

        toml = block(SOURCE, "toml", "eastwind")
        toml = toml.replace('plugin = "eastwind"\n', f'plugin = "eastwind"\nurl = "{vendor.url}"\n')
        (shell.cwd / "plugins.toml").write_text(toml, "utf-8")
        check, serve, curl = block(SOURCE, "bash", "argus serve").splitlines()
        shell.run(check)
        monkeypatch.setattr(sys, "executable", str(venv.python))
        with argus(shell.cwd, *serve.split()[1:]) as server:
            answer = server.get(curl.split('"')[1].removeprefix("http://127.0.0.1:8001"))
        assert answer.status_code == 200, answer.text
        told = answer.json()
        assert told["data"]["600519.SH"]["price"] == 100.0
        assert told["data"]["600519.SH"]["volume"] == 1_500_000
        assert told["meta"]["source"] == "mine"
        assert "simulated" not in answer.headers.get("X-Argus-Simulated", "")

    @pytest.mark.parametrize(
        ("status", "error"), [(429, Throttled), (503, SourceUnavailable), (404, SourceUnavailable)]
    )
    def test_its_errors(self, load, vendor, status, error):
        source = self.source(load, vendor.url, TOKEN)
        vendor.refusal = status
        with pytest.raises(error) as caught:
            source.quotes(quotes(MAOTAI))
        assert TOKEN not in str(caught.value)
        assert caught.value.retry_after == (30 if status == 429 else None)

    def test_a_wrong_token(self, load, vendor):
        with pytest.raises(LoginFailed):
            self.source(load, vendor.url, "another").quotes(quotes(MAOTAI))

    def test_what_the_vendor_does_not_have_is_left_out(self, load, vendor):
        source = self.source(load, vendor.url, TOKEN)
        assert [q.symbol for q in source.quotes(quotes("600000.SH", MAOTAI))] == [MAOTAI]

    def source(self, load, url, token):
        cls = load(block(SOURCE, "python", "csv.DictReader"), "eastwind")
        return cls("mine", cls.Settings(token=token, url=url), Clock())


class Shell:
    """The lines of a page, run in a virtual environment; a failing one fails the test."""

    def __init__(self, venv, cwd):
        self.venv = venv
        self.cwd = cwd

    def run(self, lines):
        for line in lines.splitlines():
            self.line(line.partition(" #")[0].strip())

    def line(self, line):
        command, *words = line.split()
        if command == "cd":
            self.cwd /= words[0]
        elif line == 'pip install -e ".[test]"':  # its requirements are here already
            self.venv.install(self.cwd)
        else:
            module = {"argus": "argus_cli", "pytest": "pytest"}[command]
            done = self.venv.run(module, *words, cwd=self.cwd)
            assert done.returncode == 0, f"{line}\n{done.stdout}{done.stderr}"


class TestTheRestOfThePage:
    def test_a_process_of_its_own(self):
        namespace = {}
        exec(block(SOURCE, "python", 'isolation = "process"'), namespace)
        assert (namespace["Moody"].isolation, namespace["Moody"].logins) == ("process", 1)

    async def test_a_download_that_outlives_the_request(self):
        namespace = {}
        exec(block(SOURCE, "python", "self.jobs.ready").replace("wait=1.0", "wait=0.05"), namespace)
        arrived = threading.Event()

        class Slow(namespace["Patient"]):
            def fetch(self, symbol, period):
                assert arrived.wait(10)
                return [{"symbol": symbol, "close": 1.0}]

        source = Slow("slow", None, Clock())
        with pytest.raises(Preparing):
            await source.bars(self.question())
        (job,) = source.jobs.status()
        assert job.running
        under_way = source.jobs.start(job.key, lambda _: None)  # the one that runs is joined
        arrived.set()
        await asyncio.wrap_future(under_way)
        assert await source.bars(self.question()) == [{"symbol": MAOTAI, "close": 1.0}]
        await source.close()

    def question(self):
        return BarsQuery(
            symbols=(MAOTAI,),
            period=Period.D1,
            start=date(2024, 1, 2),
            end=date(2024, 1, 2),
            since=Clock().now(),
            until=Clock().now(),
        )

    async def test_pushes(self, load):
        cls = load(block(SOURCE, "python", "asyncio.open_connection"), "feed")
        assert cls.pushes()

        async def talk(_, writer):
            writer.write(b"SZ000001,2024-01-05T10:00:00,10.5,7\n")
            writer.write(b"SH600519,2024-01-05T10:00:00,1700.5,1234\n")
            await writer.drain()
            writer.close()

        server = await asyncio.start_server(talk, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        source = cls("feed", cls.Settings(port=port), Clock())
        pushed = asyncio.Queue()
        await source.open()
        await source.subscribe((MAOTAI,), pushed.put_nowait)
        async with asyncio.timeout(10):
            book, gap = await pushed.get(), await pushed.get()
        await source.close()
        await source.close()
        server.close()
        assert isinstance(book, Depth)
        assert (book.symbol, book.quote.price, book.quote.volume) == (MAOTAI, 1700.5, 1234)
        assert gap == Gap(symbols=(MAOTAI,), reason="the connection was lost")

    async def test_pushes_under_the_kit(self, load):
        cls = load(block(SOURCE, "python", "asyncio.open_connection"), "feed")
        lines = b"SH600519,2024-01-05T10:00:00,1700.5,1234\nSZ000001,2024-01-05T10:00:00,10.5,7\n"

        async def talk(_, writer):
            with suppress(OSError), closing(writer):
                while True:
                    writer.write(lines)
                    await writer.drain()
                    await asyncio.sleep(0.01)

        async with await asyncio.start_server(talk, "127.0.0.1", 0) as server:
            subject = Subject(
                plugin="feed",
                kind="source",
                cls=cls,
                settings={"port": server.sockets[0].getsockname()[1]},
                symbols=(MAOTAI, Symbol("000001.SZ")),
                feed=nullcontext,
            )
            asked = [check for check in GROUPS["stream"] if check.id in JUDGED]
            asked += [check for check in GROUPS["source"] if check.id == "SRC-01"]
            report = await asyncio.to_thread(run, subject, checks=asked)
        assert report.counts()["pass"] == len(JUDGED) + 1, {r.id: r.why for r in report.rows}

    def test_the_table_of_errors_says_what_the_classes_say(self):
        section = SOURCE.partition("## Errors to raise")[2].partition("\n## ")[0]
        rows = re.findall(r"^\| [^|]+ \| `(\w+)[^|]*\| ([^|]+) \|$", section, re.MULTILINE)
        assert len(rows) == 8
        seconds = {"s": 1, "min": 60, "hour": 3600}
        for name, then in rows:
            found = re.findall(r"(?:rests|else) (\d+|an) (s|min|hour)\b", then)
            rest = [int(n.replace("an", "1")) * seconds[unit] for n, unit in found]
            assert (rest or [0]) == [getattr(getattr(argus_core, name), "cool_down", 0)], name

    def test_the_table_of_verdicts_names_checks_of_the_kit(self):
        known = {(check.id, check.name) for checks in GROUPS.values() for check in checks}
        named = re.findall(r"^\| ([A-Z]{3}-\d\d) (\S+) \|", SOURCE, re.MULTILINE)
        assert len(named) >= 15
        assert set(named) <= known


class TestTheOthers:
    @pytest.mark.parametrize(
        ("kind", "entry"),
        [
            ("cache", "shelf"),
            ("cache", "depot"),
            ("balancer", "fastest"),
            ("balancer", "exchanges"),
            ("authenticator", "badge"),
            ("alerter", "webhook"),
        ],
    )
    def test_each_keeps_what_the_kit_demands(self, kind, entry, load, serving):
        cls = load(block(OTHERS, "python", f"class {entry.title()}("), entry, kind)
        subject = Subject(
            plugin=entry,
            kind=kind,
            cls=cls,
            module=cls.__module__,
            settings={"url": serving(Peer)} if kind == "alerter" else {},
            shared=entry == "depot",
        )
        report = run(subject)
        assert report.failed == ()
        assert report.counts()["pass"] >= (21 if entry == "depot" else 6)

    def test_a_known_badge_opens(self, load):
        cls = load(block(OTHERS, "python", "register_authenticator"), "badge", "authenticator")
        known = hashlib.sha256(b"badge_of-alice").hexdigest()
        badge = cls("badge", cls.Settings(people={"alice": known}), Clock(), Path())
        shown = Presented(bearer=SecretStr("badge_of-alice"))
        assert asyncio.run(badge.authenticate(shown)).id == "alice"
