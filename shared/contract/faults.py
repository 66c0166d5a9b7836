"""Turns violations of the contract into sentences: the field, and what to change."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from pydantic import ValidationError

from shared.contract import alerts, message, values
from shared.contract.cards import without_card_numbers
from shared.contract.encodings import TWICE, explain, is_json_in_json
from shared.contract.text import counted
from shared.contract.values import Reason

MOST: Final = 50
"""Faults of one message that are told."""
LONGEST: Final = 200
"""Characters of a field's name, and of what is said of it."""
_PATTERNS: Final[Mapping[str, str]] = message.PATTERNS | values.PATTERNS | alerts.PATTERNS
_MOMENT: Final = "must be a time with a time zone, such as 2026-01-31T12:00:00Z"
_WORDS: Final[Mapping[str, str | Callable[[Any], str]]] = {
    "missing": "is missing",
    "extra_forbidden": "unknown field; remove it",
    "model_type": "must be an object",
    "dict_type": "must be an object",
    "tuple_type": "must be a list",
    "list_type": "must be a list",
    "string_type": "must be a string",
    "int_type": "must be a whole number, not in quotes",
    "int_from_float": "must be a whole number",
    "int_parsing_size": "is too large",
    "bool_type": "must be true or false",
    "datetime_type": _MOMENT,
    "datetime_parsing": _MOMENT,
    "datetime_from_date_parsing": _MOMENT,
    "timezone_aware": _MOMENT,
    "literal_error": lambda context: f"must be {context['expected']}",
    "string_too_short": lambda context: f"must have at least {counted(context['min_length'], 'character')}",
    "string_too_long": lambda context: f"must have at most {counted(context['max_length'], 'character')}",
    "too_short": lambda context: f"must have at least {counted(context['min_length'], 'entry', 'entries')}",
    "too_long": lambda context: f"must have at most {counted(context['max_length'], 'entry', 'entries')}",
    "greater_than_equal": lambda context: f"must be at least {context['ge']}",
    "less_than_equal": lambda context: f"must be at most {context['le']}",
    "string_pattern_mismatch": lambda context: _PATTERNS.get(context["pattern"], "has characters that are not allowed here"),
}


def reasons_of(error: ValidationError, body: bytes) -> tuple[Reason, ...]:
    """Every fault that pydantic found in a body, up to :data:`MOST`. None of them repeats what was written there."""
    details = error.errors(include_url=False)[:MOST]
    if details and details[0]["type"] == "json_invalid":
        return (Reason(code="json_invalid", message=explain(body, details[0]["msg"])),)
    return tuple(_reason(detail) for detail in details)


def _reason(detail: Mapping[str, Any]) -> Reason:
    where = without_card_numbers(".".join(str(part) for part in detail["loc"])[:LONGEST])
    twice = detail["type"] == "model_type" and is_json_in_json(detail["input"])
    said = TWICE if twice else sentence(detail)
    return Reason(code=detail["type"], message=said[:LONGEST], subject=where or None)


def sentence(detail: Mapping[str, Any]) -> str:
    """One of pydantic's errors, as what is to change."""
    said = _WORDS.get(detail["type"], detail["msg"])
    text = said if isinstance(said, str) else said(detail["ctx"])
    return text.replace("Input should be", "must be")
