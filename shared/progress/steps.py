"""The steps a checkout can wait in: which events open each, which answers end it, who gives them, and at what pace.

One table for the steps of the choreography, its compensations and its races. It never depends on the order in which
events were seen, because topics have no common order. Tests compare it with the registry of reactions (who can give
which answer) and with simulated checkouts (every next event answers a step that waits).
"""

from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import Final

from shared.contract.cart import CartReopened, CheckoutAbandoned, CheckoutCompleted, CheckoutConfirmed, CheckoutStarted
from shared.contract.inventory import (
    ReservationExpired,
    ReservationExtended,
    ReservationFailed,
    ReservationLost,
    ReservationReleased,
    StockCommitted,
    StockReserved,
    StockReturned,
)
from shared.contract.message import Event
from shared.contract.order import OrderCancelled, OrderConfirmed, OrderCreated, OrderRejected, TotalsCalculated
from shared.contract.payment import (
    CaptureFailed,
    PaymentAuthorized,
    PaymentCaptured,
    PaymentDeclined,
    PaymentDeferred,
    PaymentRefunded,
    PaymentVoided,
    RefundFailed,
    RefundRetried,
    VoidFailed,
    VoidRetried,
)

Kinds = frozenset[type[Event]]


class Pace(StrEnum):
    """Who has to act before the answer comes: a service, the payment gateway, the customer, or the shop's staff."""

    PROMPT = "prompt"
    GATEWAY = "gateway"
    CUSTOMER = "customer"
    PERSON = "person"


@dataclass(frozen=True)
class Step:
    """A step waits once an event of each group of ``after`` was seen, until any of ``answers`` or ``moot`` is seen.

    ``what`` completes the sentence "waits for …"; ``number`` is its number in docs/reference/choreography.md. ``moot``:
    events that replace the answer or make it unnecessary.
    """

    name: str
    what: str
    after: tuple[Kinds, ...]
    answers: tuple[type[Event], ...]
    moot: Kinds = frozenset()
    pace: Pace = Pace.PROMPT
    number: int | None = None

    @cached_property
    def opened_by(self) -> tuple[frozenset[str], ...]:
        """The names of the events of each group of ``after``."""
        return tuple(frozenset(kind.__name__ for kind in group) for group in self.after)

    @cached_property
    def ended_by(self) -> frozenset[str]:
        """The names of the events that end the step."""
        return frozenset(kind.__name__ for kind in (*self.answers, *self.moot))

    @property
    def who(self) -> str:
        """Who has to answer: the service that emits the answers, ``customer`` or ``staff``."""
        if self.pace is Pace.CUSTOMER:
            return "customer"
        return "staff" if self.pace is Pace.PERSON else self.answers[0].topic.removesuffix(".events")


def _any(*kinds: type[Event]) -> Kinds:
    return frozenset(kinds)


STEPS: Final = (
    Step(
        "reserve",
        "the stock to be reserved",
        after=(_any(CheckoutStarted),),
        answers=(StockReserved, ReservationFailed),
        moot=_any(OrderRejected, ReservationExtended),
    ),
    Step(
        "choose",
        "the customer to confirm",
        after=(_any(CheckoutStarted),),
        answers=(CheckoutConfirmed, CheckoutAbandoned),
        moot=_any(CartReopened, ReservationFailed, OrderRejected),
        pace=Pace.CUSTOMER,
        number=1,
    ),
    Step(
        "extend",
        "the reservation to be extended",
        after=(_any(CheckoutConfirmed),),
        answers=(ReservationExtended, ReservationFailed),
        moot=_any(OrderRejected),
        number=3,
    ),
    Step(
        "total",
        "the final totals",
        after=(_any(CheckoutConfirmed), _any(ReservationExtended)),
        answers=(TotalsCalculated, OrderRejected),
        number=4,
    ),
    Step(
        "authorize",
        "the payment to be authorized",
        after=(_any(TotalsCalculated),),
        answers=(PaymentAuthorized, PaymentDeclined, PaymentDeferred),
        pace=Pace.GATEWAY,
        number=5,
    ),
    Step(
        "create",
        "the order to be created",
        after=(_any(PaymentAuthorized, PaymentDeferred),),
        answers=(OrderCreated, OrderRejected),
        number=6,
    ),
    Step(
        "capture",
        "the payment to be captured",
        after=(_any(PaymentAuthorized), _any(OrderCreated)),
        answers=(PaymentCaptured, CaptureFailed),
        pace=Pace.GATEWAY,
        number=7,
    ),
    Step(
        "confirm",
        "the order to be confirmed",
        after=(_any(OrderCreated), _any(PaymentCaptured, PaymentDeferred)),
        answers=(OrderConfirmed,),
        moot=_any(OrderCancelled),
        number=7,
    ),
    Step(
        "commit",
        "the stock to be committed",
        after=(_any(OrderConfirmed),),
        answers=(StockCommitted, ReservationLost),
        number=7,
    ),
    Step(
        "clean_up",
        "the cart to be closed",
        after=(_any(OrderConfirmed),),
        answers=(CheckoutCompleted,),
        number=9,
    ),
    Step(
        "cancel",
        "the order to be cancelled",
        after=(_any(CaptureFailed),),
        answers=(OrderCancelled,),
        number=8,
    ),
    Step(
        "cancel_lost",
        "the order to be cancelled or rejected",
        after=(_any(ReservationLost),),
        answers=(OrderCancelled, OrderRejected),
        moot=_any(PaymentDeclined),
        number=8,
    ),
    Step(
        "give_up",
        "the abandoned checkout to be rejected or cancelled",
        after=(_any(CheckoutAbandoned), _any(CheckoutConfirmed)),
        answers=(OrderRejected, OrderCancelled),
        moot=_any(OrderConfirmed, ReservationFailed, PaymentDeclined),
        number=8,
    ),
    Step(
        "give_back",
        "the payment to be voided or refunded",
        after=(_any(OrderRejected, OrderCancelled), _any(PaymentAuthorized, PaymentDeferred)),
        answers=(PaymentVoided, PaymentRefunded, VoidFailed, RefundFailed),
        moot=_any(VoidRetried, RefundRetried),
        pace=Pace.GATEWAY,
        number=8,
    ),
    Step(
        "retry",
        "the retried void or refund",
        after=(_any(VoidRetried, RefundRetried),),
        answers=(PaymentVoided, PaymentRefunded, VoidFailed, RefundFailed),
        pace=Pace.GATEWAY,
        number=8,
    ),
    Step(
        "settle",
        "staff to settle the payment (RetryVoid, MarkVoided, RetryRefund or MarkRefunded)",
        after=(_any(VoidFailed, RefundFailed),),
        answers=(PaymentVoided, PaymentRefunded),
        pace=Pace.PERSON,
        number=8,
    ),
    Step(
        "release",
        "the stock to be released",
        after=(_any(OrderRejected, OrderCancelled), _any(StockReserved, ReservationExtended)),
        answers=(ReservationReleased, StockReturned),
        moot=_any(ReservationFailed, ReservationLost, ReservationExpired),
        number=8,
    ),
    Step(
        "release_abandoned",
        "the stock to be released",
        after=(_any(CheckoutAbandoned), _any(StockReserved)),
        answers=(ReservationReleased,),
        moot=_any(CheckoutConfirmed, ReservationFailed, ReservationExpired),
    ),
    Step(
        "reopen",
        "the cart to be reopened",
        after=(_any(CheckoutConfirmed), _any(ReservationFailed, OrderRejected, PaymentDeclined, OrderCancelled)),
        answers=(CartReopened,),
        moot=_any(CheckoutCompleted),
        number=8,
    ),
    Step(
        "reopen_unconfirmed",
        "the cart to be reopened",
        after=(_any(CheckoutStarted), _any(ReservationFailed, OrderRejected)),
        answers=(CartReopened,),
        moot=_any(CheckoutConfirmed, CheckoutAbandoned),
    ),
)
"""In the order in which a checkout meets them. The journal stores their names: after a rename it must be rebuilt."""

KINDS: Final[dict[str, type[Event]]] = {
    kind.__name__: kind for step in STEPS for kind in step.moot.union(step.answers, *step.after)
}
"""The events that move a checkout, by name: all that must be remembered of it."""
