"""The audit finds no violation in healthy books, and each violation that is planted in them."""

from collections.abc import Callable

import pytest

from cli.audit.books import Books, by_checkout, ledger
from cli.audit.invariants import Violation, check, persistent
from shared.settings import SettingsError, load
from tests.unit.cli.books import entry, healthy, row


def found(books: Books) -> list[tuple[int, str]]:
    """The number and the subject of every violation."""
    return [(violation.invariant, violation.subject) for violation in check(books).violations]


def test_healthy_books_have_no_violations_and_nothing_in_flight() -> None:
    report = check(healthy())
    assert (report.violations, report.in_flight) == ([], 0)
    assert (report.checkouts, report.orders, report.open_alerts) == (6, 4, 1)


# --- violations

Planted = Callable[[Books], object]


def lose_the_alert(books: Books) -> None:
    books.alerts.clear()


def capture_nothing(books: Books) -> None:
    books.ledger["a.1"] = [entry("a.1")]


def capture_too_little(books: Books) -> None:
    books.ledger["a.1"] = [entry("a.1", captured=999)]


def keep_the_money_of_a_cancelled_order(books: Books) -> None:
    books.ledger["d.1"] = [entry("d.1", captured=1000, refunded=1)]


def hold_for_a_declined_one(books: Books) -> None:
    books.ledger["c.1"] = [entry("c.1", held=1000)]


def take_money_on_delivery_at_the_gateway(books: Books) -> None:
    books.ledger["b.1"] = [entry("b.1", captured=1000)]


def take_money_for_nobody(books: Books) -> None:
    books.ledger["z.1"] = [entry("z.1", captured=5)]


def forget_the_capture(books: Books) -> None:
    del books.ledger["a.1"]


def charge_twice(books: Books) -> None:
    books.ledger["a.1"] = [entry("a.1", captured=1000), entry("a.1", captured=1000, refunded=1000)]


def take_another_currency(books: Books) -> None:
    books.ledger["a.1"] = [entry("a.1", captured=1000, currency="JPY")]


def hold_another_currency_beside(books: Books) -> None:
    books.ledger["a.1"].append(entry("a.1", held=1000, currency="JPY"))


def let_go_of_another_currency(books: Books) -> None:
    books.ledger["a.1"].append(entry("a.1", currency="JPY"))


def lose_a_unit(books: Books) -> None:
    books.stocks["tea"].on_hand -= 1


def oversell(books: Books) -> None:
    books.stocks["tea"] = row(id="tea", on_hand=1, reserved=2, received=3, adjusted=0, committed=2)


def reserve_less_than_nothing(books: Books) -> None:
    del books.reservations["g.1"]
    books.stocks["tea"].reserved = -1


def reserve_for_nobody(books: Books) -> None:
    del books.reservations["g.1"]


def reserve_what_is_not_there(books: Books) -> None:
    books.reservations["g.1"].units["cup"] = 1


def sell_to_nobody(books: Books) -> None:
    """As a forged ``OrderConfirmed`` would, where order knows of nothing."""
    books.reservations["g.1"].state = "committed"
    books.stocks["tea"] = row(id="tea", on_hand=6, reserved=0, received=9, adjusted=1, committed=4)


def sell_what_is_not_paid(books: Books) -> None:
    """As a forged ``OrderConfirmed`` would, of a checkout that was declined."""
    books.reservations["c.1"].state = "committed"
    books.stocks["tea"] = row(id="tea", on_hand=7, reserved=2, received=9, adjusted=1, committed=3)


def sell_more_than_was_ordered(books: Books) -> None:
    books.reservations["a.1"].units["tea"] = 2
    books.stocks["tea"] = row(id="tea", on_hand=7, reserved=2, received=9, adjusted=1, committed=3)


def commit_for_nobody(books: Books) -> None:
    books.stocks["tea"] = row(id="tea", on_hand=7, reserved=2, received=9, adjusted=1, committed=3)


def complete_a_cart_that_did_not_pay(books: Books) -> None:
    books.carts["c"].__dict__.update(state="inactive", order_number="Q-0000003")


def complete_a_cart_by_the_order_of_another(books: Books) -> None:
    books.carts["f"].__dict__.update(state="inactive", order_number="Q-0000001")


def be_in_two_checkouts(books: Books) -> None:
    for number in (1, 2):
        whole = vars(books.checkouts["c.1"]) | {"id": f"g.{number}", "cart_id": "g", "state": "paying"}
        books.checkouts[f"g.{number}"] = row(**whole)
        books.payments[f"g.{number}"] = row(id=f"g.{number}", state="authorizing", currency="EUR", busy=True)


def redeem_too_often(books: Books) -> None:
    books.coupons["TEN"].redemption_limit = 1


def redeem_for_nobody(books: Books) -> None:
    books.coupons["ANY"].redeemed = 1


def redeem_and_not_count(books: Books) -> None:
    books.checkouts["c.1"].coupons_redeemed = True


def leave_unpublished(books: Books) -> None:
    books.outboxes["order"].waiting, books.outboxes["order"].first = 3, 41


def quarantine_a_record(books: Books) -> None:
    books.outboxes["cart"].quarantined = 1


@pytest.mark.parametrize(
    ("plant", "expected"),
    [
        (lose_the_alert, [(1, "e.1")]),
        (capture_nothing, [(1, "a.1")]),
        (capture_too_little, [(1, "a.1")]),
        (keep_the_money_of_a_cancelled_order, [(1, "d.1")]),
        (hold_for_a_declined_one, [(1, "c.1")]),
        (take_money_on_delivery_at_the_gateway, [(1, "b.1")]),
        (take_money_for_nobody, [(1, "z.1")]),
        (forget_the_capture, [(1, "a.1")]),
        (charge_twice, [(4, "a.1")]),
        (take_another_currency, [(1, "a.1"), (1, "a.1")]),
        (hold_another_currency_beside, [(1, "a.1")]),
        (let_go_of_another_currency, []),
        (lose_a_unit, [(2, "tea")]),
        (oversell, [(2, "tea")]),
        (reserve_less_than_nothing, [(2, "tea"), (2, "tea")]),
        (reserve_for_nobody, [(2, "tea")]),
        (reserve_what_is_not_there, [(2, "cup")]),
        (sell_to_nobody, [(2, "g.1")]),
        (sell_what_is_not_paid, [(2, "c.1")]),
        (sell_more_than_was_ordered, [(2, "a.1")]),
        (commit_for_nobody, [(2, "tea")]),
        (complete_a_cart_that_did_not_pay, [(4, "c")]),
        (complete_a_cart_by_the_order_of_another, [(4, "f")]),
        (be_in_two_checkouts, [(4, "g")]),
        (redeem_too_often, [(4, "TEN")]),
        (redeem_for_nobody, [(4, "ANY")]),
        (redeem_and_not_count, [(4, "TEN")]),
        (leave_unpublished, [(5, "order, from outbox row 41 on")]),
        (quarantine_a_record, [(5, "cart")]),
    ],
)
def test_a_planted_violation_is_the_only_one_found(plant: Planted, expected: list[tuple[int, str]]) -> None:
    books = healthy()
    plant(books)
    assert found(books) == expected


def test_a_violation_says_what_is_wrong() -> None:
    books = healthy()
    for plant in (capture_too_little, lose_a_unit, leave_unpublished):
        plant(books)
    assert [violation.wrong for violation in check(books).violations] == [
        "the gateway kept 999 minor units, not 1000",
        "10 units were received or adjusted, but 9 are on hand or committed",
        "3 committed records not published",
    ]


# --- checkouts in flight (invariant 3)


@pytest.mark.parametrize(
    ("checkout", "payment", "reservation"),
    [
        ({"state": "waiting"}, None, None),
        ({"state": "paying"}, {"state": "authorizing", "busy": True}, None),
        ({"state": "created"}, {"state": "captured"}, None),
        ({}, {"state": "capture_failed"}, None),
        ({}, {"busy": True}, None),
        ({}, None, {"state": "allocated"}),
        ({"state": "cancelled"}, None, None),
        ({"state": "closed"}, {"state": "refunded"}, {"state": "committed"}),
        ({"state": "closed"}, {"state": "authorized"}, {"state": "released"}),
    ],
)
def test_a_checkout_in_flight_is_not_a_violation(
    checkout: dict[str, object], payment: dict[str, object] | None, reservation: dict[str, object] | None
) -> None:
    books = healthy()
    books.checkouts["a.1"].__dict__.update(checkout)
    books.payments["a.1"].__dict__.update(payment or {})
    books.reservations["a.1"].__dict__.update(reservation or {})
    report = check(books)
    assert report.in_flight == 1
    assert not [violation for violation in report.violations if violation.invariant == 1]


@pytest.mark.parametrize("number", [None, "Q-0000002"])
def test_a_confirmed_order_with_an_open_cart_is_in_flight(number: str | None) -> None:
    books = healthy()
    books.carts["a"].order_number = number
    assert check(books).in_flight == 1


def test_a_cart_still_locked_after_the_end_is_in_flight() -> None:
    books = healthy()
    books.carts["c"].__dict__.update(state="locked", checkout_id="c.1")
    assert check(books).in_flight == 1


def test_a_locked_cart_that_order_does_not_know_is_in_flight() -> None:
    books = healthy()
    books.carts["g"].__dict__.update(state="locked")
    assert check(books).in_flight == 1


def test_a_payment_that_order_does_not_know_is_in_flight() -> None:
    books = healthy()
    del books.checkouts["c.1"]
    assert check(books).in_flight == 1


def test_a_checkout_with_an_open_alert_is_not_in_flight() -> None:
    books = healthy()
    books.payments["e.1"].__dict__.update(state="voiding", busy=True)
    assert (found(books), check(books).in_flight) == ([], 0)


async def test_no_setting_skips_the_comparison_with_the_gateway() -> None:
    with pytest.raises(SettingsError, match="QUADRILLE_GATEWAY_URL"):
        await ledger(load({}))


def test_on_a_live_shop_only_persistent_violations_count() -> None:
    before = [Violation(5, "cart, from outbox row 7 on", "2 records"), Violation(3, "a.1", "has not reached its end")]
    now = [Violation(5, "cart, from outbox row 7 on", "3 records"), Violation(3, "b.1", "has not reached its end")]
    assert persistent(before, now) == now[:1]
    assert persistent(before, []) == []


def test_the_ledger_is_grouped_by_checkout_without_payments_of_other_shops() -> None:
    payments = {i: row(id=i, reference=reference) for i, reference in [("a.1", None), ("b.1", "old/b.1"), ("c.1", "tea/c.1")]}
    ledger = {name: [entry(name)] for name in ("a.1", "old/b.1", "tea/c.1", "tea/lost.1", "cup/c.1", "c.1")}
    assert {i: entries[0].reference for i, entries in by_checkout(ledger, payments, "tea").items()} == {
        "a.1": "a.1",
        "b.1": "old/b.1",
        "c.1": "tea/c.1",
        "lost.1": "tea/lost.1",
    }
    assert by_checkout(ledger, {}, "") == ledger
