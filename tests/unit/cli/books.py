"""Healthy books for audits, with a checkout in each final state, in which tests plant violations."""

from types import SimpleNamespace
from typing import Any

from cli.audit.books import Books
from services.payment.gateways.port import LedgerEntry, PaymentStatus


def row(**columns: Any) -> Any:
    """A row of a table."""
    return SimpleNamespace(**columns)


def entry(reference: str, held: int = 0, captured: int = 0, refunded: int = 0, currency: str = "EUR") -> LedgerEntry:
    """A payment of 1000 minor units at the gateway, with what is held, captured and refunded of it."""
    status: PaymentStatus = "authorized" if held else "refunded" if refunded else "captured" if captured else "voided"
    return LedgerEntry(
        seq=1,
        id=f"pi_{reference}",
        reference=reference,
        amount=1000,
        currency=currency,
        authorized=1000,
        held=held,
        captured=captured,
        refunded=refunded,
        voided=1000 - held - captured,
        status=status,
        charges=1,
        created=0.0,
        updated=0.0,
        expires_at=0.0,
    )


def healthy() -> Books:
    """Carts ``a`` to ``g``: captured, due on delivery, declined, cancelled after the capture, void failed, abandoned, open."""
    ends = {
        "a.1": ("confirmed", "authorized", "captured", "committed"),
        "b.1": ("confirmed", "deferred", "deferred", "committed"),
        "c.1": ("closed", None, "declined", "expired"),
        "d.1": ("cancelled", "authorized", "refunded", "released"),
        "e.1": ("cancelled", "authorized", "void_failed", "released"),
        "f.1": ("closed", None, None, "released"),
    }
    reservations = {i: row(id=i, cart_id=i[0], state=end[3], units={"tea": 1}) for i, end in ends.items()}
    reservations["g.1"] = row(id="g.1", cart_id="g", state="held", units={"tea": 2})
    return Books(
        carts={
            "a": row(id="a", state="inactive", attempts=1, checkout_id=None, order_number="Q-0000001"),
            "b": row(id="b", state="inactive", attempts=1, checkout_id=None, order_number="Q-0000002"),
            **{i: row(id=i, state="active", attempts=1, checkout_id=None, order_number=None) for i in "cdef"},
            "g": row(id="g", state="checkout", attempts=1, checkout_id="g.1", order_number=None),
        },
        reservations=reservations,
        stocks={"tea": row(id="tea", on_hand=8, reserved=2, received=9, adjusted=1, committed=2)},
        checkouts={
            i: row(
                id=i, cart_id=i[0], number=n if payment else None, state=state, payment=payment,
                total=1000 if payment else None, currency="EUR" if payment else None,
                coupons=["TEN"], coupons_redeemed=state == "confirmed", items={"tea": 1} if state == "confirmed" else None,
            )
            for n, (i, (state, payment, _, _)) in enumerate(ends.items(), 1)
        },
        coupons={"TEN": row(id="TEN", redeemed=2, redemption_limit=2), "ANY": row(id="ANY", redeemed=0, redemption_limit=None)},
        payments={
            i: row(id=i, cart_id=i[0], state=state, amount=1000, currency="EUR", token="t", busy=False, reference=None)
            for i, (_, _, state, _) in ends.items() if state
        },
        outboxes={name: row(waiting=0, first=None, quarantined=0) for name in ("cart", "inventory", "order", "payment")},
        alerts=[row(checkout_id="e.1")],
        ledger={
            "a.1": [entry("a.1", captured=1000)],
            "d.1": [entry("d.1", captured=1000, refunded=1000)],
            "e.1": [entry("e.1", held=1000)],
        },
    )  # fmt: skip
