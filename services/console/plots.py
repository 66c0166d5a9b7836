"""Plots a line over time as SVG paths. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

WIDTH, HEIGHT = 320.0, 84.0
TOP: Final = 6.0
_STEPS: Final = (1, 2, 3, 4, 5, 6, 8)


@dataclass(frozen=True)
class Plot:
    """A line from the oldest value to the newest, and the area below it. ``top``: the value at the upper edge."""

    line: str
    area: str
    top: float


def plot(values: Sequence[tuple[float, float]], began: float, ended: float) -> Plot:
    """Plot ``(time, value)`` pairs between two times."""
    top = ceiling(max((value for _, value in values), default=0.0))
    seconds = max(ended - began, 1e-9)
    places = [
        (WIDTH * (at - began) / seconds, HEIGHT - (HEIGHT - TOP) * value / top) for at, value in values if began <= at <= ended
    ]
    if not places:
        return Plot("", "", top)
    line = "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in places)
    area = f"{line}L{places[-1][0]:.1f} {HEIGHT:.0f}L{places[0][0]:.1f} {HEIGHT:.0f}Z"
    return Plot(line, area, top)


def ceiling(value: float) -> float:
    """Round up to a number of one digit and zeros."""
    size = 1.0
    while True:
        for step in _STEPS:
            if step * size >= value:
                return step * size
        size *= 10
