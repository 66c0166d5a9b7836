"""Small cases, one for each of the races: short enough to go through every order there is."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from proofs.simulation.faults import GatewayFault
from proofs.simulation.state import Budget
from proofs.simulation.workload import CASH, HERE
from shared.contract.cart import (
    AbandonCheckout,
    AddItem,
    ApplyCoupon,
    ConfirmCheckout,
    OpenCart,
    SetPaymentMethod,
    SetQuantity,
    SetShippingAddress,
    SetShippingMethod,
    StartCheckout,
)
from shared.contract.inventory import AdjustStock, ReceiveStock
from shared.contract.message import Message
from shared.contract.order import CancelOrder, DefineCoupon
from shared.contract.products import ProductListed, ProductPriceChanged
from shared.contract.values import PaymentMethod

CONFIRM: Final = ConfirmCheckout(cart_id="a")
CANCEL: Final = CancelOrder(cart_id="a", checkout_id="a.1", reason="r")
ABANDON: Final = AbandonCheckout(cart_id="a")


@dataclass(frozen=True)
class Case:
    """``before`` is over when it begins; all of ``at_once`` is sent, and what follows happens in every order."""

    name: str
    before: Sequence[Message]
    at_once: Sequence[Message]
    budget: Budget


def shop(units: int = 5) -> list[Message]:
    """One product."""
    return [ProductListed(sku="tea", name="Tea", prices={"EUR": 1000}), ReceiveStock(sku="tea", quantity=units)]


def filled(cart_id: str = "a", coupon: str | None = None) -> list[Message]:
    """A cart with one unit in it."""
    applied = [ApplyCoupon(cart_id=cart_id, code=coupon)] if coupon else []
    return [OpenCart(cart_id=cart_id, currency="EUR", customer_id="k"), AddItem(cart_id=cart_id, sku="tea"), *applied]


def started(cart_id: str = "a", token: str | None = "ok") -> list[Message]:
    """Its checkout, with all that must be chosen."""
    method = CASH if token is None else PaymentMethod(kind="card", token=token)
    return [
        StartCheckout(cart_id=cart_id),
        SetShippingAddress(cart_id=cart_id, address=HERE),
        SetShippingMethod(cart_id=cart_id, method="standard"),
        SetPaymentMethod(cart_id=cart_id, method=method),
    ]


def ready(token: str | None = "ok", units: int = 5) -> list[Message]:
    """A cart that can be confirmed."""
    return [*shop(units), *filled(), *started(token=token)]


DEFINED: Final = DefineCoupon(code="ONE", kind="percentage", percent_off=1000, limit=1)

_CASES: Final = (
    Case("a checkout that goes right", ready(), [CONFIRM], Budget(doubles=3)),
    Case("from the start of the checkout", [*shop(), *filled()], [*started(), CONFIRM], Budget(doubles=1)),
    Case("confirmed twice", ready(), [CONFIRM, CONFIRM], Budget(doubles=2)),
    Case("cancelled at any moment", ready(), [CONFIRM, CANCEL], Budget(doubles=2)),
    Case("cancelled twice", ready(), [CONFIRM, CANCEL, CANCEL], Budget(doubles=1)),
    Case("cancelled before or while it begins", [*shop(), *filled()], [*started(), CONFIRM, CANCEL], Budget(doubles=1)),
    Case("abandoned after the confirmation", ready(), [CONFIRM, ABANDON], Budget(doubles=1)),
    Case("abandoned and cancelled", ready(), [CONFIRM, ABANDON, CANCEL], Budget(doubles=0)),
    Case("declined", ready("decline_authorize"), [CONFIRM], Budget(doubles=2)),
    Case("declined and cancelled", ready("decline_authorize"), [CONFIRM, CANCEL], Budget(doubles=1)),
    Case("capture refused", ready("refuse_capture"), [CONFIRM], Budget(doubles=2)),
    Case("capture refused, and cancelled meanwhile", ready("refuse_capture"), [CONFIRM, CANCEL], Budget(doubles=1)),
    Case("capture and void refused", ready("refuse_capture+refuse_void"), [CONFIRM], Budget(doubles=1)),
    Case("cash on delivery, cancelled", ready(None), [CONFIRM, CANCEL], Budget(doubles=2)),
    Case("the gateway fails twice", ready(), [CONFIRM], Budget(doubles=0, failures=2)),
    Case(
        "the gateway says more than yes or no",
        ready(),
        [CONFIRM],
        Budget(doubles=0, failures=2, faults=(GatewayFault.PENDING, GatewayFault.PART, GatewayFault.FOREIGN)),
    ),
    Case("the gateway fails, and cancelled meanwhile", ready(), [CONFIRM, CANCEL], Budget(doubles=0, failures=1)),
    Case("units that expire at any moment", ready(), [CONFIRM], Budget(doubles=1, deadlines=1)),
    Case("units that expire, and cancelled", ready(), [CONFIRM, CANCEL], Budget(doubles=0, deadlines=1)),
    Case(
        "units that expire and are wanted by another",
        [*ready(units=1), *filled("b")],
        [CONFIRM, StartCheckout(cart_id="b")],
        Budget(doubles=0, deadlines=1),
    ),
    Case(
        "units that are counted away at any moment",
        ready(units=1),
        [CONFIRM, AdjustStock(sku="tea", delta=-1, reason="damaged")],
        Budget(doubles=1),
    ),
    Case(
        "units that are counted away, and cancelled",
        ready(units=1),
        [CONFIRM, AdjustStock(sku="tea", delta=-1, reason="damaged"), CANCEL],
        Budget(doubles=0),
    ),
    Case(
        "declined, and units that are counted away",
        ready("decline_authorize", units=1),
        [CONFIRM, AdjustStock(sku="tea", delta=-1, reason="damaged")],
        Budget(doubles=0),
    ),
    Case(
        "a change there are too few units for, and the confirmation",
        ready(units=3),
        [SetQuantity(cart_id="a", sku="tea", quantity=5), SetQuantity(cart_id="a", sku="tea", quantity=2), CONFIRM],
        Budget(doubles=1),
    ),
    Case(
        "two carts, one last unit",
        [*shop(1), *filled("a"), *filled("b")],
        [*started("a"), CONFIRM, StartCheckout(cart_id="b")],
        Budget(doubles=0),
    ),
    Case(
        "a price that changes",
        ready(),
        [ProductPriceChanged(sku="tea", name="Tea", prices={"EUR": 1200}), CONFIRM],
        Budget(doubles=1),
    ),
    Case(
        "two carts, one coupon for one",
        [*shop(), DEFINED, *filled("a", "ONE"), *started("a", None), *filled("b", "ONE"), *started("b", None)],
        [CONFIRM, ConfirmCheckout(cart_id="b")],
        Budget(doubles=0),
    ),
)
CASES: Final = {case.name: case for case in _CASES}
