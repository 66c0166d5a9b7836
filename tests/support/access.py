"""The table of operate.md that says which principal may write and read which topics, and use which groups."""

import re
from typing import Final, NamedTuple

from tests.support.snippets import ROOT

_ROW: Final = re.compile(r"^\| ([^|]+?) \|([^|]+)\|([^|]+)\|([^|]+)\|$", re.MULTILINE)


class Access(NamedTuple):
    """What a principal may do, by full names."""

    writes: set[str]
    reads: set[str]
    groups: set[str]


def granted(principal: str) -> Access:
    """What the table grants to ``storefront server``, or to a service by its name."""
    table = (ROOT / "docs/operate.md").read_text().split("## Access control")[1].split("\n## ")[0]
    rows = {name: cells for name, *cells in _ROW.findall(table)}
    service = rows["each service of a checkout, as SERVICE"]
    more = rows.get(f"{principal} also", ["", "", ""])
    cells = rows.get(principal) or map(" ".join, zip(service, more, strict=True))
    return Access(*(set(re.findall("`([^`]+)`", cell.replace("SERVICE", principal))) for cell in cells))
