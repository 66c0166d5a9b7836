"""The trees of a timeline: recorded stories in any order of arrival, and records that claim impossible causes."""

import random
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import pytest

from cli.trace import entry_json
from services.journal.model import Entry, Form
from services.journal.timeline import Node, checkouts_around, forest, of_checkout
from tests.support import stories
from tests.support.clock import NOW


def outline(roots: Sequence[Node]) -> list[str]:
    """The types of a forest, indented."""
    return ["  " * depth + (node.entry.kind or node.entry.form) for root in roots for depth, node in root.walk()]


def message(message_id: str, cause: str | None = None, *, at: float = 0, checkout_id: str | None = "c1.1") -> Entry:
    """A message of cart c1, so many seconds after now."""
    moment = NOW + timedelta(seconds=at)
    blank = Entry("cart.events", 0, 0, moment, moment, Form.MESSAGE, "c1", "/quadrille/cart", "CartChanged")
    return replace(blank, message_id=message_id, checkout_id=checkout_id, cause=cause)


@pytest.mark.parametrize("name", stories.names())
def test_a_timeline_is_the_same_in_any_order_of_arrival(name: str) -> None:
    story = stories.load(name)
    for seed in range(3):
        arrived = random.Random(seed).sample(story.entries, len(story.entries))
        rows = [entry_json(depth, node) for root in forest(arrived) for depth, node in root.walk()]
        assert rows == story.rendered


def test_an_effect_is_below_its_cause_and_a_gateway_answer_below_its_request() -> None:
    cart = stories.load("voided")
    roots = of_checkout(forest(cart.entries), f"{cart.key}.1")
    *chain, last, before, first = outline(roots)[-11:]
    assert [line.strip() for line in chain] == [
        "ConfirmCheckout",
        "CheckoutConfirmed",
        "ReservationExtended",
        "TotalsCalculated",
        "PaymentAuthorized",
        "OrderCreated",
        "CaptureFailed",
        "OrderCancelled",
    ]
    assert [len(line) - len(line.lstrip()) for line in chain] == [2 * depth for depth in range(8)]
    assert {last, before, first} == {f"{' ' * 16}{kind}" for kind in ("CartReopened", "PaymentVoided", "ReservationReleased")}


def test_a_deadline_is_below_the_event_that_set_it() -> None:
    (expired,) = [
        (node, child)
        for root in forest(stories.load("expired").entries)
        for _, node in root.walk()
        for child in node.children
        if child.entry.kind == "ReservationExpired"
    ]
    assert expired[0].entry.kind == "StockReserved"
    assert expired[1].via == "deadline passed"


def test_a_dead_letter_is_below_its_record() -> None:
    unreadable = [r for r in forest(stories.load("poison").entries) if r.entry.form is Form.UNREADABLE]
    assert [[child.entry.form for child in root.children] for root in unreadable] == [[Form.DEAD_LETTER]]


def test_a_timeline_of_one_attempt_excludes_the_others() -> None:
    cart = stories.load("another_card")
    second = outline(of_checkout(forest(cart.entries), f"{cart.key}.2"))
    assert "OpenCart" not in second
    assert second.count("StartCheckout") == second.count("ConfirmCheckout") == 1
    assert not any("PaymentDeclined" in line for line in second)
    both = [line.strip() for line in outline(of_checkout(forest(cart.entries), f"{cart.key}.1"))]
    assert "PaymentDeclined" in both
    assert "ReservationReleased" in both, "the next attempt gave its units back"
    assert "CheckoutCompleted" not in both


def test_an_answer_belongs_to_the_checkout_of_its_cause() -> None:
    refused = message("b", "a", at=1, checkout_id=None)
    assert [e.message_id for e in entries(of_checkout(forest([message("a"), refused]), "c1.1"))] == ["a", "b"]


def test_a_message_leads_to_the_checkouts_of_its_tree() -> None:
    cart = stories.load("paid")
    confirm = next(e for e in cart.entries if e.kind == "ConfirmCheckout")
    assert confirm.checkout_id is None
    assert checkouts_around(forest(cart.entries), confirm.message_id or "") == {f"{cart.key}.1"}
    assert checkouts_around(forest(cart.entries), "nobody") == set()


def entries(roots: Sequence[Node]) -> list[Entry]:
    """The entries of a forest."""
    return [node.entry for root in roots for _, node in root.walk()]


def test_an_effect_is_a_root_until_its_cause_arrives() -> None:
    effect, cause = message("b", "a", at=1), message("a")
    (root,) = forest([effect])
    assert root.orphan
    (root,) = forest([effect, cause])
    assert (root.entry, root.children[0].orphan) == (cause, False)


def test_a_negative_gap_shows_that_clocks_differ() -> None:
    (root,) = forest([message("a", at=2), message("b", "a", at=1)])
    assert root.children[0].gap == timedelta(seconds=-1)


@pytest.mark.parametrize("causes", [{"a": "a"}, {"a": "b", "b": "a"}, {"a": "c", "b": "a", "c": "b"}])
def test_causes_in_a_circle_lose_no_entry(causes: dict[str, str]) -> None:
    claimed = [message(i, cause, at=n) for n, (i, cause) in enumerate(causes.items())]
    assert len(entries(forest(claimed))) == len(causes)


def test_a_chain_of_thousands_is_no_recursion() -> None:
    chain = [message(f"m{n}", f"m{n - 1}", at=n) for n in range(3000)]
    assert len(entries(of_checkout(forest(chain), "c1.1"))) == 3000


def test_two_commands_with_one_id_are_two_entries() -> None:
    twins = [message("a"), replace(message("a", at=1), source="/another")]
    assert len(forest(twins)) == 2
