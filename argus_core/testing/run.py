"""Putting a plugin to the proof: one check, or all of them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from argus_core.errors import ConfigError
from argus_core.extend.source import Source
from argus_core.telemetry.redact import Redactor
from argus_core.telemetry.secrets import Secrets
from argus_core.testing.check import Check, Failed, Skipped
from argus_core.testing.checks import checks_of
from argus_core.testing.report import Report, Row, Verdict
from argus_core.testing.subject import Subject

PATIENCE = 120.0
"""Seconds after which a check is given up."""

Tell = Callable[[Row], None]


def applicable(subject: Subject) -> tuple[Check, ...]:
    """The checks that judge this subject: those of its kind, and of streams if it pushes."""
    pushes = issubclass(subject.cls, Source) and subject.cls.pushes()
    return checks_of(subject.kind, pushes=pushes)


def run_check(one: Check, subject: Subject, exempt: Mapping[str, str] | None = None) -> Row:
    """The verdict of one check, in an event loop of its own; must not be called inside one."""
    reason = (exempt or {}).get(one.id)
    if reason is not None:
        return _row(one, "exempt", reason)
    began = time.perf_counter()
    verdict, why = asyncio.run(_verdict(one, subject))
    return _row(one, verdict, _redactor(subject).text(why), time.perf_counter() - began)


def run(
    subject: Subject,
    *,
    exempt: Mapping[str, str] | None = None,
    checks: Iterable[Check] | None = None,
    tell: Tell | None = None,
) -> Report:
    """The verdicts of all checks that apply; ``tell`` hears each as soon as it is there."""
    exempt = exempt or {}
    rows: list[Row] = []
    for one in applicable(subject) if checks is None else checks:
        row = run_check(one, subject, exempt)
        rows.append(row)
        if tell is not None:
            tell(row)
    return Report(
        plugin=subject.plugin,
        kind=subject.kind,
        rows=tuple(rows),
        fields_seen={name: tuple(sorted(found)) for name, found in sorted(subject.seen.items())},
    )


def mistaken_exemptions(exempt: Mapping[str, str], subject: Subject) -> list[str]:
    """A sentence for each exemption that names no check or gives no reason."""
    known = {one.id for one in applicable(subject)}
    wrong = [
        f"{number} is no check of a {subject.kind}" for number in exempt if number not in known
    ]
    bare = [number for number, reason in exempt.items() if not reason.strip()]
    return [*wrong, *(f"the exemption of {number} needs a reason" for number in bare)]


async def _verdict(one: Check, subject: Subject) -> tuple[Verdict, str]:
    patience = asyncio.timeout(PATIENCE)
    try:
        async with patience:
            await one(subject)
    except Skipped as reason:
        return "skip", str(reason)
    except TimeoutError as error:
        if patience.expired():
            return "fail", f"it did not end within {PATIENCE:.0f} s"
        return "fail", f"it raised {type(error).__name__}: {error}"  # the plugin's own
    except (Failed, ConfigError) as failure:
        return "fail", str(failure)
    except Exception as error:  # noqa: BLE001 - a stranger's plugin may raise anything
        return "fail", f"it raised {type(error).__name__}: {error}"
    return "pass", ""


def _row(one: Check, verdict: Verdict, why: str, seconds: float = 0.0) -> Row:
    return Row(
        id=one.id, name=one.name, demand=one.demand, verdict=verdict, why=why, seconds=seconds
    )


def _redactor(subject: Subject) -> Redactor:
    """Masks the settings' secrets in what a plugin says of its troubles."""
    known = Secrets({}, Path())
    if "model" in vars(subject):
        known.remember(subject.model)
    return Redactor(known.known)
