"""What a record of the dead-letter topic tells, and what people are told of it. Nothing in a record can make this fail."""

import hashlib
import re
import shlex
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import Final

from pydantic import ValidationError

from services.alerts.model import DeadLetter, Failure, Fault, LetterKind, LetterState
from shared.contract import text as texts
from shared.contract.dead_letter import ERRORS, LOST
from shared.contract.envelope import Headers
from shared.contract.payment import (
    FailedCompensation,
    ForeignPaymentFound,
    GatewayInTrouble,
    GatewayRecovered,
    RefundFailed,
    VoidFailed,
)
from shared.contract.products import CatalogEvent
from shared.contract.services import REDRIVABLE
from shared.contract.text import plain
from shared.contract.topics import TOPICS
from shared.money import display

MAX_TEXT: Final = 300
WHY: Final = '--why "..."'
READERS: Final = (*REDRIVABLE, "journal")
"""The services that say what they never read."""
BY_HAND: Final = "paid_in_cash"
"""The code of a refund that no gateway can make."""
_COMPENSATIONS: Final[dict[str, type[FailedCompensation]]] = {kind.type_name(): kind for kind in (VoidFailed, RefundFailed)}
_TYPE: Final = re.compile(r"[A-Za-z0-9_.\-]+")
_DIFFERS: Final = re.compile(r"""'[^']*'|"[^"]*"|\d+""")


@dataclass(frozen=True)
class Arrival:
    """A record of ``checkout.dlq``, byte for byte. ``timestamp``: milliseconds since 1970, UTC."""

    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Headers

    def first(self, name: str) -> bytes | None:
        """A header; the first of equals."""
        return self._first.get(name)

    @cached_property
    def _first(self) -> dict[str, bytes | None]:
        return dict(reversed(self.headers))

    def text(self, name: str) -> str:
        """A header as text; whatever its bytes are, never too long and never an error."""
        found = self.first(name) or b""
        return plain(found[: 4 * MAX_TEXT].decode("utf-8", "backslashreplace"), MAX_TEXT)

    def redacted(self, name: str) -> str:
        """As :meth:`text`, of a header that is no id: without card numbers."""
        return texts.redacted((self.first(name) or b"")[: 4 * MAX_TEXT].decode("utf-8", "backslashreplace"), MAX_TEXT)

    def number(self, name: str) -> int:
        """A header as a whole number, or -1."""
        told = self.text(name)
        return int(told) if re.fullmatch(r"\d{1,18}", told) else -1


@dataclass(frozen=True)
class DeadLetterArrived:
    """A record of the dead-letter topic, read. ``failed``: the compensation that failed, where it is about one."""

    fault: Fault
    failed: FailedCompensation | None

    @property
    def letter_id(self) -> str:
        """The dead letter it is."""
        return self.fault.letter_id

    @property
    def failure_id(self) -> str:
        """Names this very report of a failed compensation, whichever way it comes."""
        return self.fault.message_id or self.fault.letter_id

    @property
    def alert_id(self) -> str:
        """The alert it is about."""
        return stuck_money(self.failed, self.failure_id).alert_id if self.failed else dead_alert(self.letter_id)


def read(arrival: Arrival, topic_prefix: str = "") -> DeadLetterArrived:
    """What a record of the dead-letter topic tells. ``topic_prefix``: what this shop puts before its topics' names."""
    fault = fault_of(arrival, topic_prefix)
    return DeadLetterArrived(fault, _compensation(arrival) if fault.kind == "compensation" else None)


def fault_of(arrival: Arrival, topic_prefix: str = "") -> Fault:
    """Why this record is a dead letter."""
    stage = arrival.text(f"{ERRORS}stage")
    service = arrival.text(f"{ERRORS}quadrille.service")
    error, reason = arrival.redacted(f"{ERRORS}exception.class.name"), arrival.redacted(f"{ERRORS}exception.message")
    position = arrival.number(f"{ERRORS}offset")
    return Fault(
        letter_id=_letter_id(arrival, service, stage, position, topic_prefix),
        kind=_kind(arrival, service, stage, position),
        service=service or "unknown",
        stage=stage or "unknown",
        topic=arrival.text(f"{ERRORS}topic").removeprefix(topic_prefix),
        partition=arrival.number(f"{ERRORS}partition"),
        position=position,
        lane=arrival.partition,
        error=error or "Error",
        reason=reason or "no reason given",
        cause=_DIFFERS.sub("…", f"{error or 'Error'}: {reason or 'no reason given'}")[:MAX_TEXT],
        message_type=arrival.text("ce_type") or None,
        message_id=arrival.text("ce_id") or None,
        checkout_id=arrival.text("ce_subject") or None,
        size=len(arrival.value or b""),
    )


def _kind(arrival: Arrival, service: str, stage: str, position: int) -> LetterKind:
    """Told by what the service that failed wrote, and never by what stood in the record before."""
    if service == "payment" and stage == "compensation" and arrival.text("ce_type") in _COMPENSATIONS:
        return "compensation"
    if stage == LOST and service in READERS:
        return "lost"
    if service not in REDRIVABLE:
        return "foreign"
    return "record" if position >= 0 else "deadline"


def _letter_id(arrival: Arrival, service: str, stage: str, position: int, topic_prefix: str) -> str:
    """The same for the same failed record, however often it is published or comes back.

    A record that names its message is known by that name and its content, any other by where it first stood.
    """
    named = [arrival.first("ce_source"), arrival.first("ce_id")]
    place = [arrival.text(f"{ERRORS}{part}").encode() for part in ("topic", "partition", "offset")]
    if not service:
        place = [str(arrival.partition).encode(), str(arrival.offset).encode()]
    known_by = named if all(named) else place if position >= 0 or not service else [stage.encode()]
    if stage == "read" and service in REDRIVABLE and _is_read_by_several(arrival, topic_prefix):
        service = ""  # the others cannot read it either: it is one dead letter
    digest = hashlib.blake2b(digest_size=8)
    for part in (service.encode(), *known_by, arrival.key, arrival.value):
        digest.update(b"-" if part is None else b"%d:" % len(part) + part)
    return digest.hexdigest()


def _is_read_by_several(arrival: Arrival, topic_prefix: str) -> bool:
    topic = TOPICS.get(arrival.text(f"{ERRORS}topic").removeprefix(topic_prefix))
    return topic is not None and topic.reporter is not None


def failure_of(letter: DeadLetter) -> Failure:
    """What people are told of a dead letter that is no failed compensation."""
    if letter.kind == "lost":
        return _records_lost(letter)
    reading = letter.stage == "read"
    named = letter.message_type and _TYPE.fullmatch(letter.message_type)  # a title is told to the log, too
    what = letter.message_type if named else "a record"
    why = f": {letter.reason}" if reading else ""  # what an exception says may quote a customer, and goes to chats
    catalogue = letter.topic == CatalogEvent.topic
    stale = " If the product is on sale, it stays so at its former price until a right record comes." if catalogue else ""
    return Failure(
        alert_id=dead_alert(letter.letter_id),
        kind="unreadable" if reading else "unhandled",
        severity="warning" if reading and not catalogue else "critical",
        title=f"{letter.who} could not {'read' if reading else 'handle'} {what} from {letter.place}",
        text=f"{letter.error} at {letter.stage}{why}.{stale} {_advice(letter)}",
        service=letter.service,
        checkout_id=letter.checkout_id,
    )


def ignored_prices(currency: str, sku: str) -> Failure:
    """What people are told of prices in a currency this shop does not know. ``sku``: a product that has one."""
    alert_id = currency_alert(currency)
    return Failure(
        alert_id=alert_id,
        kind="prices_ignored",
        severity="warning",
        title=f"the catalogue has prices in {currency}, which this shop does not know",
        text=f"Product {sku} has one. It is left out: the product is not sold in {currency}, and is in its other currencies."
        f" Correct the catalogue, then resolve this: `quadrille alerts resolve {alert_id} {WHY}`.",
        service="cart",
    )


def currency_alert(currency: str) -> str:
    """The alert of prices in a currency this shop does not know."""
    return f"currency:{currency}"


def _records_lost(letter: DeadLetter) -> Failure:
    return Failure(
        alert_id=dead_alert(letter.letter_id),
        kind="records_lost",
        severity="critical",
        title=letter.reason,
        text=f"What these messages said had no effect on {letter.service}. `quadrille audit` shows what no longer fits;"
        " the journal (`quadrille trace`) may know what they said. A service must not be down for longer than its topics"
        f" keep records (`quadrille topics check`). When it is dealt with: `quadrille dlq resolve {letter.letter_id} {WHY}`.",
        service=letter.service,
        checkout_id=None,
    )


def _advice(letter: DeadLetter) -> str:
    look = f"Look at it: `quadrille dlq show {letter.letter_id}`."
    resolve = f"`quadrille dlq resolve {letter.letter_id} {WHY}`"
    redrive = f"`quadrille dlq redrive {letter.letter_id} {WHY}`"
    again = f" It came back {letter.returned} of {letter.replays} times." if letter.returned else ""
    if letter.kind == "foreign":
        return f"No service of ours says that it failed. {look} Close it: {resolve}."
    if letter.kind == "deadline":
        return f"It is tried again every 15 minutes. {look} Mend {letter.service}; when it is over: {resolve}."
    if letter.state is LetterState.PARKED:
        once_more = f"`quadrille dlq redrive {letter.letter_id} --parked {WHY}`"
        return f"{look}{again} It is parked. Close it: {resolve}, or try it once more: {once_more}."
    if letter.stage == "read":
        return f"{look}{again} Mend its writer and close it: {resolve}, or, once {letter.who} can read it: {redrive}."
    return f"{look}{again} Mend {letter.service}, then send it again: {redrive}."


def _compensation(arrival: Arrival) -> FailedCompensation | None:
    """The failed compensation in a dead letter that holds one, if it can be read."""
    try:
        return _COMPENSATIONS[arrival.text("ce_type")].model_validate_json(arrival.value or b"")
    except (KeyError, ValidationError):
        return None


def dead_alert(letter_id: str) -> str:
    """The alert of a dead letter that is no failed compensation."""
    return f"dead:{letter_id}"


def money_alert(kind: str, checkout_id: str) -> str:
    """The alert of a void or a refund that failed: one for each checkout, however often that happens."""
    return f"{kind}:{checkout_id}"


def foreign_alert(checkout_id: str) -> str:
    """The alert of a payment that is not ours under the reference of ours."""
    return f"foreign:{checkout_id}"


def foreign_payment(event: ForeignPaymentFound, event_id: str) -> Failure:
    """What people are told of a payment that is not ours under the reference of ours."""
    reference, hold = event.gateway_reference[:MAX_TEXT], event.hold[:MAX_TEXT]
    found = f"{event.found_amount} (minor units) {event.found_currency[:MAX_TEXT]}"
    alert_id = foreign_alert(event.checkout_id)
    return Failure(
        alert_id=alert_id,
        kind="foreign_payment",
        severity="critical",
        title=f"The gateway has a payment of {found} under our reference {reference}, which is not ours",
        text=f"It is payment {hold}. It was neither captured nor voided; checkout {event.checkout_id} has a payment of its own"
        f" of {display(event.amount, event.currency)}. Look at both at the gateway. Where another shop uses the same gateway,"
        f" give each its own QUADRILLE_SHOP. Then close this: `quadrille alerts resolve {shlex.quote(alert_id)} {WHY}`.",
        service="payment",
        checkout_id=event.checkout_id,
        occurrence=event_id,
    )


GATEWAY_ALERT: Final = "gateway:trouble"
"""The one alert of a gateway that is in trouble."""
_ABOUT_GATEWAY: Final = {
    ("http_401", "http_403"): "Is QUADRILLE_GATEWAY_API_KEY still valid, and may it be used from here?",
    ("http_301", "http_302", "http_307", "http_308", "http_404"): "Is QUADRILLE_GATEWAY_URL still its address?",
    ("no_connection",): "Can this machine reach it (address, DNS, certificate, firewall)?",
    ("rate_limit", "http_429"): "It is asked more often than it allows.",
}


def trouble_since(moment: datetime) -> str:
    """Names the trouble that began then; the names of later ones are greater."""
    return f"{GATEWAY_ALERT}:{moment.astimezone(UTC).isoformat(timespec='microseconds')}"


def gateway_in_trouble(event: GatewayInTrouble) -> Failure:
    """What people are told of a gateway that is in trouble."""
    code, reason = event.code[:MAX_TEXT], event.reason[:MAX_TEXT]
    hint = next((hint for codes, hint in _ABOUT_GATEWAY.items() if code in codes), "Is it available, and does it know our key?")
    return Failure(
        alert_id=GATEWAY_ALERT,
        kind="gateway_in_trouble",
        severity="critical",
        title=f"The payment gateway is in trouble: {reason} ({code})",
        text=f"{hint} Calls are held back and tried by a few probes; no payment is declined and no order cancelled for it."
        " Authorizations wait as long as their customers can, captures as long as their holds live, voids and refunds three"
        " days. All go on by themselves when it answers, and this alert closes. What had failed before is tried once more by"
        f" `quadrille payments retry-failed {WHY}`.",
        service="payment",
        occurrence=trouble_since(event.since),
    )


def trouble_passed(event: GatewayRecovered) -> Failure:
    """The same, where its end is heard first."""
    return Failure(
        alert_id=GATEWAY_ALERT,
        kind="gateway_in_trouble",
        severity="critical",
        title="The payment gateway was in trouble",
        text="It answers again.",
        service="payment",
        occurrence=trouble_since(event.since),
    )


def stuck_money(event: FailedCompensation, event_id: str) -> Failure:
    """What people are told of money that is stuck."""
    kind = "void" if isinstance(event, VoidFailed) else "refund"
    stuck, done = ("is still held", "mark-voided") if kind == "void" else ("was not given back", "mark-refunded")
    checkout = shlex.quote(event.checkout_id)  # a client chose it, and a person pastes it
    by_hand = f"`quadrille payments {done} {checkout} {WHY}`"
    reference = f"gateway reference {event.gateway_reference[:MAX_TEXT]}, hold {str(event.hold)[:MAX_TEXT]}"
    if event.code == BY_HAND:
        advice = f"Give it back by hand, then say so: {by_hand}."
    else:
        advice = (
            f"Try it again: `quadrille payments retry-{kind} {checkout} {WHY}`."
            f" Or settle it at the gateway by hand ({reference}) and say so: {by_hand}."
        )
    attempts = "1 attempt" if event.attempts == 1 else f"{event.attempts} attempts"
    return Failure(
        alert_id=money_alert(kind, event.checkout_id),
        kind=f"{kind}_failed",
        severity="critical",
        title=f"{display(event.amount, event.currency)} of a customer {stuck} (checkout {event.checkout_id})",
        text=f"The {kind} was given up after {attempts}: {texts.redacted(event.reason, MAX_TEXT)}. {advice}",
        service="payment",
        checkout_id=event.checkout_id,
        occurrence=event_id,
    )
