"""Switching sources off and on, and draining them."""

from __future__ import annotations

from dataclasses import replace

from argus_core.control.control import Control
from argus_core.control.overlay import Overlaid
from argus_core.control.records import Stored, Switch
from argus_core.control.refusals import Conflict, NoSuch
from argus_core.errors import ConfigError
from argus_core.telemetry.mistakes import nearest


class Switches:
    """The switches of one gateway's sources."""

    def __init__(self, control: Control) -> None:
        self._control = control

    async def set(
        self, name: str, *, enabled: bool | None = None, drain: bool | None = None
    ) -> Switch:
        """How the source is set from now on; what is None stays as it is.

        One that is drained takes no new calls; one that is switched off is closed too, once its
        calls have ended. Raises :class:`NoSuch` for an unknown source, :class:`Conflict` for one
        that the file switches off, and for one that does not open again.
        """
        config = self._control.overlaid.config
        if name not in config.sources:
            raise NoSuch(
                f"there is no source {name[:80]!r}{nearest(name, config.sources)}",
                details={"sources": list(config.sources)},
            )
        if name not in config.enabled:
            raise Conflict(
                f"{config.where} switches {name!r} off: set `enabled = true` there and reload"
            )

        def edit(stored: Stored, _overlaid: Overlaid) -> Stored:
            before = stored.switches.get(name, Switch())
            switch = Switch(
                enabled=before.enabled if enabled is None else enabled,
                drain=before.drain if drain is None else drain,
            )
            others = {key: value for key, value in stored.switches.items() if key != name}
            kept = others if switch == Switch() else {**others, name: switch}
            return replace(stored, switches=kept)

        try:
            await self._control.change(edit)
        except ConfigError as error:
            raise Conflict(f"nothing was changed: {error.message}") from None
        return self._control.stored.switches.get(name, Switch())
