"""A volume flips by 100 in the middle of a series: caught, told, and the next vendor answers."""

import json
from itertools import pairwise

import pytest
from support.agreement import differences
from support.process import argus
from support.vendors import surroundings

FLIPS = {
    "rqdatac": {"scale_volume": {"factor": 100, "from": "2020-02-10"}},
    "xtquant": {"set": {"scale_volume": {"by": 100, "from": "2020-02-10"}}},
}
STRAIGHT = {
    "rqdatac": {"scale_volume": None},
    "xtquant": {"set": {"scale_volume": None}},
}
QUESTION = {"symbols": "600000.SH", "start_date": "2020-01-02", "end_date": "2020-03-31"}
QUESTION |= {"period": "1d", "use_cache": "false", "explain": "1"}


PATH = "/api/v1/market_data/history"


@pytest.fixture
def flipping(vendors):
    """The vendors, who are told at the end to count as before."""
    yield vendors
    for name, order in STRAIGHT.items():
        vendors[name].does(**order)


@pytest.mark.long
def test_the_next_vendor_answers(flipping, tmp_path):
    order = [*FLIPS, "tushare"]
    text = "".join(flipping[name].table() for name in order)
    text += f"[routes]\ndefault = {json.dumps(order)}\n"
    (tmp_path / "plugins.toml").write_text(text, encoding="utf-8")
    with argus(tmp_path, "serve", env=surroundings()) as server:
        for first, second in pairwise(order):
            good = server.get(PATH, params=QUESTION).json()
            flipping[first].does(**FLIPS[first])
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
