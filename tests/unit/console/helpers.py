"""Recorded stories as the console gets them, and a console that draws and reads nothing."""

from collections.abc import Sequence
from datetime import timedelta
from html.parser import HTMLParser

from httpx import AsyncClient

from services.console import choreography
from services.console.context import Console
from services.console.watcher import Watcher
from services.journal.model import Entry
from services.journal.queries import JournalLag
from services.journal.reports import report
from services.journal.timeline import forest, of_checkout
from services.journal.trace import Trace
from shared.progress import limits
from shared.runtime.postgres.database import connect
from shared.settings import load
from tests.support import stories

SETTINGS = load({"QUADRILLE_KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1"})
NOWHERE = "postgresql://nobody:nothing@127.0.0.1:1/nothing"


def trace(entries: Sequence[Entry], checkout_id: str | None = None) -> Trace:
    """The trace of these entries, a second after the last of them."""
    now = max(entry.at for entry in entries) + timedelta(seconds=1)
    roots, found = forest(entries), report(entries, limits(SETTINGS), now)
    if checkout_id is not None:
        roots, found = of_checkout(roots, checkout_id), [one for one in found if one.checkout_id == checkout_id]
    return Trace(entries[0].key, checkout_id, None, roots, found, JournalLag(0, now, now), False)


def recorded(name: str) -> Trace:
    """The first checkout of a recorded story."""
    story = stories.load(name)
    return trace(story.entries, f"{story.key}.1")


def console(user: str | None = "ada") -> Console:
    """A console whose databases are nowhere."""
    engine = connect(NOWHERE)
    return Console(SETTINGS, limits(SETTINGS), choreography.load(), None, engine, Watcher(SETTINGS, None, engine), user)


class Seen(HTMLParser):
    """What a browser would see of a page: its elements with their attributes, and its text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        """The attributes of all elements of a kind."""
        return [attributes for name, attributes in self.elements if name == tag]


async def token(at: AsyncClient, page: str) -> str:
    """The token in the forms of a page."""
    fields = Seen((await at.get(page)).text).all("input")
    return next(field["value"] or "" for field in fields if field.get("name") == "csrf")
