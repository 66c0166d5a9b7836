"""The gateway port: four operations that move money, a look-up, and the answers that are told apart.

Every operation takes an idempotency key of at most 255 characters. Whether the same operation is asked again with
the same key or with a new one depends on the answer:

- :class:`Succeeded`: exactly what was asked for is done: this payment, this amount, this currency.
- :class:`Unusable`: a payment was made, but it is not what was asked for. It must be undone.
- :class:`Unavailable`: it says nothing about the payment but about us or the way to the gateway; ask again with the
  **same** key, later.
- :class:`Unknown`: it may have been done. Look the payment up first; if the effect is missing, ask again with the
  **same** key, because the first request may still arrive: only the key keeps it from taking effect twice. Where
  ``key_spent`` is set, the gateway has stored its error under the key and would repeat it for ever: after the
  look-up, ask with a **new** key (the first request has ended, so it cannot arrive any more).
- :class:`Declined`: an answer, stored under its key. To try the same once more (a refused void) takes a **new** key.
- :class:`Refused`: final. Asking again changes nothing; a person must look.
"""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Final, Literal, Protocol

from shared.errors import QuadrilleError

PaymentStatus = Literal["authorized", "captured", "refunded", "voided", "expired", "declined", "processing", "action_required"]
"""``refunded``: all that was captured went back. ``expired``: it was never captured. ``processing``: the gateway does
not know yet. ``action_required``: the customer has to confirm it first."""


@dataclass(frozen=True, slots=True)
class Authorization:
    """The request for an authorization: ``amount`` in minor units of ``currency`` (ISO 4217).

    ``reference`` is our own name of the payment, by which it can be looked up when the gateway's is not known;
    ``token`` is the payment method, never a card; ``description`` must hold no personal data.
    """

    reference: str
    amount: int
    currency: str
    token: str
    description: str = ""


@dataclass(frozen=True, slots=True)
class Succeeded:
    """Done. ``authorization_id`` is the gateway's id of the payment; ``replayed``: it was done by an earlier request."""

    authorization_id: str
    replayed: bool = False
    key_spent: ClassVar[bool] = True


@dataclass(frozen=True, slots=True)
class Unusable:
    """The gateway has made a payment, and it is not what was asked for: a part of the amount, another currency, or one that
    the customer has to confirm. ``message`` is a sentence a customer may see.
    """

    authorization_id: str
    code: str
    message: str
    key_spent: ClassVar[bool] = True


@dataclass(frozen=True, slots=True)
class Declined:
    """The gateway or the bank said no, and nothing changed. ``message`` is a sentence a customer may see."""

    code: str
    message: str
    key_spent: ClassVar[bool] = True


@dataclass(frozen=True, slots=True)
class Unavailable:
    """The request was turned away before anybody looked at the payment: no connection, rate-limited, a wrong key or address.

    ``retry_after``: seconds, if the gateway says. ``uncertain``: somebody on the way said so, not the gateway, so it may
    have been done nevertheless.
    """

    reason: str
    retry_after: float | None = None
    code: str = "unavailable"
    uncertain: bool = False
    key_spent: ClassVar[bool] = False


@dataclass(frozen=True, slots=True)
class Unknown:
    """It may or may not have been done: timed out, connection lost, an answer that cannot be read, or one that comes later.

    ``pending``: the gateway has taken it up and will know later.
    """

    reason: str
    code: str = "timeout"
    key_spent: bool = False
    retry_after: float | None = None
    pending: bool = False


@dataclass(frozen=True, slots=True)
class Refused:
    """The gateway does not accept the request as such (a key reused for something else, a bug of ours), or a refund failed."""

    code: str
    message: str
    key_spent: ClassVar[bool] = False


Answer = Succeeded | Unusable | Declined | Unavailable | Unknown | Refused


@dataclass(frozen=True, slots=True)
class PaymentState:
    """A payment as the gateway knows it. Amounts are minor units of ``currency``.

    ``held``: what can be captured of an authorized one; nothing means all. ``refunding``: what is on its way back.
    ``refund_failed``: a refund was taken up and came to nothing.

    ``others`` counts further payments of ours under the same reference: more than 0 only where one was declined before,
    or where somebody asked twice with different keys. ``foreign``: one under this reference that is not ours.
    """

    authorization_id: str
    reference: str
    status: PaymentStatus
    amount: int
    currency: str
    captured: int
    refunded: int
    others: int = 0
    held: int | None = None
    refunding: int = 0
    refund_failed: bool = False
    foreign: "PaymentState | None" = None


@dataclass(frozen=True, slots=True)
class NotFound:
    """The gateway has no payment of ours under this reference; a request still on its way may yet make one.

    ``foreign``: one under this reference that is not ours.
    """

    reference: str
    foreign: PaymentState | None = None


LookUp = PaymentState | NotFound | Unavailable | Refused


@dataclass(frozen=True, slots=True)
class Sought:
    """The payment to look up: by our reference. It is ours only if amount and currency agree too.

    ``authorization_id``: the gateway's id of it, where it told us one; that payment is ours whatever its amount.
    """

    reference: str
    amount: int
    currency: str
    authorization_id: str | None = None

    def is_ours(self, found: PaymentState) -> bool:
        """Whether this is the payment that is sought."""
        if found.reference != self.reference:
            return False
        return found.authorization_id == self.authorization_id or (found.amount, found.currency) == (self.amount, self.currency)

    def among(self, found: Sequence[PaymentState]) -> PaymentState | NotFound:
        """The one that is ours; where there are several, the one that took or holds money."""
        foreign = next((state for state in found if not self.is_ours(state)), None)
        ours = [state for state in found if self.is_ours(state)]
        if not ours:
            return NotFound(self.reference, foreign)
        first = min(ours, key=lambda state: _MATTERS.index(state.status))
        return replace(first, others=len(ours) - 1, foreign=foreign)


_MATTERS: Final[tuple[PaymentStatus, ...]] = (
    "captured",
    "authorized",
    "processing",
    "action_required",
    "refunded",
    "voided",
    "expired",
    "declined",
)
"""Which of several payments under one reference matters most."""


class LedgerError(QuadrilleError):
    """The gateway's ledger could not be read; the message says why."""


@dataclass(frozen=True, slots=True)
class LedgerEntry:
    """One payment in the gateway's ledger. Amounts are minor units of ``currency``; times are seconds since 1970.

    ``authorized`` is what was ever held, ``held`` what still is, ``voided`` what a void released. ``charges`` counts
    the payments under the same reference that ever held money: more than 1 is a double charge.
    """

    seq: int
    id: str
    reference: str
    amount: int
    currency: str
    authorized: int
    held: int
    captured: int
    refunded: int
    voided: int
    status: PaymentStatus
    charges: int
    created: float
    updated: float
    expires_at: float


class Gateway(Protocol):
    """A payment gateway. No method raises for what the gateway or the network does: that is in the answer."""

    async def authorize(self, key: str, request: Authorization) -> Answer:
        """Hold money; nothing is captured."""
        ...

    async def capture(self, key: str, authorization_id: str, amount: int) -> Answer:
        """Take ``amount`` minor units of an authorization; what is left of it is released."""
        ...

    async def void(self, key: str, authorization_id: str) -> Answer:
        """Release an authorization that was not captured."""
        ...

    async def refund(self, key: str, authorization_id: str, amount: int) -> Answer:
        """Give back ``amount`` minor units of what was captured."""
        ...

    async def look_up(self, sought: Sought) -> LookUp:
        """Where our payment stands. Where there are several, the one that holds or took money."""
        ...

    def ledger(self) -> AsyncIterator[LedgerEntry]:
        """Every payment the gateway knows, oldest first, for the audit. Raises :class:`LedgerError`."""
        ...

    async def close(self) -> None:
        """Let go of connections. Calls made after this fail."""
        ...
