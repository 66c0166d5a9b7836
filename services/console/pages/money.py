"""Payments: authorized, captured, voided, refunded, and those that need a person."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response

from services.console.context import Console, console, page
from services.console.plots import ceiling
from services.journal import overview
from services.journal.overview import PAYMENT_OUTCOMES, MoneyOutcome, Sum

SPANS: Final = {"1h": (3_600.0, 120.0), "24h": (86_400.0, 3_600.0), "7d": (604_800.0, 21_600.0)}
"""The time range of each choice, and the interval of one bar, in seconds."""
STUCK: Final = 50
KINDS: Final = {
    "captured": "good",
    "due on delivery": "good",
    "voided": "back",
    "refunded": "back",
    "declined": "failed",
    "stuck": "failed",
}
"""The style of each outcome in the bars. Payments in progress are not drawn."""
BAR_HEIGHT: Final = 100.0


@dataclass(frozen=True)
class Bar:
    """An interval: how many payments succeeded, were voided or refunded, and failed; heights in per cent."""

    began: float
    good: int
    back: int
    failed: int
    top: float

    @property
    def moment(self) -> datetime:
        """The start of the interval."""
        return datetime.fromtimestamp(self.began, UTC)

    def height(self, count: int) -> float:
        """The height of a part."""
        return round(BAR_HEIGHT * count / self.top, 2)


async def show(request: Request) -> Response:
    """Show the page."""
    shown = await values(console(request), request.query_params.get("span", ""))
    return page(request, "money.html", live=f"/live?view=money&span={shown['chosen']}", **shown)


async def values(here: Console, span: str) -> dict[str, Any]:
    """The values of its templates. ``span``: a key of :data:`SPANS`, else the default."""
    span = span if span in SPANS else "24h"
    seconds, bar = SPANS[span]
    outcomes = await overview.money(here.journal, seconds, bar)
    return {
        "authorized": await overview.authorized(here.journal),
        "outcomes": _sums(outcomes),
        "failures": await overview.failures(here.journal, seconds),
        "bars": _bars(outcomes, here.watcher.last.at, seconds, bar),
        "stuck": await overview.latest(here.journal, "needs_a_person", STUCK),
        "chosen": span,
        "spans": list(SPANS),
    }


def _sums(outcomes: Sequence[MoneyOutcome]) -> dict[str, list[Sum]]:
    """The total of each outcome in each currency."""
    found: dict[str, dict[str, Sum]] = {outcome: {} for outcome in PAYMENT_OUTCOMES}
    for one in outcomes:
        known = found[one.outcome].get(one.total.currency, Sum(one.total.currency, 0, 0))
        checkouts, amount = known.checkouts + one.total.checkouts, known.amount + one.total.amount
        found[one.outcome][one.total.currency] = Sum(one.total.currency, checkouts, amount)
    return {outcome: list(sums.values()) for outcome, sums in reversed(found.items())}


def _bars(outcomes: Sequence[MoneyOutcome], now: float, seconds: float, bar: float) -> list[Bar]:
    """A bar for each interval, the oldest first, empty ones too."""
    counts: dict[float, dict[str, int]] = {}
    for one in outcomes:
        if kind := KINDS.get(one.outcome):
            kinds = counts.setdefault(one.began.timestamp(), {})
            kinds[kind] = kinds.get(kind, 0) + one.total.checkouts
    top = ceiling(max((sum(kinds.values()) for kinds in counts.values()), default=0))
    last = now // bar * bar
    return [_bar(at, counts.get(at, {}), top) for at in (last - bar * n for n in range(int(seconds // bar) - 1, -1, -1))]


def _bar(at: float, kinds: Mapping[str, int], top: float) -> Bar:
    return Bar(at, kinds.get("good", 0), kinds.get("back", 0), kinds.get("failed", 0), top)
