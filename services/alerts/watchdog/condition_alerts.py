"""Alerts about lasting conditions of services, Kafka, databases and targets: titles and texts.

``at``: seconds since 1970 when the condition was found; each time it begins is an occurrence of its alert.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

from services.alerts.model import Failure
from services.alerts.watchdog.identity import LONGEST, identity
from shared.contract.text import counted, plain
from shared.lag.judgement import Status
from shared.lag.model import Group, HeldBack, Place
from shared.runtime.kafka.lost import LostRecords

GROUP: Final = "group"
OUTBOX: Final = "outbox"
QUARANTINED: Final = "quarantined"
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
_UNWATCHED: Final = {"journal": " Checkouts are not watched meanwhile: no alert opens for one that gets stuck."}
"""What else an operator has to know while a service does not work."""


def _condition(
    condition: str, subject: str, occurrence: float, title: str, text: str, service: str, kind: str | None = None
) -> Failure:
    """``occurrence``: differs each time the condition begins. ``kind``: of the alert, if it is not that of the condition."""
    alert_id = identity(condition, subject)
    return Failure(
        alert_id=alert_id,
        occurrence=f"{alert_id}:{round(occurrence, 3)}",
        kind=kind or condition,
        severity="critical",
        title=title,
        text=text,
        service=service,
    )


def group_stalled(group: Group, status: Status, at: float) -> Failure:
    """A consumer group makes no progress."""
    stopped = status is Status.STOP
    advice = "Start it." if stopped else "Check its log and its database; if they show nothing, restart it."
    return _condition(
        GROUP,
        group.name,
        at,
        f"{group.name} makes no progress ({status}): {counted(group.lag, 'record')} behind, the oldest for {group.age:.0f} s",
        f"The service of this group processes nothing. {advice} `quadrille lag --group {group.name}` shows its partitions,"
        " `quadrille status` every process.",
        plain(group.name.partition("quadrille.")[2].partition(".")[0] or group.name, LONGEST),
        kind=f"group_{status.lower()}",
    )


def topic_altered(name: str, sentences: Sequence[str], at: float) -> Failure:
    """A topic was altered, so that its services would refuse to start."""
    return _condition(
        TOPIC,
        name,
        at,
        f"Topic {name} may lose messages, and its services refuse to start",
        f"{'; '.join(sentences)}. Running services continue. Change the topic back, or set QUADRILLE_PARTITIONS to its"
        " number of partitions. Details: `quadrille topics check`.",
        "alerts",
    )


def dead_letters_lost(lost: LostRecords) -> Failure:
    """Dead letters were deleted before alerts read them."""
    return _condition(
        LOST,
        f"{lost.topic}/{lost.partition}/{lost.first}",
        lost.until,
        lost.sentence,
        "These were dead letters: failures, some of payments, that nobody was notified of. `quadrille audit` shows what no"
        " longer fits. Keep downtime of alerts shorter than the retention of the topic (`quadrille topics check`).",
        "alerts",
    )


def held_back(name: str, place: Place, back: HeldBack, reader: str | None) -> Failure:
    """An open transaction blocks the consumers of a partition. ``name``: topic and partition."""
    transaction = back.transaction
    who = "The brokers do not say whose it is"
    if transaction:
        who = f"The transaction belongs to producer {transaction.producer_id}"
        if transaction.transactional_id is not None:
            who += f", transactional id {plain(transaction.transactional_id, LONGEST)!r}"
        if transaction.started_at is not None:
            who += f", open since {datetime.fromtimestamp(transaction.started_at, UTC):%H:%M:%S} UTC"
        if transaction.timeout is not None:
            who += f"; the broker aborts it after {transaction.timeout:g} s without progress"
    waiting = counted(back.records, "record waits", "records wait")
    return _condition(
        HELD_BACK,
        name,
        back.first_offset,
        f"An open transaction blocks {name}: {waiting} behind offset {back.first_offset}",
        f"Consumers cannot read on until it ends. {who}. Stop or fix that producer. To abort it now:"
        f" `kafka-transactions.sh --bootstrap-server ... abort --topic {place[0]} --partition {place[1]}"
        f" --start-offset {back.first_offset}`. `quadrille topics check` shows how long brokers leave a transaction open.",
        reader or "alerts",
    )


def outbox_grows(service: str, depth: float, age: float, at: float) -> Failure:
    """Committed events do not reach Kafka."""
    waiting = counted(round(depth), "record waits", "records wait")
    return _condition(
        OUTBOX,
        service,
        at,
        f"{service} does not publish: {waiting} in its outbox, the oldest for {age:.0f} s",
        "Nothing is lost, but other services do not receive its events. Check that the service reaches Kafka: its log has"
        " the error, and `quadrille status` shows its state.",
        service,
        kind="outbox_grows",
    )


def outbox_quarantined(service: str, count: float, at: float) -> Failure:
    """Brokers reject committed records, so they are quarantined in the outbox and never sent."""
    return _condition(
        QUARANTINED,
        service,
        at,
        f"Kafka rejects {counted(round(count), 'committed record')} of {service}",
        "They stay in its outbox; the column quarantined has the reason. Other records are published, but consumers never"
        " receive these. Fix the cause, most likely a size limit of the topic or the broker, then"
        " release them: UPDATE outbox SET quarantined = NULL.",
        service,
    )


def topic_refuses(service: str, topics: Sequence[str], at: float) -> Failure:
    """Topics accept no record of a service; its other topics are published."""
    return _condition(
        REFUSES,
        service,
        at,
        f"{service} cannot write to {', '.join(topics)}",
        f"The records wait in its outbox, in order; other topics are published. The log of {service} has the error. Check that"
        " the service may write to the topic, that the topic exists, and that enough replicas are in sync"
        " (`quadrille topics check`). The records are sent once the topic accepts them.",
        service,
    )


def service_down(service: str, address: str, why: str, at: float) -> Failure:
    """A service does not answer."""
    return _condition(
        SERVICE,
        service,
        at,
        f"{service} does not answer at {address}",
        f"Error: {why}. Start it, or correct QUADRILLE_WATCHED_SERVICES if it moved.{_UNWATCHED.get(service, '')}",
        service,
        kind="service_down",
    )


def service_not_ready(service: str, trouble: str, at: float) -> Failure:
    """A service answers that it cannot work."""
    return _condition(
        UNREADY,
        service,
        at,
        f"{service} is not ready: {trouble}",
        "It answers, but does no work until its dependencies are back; then it resumes on its own. Its log has the details,"
        f" and `quadrille status` shows every process.{_UNWATCHED.get(service, '')}",
        service,
    )


def money_wrong(auditor: str, violations: int, at: float) -> Failure:
    """The gateway's ledger and our books disagree."""
    return _condition(
        MONEY_WRONG,
        auditor,
        at,
        f"The money audit found {counted(violations, 'violation')}",
        "The gateway holds or kept other amounts than the orders say, and these checkouts have no open alert."
        " `quadrille audit` lists each checkout and what is wrong; `quadrille trace` shows its history. This closes when an"
        " audit finds nothing.",
        "payment",
    )


def audit_overdue(auditor: str, finished: float, at: float) -> Failure:
    """The money was not compared with the gateway's ledger in time. ``finished``: when it last was, 0 for never."""
    last = datetime.fromtimestamp(finished, UTC).isoformat(timespec="seconds") if finished else "never"
    return _condition(
        AUDIT_OVERDUE,
        auditor,
        at,
        f"The money audit is overdue (last: {last})",
        "The process audit compares the money with the gateway's ledger every QUADRILLE_AUDIT_SECONDS. Its log and /readyz say"
        " why it did not. To audit now: `quadrille audit`.",
        auditor,
    )


def kafka_away(why: str, at: float) -> Failure:
    """No broker answers."""
    return _condition(
        OUTAGE,
        "kafka",
        at,
        f"Kafka does not answer: {why}",
        "No checkout moves until it does. Nothing is lost: committed events wait in the outboxes, and all services resume on"
        " their own. Check that the brokers of QUADRILLE_KAFKA_BOOTSTRAP_SERVERS run and can be reached. Staff commands"
        " (`quadrille alerts ack`, `dlq redrive`, `payments`) go through Kafka and have to wait, too.",
        "kafka",
        kind="kafka_away",
    )


def database_away(why: str, at: float) -> Failure:
    """The database of alerts does not answer."""
    return _condition(
        OUTAGE,
        "database",
        at,
        f"The database of alerts does not answer: {why}",
        "Alerts can be neither saved nor listed until it does. Meanwhile the watchdog sends notifications directly; dead"
        " letters and failed voids and refunds wait in Kafka. Check that PostgreSQL runs and that"
        " QUADRILLE_ALERTS_DATABASE_URL can be reached. Other services may have lost their databases as well:"
        " `quadrille status`.",
        "alerts",
        kind="database_away",
    )


def target_failing(name: str, label: str, why: str, at: float) -> Failure:
    """A target accepts no notifications."""
    return _condition(
        TARGET,
        name,
        at,
        f"Alert target {label} accepts no notifications",
        f"Last error: {why}. The other targets are notified as usual. This one is retried every minute, and then receives"
        " all alerts that are still open. If its address changed, correct QUADRILLE_ALERT_TARGETS.",
        "alerts",
        kind="alert_target_failing",
    )
