"""Which alerts a target hears of next: rules only. No kind and no severity waits for a flood of another.

Money goes first but not alone: where both wait, money and the rest take turns. Of the rest it is the turn of the service
and kind that was served longest ago. What comes in floods is summarised, so that it neither buries the rest nor teaches
people to look away.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from services.alerts.model import ABOUT_MONEY

FEW_OF_MONEY: Final = 20
"""Alerts of money are told one by one while no more than these wait, else in one notification. They never wait for a minute."""
CROWD: Final = 50
"""So many other alerts of a service and kind are told one by one in :data:`QUIET_SECONDS`; what comes after them as one."""
QUIET_SECONDS: Final = 60.0
"""After a summary, what joins it is told of so much later."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """Alerts of a service and kind that a target has not heard of, and how many."""

    service: str
    kind: str
    severity: str
    alerts: int

    @property
    def is_money(self) -> bool:
        """Whether it goes first."""
        return self.kind in ABOUT_MONEY


@dataclass(frozen=True, slots=True)
class Choice:
    """What to tell of next: one of them, or ``together`` all of them in one notification."""

    waiting: Waiting
    together: bool


class Pace:
    """What one target was told lately, and by that what it hears next. ``now``: seconds of a steady clock."""

    def __init__(self) -> None:
        self._told: dict[tuple[str, str], tuple[float, int]] = {}
        self._turns: dict[tuple[str, str], int] = {}
        self._turn = 0
        self._money_last = False

    def choose(self, waiting: Sequence[Waiting], now: float) -> Choice | None:
        """The next to be told; nothing where none waits, or all that wait may be told only later."""
        money = [one for one in waiting if one.is_money]
        others = [one for one in waiting if not one.is_money and self._lately(one, now) <= CROWD]
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

    def told(self, choice: Choice, now: float) -> None:
        """It was told."""
        key = _key(choice.waiting)
        if choice.together:
            self._told[key] = now, CROWD + 1
            return
        lately = self._lately(choice.waiting, now)
        since = self._told[key][0] if lately else now
        self._told[key] = since, lately + 1

    def _lately(self, one: Waiting, now: float) -> int:
        since, told = self._told.get(_key(one), (now, 0))
        return told if now - since <= QUIET_SECONDS else 0


def _key(one: Waiting) -> tuple[str, str]:
    return one.service, one.kind
