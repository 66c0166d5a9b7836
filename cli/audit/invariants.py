"""The five invariants (docs/reliability.md): functions from the books to violations."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from cli.audit.books import Books
from shared.contract.order import order_number
from shared.contract.text import counted

CONFIRMED_PAYMENTS = ("captured", "deferred", "paid")
UNPAID_ENDS = ("declined", "voided", "refunded", "void_failed", "refund_failed", "deferred")
LIVE = ("held", "extended", "allocated")


@dataclass(frozen=True)
class Violation:
    """A violated invariant: its number, the subject (a checkout, SKU, cart, coupon or service), and what is wrong."""

    invariant: int
    subject: str
    wrong: str

    @property
    def key(self) -> tuple[int, str]:
        """Identifies a violation in several audits."""
        return self.invariant, self.subject

    def __str__(self) -> str:
        return f"invariant {self.invariant}: {self.subject}: {self.wrong}"


@dataclass
class Report:
    """The result of an audit. ``in_flight``: checkouts that are not finished."""

    violations: list[Violation] = field(default_factory=list)
    checkouts: int = 0
    orders: int = 0
    in_flight: int = 0
    open_alerts: int = 0


def persistent(before: Iterable[Violation], now: Iterable[Violation]) -> list[Violation]:
    """The current violations that were there before."""
    known = {violation.key for violation in before}
    return [violation for violation in now if violation.key in known]


def check(books: Books) -> Report:
    """Check the books once."""
    report = Report(
        checkouts=len(books.checkouts),
        orders=sum(c.state in ("created", "confirmed", "cancelled") for c in books.checkouts.values()),
        in_flight=len(set(in_flight(books))),
        open_alerts=len(books.alerts),
    )
    for found in INVARIANTS:
        report.violations += found(books)
    return report


def in_flight(books: Books) -> Iterator[str]:
    """Checkouts that are not finished and have no open alert."""
    alerted = {alert.checkout_id for alert in books.alerts}
    for i in books.checkouts.keys() | books.payments.keys():
        checkout, payment = books.checkouts.get(i), books.payments.get(i)
        if i not in alerted and not _ended(books, checkout, payment):
            yield i
    for cart in books.carts.values():
        if cart.state == "locked" and cart.checkout_id not in books.checkouts and cart.checkout_id not in alerted:
            yield cart.checkout_id


def _ended(books: Books, checkout: Any, payment: Any) -> bool:
    if checkout is None:
        return False
    if payment is not None and payment.busy:
        return False
    cart = books.carts.get(checkout.cart_id)
    locked_by_it = cart is not None and cart.state == "locked" and cart.checkout_id == checkout.id
    if locked_by_it:
        return False
    if checkout.state == "confirmed":
        if cart is None or cart.order_number != order_number(checkout.number):
            return False
        reservation = books.reservations.get(checkout.id)
        return bool(payment and payment.state in CONFIRMED_PAYMENTS and reservation and reservation.state == "committed")
    if checkout.state in ("closed", "cancelled"):
        reservation = books.reservations.get(checkout.id)
        allocated = reservation is not None and reservation.state in ("allocated", "committed")
        return not allocated and (payment is None or payment.state in UNPAID_ENDS)
    return False


def money(books: Books) -> Iterator[Violation]:
    """1. captured - refunded = total if the order is confirmed and not deferred, else 0; nothing held without an alert."""
    alerted = {alert.checkout_id for alert in books.alerts}
    busy = set(in_flight(books))
    for reference, entries in books.ledger.items():
        checkout = books.checkouts.get(reference)
        if reference in alerted or reference in busy:
            continue
        currency = _currency(books, reference)
        ours = [e for e in entries if currency in (None, e.currency)]
        for entry in entries:
            if entry not in ours and (amount := entry.captured - entry.refunded + entry.held):
                wrong = f"the gateway holds or captured {amount} minor units of {entry.currency} ({entry.id}), not {currency}"
                yield Violation(1, reference, f"{wrong}, and no alert is open")
        kept, held = sum(e.captured - e.refunded for e in ours), sum(e.held for e in ours)
        confirmed = checkout is not None and checkout.state == "confirmed" and checkout.payment != "deferred"
        due = checkout.total if checkout is not None and confirmed else 0
        if kept != due:
            yield Violation(1, reference, f"the gateway kept {kept} minor units, not {due}")
        if held:
            yield Violation(1, reference, f"{held} minor units are still authorized, and no alert is open")
    for i, checkout in books.checkouts.items():
        if checkout.state == "confirmed" and checkout.payment == "authorized" and i not in books.ledger and i not in busy:
            yield Violation(1, i, "the order is confirmed as captured, but the gateway has no payment for it")


def _currency(books: Books, checkout_id: str) -> str | None:
    """The currency of a checkout, if known."""
    found = (books.payments.get(checkout_id), books.checkouts.get(checkout_id))
    return next((one.currency for one in found if one is not None and one.currency), None)


def stock(books: Books) -> Iterator[Violation]:
    """2. received + adjusted = on hand + committed; reserved = the sum of live reservations; never oversold."""
    reserved: Counter[str] = Counter()
    for reservation in books.reservations.values():
        if reservation.state in LIVE:
            reserved.update(reservation.units)
    for sku, row in books.stocks.items():
        came, went = row.received + row.adjusted, row.on_hand + row.committed
        if came != went:
            yield Violation(2, sku, f"{came} units were received or adjusted, but {went} are on hand or committed")
        if not 0 <= row.reserved <= row.on_hand:
            yield Violation(2, sku, f"{row.reserved} of {row.on_hand} units are reserved")
        if row.reserved != reserved[sku]:
            yield Violation(2, sku, f"{row.reserved} units are counted as reserved, but reservations hold {reserved[sku]}")
    for sku in sorted(reserved.keys() - books.stocks.keys()):
        yield Violation(2, sku, f"reservations hold {reserved[sku]} units, but there is no stock record")


def ordered(books: Books) -> Iterator[Violation]:
    """2. Committed units are those of confirmed orders, each of what was ordered, and add up by SKU."""
    committed: Counter[str] = Counter()
    for i, reservation in books.reservations.items():
        if reservation.state != "committed":
            continue
        committed.update(reservation.units)
        checkout = books.checkouts.get(i)
        if checkout is None or checkout.state not in ("confirmed", "cancelled"):
            yield Violation(2, i, "units are committed, but there is no confirmed order")
        elif checkout.state == "confirmed" and reservation.units != checkout.items:
            yield Violation(2, i, f"committed: {_items(reservation.units)}; ordered: {_items(checkout.items)}")
    for sku, row in books.stocks.items():
        if row.committed != committed[sku]:
            yield Violation(2, sku, f"{row.committed} units are counted as committed, but reservations say {committed[sku]}")


def _items(units: Mapping[str, int] | None) -> str:
    return ", ".join(f"{quantity} × {sku}" for sku, quantity in sorted((units or {}).items())) or "nothing"


def completed(books: Books) -> Iterator[Violation]:
    """4. A completed cart names a confirmed order."""
    numbers = {
        (checkout.cart_id, order_number(checkout.number)): checkout
        for checkout in books.checkouts.values()
        if _is_order(checkout)
    }
    for cart in books.carts.values():
        if cart.state == "inactive" and (cart.id, cart.order_number) not in numbers:
            yield Violation(4, cart.id, f"the cart is completed by order {cart.order_number}, which was never confirmed")


def _is_order(checkout: Any) -> bool:
    return checkout.number is not None and checkout.state in ("confirmed", "cancelled")


def one_charge(books: Books) -> Iterator[Violation]:
    """4. One charge per checkout, and no cart in two live checkouts."""
    live = Counter(c.cart_id for c in books.checkouts.values() if c.state in ("paying", "created"))
    for cart_id, count in live.items():
        if count > 1:
            yield Violation(4, cart_id, f"the cart is in {count} live checkouts")
    for reference, entries in books.ledger.items():
        currency = _currency(books, reference)
        if sum(entry.captured > 0 for entry in entries if currency in (None, entry.currency)) > 1:
            yield Violation(4, reference, "the customer was charged more than once")


def coupons(books: Books) -> Iterator[Violation]:
    """4. No coupon exceeds its redemption limit, and each redemption belongs to a checkout."""
    redeemed: Counter[str] = Counter()
    for checkout in books.checkouts.values():
        if checkout.coupons_redeemed:
            redeemed.update(set(checkout.coupons or ()))
    for code, coupon in books.coupons.items():
        if coupon.redeemed != redeemed[code]:
            yield Violation(4, code, f"counted as redeemed {coupon.redeemed} times, but used by {redeemed[code]} checkouts")
        if coupon.redemption_limit is not None and coupon.redeemed > coupon.redemption_limit:
            yield Violation(4, code, f"redeemed {coupon.redeemed} times; the limit is {coupon.redemption_limit}")


def published(books: Books) -> Iterator[Violation]:
    """5. Every committed record is published."""
    for service, outbox in books.outboxes.items():
        if outbox.waiting:
            subject = f"{service}, from outbox row {outbox.first} on"
            yield Violation(5, subject, f"{counted(outbox.waiting, 'committed record')} not published")
        if outbox.quarantined:
            yield Violation(5, service, f"{counted(outbox.quarantined, 'record')} quarantined, as the broker refused them")


INVARIANTS: tuple[Callable[[Books], Iterator[Violation]], ...] = (
    money, stock, ordered, completed, one_charge, coupons, published,
)  # fmt: skip
