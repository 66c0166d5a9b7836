"""Coupons: their terms, when they hold, what they take off, and how often they were redeemed."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from shared.contract.order import DefineCoupon, in_force
from shared.contract.values import Reason
from shared.money import display, divide


@dataclass(slots=True)
class Coupon:
    """A coupon, or the blank of a code that nobody has defined yet (``kind`` is ``None``).

    The terms are those of :class:`DefineCoupon`: ``percent_off`` in hundredths of a percent, amounts in minor units by
    currency, dates half-open. ``redemption_limit``: how often it may be redeemed by all customers together, ``None``
    for any number. ``redeemed``: how often it is redeemed now. ``position``: the offset of the command that defined it.
    """

    code: str
    kind: Literal["percentage", "fixed_amount", "free_shipping"] | None = None
    percent_off: int | None = None
    amount_off: dict[str, int] = field(default_factory=dict)
    minimum_subtotal: dict[str, int] = field(default_factory=dict)
    valid_from: datetime | None = None
    valid_until: datetime | None = None
    redemption_limit: int | None = None
    redeemed: int = 0
    position: int = -1

    def define(self, command: DefineCoupon) -> None:
        """Take these terms, all of them, in place of any former ones. What was redeemed stays counted."""
        self.kind = command.kind
        self.percent_off = command.percent_off
        self.amount_off = dict(command.amount_off or {})
        self.minimum_subtotal = dict(command.minimum_subtotal)
        self.valid_from, self.valid_until = command.valid_from, command.valid_until
        self.redemption_limit = command.limit

    def fault(self, quote_currency: str, subtotal: int, now: datetime) -> Reason | None:
        """Why the coupon does not hold for goods of ``subtotal`` minor units before discounts, or ``None``.

        The first that applies of: ``coupon_unknown``, ``coupon_not_yet_valid``, ``coupon_expired``, ``coupon_used_up``,
        ``coupon_not_in_currency``, ``coupon_below_minimum``. The subject is the code.
        """
        if self.kind is None:
            return self._reason("unknown", "does not exist")
        if not in_force(self.valid_from, self.valid_until, now):
            return self._out_of_force(now)
        if self.redemption_limit is not None and self.redeemed >= self.redemption_limit:
            return self._reason("used_up", "has been used up")
        if not self._holds_in(quote_currency):
            return self._reason("not_in_currency", f"cannot be used with prices in {quote_currency}")
        minimum = self.minimum_subtotal.get(quote_currency, 0)
        if subtotal < minimum:
            return self._reason("below_minimum", f"requires a subtotal of at least {display(minimum, quote_currency)}")
        return None

    def off(self, currency: str, subtotal: int) -> int:
        """What it takes off goods of ``subtotal``, in minor units, were nothing else taken off; may exceed them.

        A percentage is of the whole subtotal, rounded half-even. Free shipping takes nothing off the goods.
        """
        if self.percent_off is not None:
            return divide(subtotal * self.percent_off, 10_000)
        return self.amount_off.get(currency, 0)

    def redeem(self) -> None:
        """Count one use. Whether the coupon holds is asked before (:meth:`fault`), and once for each attempt."""
        self.redeemed += 1

    def give_back(self) -> None:
        """Uncount one use that came to nothing. Raises :class:`ValueError` where there is none: a bug of the caller."""
        if self.redeemed == 0:
            raise ValueError(f"coupon {self.code} is given back more often than it was redeemed")
        self.redeemed -= 1

    def _holds_in(self, currency: str) -> bool:
        """Terms that name amounts hold only in the currencies they name: no minimum is guessed, and none is waived."""
        if self.kind == "fixed_amount" and currency not in self.amount_off:
            return False
        return not self.minimum_subtotal or currency in self.minimum_subtotal

    def _out_of_force(self, now: datetime) -> Reason:
        if self.valid_from is not None and now < self.valid_from:
            return self._reason("not_yet_valid", f"is valid only from {_when(self.valid_from)}")
        assert self.valid_until is not None
        return self._reason("expired", f"was valid until {_when(self.valid_until)}")

    def _reason(self, code: str, what: str) -> Reason:
        return Reason(code=f"coupon_{code}", message=f"The coupon {self.code} {what}.", subject=self.code)


def _when(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M %Z}"
