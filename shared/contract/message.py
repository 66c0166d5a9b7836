"""The kinds of message, and the field types every message is built from.

Limits are part of the contract: what is outside of them is refused by name, before it reaches any rule.
"""

from datetime import UTC, datetime
from typing import Annotated, Any, ClassVar, Final

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints, ValidationInfo
from pydantic_core import PydanticCustomError

from shared.contract.cards import has_card_number
from shared.contract.text import not_kept, not_taken
from shared.money import EXPONENTS, MAX_AMOUNT

AT_THE_DOOR: Final = {"at_the_door": True}
"""The context in which pydantic validates what comes from outside.

What our own services wrote is taken with every text that can be kept, so that a newer one of them may take more from
its clients than this reader would.
"""


def is_at_the_door(info: ValidationInfo) -> bool:
    """Whether what is validated comes from outside."""
    return bool(info.context)


def fault(code: str, said: str) -> PydanticCustomError:
    """What a validator raises: a code for programs, and what is to change, for people."""
    return PydanticCustomError(code, "{said}", {"said": said})


def _known_currency(code: str) -> str:
    if code not in EXPONENTS:
        raise fault("unknown_currency", f"{code} is not a currency this shop knows")
    return code


def _in_utc(moment: datetime) -> datetime:
    if moment.tzinfo is UTC:
        return moment
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise fault("moment_out_of_range", "must lie within the years 1 to 9999 in UTC") from None


def _text(text: str, info: ValidationInfo) -> str:
    outside = is_at_the_door(info)
    if wrong := not_taken(text) if outside else not_kept(text):
        raise fault("character_not_allowed", wrong)
    return _no_card_number(text, info)


def _no_card_number(text: str, info: ValidationInfo) -> str:
    if is_at_the_door(info) and has_card_number(text):
        raise fault("card_number", "looks like a card number, which must never be sent; send the gateway's token for it")
    return text


NoCardNumber: Final = AfterValidator(_no_card_number)

IDENTIFIER: Final = "letters, digits and . _ : - | @ / + = ~"
"""The characters of every identifier: ids, SKUs, customers and tokens."""
_FIRST, _ANY = "[A-Za-z0-9]", r"[A-Za-z0-9._:|@/+=~\-]"
_ID, _SKU = f"^{_FIRST}{_ANY}{{0,79}}$", f"^{_FIRST}{_ANY}{{0,63}}$"
_CUSTOMER, _TOKEN = f"^{_ANY}{{1,255}}$", f"^{_ANY}{{1,128}}$"
_COUPON, _CURRENCY = r"^[A-Z0-9][A-Z0-9_\-]{0,31}$", "^[A-Z]{3}$"

PATTERNS: Final = {
    _ID: f"must be 1 to 80 characters ({IDENTIFIER}), beginning with a letter or digit",
    _SKU: f"must be 1 to 64 characters ({IDENTIFIER}), beginning with a letter or digit",
    _CUSTOMER: f"must be 1 to 255 characters ({IDENTIFIER})",
    _TOKEN: f"must be 1 to 128 characters ({IDENTIFIER})",
    _COUPON: "must be 1 to 32 characters (capital letters, digits, _ and -), beginning with a letter or digit",
    _CURRENCY: "must be the three capital letters of a currency, such as EUR",
}
"""What the patterns of this contract mean, in words."""

Id = Annotated[str, StringConstraints(pattern=_ID)]
"""An identifier: 1 to 80 characters of :data:`IDENTIFIER`, beginning with a letter or digit."""
Sku = Annotated[str, StringConstraints(pattern=_SKU)]
"""A product: as an identifier, 1 to 64 characters."""
CustomerId = Annotated[str, StringConstraints(pattern=_CUSTOMER)]
"""A customer, as an identity provider names them: 1 to 255 characters of :data:`IDENTIFIER`."""
CouponCode = Annotated[str, StringConstraints(pattern=_COUPON)]
Text = Annotated[str, StringConstraints(min_length=1, max_length=200), AfterValidator(_text)]
"""Text of at most 200 characters, of every script and with every space; kept as it is written, and never normalised."""
Token = Annotated[str, StringConstraints(pattern=_TOKEN), NoCardNumber]
"""What the payment gateway gave the storefront in place of a card: never the card itself."""
CurrencyCode = Annotated[str, StringConstraints(pattern=_CURRENCY)]
"""Of any currency, also one in which nothing is sold here."""
Currency = Annotated[CurrencyCode, AfterValidator(_known_currency)]
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


REGISTERED: Final[dict[str, type["Message"]]] = {}
"""Every message of the modules imported so far; all of the contract are in :mod:`shared.contract.registry`."""


class Message(Value):
    """What travels through Kafka. ``topic`` says where, ``key_field`` which field is the Kafka key."""

    topic: ClassVar[str]
    key_field: ClassVar[str]
    version: ClassVar[int] = 1
    alarm: ClassVar[bool] = False
    """Whether each such event is also a dead letter: a compensation that failed and needs a person."""

    def __init_subclass__(cls, *, abstract: bool = False, **config: Any) -> None:
        """A message registers itself by its CloudEvents type; ``abstract`` is what several have in common."""
        super().__init_subclass__(**config)
        if not abstract:
            REGISTERED[cls.type_name()] = cls

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


class Command(Message, abstract=True):
    """A wish of a client; refused with :class:`CommandRejected` where it cannot be had. Unknown fields are refused."""

    model_config = ConfigDict(extra="forbid")


class Event(Message, abstract=True):
    """A fact, named in the past tense. Readers ignore fields they do not know."""
