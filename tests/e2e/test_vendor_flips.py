"""A volume flips by 100 in the middle of a series: caught, told, and the next vendor answers."""

import json
from contextlib import ExitStack
from itertools import pairwise

from support.agreement import differences
from support.process import argus
from support.vendors import surroundings, vendor

FLIPS = {
    "rqdatac": {"scale_volume": {"factor": 100, "from": "2020-02-10"}},
    "xtquant": {"set": {"scale_volume": {"by": 100, "from": "2020-02-10"}}},
}
QUESTION = {"symbols": "600000.SH", "start_date": "2020-01-02", "end_date": "2020-03-31"}
QUESTION |= {"period": "1d", "use_cache": "false", "explain": "1"}


PATH = "/api/v1/market_data/history"


def test_the_next_vendor_answers(market_data, tmp_path):
    order = [*FLIPS, "tushare"]
    with ExitStack() as stack:
        running = {name: stack.enter_context(vendor(name, market_data)) for name in order}
        text = "".join(one.table() for one in running.values())
        text += f"[routes]\ndefault = {json.dumps(order)}\n"
        (tmp_path / "plugins.toml").write_text(text, encoding="utf-8")
        server = stack.enter_context(argus(tmp_path, "serve", env=surroundings()))
        for first, second in pairwise(order):
            good = server.get(PATH, params=QUESTION).json()
            running[first].does(**FLIPS[first])
            told = server.get(PATH, params=QUESTION).json()
            assert (good["meta"]["source"], told["meta"]["source"]) == (first, second)
            assert not list(differences("history", first, second, good, told))
            attempts = [a for t in told["explain"]["traces"] for a in t["attempts"]]
            reason = next(a["reason"] for a in attempts if a["error"] == "BAD_DATA")
            assert "2020-02-10" in reason
            assert "disproves its units" in reason
            quality = server.get("/api/v1/quality/sources").json()["data"]
            (held,) = next(one for one in quality if one["name"] == first)["quarantined"]
            assert held["symbol"] == "600000.SH"
            assert "2020-02-10" in held["reason"]
            # It is not asked again while it is held, and says why it is passed over.
            again = server.get(PATH, params=QUESTION).json()
            skipped = [s for t in again["explain"]["traces"] for s in t["skipped"]]
            assert any(s["source"] == first and "quarantined" in s["reason"] for s in skipped)
