"""Routes at run time: put over those of the file, until they are taken back or the file moves."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from argus_core.control.control import Control, Edit
from argus_core.control.overlay import Overlaid, named
from argus_core.control.records import RouteRecord, Stored
from argus_core.control.refusals import NoSuch, as_callers
from argus_core.errors import BadParameter, ConfigError
from argus_core.extend.source import DATASETS
from argus_core.routes import DEFAULT, Order, RouteRule
from argus_core.telemetry.mistakes import nearest

_KEYS = (DEFAULT, *DATASETS)


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteView:
    """The route of a dataset: which pools are asked, in which order, and who says so.

    ``order`` says whether failover goes down ``pools`` as written or as the sources prove.
    ``made`` is ``api``, ``file``, ``default`` (the dataset has none of its own) or ``derived``
    (nobody wrote one). ``rules`` are the file's finer routes, which go before it.
    """

    dataset: str
    pools: tuple[str, ...]
    order: Order
    made: Literal["api", "file", "default", "derived"]
    rules: tuple[RouteRule, ...]


class RouteDesk:
    """The routes of one gateway, as operators see and change them."""

    def __init__(self, control: Control) -> None:
        self._control = control

    def one(self, dataset: str) -> RouteView:
        """The route of a dataset, or of ``default``; raises :class:`NoSuch`."""
        _known(dataset)
        routes, file = self._control.overlaid.config.routes, self._control.file.routes
        written = routes.of(dataset)
        made: Literal["api", "file", "default", "derived"]
        if written is None:
            made = "derived" if dataset == DEFAULT else "default"
        else:
            filed = written == file.of(dataset) and routes.order(dataset) == file.order(dataset)
            made = "file" if filed else "api"
        return RouteView(
            dataset=dataset,
            pools=routes.default if written is None else written,
            order=routes.order(dataset),
            made=made,
            rules=routes.rules.get(dataset, ()),
        )

    async def put(
        self, dataset: str, pools: tuple[str, ...], order: Order = "written"
    ) -> RouteView:
        """The route as it is from now on, until :meth:`delete` or until the file's own changes.

        Raises :class:`BadParameter` for a pool that there is not, and where the route would mix
        simulated with live data.
        """
        _known(dataset)
        if not pools or len(set(pools)) != len(pools):
            raise BadParameter(
                "pools must name at least one pool, each once", details={"parameter": "pools"}
            )

        def edit(stored: Stored, overlaid: Overlaid) -> Stored:
            config = overlaid.config
            names = [
                n for n in (*config.pools, *config.sources) if named(config, n, overlaid.pools)
            ]
            for name in pools:
                if name not in names:
                    raise BadParameter(
                        f"there is no pool {name[:80]!r}{nearest(name, names)}; "
                        f"there are: {', '.join(names)}",
                        details={"parameter": "pools", "allowed": names},
                    )
            file = self._control.file.routes
            over = file.of(dataset)
            record = RouteRecord(
                pools=pools,
                order=order,
                over=over,
                over_order=None if over is None else file.order(dataset),
            )
            return replace(stored, routes={**stored.routes, dataset: record})

        return await self._changed(dataset, edit)

    async def delete(self, dataset: str) -> RouteView:
        """The route of the file again; no error if there was no other."""
        _known(dataset)

        def edit(stored: Stored, _overlaid: Overlaid) -> Stored:
            kept = {key: record for key, record in stored.routes.items() if key != dataset}
            return replace(stored, routes=kept)

        return await self._changed(dataset, edit)

    async def _changed(self, dataset: str, edit: Edit) -> RouteView:
        try:
            await self._control.change(edit)
        except ConfigError as error:
            raise as_callers(error) from None
        return self.one(dataset)


def _known(dataset: str) -> None:
    if dataset not in _KEYS:
        raise NoSuch(
            f"there is no dataset {dataset[:80]!r}{nearest(dataset, _KEYS)}; "
            f"there are: {', '.join(_KEYS)}",
            details={"datasets": list(_KEYS)},
        )
