"""Verdicts as text: a line each, a Markdown table, JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict

from support.matrix.trial import Verdict

HEAD = (
    "fault",
    "alive",
    "requests/s",
    "wrong",
    "errors",
    "stale",
    "p50 / p99 before, ms",
    "p99 / worst during, ms",
    "p99 after, ms",
    "normal after begin / end, s",
    "nodes back (bound), s",
    "failed calls",
    "generator CPU",
    "stolen",
    "verdict",
)


def cells(verdict: Verdict) -> tuple[str, ...]:
    """What stands in the table's line."""
    row, told = verdict.row, verdict.figures
    if told is None:
        why = f"not run: {verdict.not_run}" if verdict.not_run else "; ".join(verdict.missed)
        return (row.what, row.alive, *["-"] * (len(HEAD) - 3), why.replace("\n", " "))
    return (
        row.what,
        row.alive,
        f"{told.per_second:.0f}",
        f"{told.wrong}",
        f"{told.errors} ({told.errors / max(told.requests, 1):.2%})",
        f"{told.stale}",
        f"{told.lead.p50:.1f} / {told.lead.p99:.0f}",
        f"{told.fault.p99:.0f} / {told.fault.worst:.0f}",
        f"{told.after.p99:.0f}",
        f"{_seconds(told.since_fault)} / {_seconds(told.since_heal)}",
        f"{_seconds(verdict.back)} ({verdict.row.back:g})",
        f"{verdict.failures}",
        f"{verdict.cpu['generator']:.0%}",
        f"{verdict.stolen:.1%}",
        "; ".join(verdict.missed) or "good",
    )


def _seconds(value: float | None) -> str:
    return "never" if value is None else f"{value:.1f}"


def line(verdict: Verdict) -> str:
    """The row for whoever looks on."""
    return f"{verdict.row.name}: " + " | ".join(cells(verdict)[2:])


def detail(verdict: Verdict) -> str:
    """What the table has no room for: CPU, how sources were called, examples of trouble."""
    if verdict.figures is None:
        return ""
    cpu = ", ".join(f"{name} {share:.0%}" for name, share in verdict.cpu.items())
    lines = [f"  of one core: {cpu}; the generator was {verdict.lag * 1000:.0f} ms late at worst"]
    lines += [f"  {told}" for told in verdict.noticed]
    worst = sorted(verdict.figures.examples.items(), key=lambda item: -item[1])
    lines += [f"  {count} × {outcome[:300]}" for outcome, count in worst[:8]]
    return "\n".join(lines)


def markdown(verdicts: Sequence[Verdict], seconds: float) -> str:
    """The whole table."""
    rows = [HEAD, ["---"] * len(HEAD), *map(cells, verdicts)]
    table = "\n".join(f"| {' | '.join(row)} |" for row in rows)
    details = "\n".join(f"{verdict.row.name}\n{detail(verdict)}" for verdict in verdicts)
    return f"{seconds:g} s a row.\n\n{table}\n\n```\n{details}\n```\n"


def as_json(verdicts: Sequence[Verdict]) -> str:
    """Every figure."""
    told = []
    for verdict in verdicts:
        figures = None if verdict.figures is None else asdict(verdict.figures)
        told.append(
            {
                "row": verdict.row.name,
                "what": verdict.row.what,
                "alive": verdict.row.alive,
                "bound": verdict.row.back,
                "figures": figures,
                "back": verdict.back,
                "noticed": verdict.noticed,
                "failures": verdict.failures,
                "cpu": verdict.cpu,
                "stolen": verdict.stolen,
                "generator_late": verdict.lag,
                "missed": verdict.missed,
                "not_run": verdict.not_run,
            }
        )
    return json.dumps(told, indent=1, ensure_ascii=False)
