"""Logs: lines for people on a terminal, JSON elsewhere.

A line about a message, a cart or a payment names it by its ids (:func:`about`), and says nothing of what it holds: no
personal data, and no card number that somebody else's text may quote. So an exception is told by its type and place and
not by its text, which may quote anything; a dead letter keeps that.
"""

import json
import logging
import re
import sys
import traceback
from collections.abc import Mapping
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Final

from shared.contract.cards import without_card_numbers
from shared.runtime.observability.repeats import WithoutRepeats

_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/\-]{0,199}")
_TRACE: Final = re.compile(r"00-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}")
ExceptionInfo = tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]


Ids = Mapping[str, str | int | None]


def about(ids: Ids | None = None, **more: str | int | None) -> dict[str, Mapping[str, str | int]]:
    """What a line is about, as the ``extra`` of a log call. What does not look like an id is left out."""
    named = {**(ids or {}), **more}
    trace = _TRACE.fullmatch(str(named.pop("traceparent", "")))
    found = {name: said for name, said in named.items() if isinstance(said, int) or (said and _ID.fullmatch(said))}
    return {"about": {**found, "trace_id": trace[1]} if trace else found}


def told(error: BaseException) -> str:
    """The types of an exception and of what caused it, each with where it was raised."""
    cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    before = f"{told(cause)}\n" if cause else ""
    return f"{before}{type(error).__qualname__}\n{''.join(traceback.format_tb(error.__traceback__))}".rstrip()


class _Lines(logging.Formatter):
    """What both forms of a line have in common."""

    def formatException(self, ei: ExceptionInfo | Any) -> str:  # noqa: N802  (the library's name)
        """As :func:`told`."""
        return told(ei[1]) if ei[1] else ""


class JsonLines(_Lines):
    """One JSON object a line."""

    def __init__(self, service: str) -> None:
        super().__init__()
        self._service = service

    def format(self, record: logging.LogRecord) -> str:
        """The record as one line."""
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "service": self._service,
            "logger": record.name,
            "message": without_card_numbers(record.getMessage()),
            **getattr(record, "about", {}),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False)


class Words(_Lines):
    """Lines for people; what they are about comes last."""

    def __init__(self, service: str) -> None:
        super().__init__(f"%(asctime)s {service:<9} %(levelname)-7s %(message)s", "%H:%M:%S")

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802  (the library's name)
        """The line without its exception."""
        return without_card_numbers(super().formatMessage(record)) + in_words(getattr(record, "about", {}))


def in_words(ids: Mapping[str, object]) -> str:
    """The ids of a line, to be put after it."""
    return f" [{' '.join(f'{name}={said}' for name, said in ids.items())}]" if ids else ""


def configure(service: str, level: str) -> None:
    """Log to standard error from now on: also warnings, and what the process dies of."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(Words(service) if sys.stderr.isatty() else JsonLines(service))
    handler.addFilter(WithoutRepeats())
    logging.basicConfig(level=level, handlers=[handler], force=True)
    for noisy in ("alembic", "aiokafka", "kafka", "faust", "mode", "aiohttp.access", "urllib3", "apprise"):
        logging.getLogger(noisy).setLevel(max(logging.WARNING, logging.getLevelName(level)))
    logging.captureWarnings(True)
    sys.excepthook = _died


def _died(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, trace)
    else:
        logging.getLogger(__name__).critical("the process ends by an error", exc_info=(kind, error, trace))
