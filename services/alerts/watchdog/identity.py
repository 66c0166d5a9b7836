"""The ids of the watchdog's alerts: one per kind of condition and subject."""

import hashlib
import re
from collections.abc import Iterable
from typing import Final

BY: Final = "watchdog"
"""Who closes these alerts."""
LONGEST: Final = 100
"""Characters of a subject in the id of its alert."""
_UNFIT: Final = re.compile(r"[^A-Za-z0-9._:/\-]")


def identity(kind: str, subject: str) -> str:
    """The id of an alert. Any subject has one of its own, whatever its characters and length."""
    fitting = _UNFIT.sub("-", subject)[:LONGEST]
    if fitting != subject:
        fitting += f"-{hashlib.blake2b(subject.encode('utf-8', 'replace'), digest_size=4).hexdigest()}"
    return f"watchdog:{kind}:{fitting}"


def subjects(kind: str, identities: Iterable[str]) -> list[str]:
    """The subjects of those alerts that are of this kind."""
    start = identity(kind, "")
    return [known.removeprefix(start) for known in identities if known.startswith(start)]
