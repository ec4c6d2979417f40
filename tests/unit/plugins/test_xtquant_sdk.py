"""Importing the vendor's package: without side effects, and with a clear word where it fails."""

from __future__ import annotations

import os
import subprocess
import sys
import types
from datetime import date
from pathlib import Path

import numpy as np
import pytest
from support.clock import TestClock
from support.xtquant import bars_of

from argus_core import (
    ChartPanelsQuery,
    DepthQuery,
    NotOffered,
    Period,
    PluginError,
    QuotesQuery,
    SourceUnavailable,
    Symbol,
)
from argus_xtquant import register_source, sdk
from argus_xtquant.panels import Panels
from argus_xtquant.settings import XtquantSettings
from argus_xtquant.source import XtquantSource

TESTS = Path(__file__).resolve().parents[2]
ROOT = TESTS.parent
STAND_IN = TESTS / "vendors" / "xtquant_site"


needs_xtquant = pytest.mark.skipif(
    sdk.find_spec("xtquant") is None, reason="the xtquant package is not installed"
)


def run(code: str, *, stand_in: bool) -> subprocess.CompletedProcess[str]:
    """A fresh Python in which nothing of the vendor's was imported."""
    paths = [ROOT, ROOT / "plugins", TESTS, *([STAND_IN] if stand_in else [])]
    env = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(map(str, paths)),
        "PYTHONIOENCODING": "ascii",
    }
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env=env,
    )


NO_SOCKETS = """
import socket, sys
def refuse(*a, **k): raise AssertionError("a socket")
socket.socket.connect = socket.create_connection = socket.getaddrinfo = refuse
"""


@needs_xtquant
def test_importing_asks_no_package_index_and_prints_nothing():
    done = run(
        NO_SOCKETS
        + "from argus_xtquant.sdk import load_xtdata\n"
        + "x = load_xtdata('xtquant.xtdata', 'here')\n"
        + "assert x.enable_hello is False\n"
        + "assert not {'requests', 'pkg_resources'} & set(sys.modules)\n"
        + "assert not hasattr(sys.modules['xtquant'], 'check_for_update')\n",
        stand_in=True,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_importing_the_plugin_imports_nothing_of_the_vendors():
    done = run(
        "import sys, argus_xtquant\n"
        "assert not [m for m in sys.modules if m.split('.')[0] in ('xtquant', 'pandas')]",
        stand_in=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


@needs_xtquant
@pytest.mark.skipif(sys.platform == "win32", reason="there it loads")
def test_on_another_platform_the_refusal_names_windows_and_the_way_out():
    done = run(
        "from argus_core import PluginError\n"
        "from argus_xtquant.sdk import load_xtdata\n"
        "import sys\n"
        "try: load_xtdata('xtquant.xtdata', '[sources.qmt] module')\n"
        "except PluginError as e: print(e)\n"
        "assert 'xtquant' not in sys.modules\n",
        stand_in=False,
    )
    assert done.returncode == 0, done.stderr
    for word in ("Windows", 'plugin = "remote"', "[sources.qmt] module"):
        assert word in done.stdout


def test_a_missing_package_names_what_to_install(monkeypatch):
    monkeypatch.setattr(sdk, "find_spec", lambda name: None)
    monkeypatch.delitem(sys.modules, "xtquant", raising=False)
    with pytest.raises(PluginError) as refused:
        sdk.load_xtdata("xtquant.xtdata", "[sources.qmt] module")
    for word in ("Windows", 'pip install "argus-marketdata[xtquant]"', 'plugin = "remote"'):
        assert word in str(refused.value)


def test_a_package_that_somebody_imported_before_is_used_as_it_is(monkeypatch):
    package = types.ModuleType("xtquant")
    module = xtdata_like("xtquant.xtdata")
    monkeypatch.setitem(sys.modules, "xtquant", package)
    monkeypatch.setitem(sys.modules, "xtquant.xtdata", module)
    assert sdk.load_xtdata("xtquant.xtdata", "here") is module
    assert sys.modules["xtquant"] is package


def xtdata_like(name, **functions):
    """A module with the vendor's functions, as bridges into the full client offer it."""
    module = types.ModuleType(name)
    for function in sdk._NEEDED:
        setattr(module, function, lambda *a, **k: None)
    for function, body in functions.items():
        setattr(module, function, body)
    return module


class Connected:
    def shutdown(self):
        """Nothing."""

    def is_connected(self):
        return True


async def test_another_module_with_the_same_functions_will_do(monkeypatch):
    """No xtquant is imported then: its broker may have withdrawn it."""
    bridge = xtdata_like(
        "big_qmt_bridge",
        connect=lambda ip, port: Connected(),
        get_full_tick=lambda codes: {c: {"lastPrice": 9.0, "volume": 1} for c in codes},
        get_trading_dates=lambda *a: [1697558400000],
    )
    monkeypatch.setitem(sys.modules, "big_qmt_bridge", bridge)
    monkeypatch.setitem(sys.modules, "xtquant", None)  # importing it would raise
    source = XtquantSource("b", XtquantSettings(module="big_qmt_bridge"), TestClock())
    await source.open()
    await source.ping()
    assert source.report()["sdk"] == "big_qmt_bridge"
    assert source.report()["client_version"] is None
    await source.close()


async def test_level_2_has_ten_levels_and_tolerates_an_answer_without_the_code(monkeypatch):
    ladder = [float(n) for n in range(1, 11)]
    fields = [("time", "i8"), ("lastPrice", "f8"), ("volume", "i8")]
    fields += [("askPrice", "O"), ("askVol", "O")]
    rows = np.array([(1733118954000, 9.0, 5, ladder, [1] * 10)], dtype=fields)
    answers = {"600000.SH": rows, "600004.SH": None}
    bridge = xtdata_like(
        "l2_bridge",
        connect=lambda ip, port: Connected(),
        subscribe_quote=lambda code, **how: 1,
        get_l2_quote=lambda fields, code, *rest: answers[code],
        get_full_tick=lambda codes: {c: {"lastPrice": 8.0, "volume": 1} for c in codes},
    )
    monkeypatch.setitem(sys.modules, "l2_bridge", bridge)
    source = XtquantSource("b", XtquantSettings(module="l2_bridge", level2=True), TestClock())
    await source.open()
    names = tuple(map(Symbol, ("600000.SH", "600004.SH", "600006.SH")))
    found = {book.symbol: book for book in source.depth(DepthQuery(symbols=names, levels=10))}
    assert {str(name): book.quote.price for name, book in found.items()} == {
        "600000.SH": 9.0,
        "600004.SH": 8.0,
        "600006.SH": 8.0,
    }
    assert len(found[Symbol("600000.SH")].asks) == 10
    await source.close()


async def test_panels_are_drawn_over_a_link_to_the_same_address(monkeypatch):
    drawn, asked = [], []
    view = types.ModuleType("xtquant.xtview")
    view.UIPanel = lambda code, period, figures: (code, period, figures)
    view.apply_ui_panel_control = drawn.append
    view.connect = lambda *address: asked.append(address) or Connected()
    monkeypatch.setitem(sys.modules, "xtquant", types.ModuleType("xtquant"))
    monkeypatch.setitem(sys.modules, "xtquant.xtview", view)
    panels = Panels("q", XtquantSettings(port=58611))
    names = tuple(map(Symbol, ("600000.SH", "rb2410.SHFE")))
    query = ChartPanelsQuery(panels=("mine",), symbols=names, period=Period.M5)
    assert panels.draw(query) == {"mine": "mine"}
    assert drawn == [[("600000.SH", "5m", []), ("rb2410.SF", "5m", [])]]
    assert asked == [("127.0.0.1", 58611)]
    panels.close()
    panels.close()


def test_a_module_that_lacks_functions_is_refused(monkeypatch):
    monkeypatch.setitem(sys.modules, "not_a_bridge", types.ModuleType("not_a_bridge"))
    with pytest.raises(PluginError, match="get_full_tick"):
        sdk.load_xtdata("not_a_bridge", "here")


def test_a_module_that_is_not_installed_is_refused():
    with pytest.raises(PluginError, match="no_such_bridge"):
        sdk.load_xtdata("no_such_bridge.xtdata", "here")


async def test_a_link_that_leads_elsewhere_is_refused(monkeypatch):
    """The vendor's ``connect`` returns whatever link the process has, whatever was asked for."""

    class Elsewhere(Connected):
        def get_peer_addr(self):
            return "127.0.0.1:58611"

    bridge = xtdata_like("elsewhere_bridge", connect=lambda ip, port: Elsewhere())
    monkeypatch.setitem(sys.modules, "elsewhere_bridge", bridge)
    source = XtquantSource("b", XtquantSettings(module="elsewhere_bridge"), TestClock())
    with pytest.raises(PluginError, match="58611"):
        await source.open()
    await source.close()


async def test_the_address_of_a_link_made_just_now_is_not_doubted(monkeypatch):
    """What a client says of its address may be that of its own server behind it."""

    class Behind(Connected):
        def get_peer_addr(self):
            return "10.1.1.1:55300"

    client = Behind()
    bridge = xtdata_like("fresh_bridge", connect=lambda ip, port: client)
    setattr(bridge, "__client", None)  # where the vendor's module keeps its link
    monkeypatch.setitem(sys.modules, "fresh_bridge", bridge)
    source = XtquantSource("b", XtquantSettings(module="fresh_bridge"), TestClock())
    await source.open()
    await source.close()
    setattr(bridge, "__client", client)
    with pytest.raises(PluginError, match="55300"):
        await source.open()
    await source.close()


@pytest.mark.parametrize("client", [None, object()])
async def test_a_module_may_say_nothing_of_its_link(monkeypatch, client):
    """One that runs inside the client needs none; asking again and again would be no use."""
    asked = []
    bridge = xtdata_like(
        "inner_bridge",
        connect=lambda ip, port: asked.append(port) or client,
        get_full_tick=lambda codes: {c: {"lastPrice": 9.0, "volume": 1} for c in codes},
    )
    monkeypatch.setitem(sys.modules, "inner_bridge", bridge)
    source = XtquantSource("b", XtquantSettings(module="inner_bridge"), TestClock())
    await source.open()
    for _ in range(3):
        (quote,) = source.quotes(QuotesQuery(symbols=(Symbol("600519.SH"),)))
        assert quote.price == 9.0
    assert asked == [58610]
    assert source.report()["connected"] is True
    await source.close()
    assert source.report()["connected"] is False


async def test_a_module_downloads_as_well_as_it_can_or_says_how_to_do_without(monkeypatch):
    day, asked = date(2024, 6, 3), []
    bridge = xtdata_like(
        "poor_bridge", connect=lambda ip, port: Connected(), get_market_data_ex=lambda *a, **k: {}
    )
    monkeypatch.setitem(sys.modules, "poor_bridge", bridge)
    clock = TestClock("2024-06-28 16:30:00")
    source = XtquantSource("b", XtquantSettings(module="poor_bridge"), clock)
    await source.open()
    query = bars_of("600519.SH", start=day, end=day)
    with pytest.raises(NotOffered, match="download = false"):
        await source.bars(query)
    bridge.download_history_data = lambda *a: asked.append(a)
    assert await source.bars(query) == []
    assert asked == [("600519.SH", "1d", "20240603", "20240603")]
    await source.close()


async def test_closing_twice_and_before_opening_is_no_error():
    source = XtquantSource("q", XtquantSettings(), TestClock())
    await source.close()
    await source.close()
    with pytest.raises(SourceUnavailable):
        await source.ping()


def test_the_hook_and_the_facts():
    assert register_source() is XtquantSource
    assert XtquantSource.isolation == "process"
    assert XtquantSource.logins == 1
    assert XtquantSource.pushes()
    assert XtquantSource.offers() == {
        *("quotes", "depth", "bars", "ticks", "factors", "instruments", "listings", "calendar"),
        *("sectors", "main_contracts", "chart_panels"),
    }
