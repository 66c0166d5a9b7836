"""Commands of staff to payment and payment's facts. Key: the cart id."""

from typing import ClassVar, Literal

from shared.contract.message import Command, Currency, Event, Id, Moment, Text


class PaymentCommand(Command, abstract=True):
    """What staff decided about the payment of one checkout: who, and why."""

    topic: ClassVar[str] = "payment.commands"
    key_field: ClassVar[str] = "cart_id"
    cart_id: Id
    checkout_id: Id
    by: Text
    why: Text


class RetryVoid(PaymentCommand):
    """Try a failed void once more. It is attempted once, and its outcome is an event at once."""


class RetryRefund(PaymentCommand):
    """Try once more a refund that failed. It is attempted once, and its outcome is an event at once."""


class MarkVoided(PaymentCommand):
    """The authorization was voided by hand. The gateway is asked first; where it says otherwise, this is refused."""

    although: bool = False
    """Record it although the gateway says otherwise or cannot be asked; the alert stays open."""


class MarkRefunded(PaymentCommand):
    """The money was given back by hand. The gateway is asked first; where it says otherwise, this is refused."""

    although: bool = False
    """Record it although the gateway says otherwise or cannot be asked; the alert stays open."""


class MarkPaid(PaymentCommand):
    """The money of a deferred payment was received."""


class PaymentEvent(Event, abstract=True):
    """A fact about the payment of one checkout."""

    topic: ClassVar[str] = "payment.events"
    key_field: ClassVar[str] = "cart_id"
    cart_id: Id
    checkout_id: Id
    amount: int
    currency: Currency


class PaymentAuthorized(PaymentEvent):
    """Step 5: the amount is held on the customer's card; nothing is captured."""


class PaymentDeclined(PaymentEvent):
    """The payment was refused."""

    code: str
    """For programs, as the gateway gave it."""
    reason: str
    """A sentence a customer may see."""


class PaymentDeferred(PaymentEvent):
    """Nothing to authorize: cash on delivery, or nothing to pay."""

    because: Literal["cash_on_delivery", "zero_total"]
    """Why there is nothing to hold."""


class PaymentCaptured(PaymentEvent):
    """Step 7: the held amount is ours."""


class CaptureFailed(PaymentEvent):
    """The held amount could not be captured; order decides what follows."""

    code: str
    """For programs, as the gateway gave it."""
    reason: str
    """A sentence a customer may see."""


class PaymentVoided(PaymentEvent):
    """Nothing is held any more."""

    marked_by: str | None = None
    """Who did it by hand; missing where the gateway did."""
    why: str | None = None
    """What they said of it."""


class PaymentRefunded(PaymentEvent):
    """What was captured went back."""

    marked_by: str | None = None
    """Who did it by hand; missing where the gateway did."""
    why: str | None = None
    """What they said of it."""


class PaymentMarkedPaid(PaymentEvent):
    """A deferred payment was received."""

    marked_by: str
    """Who took the money."""
    why: str | None = None
    """What they said of it."""


class VoidRetried(PaymentEvent):
    """Somebody had a failed void tried once more."""

    by: str
    """Who decided it."""
    why: str
    """What they said of it."""


class RefundRetried(PaymentEvent):
    """Somebody has a refund tried once more that failed."""

    by: str
    """Who decided it."""
    why: str
    """What they said of it."""


class SettlementDisputed(PaymentEvent):
    """Somebody says that the money is settled, and the gateway says otherwise or cannot be asked. The alert stays open."""

    by: str
    """Who says it."""
    why: str
    """What they said of it."""
    found: str
    """What the gateway says, for people."""


class RetriesNearlyExhausted(PaymentEvent):
    """A request to the gateway has come to nothing for minutes, or was refused so often that few attempts are left.

    Told once for an operation, while a person can still do something about the gateway; its outcome is an
    event as ever.
    """

    operation: Literal["authorize", "capture", "void", "refund"]
    """What is asked of the gateway."""
    attempts: int
    """Calls made so far."""
    allowed: int
    """Calls after which it is given up; an estimate where that depends on the time."""
    next_attempt_at: Moment
    """When it is tried again."""
    gives_up_at: Moment | None = None
    """When it is given up at the latest."""
    code: str
    """The last failure, for programs."""
    reason: str
    """The last failure, for people."""


class AuthorizationExpiring(PaymentEvent):
    """An authorization was neither captured nor voided for days, and expires soon. Told once."""

    authorized_at: Moment
    """When the money was authorized."""


class GatewayEvent(Event, abstract=True):
    """A fact about the payment gateway. Key: the cart whose payment showed it.

    The end may be read before the beginning, which belongs to another cart: ``since`` says which trouble it is.
    """

    topic: ClassVar[str] = "payment.events"
    key_field: ClassVar[str] = "cart_id"
    cart_id: Id
    gateway: Id
    """The gateway's name."""
    since: Moment
    """When the trouble began."""


class GatewayInTrouble(GatewayEvent):
    """No call to the gateway says anything about a payment any more. Calls are held back and tried by a few probes."""

    code: str
    """What a call was answered, for programs."""
    reason: str
    """What a call was answered, for people."""


class GatewayRecovered(GatewayEvent):
    """The gateway answers again, and what was held back goes on by itself."""


class ForeignPaymentFound(PaymentEvent):
    """The gateway has a payment under our reference that is not ours: it is left as it is. Told once for each."""

    gateway_reference: str
    """What the gateway knows both payments by."""
    authorization_id: str
    """The gateway's id of the payment that is not ours."""
    found_amount: int
    """Its amount, in minor units of its currency."""
    found_currency: str
    """Its currency, as the gateway names it."""


class FailedCompensation(PaymentEvent, abstract=True):
    """Money of the customer is stuck: all a person needs to act on."""

    alarm: ClassVar[bool] = True
    gateway_reference: str
    """What the gateway knows the payment by."""
    authorization_id: str | None
    """The gateway's id of the authorization, where it told one."""
    attempts: int
    """Calls made until it was given up."""
    code: str
    """The last failure, for programs."""
    reason: str
    """The last failure, for people."""


class VoidFailed(FailedCompensation):
    """An authorization could not be voided."""


class RefundFailed(FailedCompensation):
    """A captured amount could not be given back."""
