"""``--fail-above``: the limit, and the groups that exceed it."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from shared.contract.text import counted
from shared.lag.model import Group

UNITS = {"s": 1, "m": 60, "h": 3600}


@dataclass(frozen=True)
class Limit:
    """The most lag a group may have: records in all, or the age of its oldest unread record in seconds."""

    records: int | None = None
    seconds: float | None = None

    def excess(self, group: Group) -> str | None:
        """Why a group exceeds the limit, or may exceed it."""
        if self.records is not None and group.lag > self.records:
            return f"{group.name} is {counted(group.lag, 'record')} behind; the limit is {self.records}"
        if self.seconds is not None and group.age > self.seconds:
            return f"{group.name} is {group.age:.1f} s behind; the limit is {self.seconds:g} s"
        if self.seconds is not None and any(p.lag > 0 and p.age is None for p in group.positions.values()):
            return f"the age of the lag of {group.name} is unknown; the limit is {self.seconds:g} s"
        return None

    def exceeded(self, groups: Iterable[Group]) -> list[str]:
        """Why each group exceeds the limit."""
        return [reason for group in groups if (reason := self.excess(group))]


def parse(text: str) -> Limit:
    """``1000`` is records; ``30s``, ``5m`` and ``1h`` are an age. Raises ``ValueError``."""
    found = re.fullmatch(r"(\d+)|(\d+(?:\.\d+)?)([smh])", text)
    if found is None:
        raise ValueError(f"{text!r} is neither a number of records, such as 1000, nor an age, such as 30s, 5m or 1h")
    records, amount, unit = found.groups()
    return Limit(records=int(records)) if records else Limit(seconds=float(amount) * UNITS[unit])
