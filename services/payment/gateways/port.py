"""The gateway port: four operations that move money, a look-up, and the answers that are told apart.

Every operation takes an idempotency key of at most 255 characters. Whether the same operation is asked again with
the same key or with a new one depends on the answer:

- :class:`Unavailable`: nothing was done; ask again with the **same** key, later.
- :class:`Unknown`: it may have been done. Look the payment up first; if the effect is missing, ask again with the
  **same** key, because the first request may still arrive: only the key keeps it from taking effect twice. Where
  ``key_spent`` is set, the gateway has stored its error under the key and would repeat it for ever: after the
  look-up, ask with a **new** key (the first request has ended, so it cannot arrive any more).
- :class:`Declined`: an answer, stored under its key. To try the same once more (a refused void) takes a **new** key.
- :class:`Refused`: a mistake of ours or of the settings. Asking again changes nothing; a person must look.
"""

from dataclasses import dataclass
from typing import ClassVar, Literal, Protocol

PaymentStatus = Literal["authorized", "captured", "refunded", "voided", "lapsed", "declined"]
"""``refunded``: all that was captured went back. ``lapsed``: the hold ended by itself, never captured."""


@dataclass(frozen=True, slots=True)
class Authorization:
    """A hold to ask for: ``amount`` in minor units of ``currency`` (ISO 4217).

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
    """Done. ``hold`` is the gateway's id of the payment; ``replayed``: it was done by an earlier request."""

    hold: str
    replayed: bool = False
    key_spent: ClassVar[bool] = True


@dataclass(frozen=True, slots=True)
class Declined:
    """The gateway or the bank said no, and nothing changed. ``message`` is a sentence a customer may see."""

    code: str
    message: str
    key_spent: ClassVar[bool] = True


@dataclass(frozen=True, slots=True)
class Unavailable:
    """Nothing was done: no connection, rate-limited, or turned away. ``retry_after``: seconds, if the gateway says."""

    reason: str
    retry_after: float | None = None
    code: str = "unavailable"
    key_spent: ClassVar[bool] = False


@dataclass(frozen=True, slots=True)
class Unknown:
    """It may or may not have been done: timed out, connection lost, or the gateway failed while working on it."""

    reason: str
    code: str = "timeout"
    key_spent: bool = False


@dataclass(frozen=True, slots=True)
class Refused:
    """The gateway does not accept the request as such: wrong API key, key reused for something else, a bug of ours."""

    code: str
    message: str
    key_spent: ClassVar[bool] = False


Answer = Succeeded | Declined | Unavailable | Unknown | Refused


@dataclass(frozen=True, slots=True)
class PaymentState:
    """A payment as the gateway knows it. Amounts are minor units of ``currency``.

    ``others`` counts further payments under the same reference: more than 0 only where one was declined before, or
    where somebody asked twice with different keys.
    """

    hold: str
    reference: str
    status: PaymentStatus
    amount: int
    currency: str
    captured: int
    refunded: int
    others: int = 0


@dataclass(frozen=True, slots=True)
class NotFound:
    """The gateway has no payment under this reference; a request still on its way may yet make one."""

    reference: str


LookUp = PaymentState | NotFound | Unavailable | Refused


class Gateway(Protocol):
    """A payment gateway. No method raises for what the gateway or the network does: that is in the answer."""

    async def authorize(self, key: str, request: Authorization) -> Answer:
        """Hold money; nothing is captured."""
        ...

    async def capture(self, key: str, hold: str, amount: int) -> Answer:
        """Take ``amount`` minor units of a hold; what is left of it is released."""
        ...

    async def void(self, key: str, hold: str) -> Answer:
        """Release a hold that was not captured."""
        ...

    async def refund(self, key: str, hold: str, amount: int) -> Answer:
        """Give back ``amount`` minor units of what was captured."""
        ...

    async def look_up(self, reference: str) -> LookUp:
        """Where the payment with our reference stands. Where there are several, the one that holds or took money."""
        ...

    async def close(self) -> None:
        """Let go of connections. Calls made after this fail."""
        ...
