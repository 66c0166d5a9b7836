"""The form of a redrive: a dead letter's record, sent once more to the service that failed.

Key, value and headers are as they first came. Headers of our own, put beside them, say where the record first stood,
so that its reader takes it as a record of that topic. They are gone again when it fails again: nothing piles up.
"""

import re
from dataclasses import replace
from typing import Final

from shared.contract.envelope import MAX_ATTRIBUTE, Headers, Record, Redriven
from shared.contract.services import REDRIVABLE
from shared.contract.text import not_taken
from shared.contract.topics import redrive_topic

PREFIX: Final = "__quadrille.redrive."
TRACES: Final = ("traceparent", "tracestate")
_TOPICS: Final = frozenset(redrive_topic(service) for service in REDRIVABLE)
_DEAD_LETTER: Final = re.compile("[0-9a-f]{16}")


def wrap(
    headers: Headers, *, dead_letter_id: str, command_id: str, place: tuple[str, int, int], traceparent: str | None = None
) -> list[tuple[str, bytes | None]]:
    """The headers of a redrive. ``place``: topic, partition and offset where the record first stood.

    A trace in the headers is replaced by the one of the redrive: readers take the first they find.
    """
    kept = [(name, value) for name, value in headers if name not in TRACES and not name.startswith(PREFIX)]
    topic, partition, offset = place
    ours = {"dead_letter": dead_letter_id, "command": command_id, "topic": topic, "partition": partition, "offset": offset}
    kept += [(PREFIX + name, str(value).encode()) for name, value in ours.items()]
    if traceparent:
        kept.append(("traceparent", traceparent.encode()))
    return kept


def unwrap(record: Record) -> Record:
    """A redrive as the record it is of; any other record, and a redrive that does not say, as it is."""
    if record.topic not in _TOPICS:
        return record
    said = {name[len(PREFIX) :]: value or b"" for name, value in reversed(record.headers) if name.startswith(PREFIX)}
    try:
        dead_letter_id, command_id = said["dead_letter"].decode(), said["command"].decode()
        topic, partition, offset = said["topic"].decode(), int(said["partition"]), int(said["offset"])
    except (KeyError, ValueError):
        return record
    if not _DEAD_LETTER.fullmatch(dead_letter_id) or not_taken(command_id) or not 0 < len(command_id) <= MAX_ATTRIBUTE:
        return record
    return replace(
        record,
        topic=topic,
        partition=partition,
        offset=offset,
        headers=[(name, value) for name, value in record.headers if not name.startswith(PREFIX)],
        redriven=Redriven(dead_letter_id, command_id, record.topic, record.offset),
    )
