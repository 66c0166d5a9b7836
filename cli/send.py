"""``quadrille send``: parses JSON lines into commands, and reports every fault."""

import json
from collections.abc import Iterable
from typing import Any

import pydantic_core

from shared.contract.envelope import Record, RefusedError, UnreadableError, read
from shared.contract.message import Command, Message
from shared.contract.products import CatalogEvent
from shared.contract.registry import MESSAGES
from shared.errors import QuadrilleError

SENDABLE = {kind.__name__: kind for kind in MESSAGES.values() if issubclass(kind, Command | CatalogEvent)}
"""What a client may publish: commands, and the events of the product catalogue."""


class LineError(QuadrilleError):
    """Invalid lines, each with its number and every fault."""


def parse(lines: Iterable[str]) -> list[Message]:
    """The messages of ``{"type": "AddItem", "data": {...}}`` lines; empty lines are skipped. Raises :class:`LineError`."""
    messages, faults = [], []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            messages.append(_message(line))
        except (ValueError, RefusedError, UnreadableError) as error:
            faults.append(f"line {number}: {error}")
    if faults:
        raise LineError("\n".join(faults))
    return messages


def _message(line: str) -> Message:
    envelope = _json(line)
    if not isinstance(envelope, dict) or not isinstance(envelope.get("type"), str):
        raise ValueError('not an object with "type" and "data"')
    name = envelope["type"].removeprefix("quadrille.").removesuffix(".v1")
    kind = SENDABLE.get(name)
    if kind is None:
        raise ValueError(f"{name!r} is not a command. Commands: {', '.join(sorted(SENDABLE))}")
    event = {"specversion": "1.0", "id": "-", "source": "-", **envelope, "type": kind.type_name()}
    return read(Record(kind.topic, 0, 0, None, json.dumps(event, allow_nan=False).encode(), [], 0))[1]


def _json(line: str) -> Any:
    """The value of a line, parsed as strictly as services parse commands; the file is read with ``surrogateescape``."""
    try:
        line.encode()
        pydantic_core.from_json(line, allow_inf_nan=False)
    except UnicodeEncodeError:
        raise ValueError("not UTF-8") from None
    except ValueError as error:
        raise ValueError(f"not JSON: {error}") from None
    return json.loads(line, object_pairs_hook=_without_duplicates)


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    names = [name for name, _ in pairs]
    if duplicates := sorted({name for name in names if names.count(name) > 1}):
        raise ValueError(f"duplicate field: {', '.join(duplicates)}")
    return dict(pairs)
