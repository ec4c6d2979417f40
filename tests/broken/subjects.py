"""The good plugins, and whatever takes their place, as subjects of the kit."""

from __future__ import annotations

import sys
from typing import Any

from broken import good, good_source

from argus_core.testing import Subject, find

FAULTS = (
    *("timeout", "slow", "disconnect", "quota", "no_permission", "bad_token"),
    *("garbage", "empty"),
)


def subject(cls: type[Any], **more: Any) -> Subject:
    """The class with everything that the checks can make use of."""
    found = find(cls)
    options = {"cls": cls, "plugin": cls.__name__, "kind": found.kind, "clock": good.Friday()}
    return Subject(**options | _OPTIONS.get(found.kind, dict)() | more)


def module_subject(name: str) -> Subject:
    """A module with hooks."""
    module = sys.modules[name]
    found = find(module)
    return Subject(plugin=name, kind=found.kind, cls=found.cls, module=name, clock=good.Friday())


def _source() -> dict[str, Any]:
    faults = good_source.TROUBLE.faults(*FAULTS)
    return {"symbols": good_source.SYMBOLS, "faults": faults, "feed": good_source.feed}


def _cache() -> dict[str, Any]:
    faults = good.CACHE_TROUBLE.faults("disconnect")
    return {"bound": good.GoodCache.BOUND, "faults": faults}


def _authenticator() -> dict[str, Any]:
    return {"credentials": good.credentials}


def _alerter() -> dict[str, Any]:
    faults = good.ALERT_TROUBLE.faults("disconnect", "slow")
    return {"faults": faults, "received": lambda: good.SENT}


_OPTIONS = {
    "source": _source,
    "cache": _cache,
    "authenticator": _authenticator,
    "alerter": _alerter,
}
