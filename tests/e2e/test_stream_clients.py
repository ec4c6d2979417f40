"""The clients of the documentation against a real server: Python, Node, and a page in a browser."""

import contextlib
import functools
import http.server
import json
import re
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from support.browser import CHROMIUM, FLAGS
from support.process import argus, environment, free_port

CLIENTS = Path(__file__).resolve().parents[2] / "docs" / "use" / "clients"
SYMBOLS = ("600519.SH", "000001.SZ")
PATIENCE = 60.0
CONFIG = """
[sources.demo]
plugin = "demo"

[stream]
origins = ["{origin}"]
"""
PROBE = """<!doctype html>
<iframe></iframe>
<script type="module">
const frame = document.querySelector("iframe");
frame.src = "listen.html" + location.search;
const told = () => [...frame.contentDocument.querySelectorAll("tbody tr")].map((row) =>
  [...row.cells].map((cell) => cell.textContent));
const notes = () => [...frame.contentDocument.querySelectorAll("li")].map((li) => li.textContent);
const timer = setInterval(async () => {
  const rows = told();
  if (rows.length < 2 && !notes().some((note) => note.includes("ended: 1006"))) return;
  clearInterval(timer);
  await fetch("/report", { method: "POST", body: JSON.stringify({ rows, notes: notes() }) });
}, 50);
</script>
"""
"""A page that waits for what the shown page shows, and reports it."""


def node():
    """The command that runs JavaScript with WebSockets; None if there is none."""
    path = shutil.which("node")
    if path is None:
        return None
    told = subprocess.run([path, "--version"], capture_output=True, text=True, check=True).stdout
    major = int(re.match(r"v(\d+)", told).group(1))
    if major < 20:
        return None
    return [path] if major >= 22 else [path, "--experimental-websocket"]


@pytest.fixture(scope="module")
def pages():
    """The documentation's clients as a web server shows them, and what pages report."""
    with Pages() as running:
        yield running


@pytest.fixture(scope="module")
def server(tmp_path_factory, pages):
    """A server with simulated data to which those pages may connect."""
    root = tmp_path_factory.mktemp("server")
    config = root / "plugins.toml"
    config.write_text(CONFIG.format(origin=pages.url))
    with argus(root, "serve", "--config", str(config)) as running:
        yield running


class Pages:
    """A web server of its own, from another origin than the gateway's."""

    def __init__(self):
        self.reports = []
        handler = functools.partial(_Handler, self)
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self):
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._server.server_close()

    def report(self):
        """The next report of a page."""
        ends = time.monotonic() + PATIENCE
        while not self.reports and time.monotonic() < ends:
            time.sleep(0.02)
        assert self.reports, "no page has reported"
        return self.reports.pop()


class _Handler(http.server.SimpleHTTPRequestHandler):
    def __init__(self, pages, *arguments):
        self.pages = pages
        super().__init__(*arguments, directory=str(CLIENTS))

    def guess_type(self, path):
        # Scripts of another type are not run, and not every machine knows this ending.
        return "text/javascript" if path.endswith(".mjs") else super().guess_type(path)

    def do_GET(self):
        if not self.path.startswith("/probe.html"):
            super().do_GET()
            return
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(PROBE.encode())

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.pages.reports.append(json.loads(body))
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_):
        pass


def socket_of(server):
    """Where live updates are."""
    return server.url.replace("http://", "ws://") + "/ws/market_data"


def check(command):
    """Run a client until it has heard of both symbols what the simulated source must tell."""
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment())
    stopping = threading.Timer(PATIENCE, process.kill)
    stopping.start()
    items, lines = {}, []
    try:
        for line in process.stdout:
            lines.append(line)
            if line.startswith(("= ", "+ ")):
                item = json.loads(line[2:])
                items[item["symbol"]] = item
            if len(items) == len(SYMBOLS):
                break
    finally:
        stopping.cancel()
        process.kill()
        process.wait()
        process.stdout.close()
    assert items.keys() == set(SYMBOLS), "".join(lines)
    assert all(item["simulated"] is True for item in items.values())
    assert all(item["price"] > 0 for item in items.values())


def test_the_python_client(server):
    check([sys.executable, "-u", CLIENTS / "listen.py", socket_of(server), *SYMBOLS])


def test_the_python_client_waits_for_a_server_that_is_not_there():
    command = [
        sys.executable,
        CLIENTS / "listen.py",
        f"ws://127.0.0.1:{free_port()}/ws/market_data",
    ]
    done = subprocess.run(
        [*command, "600519.SH", "--seconds", "1"],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        env=environment(),
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "no connection" in done.stdout


@pytest.mark.skipif(node() is None, reason="no Node with WebSockets: install Node 22")
def test_the_javascript_client_in_node(server):
    check([*(node() or ()), CLIENTS / "listen.mjs", socket_of(server), *SYMBOLS])


HOLES = """
const { Listener } = await import(process.env.CLIENT);
const notes = [];
const listener = new Listener("", ["A"], { onItem: () => {}, onNote: (note) => notes.push(note) });
const take = (type, seq, more = {}) =>
  listener.take({ type, channel: "quotes", data: [{ symbol: "A", seq }], ...more });
take("snapshot", 5);
take("update", 6);
take("update", 9, { conflated: { A: 2 } });
take("update", 12, { lost: { A: 1 }, conflated: { A: 1 } });
take("update", 14);
take("snapshot", 20);
take("update", 21);
console.log(JSON.stringify(notes));
"""


@pytest.mark.skipif(node() is None, reason="no Node with WebSockets: install Node 22")
def test_the_javascript_client_notices_a_hole():
    command = [*(node() or ()), "--input-type=module", "--eval", HOLES]
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        env=environment(CLIENT=(CLIENTS / "listen.mjs").as_uri()),
        check=True,
    )
    assert json.loads(done.stdout) == ["A: 14 after 12, and 0 were announced"]


@contextlib.contextmanager
def browsing(tmp_path, url):
    """A browser that shows a page and reaches nothing but this machine."""
    command = [
        *(CHROMIUM, *FLAGS),
        f"--user-data-dir={tmp_path / 'profile'}",
        "--remote-debugging-port=0",
        url,
    ]
    with (tmp_path / "browser.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, env=environment())
    try:
        yield
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium: install the package chromium")
def test_the_page_in_a_browser(server, pages, tmp_path):
    query = f"?url={socket_of(server)}&symbols={','.join(SYMBOLS)}"
    with browsing(tmp_path, f"{pages.url}/probe.html{query}"):
        told = pages.report()
    assert [row[0] for row in sorted(told["rows"])] == sorted(SYMBOLS)
    assert all("simulated" in row[-1] for row in told["rows"])


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium: install the package chromium")
def test_a_page_of_another_origin_gets_nothing(server, tmp_path):
    with Pages() as strange:
        query = f"?url={socket_of(server)}&symbols={','.join(SYMBOLS)}"
        with browsing(tmp_path, f"{strange.url}/probe.html{query}"):
            told = strange.report()
    assert told["rows"] == []
    assert "the connection ended: 1006" in told["notes"][-1]


def test_the_clients_are_small_enough_to_be_read():
    for name in ("listen.py", "listen.mjs", "listen.html"):
        assert len((CLIENTS / name).read_text(encoding="utf-8").splitlines()) < 200
