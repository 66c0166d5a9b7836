"""Finding a timeline by any of its names, and what is stuck."""

import io
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from rich.console import Console

from cli.stuck import run_stuck
from cli.trace import run_trace
from services.journal import overview, queries
from services.journal.model import Entry
from services.journal.trace import NotOneError, one
from shared.progress import Limits
from tests.integration.journal.conftest import Journal
from tests.support import stories


async def kept(shelf: Journal, *names: str) -> dict[str, list[Entry]]:
    """These recorded stories, in the journal."""
    stored = {name: stories.load(name).entries for name in names}
    for entries in stored.values():
        await shelf.writer.write(entries)
    return stored


@pytest.mark.parametrize(
    ("name", "kind", "of_checkout"),
    [
        ("1005", "order", ".1"),
        ("Q-0001005", "order", ".1"),
        ("Q-0001005"[:8], "order", None),
        ("cart-2d846b2233", "key", ""),
        ("cart-2d84", "key", ""),
        ("cart-2d846b2233.1", "checkout", ".1"),
        ("cart-2d846b2233.", "checkout", ".1"),
        ("cart-2d846b2233.1:capture:2", "checkout", ".1"),
    ],
)
async def test_a_timeline_is_found_by_any_name_and_prefix(
    shelf: Journal, name: str, kind: str, of_checkout: str | None
) -> None:
    await kept(shelf, "paid", "voided")
    if of_checkout is None:
        with pytest.raises(NotOneError, match="matches several"):
            await one(shelf.db, name[:6])
        return
    found = await one(shelf.db, name)
    assert (found.kind, found.key) == (kind, "cart-2d846b2233")
    assert found.checkout_id == (f"cart-2d846b2233{of_checkout}" if of_checkout else None)


async def test_a_message_is_found_by_its_id_and_prefix(shelf: Journal) -> None:
    stored = await kept(shelf, "paid", "voided")
    for entry in stored["paid"]:
        assert entry.message_id
        for name in (entry.message_id, entry.message_id[:12]):
            found = await one(shelf.db, name)
            assert (found.kind, found.name, found.key) == ("message", entry.message_id, entry.key)


async def test_digits_are_an_order_number_only(shelf: Journal) -> None:
    (first, *_) = stories.load("paid").entries
    ids = ("1078", "10780000-0000-4000-8000-000000000000", "10781078")
    others = [
        replace(first, key=f"1078{n}", checkout_id=f"1078{n}.1", message_id=i, offset=n) for n, i in enumerate(ids, start=1)
    ]
    await shelf.writer.write(others)
    for name in ("1078", "10780000", "107", "Q-0001078"):
        assert await queries.find(shelf.db, name) == []
    with pytest.raises(NotOneError, match=r"^no order Q-0001078, and no cart or SKU '1078', is in the journal$"):
        await one(shelf.db, "1078")
    assert (await one(shelf.db, "10781")).kind == "key"
    assert (await one(shelf.db, "10780000-")).kind == "message"


async def test_a_complete_name_is_no_prefix(shelf: Journal) -> None:
    (first, *_) = stories.load("paid").entries
    started = replace(first, kind="CheckoutStarted", checkout_id="c1.12")
    created = next(entry for entry in stories.load("paid").entries if entry.kind == "OrderCreated")
    facts = {**created.facts, "order_number": "Q-12345678"}
    await shelf.writer.write([replace(started, key="c1"), replace(created, facts=facts)])
    assert await queries.find(shelf.db, "c1.1") == []
    assert await queries.find(shelf.db, "Q-1234567") == []
    assert (await one(shelf.db, "c1.")).checkout_id == "c1.12"


async def test_a_prefix_of_a_message_id_has_eight_characters(shelf: Journal) -> None:
    (first, *_) = stories.load("paid").entries
    await shelf.writer.write([replace(first, message_id="7f0cab12-aaaa")])
    assert await queries.find(shelf.db, "7f0cab1") == []
    assert (await one(shelf.db, "7f0cab12")).name == "7f0cab12-aaaa"


async def test_a_stuck_payment_is_found_by_its_authorization(shelf: Journal) -> None:
    stored = await kept(shelf, "void_failed", "paid")
    authorization_id = next(e.facts["authorization_id"] for e in stored["void_failed"] if e.kind == "VoidFailed")
    found = await one(shelf.db, authorization_id)
    assert (found.kind, found.checkout_id) == ("payment", f"{stored['void_failed'][0].key}.1")


async def test_an_exact_checkout_id_excludes_longer_ones(shelf: Journal) -> None:
    (first, *_) = stories.load("paid").entries
    for number in (1, 10):
        started = replace(first, kind="CheckoutStarted", message_id=f"m{number}", checkout_id=f"{first.key}.{number}")
        await shelf.writer.write([started])
    assert (await one(shelf.db, f"{first.key}.1")).checkout_id == f"{first.key}.1"
    with_both = await one(shelf.db, f"{first.key}.1"[:-1])
    assert (with_both.kind, with_both.key, with_both.checkout_id) == ("key", first.key, None)


async def test_several_matches_are_listed(shelf: Journal) -> None:
    await kept(shelf, *stories.names())
    with pytest.raises(NotOneError) as several:
        await one(shelf.db, "cart-")
    lines = str(several.value).splitlines()
    assert lines[0] == "'cart-' matches several:"
    assert lines[-1] == "  and more"
    assert len(lines) == 12
    assert len(set(lines)) == 12
    with pytest.raises(NotOneError, match="no order, checkout, cart, payment, SKU or message 'nobody'"):
        await one(shelf.db, "nobody")


async def test_strange_names_find_nothing(shelf: Journal) -> None:
    await kept(shelf, "paid")
    for name in ("%", "_", "'; DROP TABLE entries; --", "9" * 40, "\\", "☃", "::", "a:capture:1"):
        with pytest.raises(NotOneError):
            await one(shelf.db, name)


LIMITS = Limits(prompt=30, gateway=120, customer=1800)


async def test_stuck_checkouts_are_grouped_by_step(shelf: Journal) -> None:
    now = datetime.now(UTC)
    for number in range(8):
        await shelf.writer.write(copies(stories.load("paid").until("TotalsCalculated"), f"a{number}", now, 150 + number))
    await shelf.writer.write(copies(stories.load("paid").until("TotalsCalculated"), "moving", now, 60))
    await shelf.writer.write(copies(stories.load("paid").until("CheckoutConfirmed"), "b", now, 45))
    await shelf.writer.write(copies(stories.load("void_failed").entries, "c", now, 1))
    await shelf.writer.write(copies(stories.load("paid").entries, "done", now, 1000))
    extend, authorize, settle = [queue for queue in await overview.waiting(shelf.db, LIMITS) if queue.late]
    assert (extend.step.name, extend.step.who, extend.late, extend.examples) == ("extend", "inventory", 1, ["b.1"])
    assert (authorize.step.name, authorize.step.who, authorize.late) == ("authorize", "payment", 8)
    assert authorize.examples == ["a7.1", "a6.1", "a5.1", "a4.1", "a3.1"]
    assert (now - authorize.since).total_seconds() == pytest.approx(157, abs=0.1)
    assert (settle.step.name, settle.step.who, settle.late) == ("settle", "staff", 1)
    patient = Limits(prompt=600, gateway=600, customer=600, person=600)
    assert not any(queue.late for queue in await overview.waiting(shelf.db, patient))


def copies(entries: list[Entry], cart_id: str, now: datetime, seconds: float) -> list[Entry]:
    """A story of another cart, that ended so many seconds ago."""
    later = now - timedelta(seconds=seconds) - max(entry.at for entry in entries)
    original = entries[0].key
    return [
        replace(
            entry,
            key=cart_id,
            checkout_id=entry.checkout_id and entry.checkout_id.replace(original, cart_id),
            message_id=f"{cart_id}-{entry.message_id}",
            cause=entry.cause and f"{cart_id}-{entry.cause}",
            offset=hash((cart_id, entry.place)) % 2**40,
            at=entry.at + later,
            recorded_at=entry.recorded_at + later,
        )
        for entry in entries
    ]


async def test_stuck_fails_if_any_checkout_is_and_warns_of_lag(shelf: Journal) -> None:
    screen = Screen()
    assert await run_stuck(shelf.settings, screen.console, as_json=False)
    assert "No checkout is stuck" in screen.text
    assert "The journal has never run" in screen.text
    await kept(shelf, "void_failed")
    await shelf.writer.report_lag({0: 12})
    screen = Screen()
    assert not await run_stuck(shelf.settings, screen.console, as_json=False)
    assert "cart-6ddff56bf5.1" in screen.text
    assert "is 12 records behind" in screen.text
    screen = Screen()
    assert not await run_stuck(shelf.settings, screen.console, as_json=True)
    (group,) = json.loads(screen.text)["stuck"]
    assert (group["step"], group["who"], group["checkouts"]) == ("settle", "staff", 1)


class Screen:
    """A terminal's lines."""

    def __init__(self) -> None:
        self._file = io.StringIO()
        self.console = Console(file=self._file, width=160)

    @property
    def text(self) -> str:
        """What was printed."""
        return self._file.getvalue()


async def test_a_trace_ends_with_the_status(shelf: Journal) -> None:
    await kept(shelf, "paid", "void_failed", "another_card")
    await shelf.writer.report_lag({0: 0})
    screen = Screen()
    assert await run_trace(shelf.settings, "1005", screen.console, follow=False, as_json=False)
    lines = screen.text.splitlines()
    assert lines[0].startswith("cart-2d846b2233, checkout cart-2d846b2233.1, order Q-0001005")
    assert lines[-1] == "Finished: order Q-0001005 is confirmed, 14.90 EUR captured"
    screen = Screen()
    assert not await run_trace(shelf.settings, "1002", screen.console, follow=False, as_json=False)
    assert screen.text.splitlines()[-1].startswith("Waiting for PaymentVoided or PaymentRefunded from staff since 22:51:26 UTC")
    screen = Screen()
    assert await run_trace(shelf.settings, "cart-efb7ffc194", screen.console, follow=False, as_json=False)
    assert screen.text.splitlines()[-2:] == [
        "cart-efb7ffc194.1 finished: payment declined: The card has insufficient funds.",
        "cart-efb7ffc194.2 finished: order Q-0001026 is confirmed, 14.90 EUR captured",
    ]


async def test_a_trace_as_json_has_every_entry_and_the_status(shelf: Journal) -> None:
    stored = await kept(shelf, "paid")
    screen = Screen()
    assert await run_trace(shelf.settings, "cart-2d846b2233", screen.console, follow=False, as_json=True)
    whole = json.loads(screen.text)
    assert {entry["message_id"] for entry in whole["entries"]} == {entry.message_id for entry in stored["paid"]}
    (checkout,) = whole["checkouts"]
    assert (checkout["outcome"], checkout["finished"], checkout["waits"]) == ("completed", True, [])
