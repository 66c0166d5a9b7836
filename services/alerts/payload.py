"""Renders untrusted bytes: as text where they are text, else hexadecimal."""

import json
from collections.abc import Iterator
from typing import Any, Final

from shared.contract.text import counted, is_plain

WIDTH: Final = 16
"""Bytes in a line of a dump."""
SHOWN: Final = 1_000
DUMPED: Final = 512
DECODED: Final = 4_000
"""Limits of what is shown: characters of a header, bytes and characters of a payload."""


def as_text(raw: bytes) -> str | None:
    """The bytes as text, if all of them are printable characters or line ends."""
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        return None
    return text if is_plain(text, lines=True) else None


def shown(raw: bytes | None) -> str:
    """The first :data:`SHOWN` bytes of a key or a header: text where they are text, else hexadecimal digits."""
    if raw is None:
        return "none"
    text = as_text(raw[:SHOWN])
    return f"0x{raw[: SHOWN // 2].hex()}" if text is None else text


def decoded(raw: bytes) -> str | None:
    """Indented JSON where it is JSON, else text; None where it is neither."""
    text = as_text(raw)
    if text is None:
        return None
    try:
        return json.dumps(json.loads(text), indent=2, ensure_ascii=True)
    except (ValueError, RecursionError):
        return text


def bytes_to_json(raw: bytes | None) -> dict[str, Any] | None:
    """The bytes for programs: ``text`` where they are text, else ``hex``."""
    if raw is None:
        return None
    text = as_text(raw)
    return {"hex": raw.hex()} if text is None else {"text": text}


def dump(raw: bytes, limit: int) -> Iterator[str]:
    """Lines of offset, hexadecimal digits and printable ASCII, of the first ``limit`` bytes."""
    for start in range(0, min(len(raw), limit), WIDTH):
        some = raw[start : min(start + WIDTH, limit)]
        seen = "".join(chr(byte) if 32 <= byte < 127 else "." for byte in some)
        yield f"{start:08x}  {some.hex(' '):<{3 * WIDTH - 1}}  {seen}"
    if len(raw) > limit:
        yield f"… and {counted(len(raw) - limit, 'more byte')}"
