"""What clients ask for: the four operations, their bodies, and how two calls are told to be the same."""

from dataclasses import dataclass
from hashlib import blake2b
from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from devstack.sandbox.tokens import Operation

MAX_AMOUNT: Final = 10**15
MAX_KEY: Final = 255
"""Characters of an idempotency key."""

Amount = Annotated[int, Field(ge=1, le=MAX_AMOUNT)]
Name = Annotated[str, StringConstraints(min_length=1, max_length=255, pattern=r"^[\x21-\x7e]+$")]
"""Visible ASCII without spaces."""


class Body(BaseModel):
    """The JSON body of a call: nothing unknown, nothing converted."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Authorize(Body):
    """Hold ``amount`` minor units. ``reference`` is the client's own name of the payment, to look it up by."""

    reference: Name
    amount: Amount
    currency: Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")]
    payment_method: Name
    description: Annotated[str, StringConstraints(max_length=500)] = ""
    capture_method: Literal["manual"] = "manual"
    confirm: Literal[True] = True


class Capture(Body):
    """Take what is held: ``amount_to_capture``, or all of it."""

    amount_to_capture: Amount | None = None


class Void(Body):
    """Release what is held."""

    cancellation_reason: Annotated[str, StringConstraints(max_length=100)] | None = None


class Refund(Body):
    """Give back ``amount`` of what was captured, or all of it."""

    payment_intent: Name
    amount: Amount | None = None


@dataclass(frozen=True, slots=True)
class Call:
    """One call as it came in. ``authorization_id``: of the payment it concerns; empty where it asks for one."""

    operation: Operation
    key: str
    authorization_id: str
    body: Authorize | Capture | Void | Refund

    @property
    def fingerprint(self) -> bytes:
        """Equal for the same operation on the same payment with the same parameters, however they were written."""
        text = f"{self.operation} {self.authorization_id} {self.body.model_dump_json()}"
        return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()
