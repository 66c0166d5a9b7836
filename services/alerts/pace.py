"""Chooses which notification a target gets next: pure rules. No kind and no severity waits for a flood of another.

Alerts about money go first: while both wait, they take turns with the rest. Of the rest, the service and kind that was
served longest ago is next. Floods are summarised, so that they neither bury other alerts nor train people to ignore them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from services.alerts.model import ABOUT_MONEY

FEW_OF_MONEY: Final = 20
"""Alerts about money are sent one by one while no more than these wait, otherwise as one notification; always immediately."""
CROWD: Final = 50
"""Other alerts of a service and kind that are sent one by one in :data:`QUIET_SECONDS`; those after them are summarised."""
QUIET_SECONDS: Final = 60.0
"""Seconds from one summary to the next."""


@dataclass(frozen=True, slots=True)
class Pending:
    """How many alerts of a service and kind a target has not received yet."""

    service: str
    kind: str
    severity: str
    alerts: int

    @property
    def is_money(self) -> bool:
        """Whether they go first."""
        return self.kind in ABOUT_MONEY


@dataclass(frozen=True, slots=True)
class Choice:
    """What to send next: one alert, or with ``together`` all of them as one notification."""

    pending: Pending
    together: bool


class Pacer:
    """Paces one target by what it received lately. ``now``: seconds of a monotonic clock."""

    def __init__(self) -> None:
        self._sent: dict[tuple[str, str], tuple[float, int]] = {}
        self._turns: dict[tuple[str, str], int] = {}
        self._turn = 0
        self._money_last = False

    def choose(self, pending: Sequence[Pending], now: float) -> Choice | None:
        """What to send next; None if nothing is pending or everything has to wait."""
        money = [one for one in pending if one.is_money]
        others = [one for one in pending if not one.is_money and self._lately(one, now) <= CROWD]
        mixed = bool(money and others)
        wanted = others if mixed and self._money_last else money or others
        if not wanted:
            return None
        self._money_last = wanted is money
        first = min(wanted, key=lambda one: (self._turns.get(_key(one), 0), one.severity, _key(one)))
        self._turn += 1
        self._turns[_key(first)] = self._turn
        lately = 0 if first.is_money else self._lately(first, now)
        return Choice(first, first.alerts + lately > (FEW_OF_MONEY if first.is_money else CROWD))

    def sent(self, choice: Choice, now: float) -> None:
        """Record that it was sent."""
        key = _key(choice.pending)
        if choice.together:
            self._sent[key] = now, CROWD + 1
            return
        lately = self._lately(choice.pending, now)
        since = self._sent[key][0] if lately else now
        self._sent[key] = since, lately + 1

    def _lately(self, one: Pending, now: float) -> int:
        since, sent = self._sent.get(_key(one), (now, 0))
        return sent if now - since <= QUIET_SECONDS else 0


def _key(one: Pending) -> tuple[str, str]:
    return one.service, one.kind
