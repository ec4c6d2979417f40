"""The page about the checks, written by the checks themselves."""

from __future__ import annotations

from collections.abc import Iterator

from argus_core.testing.checks import GROUPS

_TITLES = {
    "plugin": "Every plugin",
    "source": "Sources",
    "stream": "Sources that push",
    "cache": "Caches",
    "balancer": "Balancers",
    "authenticator": "Authenticators",
    "alerter": "Alerters",
}
_INTRODUCTION = """# The conformance kit

`argus_core.testing` puts a plugin to the proof: numbered checks, each with one demand and a message
that says what to change. They judge what the core makes of the plugin's answers, so that a plugin
that passes gives the same answers as any other source.

## Three ways to run it

**A test class**, in your own project, with plain pytest:

```python
from datetime import date

from argus_core.testing import SourceConformance


class TestSina(SourceConformance):
    plugin = "sina"  # the entry point's name, a module with hooks, or the class itself
    settings = {"token": "a token of a test account"}
    symbols = ("600519.SH", "000001.SZ")
    start, end = date(2024, 1, 2), date(2024, 1, 31)
    exempt = {"SRC-22": "the vendor dates no quote"}
```

Only `plugin` is needed. Every check is a test of its own, named by its number:
`pytest -k SRC_11`. There are `SourceConformance`, `StreamConformance` (for what a source pushes, a
class beside the one for its answers), `CacheConformance`, `BalancerConformance`,
`AuthenticatorConformance` and `AlerterConformance`.

**No file at all**: `pytest --argus sina` collects the checks of the installed plugin;
`--argus-config plugins.toml` and `--argus-symbols 600519.SH,000001.SZ` say what it cannot guess.

**A table**: `argus plugin test sina --config plugins.toml --symbols 600519.SH,000001.SZ` prints the
verdicts and ends with exit code 1 if one failed; `--json` prints them for a program. Settings come
from the first table of the file that names the plugin.

## What a test class may say

| attribute or method | what it is |
|---|---|
| `settings`, `settings_for()` | the plugin's settings, secrets as plain text |
| `symbols` | canonical symbols that the vendor knows; well-known ones are tried otherwise |
| `start`, `end` | trading dates for which it has bars; the last ten by default |
| `clock` | a `Clock`, for recorded data that has a present of its own |
| `running()` | a class method and context manager that starts a stand-in: it yields `self.vendor` |
| `faults()` | context managers in which the vendor misbehaves, by name (see below) |
| `feed()` | a context manager in which the vendor pushes books of `symbols` |
| `credentials(authenticator)` | by name, what people present (ATH) |
| `received()` | the texts that an alerter's peer has got |
| `bound`, `shared` | how many bytes a cache may hold; whether its store outlives the process |
| `exempt` | numbers of checks that cannot hold, each with a reason; without one tests fail |

The faults are `timeout`, `slow`, `disconnect`, `quota`, `no_permission`, `bad_token`, `garbage` and
`empty`; the checks that need one say so.

A check that does not apply, or lacks what it needs, is skipped and says so. An exemption is shown
with its reason in the report and in the capability matrix.

`TestSina.report()` runs the checks without pytest and returns a `Report`: `rows`, `failed`,
`exempt`, `fields_seen` (per dataset the fields that ever held something), `to_json()`.

## What it cannot prove

That a vendor's live data are true, what an account may read, how fast a vendor answers tomorrow.
"""


def document() -> str:
    """The page in Markdown: how to run the kit, then every check with its demand and reason."""
    return "\n".join([_INTRODUCTION, *_groups()])


def _groups() -> Iterator[str]:
    for group, checks in GROUPS.items():
        yield f"## {_TITLES[group]}\n"
        for one in checks:
            yield f"### {one.id} {one.name}\n"
            yield f"**{one.demand}**\n"
            if one.reason:
                yield f"{one.reason}\n"
