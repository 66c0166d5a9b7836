"""What alerts does about dead letters, staff decisions, and events of payment and cart."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any

from services.alerts.arrivals import DeadLetterArrived
from services.alerts.failures import (
    GATEWAY_ALERT,
    authorization_alert,
    authorization_expiring,
    currency_alert,
    failure_of,
    foreign_alert,
    foreign_payment,
    gateway_in_trouble,
    ignored_prices,
    money_alert,
    retries_alert,
    retries_nearly_exhausted,
    stuck_money,
    trouble_passed,
    trouble_since,
)
from services.alerts.model import MONEY, RETRIED, Alert, DeadLetter, DeadRecord, Failure
from services.alerts.states import DeadLetterState
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
    AuthorizationExpiring,
    FailedCompensation,
    ForeignPaymentFound,
    GatewayInTrouble,
    GatewayRecovered,
    PaymentRefunded,
    PaymentVoided,
    RefundFailed,
    RefundRetried,
    RetriesNearlyExhausted,
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

# --- dead letters


@reactions.on(DeadLetterArrived, alerts=lambda dead_letter, arrived: [arrived.alert_id])
def dead_letter_arrived(
    dead_letter: DeadLetter, arrived: DeadLetterArrived, alerts: dict[str, Alert], now: datetime
) -> Emits[AlertOpened | DeadLetterReturned | DeadLetterResolved]:
    """Opens its alert. A failed compensation that is already settled opens none, however late it arrives."""
    returned = dead_letter.fail(arrived.fault, now)
    if returned:
        yield returned
    failure = stuck_money(arrived.failed, arrived.failure_id) if arrived.failed else failure_of(dead_letter)
    alert = alerts[failure.alert_id]
    dead_letter.alert_id = alert.alert_id
    if dead_letter.dead_letter_id not in alert.dead_letters:
        alert.dead_letters.append(dead_letter.dead_letter_id)
    if not alert.knows(failure):
        if opened := alert.report(failure, now, again=bool(returned or arrived.failed)):
            yield opened
    elif alert.over and (resolved := dead_letter.resolve("payment", "already settled", now)):
        yield resolved


# --- staff decisions about alerts


@reactions.on(AcknowledgeAlert)
def acknowledge_alert(
    alert: Alert, command: AcknowledgeAlert, envelope: Envelope, now: datetime
) -> Emits[AlertAcknowledged | CommandRejected]:
    """Shows others that somebody works on it."""
    if alert.state != "open":
        yield _refused(envelope, "alert", alert.state)
    elif event := alert.acknowledge("acknowledged", command.by, command.why, now):
        yield event


@reactions.on(ResolveAlert, dead_letters=lambda alert, command: alert.dead_letters)
def resolve_alert(
    alert: Alert, command: ResolveAlert, envelope: Envelope, dead_letters: dict[str, DeadLetter], now: datetime
) -> Emits[AlertResolved | DeadLetterResolved | CommandRejected]:
    """Resolves an alert with its dead letters. An alert about stuck money needs ``settled``."""
    if alert.over:
        yield _refused(envelope, "alert", alert.state)
    elif alert.kind in MONEY and not command.settled:
        message = (
            "this alert closes when the payment is settled: run the `quadrille payments` command in its text, or set settled"
        )
        yield refusal(envelope, Reason(code="not_settled", message=message, subject="settled"))
    else:
        yield from _close(alert, dead_letters, command.by, command.why, now)


# --- staff decisions about dead letters


@reactions.on(RedriveDeadLetter, records=lambda dead_letter, command: [command.dead_letter_id])
def redrive_dead_letter(
    dead_letter: DeadLetter, command: RedriveDeadLetter, envelope: Envelope, records: Mapping[str, DeadRecord], now: datetime
) -> Emits[DeadLetterRedriven | Outgoing | CommandRejected]:
    """Sends the record once more, only to the services that failed. Their inboxes still reject duplicates."""
    if dead_letter.state is None:
        yield _refused(envelope, "dead letter", None)
    elif fault := dead_letter.why_not_redriven(parked=command.parked):
        yield refusal(envelope, fault)
    else:
        for service in dead_letter.services:
            yield _redrive(dead_letter, service, records[dead_letter.dead_letter_id], envelope)
        yield dead_letter.redrive(command.by, command.why, now)


def _redrive(dead_letter: DeadLetter, service: str, record: DeadRecord, envelope: Envelope) -> Outgoing:
    headers = wrap(
        unpack(record.headers),
        dead_letter_id=dead_letter.dead_letter_id,
        command_id=envelope.id,
        place=(dead_letter.topic, dead_letter.partition, dead_letter.position),
        traceparent=envelope.traceparent,
    )
    return Outgoing(dead_letter.redrive_partition, redrive_topic(service), record.key, record.value, headers)


def _alert(dead_letter: DeadLetter, *_: Any) -> Iterable[str]:
    return [dead_letter.alert_id] if dead_letter.alert_id else []


@reactions.on(ParkDeadLetter, alerts=_alert)
def park_dead_letter(
    dead_letter: DeadLetter, command: ParkDeadLetter, envelope: Envelope, alerts: dict[str, Alert], now: datetime
) -> Emits[DeadLetterParked | AlertAcknowledged | CommandRejected]:
    """Parks it and acknowledges its alert, which stays."""
    if fault := _not_closable(dead_letter, envelope):
        yield fault
    elif dead_letter.state is DeadLetterState.PARKED:
        yield _refused(envelope, "dead letter", dead_letter.state)
    else:
        yield dead_letter.park(command.by, command.why, now)
        for alert in alerts.values():
            if event := alert.acknowledge("parked", command.by, command.why, now):
                yield event


@reactions.on(ResolveDeadLetter, alerts=_alert)
def resolve_dead_letter(
    dead_letter: DeadLetter, command: ResolveDeadLetter, envelope: Envelope, alerts: dict[str, Alert], now: datetime
) -> Emits[DeadLetterResolved | AlertResolved | CommandRejected]:
    """Resolves it with its alert, unless other services have yet to handle its redrive."""
    if fault := _not_closable(dead_letter, envelope):
        yield fault
        return
    if envelope.source == source_of(command.by) and dead_letter.handled_by(command.by):
        return
    for alert in alerts.values():
        yield from _close(alert, {dead_letter.dead_letter_id: dead_letter}, command.by, command.why, now)


def _not_closable(dead_letter: DeadLetter, envelope: Envelope) -> CommandRejected | None:
    if dead_letter.state in (None, DeadLetterState.RESOLVED):
        return _refused(envelope, "dead letter", dead_letter.state)
    if dead_letter.kind == "compensation":
        message = f"it closes with its alert {dead_letter.alert_id} when the payment is settled"
        return refusal(envelope, Reason(code="not_settled", message=message))
    return None


def _refused(envelope: Envelope, what: str, state: str | None) -> CommandRejected:
    message = f"the {what} is already {state}" if state else f"there is no such {what}"
    return refusal(envelope, Reason(code=state or "unknown", message=message))


def _close(
    alert: Alert, dead_letters: Mapping[str, DeadLetter], by: str, why: str, now: datetime
) -> Iterator[AlertResolved | DeadLetterResolved]:
    for dead_letter in dead_letters.values():
        if closed := dead_letter.resolve(by, why, now):
            yield closed
    if resolved := alert.resolve(by, why, now):
        yield resolved


# --- foreign payments, ignored prices and the gateway


def _report_once(alert: Alert, failure: Failure, now: datetime) -> Iterator[AlertOpened]:
    if not alert.knows(failure) and (opened := alert.report(failure, now)):
        yield opened


@reactions.on(ForeignPaymentFound, alerts=lambda event: [foreign_alert(event.checkout_id)])
def foreign_payment_found(
    event: ForeignPaymentFound, envelope: Envelope, alerts: dict[str, Alert], now: datetime
) -> Emits[AlertOpened]:
    """Opens an alert: only a person can find out whose payment it is."""
    yield from _report_once(alerts[foreign_alert(event.checkout_id)], foreign_payment(event, envelope.id), now)


def _of_currencies(event: PricesIgnored, *_: Any) -> Iterable[str]:
    return [currency_alert(currency) for currency in event.currencies]


@reactions.on(PricesIgnored, alerts=_of_currencies)
def prices_ignored(event: PricesIgnored, alerts: dict[str, Alert], now: datetime) -> Emits[AlertOpened]:
    """Opens one alert per currency, however many products have prices in it."""
    for currency in event.currencies:
        if opened := alerts[currency_alert(currency)].report(ignored_prices(currency, event.sku), now):
            yield opened


@reactions.on(GatewayInTrouble, alerts=lambda event: [GATEWAY_ALERT])
def gateway_failing(event: GatewayInTrouble, alerts: dict[str, Alert], now: datetime) -> Emits[AlertOpened]:
    """Opens one alert, however many payments wait."""
    yield from _report_once(alerts[GATEWAY_ALERT], gateway_in_trouble(event), now)


@reactions.on(GatewayRecovered, alerts=lambda event: [GATEWAY_ALERT])
def gateway_recovered(event: GatewayRecovered, alerts: dict[str, Alert], now: datetime) -> Emits[AlertResolved]:
    """Closes the alert, unless a later outage is known. The start of this outage may arrive after its end."""
    alert, over = alerts[GATEWAY_ALERT], trouble_since(event.since)
    is_last = all(known <= over for known in alert.occurrences)
    alert.remember(over)
    if alert.state is None:
        alert.report(trouble_passed(event), now)
    if is_last and (resolved := alert.resolve("payment", "the gateway answers again", now)):
        yield resolved


# --- warnings of payment, whose end the journal tells


@reactions.on(RetriesNearlyExhausted, alerts=lambda event: [retries_alert(event.checkout_id)])
def operation_keeps_failing(
    event: RetriesNearlyExhausted, envelope: Envelope, alerts: dict[str, Alert], now: datetime
) -> Emits[AlertOpened]:
    """Opens an alert while a person can still do something about the gateway."""
    (alert,) = alerts.values()
    yield from _report_once(alert, retries_nearly_exhausted(event, envelope.id), now)


@reactions.on(AuthorizationExpiring, alerts=lambda event: [authorization_alert(event.checkout_id)])
def authorization_expires_soon(
    event: AuthorizationExpiring, envelope: Envelope, alerts: dict[str, Alert], now: datetime
) -> Emits[AlertOpened]:
    """Opens an alert while the money can still be captured or released."""
    (alert,) = alerts.values()
    yield from _report_once(alert, authorization_expiring(event, envelope.id), now)


# --- stuck money
#
# The order of payment's own topic counts: a failure read there is open, whatever was read elsewhere before.


def _of_checkout(event: Any, *_: Any) -> Iterable[str]:
    return [money_alert(kind, event.checkout_id) for kind in ("void", "refund")]


def _their_dead_letters(event: Any, alerts: Mapping[str, Alert]) -> Iterable[str]:
    return [dead_letter_id for alert in alerts.values() for dead_letter_id in alert.dead_letters]


@reactions.on(VoidFailed, alerts=_of_checkout, dead_letters=_their_dead_letters)
def void_failed(
    event: VoidFailed, envelope: Envelope, alerts: dict[str, Alert], dead_letters: dict[str, DeadLetter], now: datetime
) -> Emits[AlertOpened | AlertResolved | DeadLetterResolved]:
    """Opens the alert of the void, and closes that of a refund: money that is held was not captured."""
    yield from _stuck(event, envelope, alerts, dead_letters, now)


@reactions.on(RefundFailed, alerts=_of_checkout, dead_letters=_their_dead_letters)
def refund_failed(
    event: RefundFailed, envelope: Envelope, alerts: dict[str, Alert], dead_letters: dict[str, DeadLetter], now: datetime
) -> Emits[AlertOpened | AlertResolved | DeadLetterResolved]:
    """Opens the alert of the refund, and closes that of a void: captured money is no longer held."""
    yield from _stuck(event, envelope, alerts, dead_letters, now)


def _stuck(
    event: FailedCompensation,
    envelope: Envelope,
    alerts: Mapping[str, Alert],
    dead_letters: Mapping[str, DeadLetter],
    now: datetime,
) -> Iterator[AlertOpened | AlertResolved | DeadLetterResolved]:
    failure = stuck_money(event, envelope.id)
    for alert in alerts.values():
        if alert.alert_id != failure.alert_id:
            yield from _close(alert, _own(alert, dead_letters), "payment", failure.title, now)
        elif (alert.over or alert.retried or not alert.knows(failure)) and (opened := alert.report(failure, now, again=True)):
            yield opened


@reactions.on(PaymentVoided, alerts=_of_checkout, dead_letters=_their_dead_letters)
def payment_voided(
    event: PaymentVoided, alerts: dict[str, Alert], dead_letters: dict[str, DeadLetter], now: datetime
) -> Emits[AlertResolved | DeadLetterResolved]:
    """Closes the alerts of this checkout's money: none is held any more."""
    yield from _settled(event, alerts, dead_letters, "the payment was voided", now)


@reactions.on(PaymentRefunded, alerts=_of_checkout, dead_letters=_their_dead_letters)
def payment_refunded(
    event: PaymentRefunded, alerts: dict[str, Alert], dead_letters: dict[str, DeadLetter], now: datetime
) -> Emits[AlertResolved | DeadLetterResolved]:
    """Closes the alerts of this checkout's money: the customer has it back."""
    yield from _settled(event, alerts, dead_letters, "the payment was refunded", now)


def _settled(
    event: PaymentVoided | PaymentRefunded,
    alerts: Mapping[str, Alert],
    dead_letters: Mapping[str, DeadLetter],
    why: str,
    now: datetime,
) -> Iterator[AlertResolved | DeadLetterResolved]:
    for alert in alerts.values():
        yield from _close(alert, _own(alert, dead_letters), event.marked_by or "payment", event.why or why, now)


def _own(alert: Alert, dead_letters: Mapping[str, DeadLetter]) -> dict[str, DeadLetter]:
    return {i: dead_letters[i] for i in alert.dead_letters}


@reactions.on(VoidRetried, alerts=_of_checkout)
def void_retried(event: VoidRetried, alerts: dict[str, Alert], now: datetime) -> Emits[AlertAcknowledged]:
    """Records who retried the void, and acknowledges its alert."""
    yield from _acknowledge(alerts[money_alert("void", event.checkout_id)], RETRIED, event, now)


@reactions.on(RefundRetried, alerts=_of_checkout)
def refund_retried(event: RefundRetried, alerts: dict[str, Alert], now: datetime) -> Emits[AlertAcknowledged]:
    """Records who retried the refund, and acknowledges its alert."""
    yield from _acknowledge(alerts[money_alert("refund", event.checkout_id)], RETRIED, event, now)


@reactions.on(SettlementDisputed, alerts=_of_checkout)
def settlement_disputed(event: SettlementDisputed, alerts: dict[str, Alert], now: datetime) -> Emits[AlertAcknowledged]:
    """Records who claims that the money is settled. The gateway disagrees, so the alert stays."""
    for alert in alerts.values():
        yield from _acknowledge(alert, f"claims it is settled, though {event.found}", event, now)


def _acknowledge(
    alert: Alert, what: str, event: VoidRetried | RefundRetried | SettlementDisputed, now: datetime
) -> Iterator[AlertAcknowledged]:
    if not alert.over and (acknowledged := alert.acknowledge(what, event.by, event.why, now)):
        yield acknowledged
