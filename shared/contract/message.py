"""The kinds of message, and the field types every message is built from.

Limits are part of the contract: what is outside of them is refused by name, before it reaches any rule.
"""

from datetime import UTC, datetime
from typing import Annotated, ClassVar

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints

from shared.money import EXPONENTS, MAX_AMOUNT


def _known_currency(code: str) -> str:
    if code not in EXPONENTS:
        raise ValueError(f"{code} is not a currency this shop knows")
    return code


def _in_utc(moment: datetime) -> datetime:
    if moment.tzinfo is UTC:
        return moment
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise ValueError("this moment lies outside the years 1 to 9999 in UTC") from None


def _plain_text(text: str) -> str:
    if not text.isprintable():
        raise ValueError("control characters are not allowed")
    return text


Id = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:\-]{0,79}$")]
"""An identifier: 1 to 80 letters, digits, dots, underscores, colons and hyphens, beginning with a letter or digit."""
Sku = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._\-]{0,63}$")]
CouponCode = Annotated[str, StringConstraints(pattern=r"^[A-Z0-9][A-Z0-9_\-]{0,31}$")]
Text = Annotated[str, StringConstraints(min_length=1, max_length=200), AfterValidator(_plain_text)]
"""Printable text of at most 200 characters."""
Token = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.+\-]{1,128}$")]
"""What the payment gateway gave the storefront in place of a card: never the card itself."""
Currency = Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$"), AfterValidator(_known_currency)]
Amount = Annotated[int, Field(ge=0, le=MAX_AMOUNT)]
"""Minor units of the currency named beside it."""
Quantity = Annotated[int, Field(ge=1, le=10_000)]
Units = Annotated[int, Field(ge=1, le=10**9)]
"""Units of stock that arrive at once."""
Moment = Annotated[AwareDatetime, AfterValidator(_in_utc)]
"""A moment, in whatever zone it was written; kept in UTC."""

MAX_LINES = 200
"""Different SKUs in one cart."""
MAX_COUPONS = 10
"""Coupons on one cart."""


class Value(BaseModel):
    """A part of a message: immutable, equal by content, tolerant of fields a newer writer added.

    A validator is built when its kind is first read: who needs three kinds of ninety, as a command line does, need not
    wait for the others.
    """

    model_config = ConfigDict(frozen=True, strict=True, extra="ignore", defer_build=True)


class StrictValue(Value):
    """A part of a command: a field nobody knows is refused, as it is in the command itself."""

    model_config = ConfigDict(extra="forbid")


class Message(Value):
    """What travels through Kafka. ``topic`` says where, ``key_field`` which field is the Kafka key."""

    topic: ClassVar[str]
    key_field: ClassVar[str]
    version: ClassVar[int] = 1
    alarm: ClassVar[bool] = False
    """Whether each such event is also a dead letter: a compensation that failed and needs a person."""

    @property
    def key(self) -> str:
        """The Kafka key: the cart id, or the SKU for messages of the catalogue and the stock."""
        return str(getattr(self, self.key_field))

    @property
    def subject(self) -> str:
        """What the message is about (CloudEvents ``subject``): the checkout where there is one, else the key."""
        return getattr(self, "checkout_id", None) or self.key

    @classmethod
    def type_name(cls) -> str:
        """The CloudEvents type, such as ``quadrille.ConfirmCheckout.v1``."""
        return f"quadrille.{cls.__name__}.v{cls.version}"


class Command(Message):
    """A wish of a client; refused with :class:`CommandRejected` where it cannot be had. Unknown fields are refused."""

    model_config = ConfigDict(extra="forbid")


class Event(Message):
    """A fact, named in the past tense. Readers ignore fields they do not know."""
