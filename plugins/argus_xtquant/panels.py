"""Charts on the client's screen."""

from __future__ import annotations

import contextlib
import threading

from argus_core import BadParameter, ChartPanelsQuery, NotOffered, SourceUnavailable
from argus_xtquant.refusals import refusal
from argus_xtquant.sdk import load_xtview
from argus_xtquant.settings import XtquantSettings
from argus_xtquant.surface import NativeClient, Xtview
from argus_xtquant.symbols import to_xtquant

_VIEWS = {"xtquant.xtdata": "xtquant.xtview"}
"""Which module draws, for a module that gives data."""


class Panels:
    """Draws charts; the module for that keeps a connection of its own, with an own lock here."""

    def __init__(self, name: str, settings: XtquantSettings) -> None:
        self._name = name
        self._settings = settings
        self._lock = threading.Lock()
        self._client: NativeClient | None = None

    def draw(self, query: ChartPanelsQuery) -> dict[str, str]:
        """The panels that were drawn. The client gives them no names, so they keep theirs."""
        codes = [(symbol, to_xtquant(symbol)) for symbol in query.symbols]
        strange = [symbol for symbol, code in codes if code is None]
        if strange:
            raise BadParameter(f"the client has no chart of {', '.join(strange)}")
        with self._lock:
            view = self._view()
            # The class shares one list of figures among all panels, unless it is given another
            charts = [view.UIPanel(code, query.period.value, figures=[]) for _, code in codes]
            for _ in query.panels:
                try:
                    view.apply_ui_panel_control(charts)
                except Exception as error:
                    raise refusal("a chart panel", error) from error
        return {panel: panel for panel in query.panels}

    def close(self) -> None:
        """Drop the link that drawing made; safe to call twice."""
        client, self._client = self._client, None
        if client is not None:
            with contextlib.suppress(Exception):  # the vendor's, on the way out
                client.shutdown()

    def _view(self) -> Xtview:
        module = _VIEWS.get(self._settings.module)
        if module is None:
            raise NotOffered(f"{self._settings.module} has no screen")
        view = load_xtview(module, f"[sources.{self._name}]")
        try:
            self._client = view.connect(self._settings.host, self._settings.port)
        except Exception as error:
            raise SourceUnavailable("the client cannot be reached to draw on its screen") from error
        return view
