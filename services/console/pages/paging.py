"""Lists that do not fit on one page: which part is shown, and where the others are."""

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlencode

from shared.contract.text import is_plain

LONGEST = 300
"""Characters of a filter."""
LAST = 1_000_000


@dataclass(frozen=True)
class Paging:
    """Page ``number`` of a list of ``total`` rows, ``size`` on each. ``filters``: what else its address says."""

    number: int
    size: int
    filters: Mapping[str, str]
    total: int = 0

    @property
    def offset(self) -> int:
        """Rows before this page."""
        return (self.number - 1) * self.size

    @property
    def pages(self) -> int:
        """How many pages there are."""
        return max(1, -(-self.total // self.size))

    def link(self, number: int = 1, **filters: str) -> str:
        """The address of a page, with other filters where some are given."""
        asked = {**self.filters, **filters, "page": str(number) if number > 1 else ""}
        return f"?{urlencode({name: value for name, value in asked.items() if value})}"


def paging(asked: Mapping[str, str], size: int, filters: Mapping[str, str]) -> Paging:
    """The page an address asks for; the first where it says nothing readable."""
    told = asked.get("page", "")
    number = int(told) if told.isascii() and told.isdecimal() and len(told) < 8 else 1
    return Paging(min(max(number, 1), LAST), size, filters)


def filter_of(asked: Mapping[str, str], name: str) -> str:
    """A filter an address names; none where it is nothing that could match."""
    told = asked.get(name, "").strip()[:LONGEST]
    return told if is_plain(told) else ""
