"""Stories recorded from a running system with ``quadrille trace CART --json``, and how to record them again::

python -m tests.support.stories .quadrille paid=cart-1a2b3c voided=cart-4d5e6f
"""

import asyncio
import json
import sys
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from cli import system
from cli.trace import journal_db, trace_json
from services.journal.model import Entry, Form
from services.journal.trace import one, trace
from shared.progress import limits

FOLDER = Path(__file__).resolve().parents[1] / "unit" / "journal" / "stories"


@dataclass(frozen=True)
class Story:
    """A recorded story: its entries, and how they were rendered when it was recorded."""

    key: str
    entries: list[Entry]
    rendered: list[dict[str, Any]]

    def until(self, kind: str) -> list[Entry]:
        """The entries that had happened when an event of this type had, it included."""
        end = next(entry.at for entry in self.entries if entry.kind == kind)
        return [entry for entry in self.entries if entry.at <= end]


def load(name: str) -> Story:
    """A story by its name."""
    recorded = json.loads((FOLDER / f"{name}.json").read_text())
    entries = [_entry(recorded["key"], row) for row in recorded["entries"]]
    return Story(recorded["key"], sorted(entries, key=lambda entry: entry.recorded_at), recorded["entries"])


def names() -> list[str]:
    """The stories there are."""
    return sorted(path.stem for path in FOLDER.glob("*.json"))


def _entry(key: str, row: dict[str, Any]) -> Entry:
    return Entry(
        topic=row["topic"],
        partition=row["partition"],
        offset=row["offset"],
        recorded_at=datetime.fromisoformat(row["recorded_at"]),
        at=datetime.fromisoformat(row["at"]),
        form=Form(row["form"]),
        key=key,
        source=f"/quadrille/{row['service']}" if row["service"] != "?" else "",
        kind=row["type"],
        message_id=row["message_id"],
        checkout_id=row["checkout_id"],
        cause=row["cause"],
        facts=row["facts"],
    )


async def record(state: Path, carts: dict[str, str]) -> None:
    """Record the stories of these carts, by name, from the system that runs in a state folder."""
    settings = system.settings(state)
    async with journal_db(settings) as db:
        for name, cart_id in carts.items():
            found = trace_json(await trace(db, await one(db, cart_id), limits(settings)))
            lines = ",\n".join(json.dumps(entry) for entry in found["entries"])
            (FOLDER / f"{name}.json").write_text(f'{{"key": {json.dumps(found["key"])}, "entries": [\n{lines}\n]}}\n')


if __name__ == "__main__":
    asyncio.run(record(Path(sys.argv[1]), dict(argument.split("=", 1) for argument in sys.argv[2:])))
