"""The payment of one checkout, and the call to the gateway it is waiting for."""

import zlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final, Literal

Kind = Literal["authorize", "capture", "void", "refund"]
KEYS_REMEMBERED: Final = timedelta(hours=23)
"""Gateways may forget idempotency keys after 24 hours; older than this, a key proves nothing."""
MAX_BACKOFF: Final = 60.0
UNDO_WITHIN: Final = timedelta(days=3)
"""How long a void or a refund is tried until it needs a person; people are warned after minutes."""
LAST_CHANCE: Final = timedelta(hours=1)
"""How long the capture of an old authorization is tried."""
MAX_RETRY_AFTER: Final = 3600.0
"""Seconds; a gateway that asks for more patience is asked again after so long."""
_MAX_DOUBLINGS: Final = 30
"""Far beyond the limit, whatever the first wait is; a thousand would not fit into a float."""


@dataclass(frozen=True)
class Policy:
    """``attempts``: how often a void or a refund may be refused until it needs a person. ``backoff_seconds``: wait before
    the second request, then doubled.

    ``authorize_within``: how long a customer can wait for an authorization. A capture is tried until the authorization is
    as old as ``authorization_warning``; a void or a refund for :data:`UNDO_WITHIN`. ``warn_after``: how long a request may
    come to nothing until people are warned.

    ``arrives_within``: a request we have given up may take effect so long after it was sent; until then, not finding its
    hold proves nothing.
    ``authorization_warning``: the age at which an alert warns of an authorization that is neither captured nor voided; it
    expires at the bank after about seven days.
    ``shop``: what the gateway's references of this shop begin with, where several shops use one gateway.
    """

    attempts: int
    backoff_seconds: float
    authorization_warning: timedelta
    arrives_within: timedelta
    shop: str = ""
    authorize_within: timedelta = timedelta(minutes=27)
    warn_after: timedelta = timedelta(minutes=2)

    def reference(self, checkout_id: str) -> str:
        """What the gateway is to know the payment of a checkout by."""
        return f"{self.shop}/{checkout_id}" if self.shop else checkout_id

    @property
    def warns_at_refusal(self) -> int:
        """The refusal after which people are warned: two before the last, where there are as many."""
        return max(1, self.attempts - 2)


class PaymentState(StrEnum):
    """Where the money of a checkout stands. ``paid`` is a deferred payment that was received."""

    AUTHORIZING = "authorizing"
    AUTHORIZED = "authorized"
    DECLINED = "declined"
    DEFERRED = "deferred"
    PAID = "paid"
    CAPTURING = "capturing"
    CAPTURED = "captured"
    CAPTURE_FAILED = "capture_failed"
    VOIDING = "voiding"
    VOIDED = "voided"
    VOID_FAILED = "void_failed"
    REFUNDING = "refunding"
    REFUNDED = "refunded"
    REFUND_FAILED = "refund_failed"


@dataclass(frozen=True, slots=True)
class Claim:
    """What a person says of a payment whose void or refund failed: that the money is settled. The gateway is asked first.

    ``although``: it is recorded whatever the gateway says. ``command_id``, ``command_type``: the command that is answered.
    """

    by: str
    why: str
    although: bool
    command_id: str
    command_type: str


@dataclass(slots=True)
class PaymentOperation:
    """One thing the gateway is to do, until it is done or given up.

    ``step`` is the next request; ``serial`` numbers the requests of a payment, so that a late answer is known as such.
    ``uncertain``: an earlier request may have taken effect. ``key_spent``: the key's answer is stored, repeating it
    would only repeat the answer. ``pending``: the gateway has taken it up, and did not know then what comes of it.
    ``amount``: minor units to give back, where it is not the whole amount of the payment. ``by_hand``: a person waits for
    it, so it is attempted once. ``claim``: nothing is to be done, but what a person says of it is to be compared with the
    gateway. ``since``: when it was first wanted; ``until``: when it is given up, whatever comes. ``refusals``: how often
    the gateway said no. ``warned``: people know that it comes to nothing.
    """

    kind: Kind
    key: str
    serial: int
    step: Literal["call", "look_up"]
    began_at: datetime
    attempts: int = 0
    uncertain: bool = False
    key_spent: bool = False
    not_found: int = 0
    code: str = ""
    reason: str = ""
    pending: bool = False
    amount: int | None = None
    by_hand: bool = False
    claim: Claim | None = None
    since: datetime | None = None
    until: datetime | None = None
    refusals: int = 0
    warned: bool = False

    @property
    def gives_up_at(self) -> datetime:
        """When it is given up."""
        return self.until or self.began_at + UNDO_WITHIN

    @property
    def awaited_by_person(self) -> bool:
        """Whether a person waits for it, so that it is not held back."""
        return self.by_hand or self.claim is not None

    def warns_at(self, policy: Policy) -> datetime:
        """When people are warned: after minutes, or sooner where less than twice as long is left for it."""
        since = self.since or self.began_at
        return since + min(policy.warn_after, (self.gives_up_at - since) / 2)

    def is_warning_due(self, policy: Policy, now: datetime) -> bool:
        """Whether people are to be warned now."""
        return now >= self.warns_at(policy)

    @property
    def is_first(self) -> bool:
        """Whether nothing came of it yet that has to be waited for before it is asked again."""
        return self.attempts == 0 and self.not_found == 0

    def refund_amount(self, payment: "Payment") -> int:
        """The amount a refund gives back, in minor units."""
        return payment.amount if self.amount is None else self.amount

    def is_old(self, now: datetime) -> bool:
        """Whether the gateway may have forgotten the key."""
        return now - self.began_at > KEYS_REMEMBERED


@dataclass(slots=True)
class Payment:
    """The money of one checkout. ``amount``: minor units.

    ``due_at``: when the next request to the gateway is due; where there is none, when to warn of an old authorization.

    ``unwanted``: the order is off while a request is under way; what it brings about is undone. ``keys`` counts the
    idempotency keys used so far. ``asked_at``: when the gateway last answered a request to hold the money.

    ``reference``: what the gateway knows it by, where that is not the checkout's id. ``foreign_id``: the gateway's id of a
    payment under that reference that is not ours.
    """

    checkout_id: str
    cart_id: str = ""
    state: PaymentState | None = None
    amount: int = 0
    currency: str = ""
    token: str | None = None
    authorization_id: str | None = None
    unwanted: bool = False
    operation: PaymentOperation | None = None
    serial: int = 0
    keys: int = 0
    asked_at: datetime | None = None
    due_at: datetime | None = None
    reference: str | None = None
    foreign_id: str | None = None

    @property
    def gateway_reference(self) -> str:
        """What the gateway knows it by. It stays the same when the shop is renamed."""
        return self.reference or self.checkout_id

    def begin(
        self,
        kind: Kind,
        state: PaymentState,
        now: datetime,
        *,
        look_first: bool = False,
        amount: int | None = None,
        by_hand: bool = False,
        until: datetime | None = None,
    ) -> None:
        """Queue an operation. ``look_first``: how the payment stands at the gateway is not sure. ``amount``: to give back.

        ``until``: when it is given up, where that is not after :data:`UNDO_WITHIN`.
        """
        step: Literal["call", "look_up"] = "look_up" if look_first else "call"
        self.state, self.serial, self.due_at = state, self.serial + 1, now
        self.operation = PaymentOperation(kind, self._next_key(kind), self.serial, step, now, by_hand=by_hand)
        self.operation.amount = amount if amount != self.amount else None
        self.operation.since, self.operation.until = now, until or now + UNDO_WITHIN

    def verify(self, kind: Kind, claim: Claim, now: datetime) -> None:
        """Look up what a person says was done, once; the payment stays as it is until then."""
        self.serial, self.due_at = self.serial + 1, now
        self.operation = PaymentOperation(kind, f"{self.checkout_id}:claim", self.serial, "look_up", now, claim=claim)

    def may_still_arrive(self, policy: Policy, now: datetime) -> bool:
        """Whether a request to hold the money may still be on its way to the gateway."""
        return self.asked_at is not None and now - self.asked_at < policy.arrives_within

    def request(self, now: datetime) -> Kind | Literal["look_up"]:
        """What to ask of the gateway now. How the payment stands comes first where it may have forgotten the key by now, and
        where what is asked for again is not wanted any more.
        """
        operation = self._current
        look_first = operation.is_old(now) or (self.is_unwanted and not operation.is_first)
        return "look_up" if operation.step == "look_up" or look_first else operation.kind

    @property
    def is_unwanted(self) -> bool:
        """Whether money is asked for that nobody wants any more."""
        return self.unwanted and self.state in (PaymentState.AUTHORIZING, PaymentState.CAPTURING)

    def finish(self, state: PaymentState) -> None:
        """The operation has come to its end."""
        self.state, self.operation, self.due_at = state, None, None

    def schedule_expiry_warning(self, now: datetime, policy: Policy) -> None:
        """The money is held and nothing is asked for: see that this does not last for ever."""
        self.due_at = now + policy.authorization_warning

    def set_refund_amount(self, amount: int) -> None:
        """So much is to be given back; a key that was used for another amount cannot serve."""
        operation = self._current
        if amount != operation.refund_amount(self):
            operation.amount, operation.key_spent = amount, True

    def call(self, now: datetime) -> None:
        """The look-up found nothing done: ask now, with a new key where the old one cannot serve."""
        operation = self._current
        if operation.key_spent or operation.is_old(now):
            operation.key, operation.key_spent, operation.began_at = self._next_key(operation.kind), False, now
        self._ask("call", now)

    def retry(
        self,
        policy: Policy,
        now: datetime,
        code: str,
        reason: str,
        *,
        look_up: bool,
        wait: float | None = None,
        refused: bool = False,
    ) -> bool:
        """Ask again later; returns False where that was the last attempt.

        ``wait``: seconds the gateway asks for. ``refused``: it has answered, and said no.
        """
        operation = self._current
        operation.attempts += 1
        operation.refusals += refused
        operation.code, operation.reason = code, reason
        if operation.by_hand or operation.refusals >= policy.attempts or now >= operation.gives_up_at:
            return False
        pause = max(backoff(operation.key, operation.attempts, policy.backoff_seconds), min(wait or 0.0, MAX_RETRY_AFTER))
        warns_at = operation.warns_at(policy)  # it is asked again by then, so that the warning comes while there is time
        latest = operation.gives_up_at if wait or now >= warns_at else warns_at
        self._ask("look_up" if look_up else "call", min(now + timedelta(seconds=pause), latest))
        return True

    def look_up_again(self, policy: Policy, now: datetime) -> None:
        """The look-up found nothing, which may change: look again later, which is no attempt that failed.

        The last time is when nothing can arrive any more, so that whoever was held up is not for longer than that.
        """
        operation = self._current
        operation.not_found += 1
        pause = timedelta(seconds=backoff(operation.key, operation.not_found, policy.backoff_seconds))
        self._ask("look_up", min(now + pause, operation.began_at + policy.arrives_within))

    @property
    def _current(self) -> PaymentOperation:
        assert self.operation is not None, f"payment {self.checkout_id} waits for nothing"
        return self.operation

    def _next_key(self, kind: Kind) -> str:
        self.keys += 1
        return f"{self.gateway_reference}:{kind}:{self.keys}"

    def _ask(self, step: Literal["call", "look_up"], at: datetime) -> None:
        self.serial += 1
        operation = self._current
        operation.step, operation.serial, self.due_at = step, self.serial, at


def backoff(key: str, attempts: int, first: float) -> float:
    """Seconds to wait after so many attempts: doubling, capped, with a jitter that is a function of the key."""
    jitter = zlib.crc32(f"{key}/{attempts}".encode()) / 2**32
    doublings = min(attempts - 1, _MAX_DOUBLINGS)
    return float(min(MAX_BACKOFF, first * 2**doublings) * (0.5 + jitter / 2))
