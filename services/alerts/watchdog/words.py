"""What the watchdog says: each condition as an alert, with what to do about it."""

import hashlib
import re
import shlex
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Final

from services.alerts.model import Failure
from shared.contract.text import plain
from shared.lag.judgement import MEANING, Status
from shared.lag.model import Group, HeldBack, Place
from shared.money import EXPONENTS, display
from shared.progress import Waiting
from shared.runtime.kafka.lost import LostRecords

BY: Final = "watchdog"
"""Who closes what is over."""
STUCK: Final = "stuck"
MANY_STUCK: Final = "many_stuck"
OPERATION: Final = "operation_nearly_given_up"
HOLD: Final = "hold_nearly_lapsed"
GROUP: Final = "group"
OUTBOX: Final = "outbox"
SET_ASIDE: Final = "set_aside"
REFUSES: Final = "topic_refuses"
HELD_BACK: Final = "held_back"
LOST: Final = "records_lost"
TOPIC: Final = "topic_altered"
SERVICE: Final = "service"
UNREADY: Final = "service_not_ready"
OUTAGE: Final = "outage"
MONEY_WRONG: Final = "money_wrong"
AUDIT_OVERDUE: Final = "audit_overdue"
TARGET: Final = "alert_target"
LONGEST: Final = 100
"""Characters of a subject in the name of its alert."""
_UNFIT: Final = re.compile(r"[^A-Za-z0-9._:/\-]")


def identity(kind: str, subject: str) -> str:
    """What an alert of the watchdog is known by: one for each kind and subject, whatever that is called."""
    fitting = _UNFIT.sub("-", subject)[:LONGEST]
    if fitting != subject:
        fitting += f"-{hashlib.blake2b(subject.encode('utf-8', 'replace'), digest_size=4).hexdigest()}"
    return f"watchdog:{kind}:{fitting}"


def subjects(kind: str, identities: Iterable[str]) -> list[str]:
    """The subjects of those alerts that are of this kind."""
    start = identity(kind, "")
    return [known.removeprefix(start) for known in identities if known.startswith(start)]


def _lasting(
    condition: str, subject: str, at: float, *, title: str, text: str, service: str, kind: str | None = None
) -> Failure:
    """A condition that lasts and concerns no single checkout; each time it begins (``at``) is an occurrence of its alert.

    ``kind``: of the alert, where it is not that of the condition.
    """
    alert_id = identity(condition, subject)
    return Failure(
        alert_id=alert_id,
        occurrence=f"{alert_id}:{at:.3f}",
        kind=kind or condition,
        severity="critical",
        title=title,
        text=text,
        service=service,
        checkout_id=None,
    )


def stuck(checkout_id: str, waiting: Waiting[datetime], now: datetime, *, quiet: bool = False) -> Failure:
    """A checkout that does not move; one whose order stands (step 9) keeps no customer waiting."""
    step = waiting.step
    seconds = (now - waiting.since).total_seconds()
    cleanup = step.number == 9
    return Failure(
        alert_id=identity(STUCK, checkout_id),
        occurrence=f"{identity(STUCK, checkout_id)}:{step.name}:{waiting.since.isoformat()}",
        kind="cleanup_failing" if cleanup else STUCK,
        severity="warning" if cleanup else "critical",
        title=f"Checkout {checkout_id} waits for {step.what} since {seconds:.0f} s",
        text=f"{'The order stands; its cleanup keeps failing. ' if cleanup else ''}{_ask(step.who)}"
        f" `quadrille trace {shlex.quote(checkout_id)}` tells the whole story.",
        service=step.who,
        checkout_id=checkout_id,
        quiet=quiet,
    )


def _ask(who: str) -> str:
    if who == "customer":
        return "The session should have lapsed by now: is cart running (`quadrille status`)?"
    return (
        f"Is {who} running (`quadrille status`), does it keep up (`quadrille lag --group '*quadrille.{who}'`),"
        f" and has it dead letters (`quadrille dlq list --service {who}`)?"
    )


def many_stuck(count: int, told: int, since: datetime) -> Failure:
    """So many checkouts do not move that nobody wants to hear of each."""
    return Failure(
        alert_id=identity(MANY_STUCK, "all"),
        occurrence=f"{identity(MANY_STUCK, 'all')}:{since.isoformat()}",
        kind=MANY_STUCK,
        severity="critical",
        title=f"{count} checkouts do not move; notifications of more than {told} are held back",
        text="Look for one cause: a service that is down or does not keep up, Kafka, a database, the gateway"
        " (`quadrille status`, `quadrille lag`). Each checkout has an alert of its own, which closes when it moves.",
        service="alerts",
        checkout_id=None,
    )


def group_behind(group: Group, status: Status, at: float) -> Failure:
    """A consumer group that does not get on."""
    advice = (
        "start it" if status is Status.STOP else "its log and its database tell what it waits for; restart it if they do not"
    )
    return _lasting(
        GROUP,
        group.name,
        at,
        title=f"{group.name}: {MEANING[status]} ({status}), {group.lag} records behind, the oldest for {group.age:.0f} s",
        text=f"The service of this group makes no progress: {advice}. `quadrille lag --group {group.name}` shows which"
        f" partitions wait, `quadrille status` how the services are.",
        service=_service(group.name),
        kind=f"group_{status.lower()}",
    )


def _service(group: str) -> str:
    return plain(group.partition("quadrille.")[2].partition(".")[0] or group, LONGEST)


def topic_altered(name: str, sentences: Sequence[str], at: float) -> Failure:
    """A topic for which a service would refuse to start: somebody altered it while services run."""
    return _lasting(
        TOPIC,
        name,
        at,
        title=f"The topic {name} may lose messages, and services that use it no longer start",
        text=f"{'; '.join(sentences)}. Services that run go on. Alter the topic back, or set QUADRILLE_PARTITIONS to what is"
        " there; `quadrille topics check` says all.",
        service="alerts",
    )


def dead_letters_lost(lost: LostRecords) -> Failure:
    """Dead letters that alerts never read: nobody was told of these failures."""
    name = identity(LOST, f"{lost.topic}/{lost.partition}/{lost.first}")
    return Failure(
        alert_id=name,
        occurrence=f"{name}:{lost.until}",
        kind=LOST,
        severity="critical",
        title=lost.sentence,
        text="They were dead letters: failures, some of money, that nobody was told of. `quadrille audit` shows what no longer"
        " fits. Alerts must not be down for longer than the topic keeps records (`quadrille topics check`).",
        service="alerts",
        checkout_id=None,
    )


def held_back(name: str, place: Place, back: HeldBack, reader: str | None) -> Failure:
    """A partition in which nobody gets past the first record of an open transaction. ``name``: topic and partition."""
    transaction = back.transaction
    who = "no broker says whose transaction it is"
    if transaction:
        who = f"it is the transaction of producer {transaction.producer_id}"
        if transaction.transactional_id is not None:
            who += f", transactional id {plain(transaction.transactional_id, LONGEST)!r}"
        if transaction.started_at is not None:
            who += f", open since {datetime.fromtimestamp(transaction.started_at, UTC):%H:%M:%S} UTC"
        if transaction.timeout is not None:
            who += f"; the broker ends it after {transaction.timeout:g} s without news of it"
    return Failure(
        alert_id=identity(HELD_BACK, name),
        occurrence=f"{identity(HELD_BACK, name)}:{back.first_offset}",
        kind=HELD_BACK,
        severity="critical",
        title=f"An open transaction holds {name} back: {back.records} records wait behind offset {back.first_offset}",
        text=f"Nobody reads them before it ends; {who}. Stop or mend that producer. To end the transaction now:"
        f" `kafka-transactions.sh --bootstrap-server ... abort --topic {place[0]} --partition {place[1]}"
        f" --start-offset {back.first_offset}`. `quadrille topics check` shows how long brokers let one stay open.",
        service=reader or "alerts",
        checkout_id=None,
    )


def outbox_grows(service: str, depth: float, age: float, at: float) -> Failure:
    """Events that are committed and do not reach Kafka."""
    return _lasting(
        OUTBOX,
        service,
        at,
        title=f"{service} does not publish: {depth:.0f} records wait in its outbox, the oldest for {age:.0f} s",
        text="Nothing is lost, but no other service hears of it. Can the service reach Kafka? Its log says what happens"
        " when it publishes; `quadrille status` how it is.",
        service=service,
        kind="outbox_grows",
    )


def set_aside(service: str, count: float, at: float) -> Failure:
    """Records no broker takes: they are passed over, and will never be sent."""
    return _lasting(
        SET_ASIDE,
        service,
        at,
        title=f"{service} has committed {_counted(int(count), 'record')} that the broker refuses",
        text="They are set aside in its table outbox, with why; what stands behind them goes on, and who waits for them"
        " waits in vain. Mend what refuses them, most likely a limit of the topic or the broker, then let them go:"
        " UPDATE outbox SET set_aside = NULL.",
        service=service,
    )


def topic_refuses(service: str, topics: Sequence[str], at: float) -> Failure:
    """Topics that take no record of a service; its other topics are published."""
    named = ", ".join(topics)
    return _lasting(
        REFUSES,
        service,
        at,
        title=f"Kafka refuses what {service} writes to {named}",
        text=f"Its records wait in the outbox in their order; other topics are published. The log of {service} names the error."
        " Is the service allowed to write there, does the topic exist, and has it enough replicas in sync"
        " (`quadrille topics check`)? The records are sent as soon as the topic takes them.",
        service=service,
    )


def service_down(service: str, address: str, why: str, at: float) -> Failure:
    """A service that does not answer."""
    return _lasting(
        SERVICE,
        service,
        at,
        title=f"{service} does not answer at {address}",
        text=f"It says nothing of itself: {why}. Start it, or correct QUADRILLE_WATCHED_SERVICES where it moved.",
        service=service,
        kind="service_down",
    )


def service_not_ready(service: str, trouble: str | None, at: float) -> Failure:
    """A service that answers, and says that it cannot work."""
    return _lasting(
        UNREADY,
        service,
        at,
        title=f"{service} is not ready: {trouble}",
        text="It answers, but does no work until it has what it needs; it goes on by itself then. Its log says what it tries"
        " (`quadrille status` shows every process).",
        service=service,
        kind="service_not_ready",
    )


def money_wrong(auditor: str, violations: int, at: float) -> Failure:
    """The gateway's ledger says otherwise than our books."""
    return _lasting(
        MONEY_WRONG,
        auditor,
        at,
        title=f"The audit of the money found {_counted(violations, 'violation')}",
        text="The gateway holds or kept other amounts than the orders say, and no alert of these checkouts is open."
        " `quadrille audit` names each checkout and what is wrong with it; `quadrille trace` tells its story. This closes"
        " when an audit finds nothing.",
        service="payment",
    )


def audit_overdue(auditor: str, finished: float, at: float) -> Failure:
    """Nobody compares the money with the gateway's ledger any more."""
    last = datetime.fromtimestamp(finished, UTC).isoformat(timespec="seconds") if finished else "never"
    return _lasting(
        AUDIT_OVERDUE,
        auditor,
        at,
        title=f"The money has not been audited in time (last: {last})",
        text="The program audit compares it with the gateway's ledger every QUADRILLE_AUDIT_SECONDS. Its log and its /readyz"
        " say what stands in its way; `quadrille audit` does it now.",
        service=auditor,
    )


def kafka_away(why: str, at: float) -> Failure:
    """No broker answers."""
    return _lasting(
        OUTAGE,
        "kafka",
        at,
        title=f"Kafka does not answer: {why}",
        text="No checkout moves until it does. Nothing is lost: what is committed waits in the outboxes, and all services go"
        " on by themselves. Are the brokers of QUADRILLE_KAFKA_BOOTSTRAP_SERVERS running, and can they be reached?"
        " Commands of people (`quadrille alerts ack`, `dlq redrive`, `payments`) travel on Kafka and have to wait, too.",
        service="kafka",
        kind="kafka_away",
    )


def database_away(why: str, at: float) -> Failure:
    """The database of alerts does not answer."""
    return _lasting(
        OUTAGE,
        "database",
        at,
        title=f"The database of alerts does not answer: {why}",
        text="Alerts can be neither kept nor listed until it does. What the watchdog sees meanwhile is told directly; dead"
        " letters and failed voids and refunds wait in Kafka. Is PostgreSQL running, and can"
        " QUADRILLE_ALERTS_DATABASE_URL be reached? Other services may have lost theirs as well: `quadrille status`.",
        service="alerts",
        kind="database_away",
    )


def target_failing(name: str, label: str, why: str, at: float) -> Failure:
    """A target of notifications that takes none."""
    return _lasting(
        TARGET,
        name,
        at,
        title=f"Alert target {label} takes no notifications",
        text=f"Its last answer: {why}. The other targets are told as ever; this one is tried again every minute and is told"
        " then of all that is still open. Correct its address in QUADRILLE_ALERT_TARGETS where it has changed.",
        service="alerts",
        kind="alert_target_failing",
    )


def operation_nearly_given_up(checkout_id: str, event_id: str, facts: Mapping[str, object]) -> Failure:
    """A request to the gateway that keeps failing (the event ``OperationNearlyGivenUp``)."""
    what = facts.get("operation", "operation")
    return Failure(
        alert_id=identity(OPERATION, checkout_id),
        occurrence=f"event:{event_id}",
        kind=OPERATION,
        severity="critical" if what in ("void", "refund") else "warning",
        title=f"The {what} of checkout {checkout_id} ({_amount(facts)}) keeps failing: {_left(facts)}",
        text=f"The gateway says: {facts.get('reason') or 'nothing'} ({facts.get('code')}). Is it available? The next attempt"
        f" is at {facts.get('next_attempt_at')}; after the last one {_consequence(what)}.",
        service="payment",
        checkout_id=checkout_id,
    )


FEW: Final = 2
"""Attempts that are left of those that are counted; of more, the time counts."""


def _left(facts: Mapping[str, object]) -> str:
    """What is left for an operation: attempts, where few of those that are counted are, or else time."""
    allowed, attempts, until = facts.get("allowed"), facts.get("attempts"), facts.get("gives_up_at")
    if not (isinstance(allowed, int) and isinstance(attempts, int)):
        return "few attempts left"
    if until and allowed - attempts > FEW:
        return f"it is tried until {until}"
    return f"{_counted(allowed - attempts, 'attempt')} left"


def _consequence(operation: object) -> str:
    if operation == "authorize":
        return "the customer is told that the payment could not be made"
    if operation == "capture":
        return "the order is cancelled and the hold released"
    return "the money needs a person"


def hold_nearly_lapsed(checkout_id: str, event_id: str, facts: Mapping[str, object]) -> Failure:
    """Money that is held and neither captured nor released (the event ``HoldNearlyLapsed``)."""
    return Failure(
        alert_id=identity(HOLD, checkout_id),
        occurrence=f"event:{event_id}",
        kind=HOLD,
        severity="critical",
        title=f"{_amount(facts)} of checkout {checkout_id} are held since {facts.get('held_since')}, and the hold will lapse",
        text=f"No order came of it and nobody released it. `quadrille trace {shlex.quote(checkout_id)}` tells what it waits"
        f" for; once the order is made or cancelled (CancelOrder), the money is captured or released by itself.",
        service="payment",
        checkout_id=checkout_id,
    )


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def _amount(facts: Mapping[str, object]) -> str:
    amount, currency = facts.get("amount"), facts.get("currency")
    if isinstance(amount, int) and isinstance(currency, str) and currency in EXPONENTS:
        return display(amount, currency)
    return "money"
