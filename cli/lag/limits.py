"""``--fail-above``: the limit, and who is above it."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from shared.lag.model import Group

UNITS = {"s": 1, "m": 60, "h": 3600}


@dataclass(frozen=True)
class Limit:
    """How far behind a group may be: records in all, or seconds its oldest waiting record has waited."""

    records: int | None = None
    seconds: float | None = None

    def excess(self, group: Group) -> str | None:
        """What is above the limit, or may be, in words."""
        if self.records is not None and group.lag > self.records:
            return f"{group.name} is {group.lag} records behind; at most {self.records} are allowed"
        if self.seconds is not None and group.age > self.seconds:
            return f"{group.name} is {group.age:.1f} s behind; at most {self.seconds:g} s are allowed"
        if self.seconds is not None and any(p.lag > 0 and p.age is None for p in group.positions.values()):
            return f"how long {group.name} is behind cannot be read; at most {self.seconds:g} s are allowed"
        return None

    def exceeded(self, groups: Iterable[Group]) -> list[str]:
        """Who is above the limit, in words."""
        return [words for group in groups if (words := self.excess(group))]


def parse(text: str) -> Limit:
    """``1000`` is records; ``30s``, ``5m`` and ``1h`` are a time. Raises ``ValueError``."""
    found = re.fullmatch(r"(\d+)|(\d+(?:\.\d+)?)([smh])", text)
    if found is None:
        raise ValueError(f"{text!r} is neither a number of records, such as 1000, nor a time, such as 30s, 5m or 1h")
    records, amount, unit = found.groups()
    return Limit(records=int(records)) if records else Limit(seconds=float(amount) * UNITS[unit])
