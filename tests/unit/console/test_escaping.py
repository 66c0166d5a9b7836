"""Whatever a message says is text on a page, and never more than that."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.alerts.model import Alert
from services.alerts.states import AlertState
from services.console.context import ago, link, ticks, when
from services.console.pages import alerts, orders
from services.journal.model import Entry, Form
from tests.support import stories
from tests.support.clock import NOW
from tests.unit.console.helpers import Seen, console, trace

EVIL = "<script>alert(1)</script><img src=x onerror=alert(2)>\"'>&{{ 7 * 7 }}"
STORY = stories.load("void_failed")


def story(entries: list[Entry]) -> str:
    """The parts of a story's page that come from messages."""
    here, values = console(), orders.values(trace(entries))
    return here.render("parts/timeline.html", values) + here.render("parts/status.html", values)


def with_text(entry: Entry, text: str) -> Entry:
    """An entry that says this wherever it may say something."""
    facts = {name: text if isinstance(value, str) else value for name, value in entry.facts.items()}
    reasons = [{"code": text, "message": text}]
    return replace(
        entry,
        source=f"/quadrille/{text}" if entry.source == "/quadrille/demo" else entry.source,
        facts={**facts, "reasons": reasons},
    )


def test_markup_in_messages_is_shown_as_text() -> None:
    html = story([with_text(entry, EVIL) for entry in STORY.entries])
    seen = Seen(html)
    assert not {"script", "img"} & {tag for tag, _ in seen.elements}
    assert EVIL in seen.text
    assert "<script" not in html
    assert "49" not in seen.text or "{{ 7 * 7 }}" in seen.text


@settings(max_examples=50)
@given(st.text(max_size=60))
def test_no_text_adds_an_element_or_an_attribute(text: str) -> None:
    def shape(text: str) -> list[tuple[str, list[str]]]:
        found = Seen(story([with_text(entry, text) for entry in STORY.entries])).elements
        return [(tag, sorted(attributes)) for tag, attributes in found]

    assert shape(text) == shape("x")


@given(st.text())
def test_text_between_backticks_is_code(text: str) -> None:
    seen = Seen(str(ticks(text)))
    assert {tag for tag, _ in seen.elements} <= {"code"}
    even = text.count("`") % 2 == 0
    assert len(seen.elements) == (text.count("`") // 2 if even else 0)


def test_an_unreadable_record_is_shown() -> None:
    at = datetime(2026, 1, 1, tzinfo=UTC)
    entry = Entry("cart.commands", 0, 7, at, at, Form.UNREADABLE, "c1", facts={"failure": {"error": EVIL}})
    assert EVIL in Seen(story([entry])).text


@pytest.mark.parametrize(("name", "page"), [("Q-0001", "/orders/Q-0001"), ("a/b?c#d", "/orders/a%2Fb%3Fc%23d")])
def test_names_are_quoted_in_addresses(name: str, page: str) -> None:
    assert link(name) == page


def test_an_alert_names_its_runbook() -> None:
    alert = Alert("void:c1.1", AlertState.OPEN, "void_failed", first_seen_at=NOW, last_seen_at=NOW)
    assert "docs/operate.md#void_failed" in console().render("parts/alert.html", alerts.values(alert))


def test_durations_have_a_fitting_unit() -> None:
    now = datetime.now(UTC)
    assert ago(now - timedelta(seconds=44.4)) == "44 s"
    assert ago(now - timedelta(minutes=16, seconds=40)) == "16 min"
    assert ago(now - timedelta(hours=3, minutes=5, seconds=10)) == "3 h 5 min"
    assert ago(now + timedelta(hours=1)) == "0 s"
    assert ago(None) == "never"
    assert (
        str(when(datetime(2020, 1, 2, 3, 4, 5, tzinfo=UTC)))
        == '<time datetime="2020-01-02T03:04:05+00:00">2020-01-02 03:04:05</time>'
    )
