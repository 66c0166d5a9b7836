"""Text that came from elsewhere: what may be taken, what can be kept, and what may be shown."""

import re
from typing import Final

from shared.contract.cards import without_card_numbers

_SHOWN: Final = "\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff"
_NOT_KEPT: Final = re.compile("[\x00\ud800-\udfff]")
_NOT_TAKEN: Final = re.compile("[\x00-\x1f\x7f-\x9f\u202d\u202e\ud800-\udfff]")
_AHEAD: Final = 4
"""A text is looked at for so many times its limit: nothing shrinks by more when card numbers are taken out."""
_NOT_SHOWN: Final = re.compile(f"[{_SHOWN}]")
_NOT_SHOWN_IN_LINES: Final = re.compile(f"(?![\t\n\r])[{_SHOWN}]")


def not_taken(text: str) -> str | None:
    """What is wrong with a text from a client, if anything.

    Every script and every space is taken. Control characters, lone surrogates and bidirectional overrides are not: a
    database cannot keep the first two, and the last show a text as another than it is.
    """
    return _said(_NOT_TAKEN.search(text))


def not_kept(text: str) -> str | None:
    """Why a text cannot be kept at all, if so: PostgreSQL has no NUL, and UTF-8 no lone surrogates."""
    return _said(_NOT_KEPT.search(text))


def _said(found: re.Match[str] | None) -> str | None:
    if found is None:
        return None
    what = "a control character"
    if "\u202d" <= found[0] <= "\u202e":
        what = "a bidirectional override"
    elif found[0] >= "\ud800":
        what = "a lone surrogate"
    return f"has {what}, U+{ord(found[0]):04X}, at position {found.start() + 1}; remove it"


def is_plain(text: str, *, lines: bool = False) -> bool:
    """Whether a text can be shown as it is, by a terminal as well. ``lines``: line ends and tabs are fine."""
    return not (_NOT_SHOWN_IN_LINES if lines else _NOT_SHOWN).search(text)


def plain(text: str, limit: int | None = None) -> str:
    """No more characters than ``limit``, and a question mark in a diamond for each that must not be shown.

    These are control characters (NUL, escapes), line ends, lone surrogates, and what changes the direction of others.
    """
    return _NOT_SHOWN.sub("�", text[:limit])


def redacted(text: str, limit: int) -> str:
    """A text from outside as it may be kept and shown: :func:`plain`, and without card numbers.

    They are taken out before the text is cut, which could leave most digits of one.
    """
    return plain(without_card_numbers(text[: _AHEAD * limit]), limit)


def counted(number: int, noun: str, plural: str | None = None) -> str:
    """A number with its noun: ``1 record``, ``2 records``. ``plural``: where it is not the noun with an s."""
    return f"{number} {noun if number == 1 else plural or noun + 's'}"
