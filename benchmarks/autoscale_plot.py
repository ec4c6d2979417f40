"""Curves over time as a plain SVG, one panel under the other."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

WIDTH, HEIGHT = 760, 150
LEFT, RIGHT, TOP, BOTTOM = 60, 130, 28, 18
COLOURS = ("#1f5fa8", "#d2691e", "#3c8a3c")


@dataclass(frozen=True, slots=True)
class Panel:
    """Curves by name over the same instants in seconds; a curve has a gap where it is None."""

    title: str
    at: Sequence[float]
    curves: Mapping[str, Sequence[float | None]]


def svg(panels: Sequence[Panel]) -> str:
    """The picture."""
    height = HEIGHT * len(panels) + 24
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}">',
        "<style>text { font: 11px sans-serif }</style>",
        f'<rect width="{WIDTH}" height="{height}" fill="white"/>',
    ]
    for number, panel in enumerate(panels):
        parts.extend(_panel(panel, number * HEIGHT))
    parts.append(f'<text x="{WIDTH - RIGHT}" y="{height - 8}" text-anchor="end">seconds</text>')
    return "\n".join([*parts, "</svg>"]) + "\n"


def _panel(panel: Panel, top: int) -> Iterator[str]:
    floor = top + HEIGHT - BOTTOM
    high = _round(max((v for c in panel.curves.values() for v in c if v is not None), default=1))
    last = panel.at[-1]

    def x(at: float) -> float:
        return LEFT + at / last * (WIDTH - LEFT - RIGHT)

    def y(value: float) -> float:
        return floor - value / high * (HEIGHT - TOP - BOTTOM)

    yield f'<text x="{LEFT}" y="{top + 18}" font-weight="bold">{panel.title}</text>'
    for part in (0, 0.5, 1):
        line, label = y(part * high), f"{part * high:g}"
        yield f'<path d="M{LEFT} {line:.1f}H{WIDTH - RIGHT}" stroke="#ddd"/>'
        yield f'<text x="{LEFT - 6}" y="{line + 4:.1f}" text-anchor="end">{label}</text>'
    for second in range(0, int(last) + 1, 10):
        yield f'<path d="M{x(second):.1f} {floor}v4" stroke="#888"/>'
        yield f'<text x="{x(second):.1f}" y="{floor + 15}" text-anchor="middle">{second}</text>'
    for number, (name, curve) in enumerate(panel.curves.items()):
        colour = COLOURS[number % len(COLOURS)]
        points = [
            (x(at), None if v is None else y(v)) for at, v in zip(panel.at, curve, strict=True)
        ]
        yield f'<path d="{_path(points)}" fill="none" stroke="{colour}" stroke-width="1.5"/>'
        place = f'x="{WIDTH - RIGHT + 10}" y="{top + TOP + 12 + 16 * number}"'
        yield f'<text {place} fill="{colour}">{name}</text>'


def _path(points: Sequence[tuple[float, float | None]]) -> str:
    drawn, pen = "", "M"
    for x, y in points:
        if y is None:
            pen = "M"
            continue
        drawn += f"{pen}{x:.1f} {y:.1f}"
        pen = "L"
    return drawn


def _round(value: float) -> float:
    """The next number above that reads well: 1, 2 or 5 times a power of ten."""
    if value <= 0:
        return 1
    power = 10.0 ** math.floor(math.log10(value))
    return next(step * power for step in (1, 2, 3, 5, 8, 10) if step * power >= value)
