"""A source that is another one in a worker: it keeps something outside of its settings."""

from __future__ import annotations

import os
from dataclasses import replace

from broken.good_source import GoodSource

from argus_core import hookimpl

HOME = os.environ.setdefault("TWO_FACED_HOME", str(os.getpid()))


class TwoFaced(GoodSource):
    """Its instruments have other names away from home."""

    def instruments(self, query):
        away = os.getpid() != int(HOME)
        return [replace(r, name="贵州" if away else r.name) for r in super().instruments(query)]


@hookimpl
def register_source():
    return TwoFaced
