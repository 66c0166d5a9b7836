"""Where the money is: held, captured, given back, and where a person is needed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response

from services.console.context import Console, console, page
from services.console.plots import ceiling
from services.journal import overview
from services.journal.overview import MONEY, Became, Sum

SPANS: Final = {"1h": (3_600.0, 120.0), "24h": (86_400.0, 3_600.0), "7d": (604_800.0, 21_600.0)}
"""Seconds that are looked back, and seconds of one bar."""
STUCK: Final = 50
KINDS: Final = {
    "captured": "good",
    "due on delivery": "good",
    "voided": "back",
    "refunded": "back",
    "declined": "failed",
    "stuck": "failed",
}
"""How it is drawn what became of money; what is held is still under way."""
BAR_HEIGHT: Final = 100.0


@dataclass(frozen=True)
class Bar:
    """A span of time: how many checkouts' money went well, was given back, and failed; heights in parts of 100."""

    began: float
    good: int
    back: int
    failed: int
    top: float

    @property
    def moment(self) -> datetime:
        """When it begins."""
        return datetime.fromtimestamp(self.began, UTC)

    def height(self, count: int) -> float:
        """How high a part is."""
        return round(BAR_HEIGHT * count / self.top, 2)


async def show(request: Request) -> Response:
    """The page."""
    span = request.query_params.get("span", "24h")
    span = span if span in SPANS else "24h"
    return page(request, "money.html", live=f"/live?view=money&span={span}", **await values(console(request), span))


async def values(here: Console, span: str) -> dict[str, Any]:
    """What it shows."""
    seconds, bar = SPANS[span]
    became = await overview.money(here.journal, seconds, bar)
    return {
        "held": await overview.held(here.journal),
        "became": _sums(became),
        "failures": await overview.failures(here.journal, seconds),
        "bars": _bars(became, here.watcher.last.at, seconds, bar),
        "stuck": await overview.latest(here.journal, "person", STUCK),
        "chosen": span,
        "spans": list(SPANS),
    }


def _sums(became: Sequence[Became]) -> dict[str, list[Sum]]:
    """What became of the money, with its sum in each currency."""
    found: dict[str, dict[str, Sum]] = {what: {} for what in MONEY}
    for one in became:
        known = found[one.what].get(one.money.currency, Sum(one.money.currency, 0, 0))
        checkouts, amount = known.checkouts + one.money.checkouts, known.amount + one.money.amount
        found[one.what][one.money.currency] = Sum(one.money.currency, checkouts, amount)
    return {what: list(sums.values()) for what, sums in reversed(found.items())}


def _bars(became: Sequence[Became], now: float, seconds: float, bar: float) -> list[Bar]:
    """A bar for each span of time, the oldest first, empty ones too."""
    counts: dict[float, dict[str, int]] = {}
    for one in became:
        if kind := KINDS.get(one.what):
            kinds = counts.setdefault(one.began.timestamp(), {})
            kinds[kind] = kinds.get(kind, 0) + one.money.checkouts
    top = ceiling(max((sum(kinds.values()) for kinds in counts.values()), default=0))
    last = now // bar * bar
    return [_bar(at, counts.get(at, {}), top) for at in (last - bar * n for n in range(int(seconds // bar) - 1, -1, -1))]


def _bar(at: float, kinds: Mapping[str, int], top: float) -> Bar:
    return Bar(at, kinds.get("good", 0), kinds.get("back", 0), kinds.get("failed", 0), top)
