"""Card numbers: found where nobody may write one, and taken out of what others write."""

import re
from collections.abc import Iterator
from typing import Final

REDACTED: Final = "[card number]"
SHORTEST, LONGEST = 13, 19
"""Digits of a card number (ISO/IEC 7812)."""
_BETWEEN: Final = r"[\s.\-_\u2010-\u2015]?"
_DIGITS: Final = re.compile(rf"(?<!\d)\d(?:{_BETWEEN}\d){{{SHORTEST - 1},}}")
_GROUP: Final = re.compile(r"\d+")
_ACCOUNT: Final = re.compile(r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?\b")


def has_card_number(text: str) -> bool:
    """Whether a text holds what looks like a card number: 13 to 19 digits that pass the Luhn check.

    Between groups of digits there may be a space, a dash, a dot or an underscore. The number of a bank account (IBAN) is none.
    """
    return next(_found(text), None) is not None


def without_card_numbers(text: str) -> str:
    """The text with :data:`REDACTED` in place of each that it seems to hold."""
    for start, end in reversed(list(_found(text))):
        text = f"{text[:start]}{REDACTED}{text[end:]}"
    return text


def _found(text: str) -> Iterator[tuple[int, int]]:
    text = _ACCOUNT.sub(lambda found: "x" * len(found[0]) if _is_account(found[0]) else found[0], text)
    for run in _DIGITS.finditer(text):
        groups = [(group.start(), group.end()) for group in _GROUP.finditer(text, run.start(), run.end())]
        first = 0
        while first < len(groups):
            last = _last_of_number(text, groups, first)
            if last is None:
                first += 1
            else:
                yield groups[first][0], groups[last][1]
                first = last + 1


def _is_account(text: str) -> bool:
    packed = text.replace(" ", "")
    return int("".join(str(int(character, 36)) for character in packed[4:] + packed[:4])) % 97 == 1


def _last_of_number(text: str, groups: list[tuple[int, int]], first: int) -> int | None:
    """The last of the groups that together are a card number beginning with the ``first``, if they are."""
    digits = ""
    for place in range(first, len(groups)):
        start, end = groups[place]
        digits += text[start:end]
        if len(digits) > LONGEST:
            return None
        if len(digits) >= SHORTEST and int(digits[0]) and _passes_luhn(digits):
            return place
    return None


def _passes_luhn(digits: str) -> bool:
    total = 0
    for place, digit in enumerate(reversed(digits)):
        value = int(digit) * (1 + place % 2)
        total += value - 9 if value > 9 else value
    return total % 10 == 0
