"""Splits long lists into pages."""

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlencode

from shared.contract.text import is_plain

MAX_FILTER = 300
"""Characters of a filter."""
MAX_PAGE = 1_000_000


@dataclass(frozen=True)
class Paging:
    """Page ``number`` of a list of ``total`` rows, with ``size`` rows each. ``filters``: the rest of its query."""

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
        """The number of pages."""
        return max(1, -(-self.total // self.size))

    def link(self, number: int = 1, **filters: str) -> str:
        """The address of a page. ``filters`` replace those of this page."""
        asked = {**self.filters, **filters, "page": str(number) if number > 1 else ""}
        return f"?{urlencode({name: value for name, value in asked.items() if value})}"


def paging(asked: Mapping[str, str], size: int, filters: Mapping[str, str]) -> Paging:
    """The page that a query asks for; the first if it names none."""
    text = asked.get("page", "")
    number = int(text) if text.isascii() and text.isdecimal() and len(text) < 8 else 1
    return Paging(min(max(number, 1), MAX_PAGE), size, filters)


def filter_of(asked: Mapping[str, str], name: str) -> str:
    """A filter of a query; empty if nothing could match it."""
    text = asked.get(name, "").strip()[:MAX_FILTER]
    return text if is_plain(text) else ""
