"""The cheap invariants, looked at after every step: what one commit or one request to the gateway must not do."""

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from typing import Any, Final

from proofs.simulation.gateway import FakeGateway, Request, is_foreign
from services.inventory.model import Stock
from services.order.coupon import Coupon
from services.order.model import Checkout, CheckoutState
from services.payment.model import Payment, PaymentState
from shared.contract.cart import CheckoutConfirmed
from shared.contract.inventory import ReservationExtended
from shared.contract.order import OrderCreated, TotalsCalculated
from shared.contract.payment import PaymentRefunded, PaymentVoided, RefundFailed, VoidFailed

ORDERED: Final = (CheckoutState.CREATED, CheckoutState.CONFIRMED)
PAYING: Final = (
    PaymentState.AUTHORIZING,
    PaymentState.AUTHORIZED,
    PaymentState.CAPTURING,
    PaymentState.CAPTURED,
    PaymentState.DEFERRED,
    PaymentState.PAID,
)


class BrokenError(AssertionError):
    """An invariant does not hold. ``law`` names it, ``subject`` is what it concerns."""

    def __init__(self, law: str, subject: str, wrong: str) -> None:
        super().__init__(law, subject, wrong)
        self.law, self.subject, self.wrong = law, subject, wrong

    def __str__(self) -> str:
        return f"{self.law}: {self.subject} {self.wrong}"


class Watch:
    """Sees every aggregate that changed, every event that was committed, and every request that took effect.

    ``alerts``: the checkouts whose money is stuck, as payment tells. ``confirmed``: those confirmed, with their carts.
    ``garbage``: the records nobody can read, by their places. ``dead``: how many messages became dead letters.
    """

    def __init__(self) -> None:
        self.alerts: set[str] = set()
        self.confirmed: dict[str, str] = {}
        self.orders: set[str] = set()
        self.garbage: Counter[str] = Counter()
        self.dead = 0
        self._extended: set[str] = set()
        self._ordered: dict[str, set[str]] = defaultdict(set)
        self._paying: dict[str, set[str]] = defaultdict(set)

    def fork(self) -> "Watch":
        """The same, to go on from."""
        made = Watch()
        made.alerts, made.confirmed, made.orders = self.alerts.copy(), self.confirmed.copy(), self.orders.copy()
        made._extended, made.dead = self._extended.copy(), self.dead
        for mine, others in ((made._ordered, self._ordered), (made._paying, self._paying)):
            mine.update((cart_id, those.copy()) for cart_id, those in others.items())
        return made

    def changed(self, own: Any, related: Mapping[str, Mapping[str, Any]]) -> None:
        """A reaction has run."""
        check = _CHANGED.get(type(own))
        if check is not None:
            check(self, own)
        for aggregates in related.values():
            for aggregate in aggregates.values():
                check = _CHANGED.get(type(aggregate))
                if check is not None:
                    check(self, aggregate)

    def emitted(self, message: Any) -> None:
        """An event was committed."""
        note = _EMITTED.get(type(message))
        if note is not None:
            note(self, message)

    def asked(self, gateway: FakeGateway, request: Request) -> None:
        """A request has reached the gateway."""
        charged = sum(i.captured > 0 for i in gateway.intents if i.reference == request.reference and not is_foreign(i))
        if charged > 1:
            raise BrokenError("money", request.reference, "was charged twice")
        if request.kind == "capture" and charged and request.reference not in self.orders:
            raise BrokenError("money", request.reference, "was charged before there was an order")

    def _confirm(self, event: CheckoutConfirmed) -> None:
        if event.checkout_id in self.confirmed:
            raise BrokenError("one order", event.checkout_id, "was confirmed twice")
        self.confirmed[event.checkout_id] = event.cart_id

    def _checkout(self, checkout: Checkout) -> None:
        _once(self._ordered, checkout, checkout.state in ORDERED, "has two orders")

    def _payment(self, payment: Payment) -> None:
        wanted = payment.state in PAYING and not payment.unwanted
        if not self.dead:  # while the end of the first is a dead letter, both go on, and the alert of that is open
            _once(self._paying, payment, wanted, "is paid for twice")

    def _extend(self, event: ReservationExtended) -> None:
        self._extended.add(event.checkout_id)

    def _totals(self, event: TotalsCalculated) -> None:
        if event.checkout_id not in self._extended:
            raise BrokenError("stock", event.checkout_id, "is to be paid, and no units are held for it")

    def _order(self, event: OrderCreated) -> None:
        if event.checkout_id in self.orders:
            raise BrokenError("one order", event.checkout_id, "has two orders")
        self.orders.add(event.checkout_id)

    def _alert(self, event: VoidFailed | RefundFailed) -> None:
        self.alerts.add(event.checkout_id)

    def _settle(self, event: PaymentVoided | PaymentRefunded) -> None:
        self.alerts.discard(event.checkout_id)

    def _stock(self, stock: Stock) -> None:
        if not 0 <= stock.reserved <= stock.on_hand:
            raise BrokenError("stock", stock.sku, f"is oversold: {stock.reserved} of {stock.on_hand} units are reserved")
        if stock.received + stock.adjusted != stock.on_hand + stock.committed:
            raise BrokenError("stock", stock.sku, f"does not add up: {stock}")

    def _coupon(self, coupon: Coupon) -> None:
        if coupon.redeemed < 0 or (coupon.redemption_limit is not None and coupon.redeemed > coupon.redemption_limit):
            raise BrokenError("coupons", coupon.code, f"is redeemed {coupon.redeemed} times of {coupon.redemption_limit}")


_CHANGED: Final[dict[type[Any], Callable[[Watch, Any], None]]] = {
    Stock: Watch._stock,
    Coupon: Watch._coupon,
    Checkout: Watch._checkout,
    Payment: Watch._payment,
}
_EMITTED: Final[dict[type[Any], Callable[[Watch, Any], None]]] = {
    CheckoutConfirmed: Watch._confirm,
    ReservationExtended: Watch._extend,
    TotalsCalculated: Watch._totals,
    OrderCreated: Watch._order,
    VoidFailed: Watch._alert,
    RefundFailed: Watch._alert,
    PaymentVoided: Watch._settle,
    PaymentRefunded: Watch._settle,
}


def _once(live: dict[str, set[str]], attempt: Checkout | Payment, is_live: bool, wrong: str) -> None:
    """One cart is never in two live checkouts."""
    those = live[attempt.cart_id]
    if not is_live:
        those.discard(attempt.checkout_id)
        return
    those.add(attempt.checkout_id)
    if len(those) > 1:
        raise BrokenError("one order", attempt.cart_id, f"{wrong}: {', '.join(sorted(those))}")
