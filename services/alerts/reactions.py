"""What alerts does when a dead letter comes, when somebody decided about one, and when payment speaks of money."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any

from services.alerts.failures import (
    GATEWAY_ALERT,
    DeadLetterArrived,
    currency_alert,
    failure_of,
    foreign_alert,
    foreign_payment,
    gateway_in_trouble,
    ignored_prices,
    money_alert,
    stuck_money,
    trouble_passed,
    trouble_since,
)
from services.alerts.model import MONEY, RETRIED, Alert, DeadLetter, DeadRecord, LetterState
from shared.contract.alerts import (
    AcknowledgeAlert,
    AlertAcknowledged,
    AlertOpened,
    AlertResolved,
    DeadLetterParked,
    DeadLetterRedriven,
    DeadLetterResolved,
    DeadLetterReturned,
    ParkDeadLetter,
    RedriveDeadLetter,
    ResolveAlert,
    ResolveDeadLetter,
)
from shared.contract.envelope import Envelope, refusal
from shared.contract.payment import (
    FailedCompensation,
    ForeignPaymentFound,
    GatewayInTrouble,
    GatewayRecovered,
    PaymentRefunded,
    PaymentVoided,
    RefundFailed,
    RefundRetried,
    SettlementDisputed,
    VoidFailed,
    VoidRetried,
)
from shared.contract.products import PricesIgnored
from shared.contract.redrive import wrap
from shared.contract.rejection import CommandRejected
from shared.contract.topics import redrive_topic, source_of
from shared.contract.values import Reason
from shared.runtime.reactions import Emits, Reactions
from shared.runtime.records import Outgoing, unpack

reactions = Reactions("alerts")

# --- dead letters, as they arrive


@reactions.on(DeadLetterArrived, alerts=lambda letter, arrived: [arrived.alert_id])
def keep(
    letter: DeadLetter, arrived: DeadLetterArrived, alerts: dict[str, Alert], now: datetime
) -> Emits[AlertOpened | DeadLetterReturned | DeadLetterResolved]:
    """Somebody must know of it. Money that is known to be settled already opens nothing, late as its failure comes."""
    returned = letter.fail(arrived.fault, now)
    if returned:
        yield returned
    failure = stuck_money(arrived.failed, arrived.failure_id) if arrived.failed else failure_of(letter)
    alert = alerts[failure.alert_id]
    letter.alert_id = alert.alert_id
    if letter.letter_id not in alert.letters:
        alert.letters.append(letter.letter_id)
    if not alert.knows(failure):
        if opened := alert.report(failure, now, anew=bool(returned or arrived.failed)):
            yield opened
    elif alert.over and (resolved := letter.resolve("payment", "settled already", now)):
        yield resolved


# --- alerts, as people decide


@reactions.on(AcknowledgeAlert)
def acknowledge_alert(
    alert: Alert, command: AcknowledgeAlert, envelope: Envelope, now: datetime
) -> Emits[AlertAcknowledged | CommandRejected]:
    """Others see that somebody works on it."""
    if alert.state != "open":
        yield _not_so(envelope, "alert", alert.state)
    elif event := alert.acknowledge("acknowledged", command.by, command.why, now):
        yield event


@reactions.on(ResolveAlert, letters=lambda alert, command: alert.letters)
def resolve_alert(
    alert: Alert, command: ResolveAlert, envelope: Envelope, letters: dict[str, DeadLetter], now: datetime
) -> Emits[AlertResolved | DeadLetterResolved | CommandRejected]:
    """And so are its dead letters. Money that is stuck does not come free by closing its alert."""
    if alert.over:
        yield _not_so(envelope, "alert", alert.state)
    elif alert.kind in MONEY and not command.settled:
        message = "it closes by itself when the money is settled: see what it says to do"
        yield refusal(envelope, Reason(code="not_settled", message=message, subject="settled"))
    else:
        yield from _close(alert, letters, command.by, command.why, now)


# --- dead letters, as people decide


@reactions.on(RedriveDeadLetter, records=lambda letter, command: [command.letter_id])
def redrive_dead_letter(
    letter: DeadLetter, command: RedriveDeadLetter, envelope: Envelope, records: Mapping[str, DeadRecord], now: datetime
) -> Emits[DeadLetterRedriven | Outgoing | CommandRejected]:
    """Only the service that failed hears it. What it does with the message is its own affair: its inbox holds."""
    if letter.state is None:
        yield _not_so(envelope, "dead letter", None)
    elif fault := letter.why_not_redriven(parked=command.parked):
        yield refusal(envelope, fault)
    else:
        for service in letter.services:
            yield _redrive(letter, service, records[letter.letter_id], envelope)
        yield letter.redrive(command.by, command.why, now)


def _redrive(letter: DeadLetter, service: str, record: DeadRecord, envelope: Envelope) -> Outgoing:
    headers = wrap(
        unpack(record.headers),
        letter_id=letter.letter_id,
        command_id=envelope.id,
        place=(letter.topic, letter.partition, letter.position),
        traceparent=envelope.traceparent,
    )
    return Outgoing(letter.lane, redrive_topic(service), record.key, record.value, headers)


def _alert(letter: DeadLetter, *_: Any) -> Iterable[str]:
    return [letter.alert_id] if letter.alert_id else []


@reactions.on(ParkDeadLetter, alerts=_alert)
def park_dead_letter(
    letter: DeadLetter, command: ParkDeadLetter, envelope: Envelope, alerts: dict[str, Alert], now: datetime
) -> Emits[DeadLetterParked | AlertAcknowledged | CommandRejected]:
    """Its alert stays, but others see that somebody decided on it."""
    if fault := _not_to_be_closed(letter, envelope):
        yield fault
    elif letter.state is LetterState.PARKED:
        yield _not_so(envelope, "dead letter", letter.state)
    else:
        yield letter.park(command.by, command.why, now)
        for alert in alerts.values():
            if event := alert.acknowledge("parked", command.by, command.why, now):
                yield event


@reactions.on(ResolveDeadLetter, alerts=_alert)
def resolve_dead_letter(
    letter: DeadLetter, command: ResolveDeadLetter, envelope: Envelope, alerts: dict[str, Alert], now: datetime
) -> Emits[DeadLetterResolved | AlertResolved | CommandRejected]:
    """Nothing is to be done any more, so its alert is over."""
    if fault := _not_to_be_closed(letter, envelope):
        yield fault
        return
    if envelope.source == source_of(command.by) and letter.handled_by(command.by):
        return
    for alert in alerts.values():
        yield from _close(alert, {letter.letter_id: letter}, command.by, command.why, now)


def _not_to_be_closed(letter: DeadLetter, envelope: Envelope) -> CommandRejected | None:
    if letter.state in (None, LetterState.RESOLVED):
        return _not_so(envelope, "dead letter", letter.state)
    if letter.kind == "compensation":
        message = f"it closes with its alert {letter.alert_id}, when the money is settled"
        return refusal(envelope, Reason(code="not_settled", message=message))
    return None


def _not_so(envelope: Envelope, what: str, state: str | None) -> CommandRejected:
    message = f"the {what} is {state} already" if state else f"there is no such {what}"
    return refusal(envelope, Reason(code=state or "unknown", message=message))


def _close(
    alert: Alert, letters: Mapping[str, DeadLetter], by: str, why: str, now: datetime
) -> Iterator[AlertResolved | DeadLetterResolved]:
    for letter in letters.values():
        if closed := letter.resolve(by, why, now):
            yield closed
    if resolved := alert.resolve(by, why, now):
        yield resolved


# --- what payment tells


@reactions.on(ForeignPaymentFound, alerts=lambda event: [foreign_alert(event.checkout_id)])
def foreign_payment_found(
    event: ForeignPaymentFound, envelope: Envelope, alerts: dict[str, Alert], now: datetime
) -> Emits[AlertOpened]:
    """Whose it is only a person can find out."""
    failure = foreign_payment(event, envelope.id)
    alert = alerts[failure.alert_id]
    if not alert.knows(failure) and (opened := alert.report(failure, now)):
        yield opened


# --- prices that are left out, as cart tells


def _of_currencies(event: PricesIgnored, *_: Any) -> Iterable[str]:
    return [currency_alert(currency) for currency in event.currencies]


@reactions.on(PricesIgnored, alerts=_of_currencies)
def prices_ignored(event: PricesIgnored, alerts: dict[str, Alert], now: datetime) -> Emits[AlertOpened]:
    """One alert for each currency, however many products have prices in it."""
    for currency in event.currencies:
        if opened := alerts[currency_alert(currency)].report(ignored_prices(currency, event.sku), now):
            yield opened


@reactions.on(GatewayInTrouble, alerts=lambda event: [GATEWAY_ALERT])
def tell_of_gateway(event: GatewayInTrouble, alerts: dict[str, Alert], now: datetime) -> Emits[AlertOpened]:
    """One alert, however many payments wait."""
    failure, alert = gateway_in_trouble(event), alerts[GATEWAY_ALERT]
    if not alert.knows(failure) and (opened := alert.report(failure, now)):
        yield opened


@reactions.on(GatewayRecovered, alerts=lambda event: [GATEWAY_ALERT])
def gateway_works(event: GatewayRecovered, alerts: dict[str, Alert], now: datetime) -> Emits[AlertResolved]:
    """It is over by itself; its beginning may come later, and one that began after it may be known already."""
    alert, over = alerts[GATEWAY_ALERT], trouble_since(event.since)
    is_last = all(known <= over for known in alert.occurrences)
    alert.remember(over)
    if alert.state is None:
        alert.report(trouble_passed(event), now)
    if is_last and (resolved := alert.resolve("payment", "the gateway answers again", now)):
        yield resolved


# --- money that is stuck, as payment tells
#
# The order of payment's own topic counts: a failure that is heard there is open, whatever was heard elsewhere before.


def _of_checkout(event: Any, *_: Any) -> Iterable[str]:
    return [money_alert(kind, event.checkout_id) for kind in ("void", "refund")]


def _their_letters(event: Any, alerts: Mapping[str, Alert]) -> Iterable[str]:
    return [letter_id for alert in alerts.values() for letter_id in alert.letters]


@reactions.on(VoidFailed, alerts=_of_checkout, letters=_their_letters)
def void_failed(
    event: VoidFailed, envelope: Envelope, alerts: dict[str, Alert], letters: dict[str, DeadLetter], now: datetime
) -> Emits[AlertOpened | AlertResolved | DeadLetterResolved]:
    """The money is held, so it need not be given back."""
    yield from _stuck(event, envelope, alerts, letters, now)


@reactions.on(RefundFailed, alerts=_of_checkout, letters=_their_letters)
def refund_failed(
    event: RefundFailed, envelope: Envelope, alerts: dict[str, Alert], letters: dict[str, DeadLetter], now: datetime
) -> Emits[AlertOpened | AlertResolved | DeadLetterResolved]:
    """The money was captured, so it is not held."""
    yield from _stuck(event, envelope, alerts, letters, now)


def _stuck(
    event: FailedCompensation,
    envelope: Envelope,
    alerts: Mapping[str, Alert],
    letters: Mapping[str, DeadLetter],
    now: datetime,
) -> Iterator[AlertOpened | AlertResolved | DeadLetterResolved]:
    failure = stuck_money(event, envelope.id)
    for alert in alerts.values():
        if alert.alert_id != failure.alert_id:
            yield from _close(alert, _own(alert, letters), "payment", failure.title, now)
        elif (alert.over or alert.retried or not alert.knows(failure)) and (opened := alert.report(failure, now, anew=True)):
            yield opened


@reactions.on(PaymentVoided, alerts=_of_checkout, letters=_their_letters)
def voided(
    event: PaymentVoided, alerts: dict[str, Alert], letters: dict[str, DeadLetter], now: datetime
) -> Emits[AlertResolved | DeadLetterResolved]:
    """Nothing is held any more."""
    yield from _settled(alerts, letters, event.marked_by or "payment", event.why or "the hold is released", now)


@reactions.on(PaymentRefunded, alerts=_of_checkout, letters=_their_letters)
def refunded(
    event: PaymentRefunded, alerts: dict[str, Alert], letters: dict[str, DeadLetter], now: datetime
) -> Emits[AlertResolved | DeadLetterResolved]:
    """The money went back."""
    yield from _settled(alerts, letters, event.marked_by or "payment", event.why or "the money went back", now)


def _settled(
    alerts: Mapping[str, Alert], letters: Mapping[str, DeadLetter], by: str, why: str, now: datetime
) -> Iterator[AlertResolved | DeadLetterResolved]:
    for alert in alerts.values():
        yield from _close(alert, _own(alert, letters), by, why, now)


def _own(alert: Alert, letters: Mapping[str, DeadLetter]) -> dict[str, DeadLetter]:
    return {i: letters[i] for i in alert.letters}


@reactions.on(VoidRetried, alerts=_of_checkout)
def void_retried(event: VoidRetried, alerts: dict[str, Alert], now: datetime) -> Emits[AlertAcknowledged]:
    """Somebody works on it."""
    yield from _retried(alerts[money_alert("void", event.checkout_id)], event, now)


@reactions.on(RefundRetried, alerts=_of_checkout)
def refund_retried(event: RefundRetried, alerts: dict[str, Alert], now: datetime) -> Emits[AlertAcknowledged]:
    """Somebody works on it."""
    yield from _retried(alerts[money_alert("refund", event.checkout_id)], event, now)


@reactions.on(SettlementDisputed, alerts=_of_checkout)
def settlement_disputed(event: SettlementDisputed, alerts: dict[str, Alert], now: datetime) -> Emits[AlertAcknowledged]:
    """Somebody says that the money is settled. The gateway does not, so the alert stays."""
    for alert in alerts.values():
        what = f"says that it is settled, though {event.found}"
        if not alert.over and (acknowledged := alert.acknowledge(what, event.by, event.why, now)):
            yield acknowledged


def _retried(alert: Alert, event: VoidRetried | RefundRetried, now: datetime) -> Iterator[AlertAcknowledged]:
    if not alert.over and (acknowledged := alert.acknowledge(RETRIED, event.by, event.why, now)):
        yield acknowledged
