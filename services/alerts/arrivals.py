"""Reads records of the dead-letter topic. No record, whatever is in it, makes this raise."""

import hashlib
import re
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from pydantic import ValidationError

from services.alerts.failures import MAX_QUOTE, dead_alert, stuck_money
from services.alerts.model import DeadLetterKind, Fault
from shared.contract import text as texts
from shared.contract.dead_letter import ERRORS, LOST
from shared.contract.envelope import Headers
from shared.contract.payment import FailedCompensation, RefundFailed, VoidFailed
from shared.contract.services import REDRIVABLE
from shared.contract.topics import TOPICS

READERS: Final = (*REDRIVABLE, "journal")
"""The services that report records they never read."""
_COMPENSATIONS: Final[dict[str, type[FailedCompensation]]] = {kind.type_name(): kind for kind in (VoidFailed, RefundFailed)}
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
        """The value of the first header with this name."""
        return self._first.get(name)

    @cached_property
    def _first(self) -> dict[str, bytes | None]:
        return dict(reversed(self.headers))

    def text(self, name: str) -> str:
        """A header as text, cut to :data:`MAX_QUOTE` characters. Bytes that are not UTF-8 are escaped."""
        return texts.plain(self._decoded(name), MAX_QUOTE)

    def redacted(self, name: str) -> str:
        """As :meth:`text`, without card numbers; for headers that are not ids."""
        return texts.redacted(self._decoded(name), MAX_QUOTE)

    def number(self, name: str) -> int:
        """A header as a whole number, or -1."""
        digits = self.text(name)
        return int(digits) if re.fullmatch(r"\d{1,18}", digits) else -1

    def _decoded(self, name: str) -> str:
        return (self.first(name) or b"")[: 4 * MAX_QUOTE].decode("utf-8", "backslashreplace")


@dataclass(frozen=True)
class DeadLetterArrived:
    """A record of the dead-letter topic, read. ``failed``: the compensation that failed, where it is about one."""

    fault: Fault
    failed: FailedCompensation | None

    @property
    def dead_letter_id(self) -> str:
        """The id of the dead letter."""
        return self.fault.dead_letter_id

    @property
    def failure_id(self) -> str:
        """The id of this report of a failed compensation, the same from whichever topic it is read."""
        return self.fault.message_id or self.fault.dead_letter_id

    @property
    def alert_id(self) -> str:
        """The alert it belongs to."""
        return stuck_money(self.failed, self.failure_id).alert_id if self.failed else dead_alert(self.dead_letter_id)


def read(arrival: Arrival, topic_prefix: str = "") -> DeadLetterArrived:
    """Read a record of the dead-letter topic. ``topic_prefix``: what this shop's topic names begin with."""
    fault = fault_of(arrival, topic_prefix)
    return DeadLetterArrived(fault, _compensation(arrival) if fault.kind == "compensation" else None)


def fault_of(arrival: Arrival, topic_prefix: str = "") -> Fault:
    """Say why this record is a dead letter."""
    stage = arrival.text(f"{ERRORS}stage")
    service = arrival.text(f"{ERRORS}quadrille.service")
    error, reason = arrival.redacted(f"{ERRORS}exception.class.name"), arrival.redacted(f"{ERRORS}exception.message")
    position = arrival.number(f"{ERRORS}offset")
    return Fault(
        dead_letter_id=_dead_letter_id(arrival, service, stage, position, topic_prefix),
        kind=_kind(arrival, service, stage, position),
        service=service or "unknown",
        stage=stage or "unknown",
        topic=arrival.text(f"{ERRORS}topic").removeprefix(topic_prefix),
        partition=arrival.number(f"{ERRORS}partition"),
        position=position,
        redrive_partition=arrival.partition,
        error=error or "Error",
        reason=reason or "no reason given",
        cause=_DIFFERS.sub("…", f"{error or 'Error'}: {reason or 'no reason given'}")[:MAX_QUOTE],
        message_type=arrival.text("ce_type") or None,
        message_id=arrival.text("ce_id") or None,
        checkout_id=arrival.text("ce_subject") or None,
        size=len(arrival.value or b""),
    )


def _kind(arrival: Arrival, service: str, stage: str, position: int) -> DeadLetterKind:
    """Judge only by headers that the failing service wrote, never by those the record had before."""
    if service == "payment" and stage == "compensation" and arrival.text("ce_type") in _COMPENSATIONS:
        return "compensation"
    if stage == LOST and service in READERS:
        return "lost"
    if service not in REDRIVABLE:
        return "foreign"
    return "record" if position >= 0 else "timer"


def _dead_letter_id(arrival: Arrival, service: str, stage: str, position: int, topic_prefix: str) -> str:
    """The same id for the same failed record, however often it is published or returns.

    A record with a message id is identified by that id and its content, any other by its first topic, partition and offset.
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


def _compensation(arrival: Arrival) -> FailedCompensation | None:
    """The failed compensation in the record, if it can be read."""
    try:
        return _COMPENSATIONS[arrival.text("ce_type")].model_validate_json(arrival.value or b"")
    except (KeyError, ValidationError):
        return None
